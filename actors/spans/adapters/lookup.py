"""Look-up of decisions as a gateway replica uses it: the log first, then the table; and their proofs, from table and log.

The table's libraries take some 70 MiB of memory, so they are loaded when a decision is first asked of the table.
"""

import threading
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from actors.base.canonical import canonical_json, decode
from actors.base.certificates import TrustBundle
from actors.base.errors import IntegrityError
from actors.spans.adapters.log import LogFiles
from actors.spans.adapters.reader import WalReader
from actors.spans.config import SpansConfig
from actors.spans.lookup import DecisionLookup
from actors.spans.proof import Checkpoint, check_inclusion
from actors.spans.record import read_envelope

if TYPE_CHECKING:
    from actors.spans.adapters.table import SpanTable


class ArchivedDecisions:
    """The spans table and its log as a source of decisions, opened at the first question; one question at a time."""

    def __init__(self, home: Path, checkpoint_commits: int, trust: Callable[[], TrustBundle]) -> None:
        """``trust`` tells whose word is believed now."""
        self._trust = trust
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

        A proof is checked like anyone would before it is given. Raises ``StorageUnavailable`` or ``IntegrityError`` if table
        or log cannot be read, or do not come to a proof.
        """
        with self._lock:
            return self._prove(data)

    def _prove(self, data: bytes) -> bytes:
        from actors.spans.batch import proof_of

        envelope = read_envelope(data)
        record = envelope.read()
        writer = record.writer
        signed = self._log.checkpoint()
        index = None if signed is None else self._table().batch_of(writer.id, writer.seq, record.id)
        if signed is None or index is None:
            return data
        size = decode(signed.payload_bytes, Checkpoint, "checkpoint").size
        if index >= size:
            return data
        (manifest,) = self._log.leaves(index, index + 1)
        batches = self._table().batches(index, index)
        if not batches:
            raise IntegrityError(f"batch {index} is not in the table", "inclusion")
        proof = proof_of(batches[0], writer.seq, manifest, self._log.path_of(index, size), signed)
        check_inclusion(proof, writer.id, writer.seq, envelope.as_logged, self._trust())
        return canonical_json(msgspec.structs.replace(envelope, proof=proof))

    def _table(self) -> "SpanTable":
        if self._opened is None:
            from actors.spans.adapters.table import SpanTable

            self._opened = SpanTable(self._path, self._checkpoint_commits)
        return self._opened


def open_lookup(
    home: Path, config: SpansConfig, trust: Callable[[], TrustBundle]
) -> tuple[DecisionLookup, ArchivedDecisions]:
    """Look decisions up in ``home/wal``, then in ``home/spans``; the latter proves them too.

    Both block on disks: call them from a thread.
    """
    archive = ArchivedDecisions(home, config.table_checkpoint_commits, trust)
    return DecisionLookup([WalReader(home / "wal", config.lookup_max_bytes), archive]), archive
