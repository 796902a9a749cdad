"""Look-up of decisions as a gateway replica uses it: the log first, then the table.

The table's libraries take some 70 MiB of memory, so they are loaded when a decision is first asked of the table.
"""

import threading
from pathlib import Path

from actors.spans.adapters.reader import WalReader
from actors.spans.config import SpansConfig
from actors.spans.lookup import DecisionLookup, DecisionSource


class ArchivedDecisions:
    """The spans table as a source of decisions, opened at the first question; one question at a time."""

    def __init__(self, path: Path, checkpoint_commits: int) -> None:
        self._path = path
        self._checkpoint_commits = checkpoint_commits
        self._table: DecisionSource | None = None
        self._lock = threading.Lock()

    def find(self, decision_id: str) -> bytes | None:
        """Return the envelope's canonical bytes, or ``None`` if the table does not hold the decision."""
        with self._lock:
            if self._table is None:
                from actors.spans.adapters.table import SpanTable

                self._table = SpanTable(self._path, self._checkpoint_commits)
            return self._table.find(decision_id)


def open_lookup(home: Path, config: SpansConfig) -> DecisionLookup:
    """Look decisions up in ``home/wal``, then in ``home/spans``. Blocks on disks: call ``find`` from a thread."""
    return DecisionLookup(
        [
            WalReader(home / "wal", config.lookup_max_bytes),
            ArchivedDecisions(home / "spans", config.table_checkpoint_commits),
        ]
    )
