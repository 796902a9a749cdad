"""Look-up of decisions as a gateway replica uses it: the log first, then the table; and their proofs, from table and log.

The table's libraries take some 70 MiB of memory, so they are loaded when a decision is first asked of the table.
"""

import threading
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from actors.base.canonical import canonical_json, decode
from actors.spans.adapters.log import LogFiles
from actors.spans.adapters.reader import WalReader
from actors.spans.config import SpansConfig
from actors.spans.lookup import DecisionLookup
from actors.spans.proof import Checkpoint
from actors.spans.record import read_envelope

if TYPE_CHECKING:
    from actors.spans.adapters.table import SpanTable


class ArchivedDecisions:
    """The spans table and its log as a source of decisions, opened at the first question; one question at a time."""

    def __init__(self, home: Path, checkpoint_commits: int) -> None:
        self._path = home / "spans"
        self._log = LogFiles(home / "log")
        self._checkpoint_commits = checkpoint_commits
        self._opened: SpanTable | None = None
        self._lock = threading.Lock()

    def find(self, decision_id: str) -> bytes | None:
        """Return the envelope's canonical bytes, or ``None`` if the table does not hold the decision."""
        with self._lock:
            return self._table().find(decision_id)

    def prove(self, data: bytes) -> bytes:
        """Return an envelope with the proof that its record is in the log; as it is while its row is not sealed.

        Raises ``StorageUnavailable`` or ``IntegrityError`` if table or log cannot be read.
        """
        with self._lock:
            return self._prove(data)

    def _prove(self, data: bytes) -> bytes:
        from actors.spans.batch import proof_of

        envelope = read_envelope(data)
        writer = envelope.read().writer
        signed, index = self._log.checkpoint(), self._table().batch_of(writer.id, writer.seq)
        if signed is None or index is None:
            return data
        size = decode(signed.payload_bytes, Checkpoint, "checkpoint").size
        if index >= size:
            return data
        (manifest,) = self._log.leaves(index, index + 1)
        (batch,) = self._table().batches(index, index)
        proof = proof_of(batch, writer.seq, manifest, self._log.path_of(index, size), signed)
        return canonical_json(msgspec.structs.replace(envelope, proof=proof))

    def _table(self) -> "SpanTable":
        if self._opened is None:
            from actors.spans.adapters.table import SpanTable

            self._opened = SpanTable(self._path, self._checkpoint_commits)
        return self._opened


def open_lookup(home: Path, config: SpansConfig) -> tuple[DecisionLookup, ArchivedDecisions]:
    """Look decisions up in ``home/wal``, then in ``home/spans``; the latter proves them too.

    Both block on disks: call them from a thread.
    """
    archive = ArchivedDecisions(home, config.table_checkpoint_commits)
    return DecisionLookup([WalReader(home / "wal", config.lookup_max_bytes), archive]), archive
