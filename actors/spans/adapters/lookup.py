"""Look-up of decisions as a gateway replica uses it: the log first, then the table; and their proofs, from table and log.

The table's libraries take some 70 MiB of memory, so they are loaded when a decision is first asked of the table. A proof takes
the digests of all rows of its batch: those of the last few batches are kept, for decisions that are asked for together lie
together. The row itself is read from the table each time, so a row that was changed since gets no proof.
"""

import threading
import time
from collections import OrderedDict
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from actors.base.canonical import canonical_json
from actors.base.certificates import TrustBundle
from actors.base.errors import IntegrityError
from actors.spans.adapters.log import LogFiles
from actors.spans.adapters.reader import WalReader
from actors.spans.config import SpansConfig
from actors.spans.log.checkpoint import witness_keys
from actors.spans.lookup import DecisionLookup
from actors.spans.place import AT_HOME, Location
from actors.spans.proof import check_inclusion
from actors.spans.record import read_envelope

if TYPE_CHECKING:
    from actors.spans.adapters.stores import SpanStores

KEPT_ROWS = 65_536
"""Rows whose digests are kept, of all batches together: some 5 MiB."""


class KeptHashes:
    """Leaf hashes of the rows of the batches that were asked for last."""

    def __init__(self, max_rows: int) -> None:
        self._max_rows = max_rows
        self._rows = 0
        self._kept: OrderedDict[int, tuple[int, list[bytes]]] = OrderedDict()

    def get(self, index: int) -> tuple[int, list[bytes]] | None:
        """Return the number of a batch's first row, and each row's leaf hash; ``None`` if they are not kept."""
        if index in self._kept:
            self._kept.move_to_end(index)
        return self._kept.get(index)

    def put(self, index: int, first_seq: int, hashes: list[bytes]) -> None:
        """Keep a batch's, and let go of those that were asked for longest ago while there are too many."""
        if index in self._kept or len(hashes) > self._max_rows:
            return
        self._kept[index] = first_seq, hashes
        self._rows += len(hashes)
        while self._rows > self._max_rows:
            _, (_, gone) = self._kept.popitem(last=False)
            self._rows -= len(gone)


class ArchivedDecisions:
    """The spans table and its log as a source of decisions, opened at the first question; one question at a time."""

    def __init__(
        self, home: Path, checkpoint_commits: int, trust: Callable[[], TrustBundle], location: Location = AT_HOME, *,
        clock: Callable[[], float] = time.time,
    ) -> None:  # fmt: skip
        """``trust`` tells whose word is believed now."""
        self._trust, self._clock = trust, clock
        self._home = home
        self._log = LogFiles(home / "log")
        self._checkpoint_commits, self._location = checkpoint_commits, location
        self._opened: SpanStores | None = None
        self._hashes = KeptHashes(KEPT_ROWS)
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
        from actors.spans.merkle import inclusion_path

        envelope = read_envelope(data)
        record = envelope.read()
        writer = record.writer
        row = self._table().row_of(writer.id, writer.seq, record.id)
        if row is None or (index := row.log_index) is None:
            return data
        trust = self._trust()
        signed = self._log.vouching(index, witness_keys(trust, int(self._clock())))
        if signed is None:
            return data
        (manifest,) = self._log.leaves(index, index + 1)
        first_seq, hashes = self._hashes.get(index) or self._hashes_of(index)
        if not 0 <= writer.seq - first_seq < len(hashes):
            raise IntegrityError(f"row {writer.seq} of {writer.id} is not in batch {index}", "inclusion")
        path = inclusion_path(writer.seq - first_seq, hashes)
        alone = proof_of(row, writer.seq, manifest, self._log.path_of(index, signed.head.size), signed)
        proof = msgspec.structs.replace(alone, row_path=[item.hex() for item in path])
        check_inclusion(proof, writer.id, writer.seq, envelope.as_logged, trust)
        self._hashes.put(index, first_seq, hashes)  # now that they are known to be what was sealed
        return canonical_json(msgspec.structs.replace(envelope, proof=proof))

    def _hashes_of(self, index: int) -> tuple[int, list[bytes]]:
        from actors.spans.batch import row_hashes

        batches = self._table().batches(index, index)
        if not batches:
            raise IntegrityError(f"batch {index} is not in the table", "inclusion")
        return batches[0].first_seq, row_hashes(batches[0])

    def _table(self) -> "SpanStores":
        if self._opened is None:
            from actors.spans.adapters.stores import SpanStores

            self._opened = SpanStores(self._home, self._checkpoint_commits, location=self._location)
        return self._opened


def open_lookup(
    home: Path, config: SpansConfig, trust: Callable[[], TrustBundle]
) -> tuple[DecisionLookup, ArchivedDecisions]:
    """Look decisions up in ``home/wal``, then in the table; the latter proves them too.

    Both block on disks: call them from a thread.
    """
    archive = ArchivedDecisions(home, config.table_checkpoint_commits, trust, config.location)
    return DecisionLookup([WalReader(home / "wal", config.lookup_max_bytes), archive]), archive
