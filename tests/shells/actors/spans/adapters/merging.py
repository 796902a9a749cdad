"""A home whose table's small files are merged, for whoever compacts, reads and checks."""

import hashlib
from collections.abc import Callable
from pathlib import Path

import pyarrow as pa
from deltalake import DeltaTable

from actors.spans import conventions as names
from actors.spans.adapters.compaction import Compactor
from actors.spans.adapters.parquet import Statistics, file_name, parquet_bytes
from actors.spans.adapters.reporting import Reports
from actors.spans.adapters.segments import Disk
from actors.spans.adapters.swaps import Output, Swap
from actors.spans.columns import Rows, by_date
from actors.spans.config import SpansConfig
from actors.spans.place import AT_HOME, Location
from tests.shells.actors.spans.adapters.sealed import NOW_MS, Sealed
from tests.unit.actors.spans.telemetry import NOW_S, Incidents, span, writer_id

OWN = writer_id(900)
MERGING = SpansConfig(compact_min_files=4, compact_step_ms=60_000, removed_files_keep_s=60)


class Merging(Sealed):
    """A sealed table and what merges it; ``clock_s`` measures steps."""

    def __init__(
        self, home: Path, disk: Disk | None = None, config: SpansConfig = MERGING,
        clock_s: Callable[[], float] = lambda: 0.0, location: Location = AT_HOME,
    ) -> None:  # fmt: skip
        super().__init__(home, disk, keep_s=config.removed_files_keep_s, location=location)
        self.incidents = Incidents()
        self.compactor = Compactor(
            self.table, self.files, self.sealer, self.authority, config, Reports(self.incidents), disk, clock_s
        )  # fmt: skip
        self.steady_s, self.now_s, self.entered = 0.0, NOW_S, names.TABLE_COMPACTED

    def work(self, days: float = 0) -> dict[str, str] | None:
        """Go on merging, a minute and a half later than the last time, so many days after now."""
        self.steady_s += 90
        self.now_s = NOW_S + days * 86_400
        found = self.compactor.work(self.now_s, self.steady_s)
        if found is None:
            return None
        self.entered, entry = found
        return entry

    def enter(self, entry: dict[str, str]) -> None:
        """Commit what is ready with its entry, and seal that."""
        seq = (self.table.last_committed(OWN) or 0) + 1
        at_ns = int(self.now_s * 1e9)
        times = {"start_unix_nano": at_ns, "end_unix_nano": at_ns}
        row = span(seq, name=self.entered, attributes=entry, decision_id="", tenant="", **times)
        batches = self.table.append([Rows(OWN, seq, 1, [row])], {OWN: seq}, NOW_MS, swap=self.compactor.ready)
        self.compactor.committed()
        self.sealer.seal(batches, NOW_MS)

    def merge(self) -> dict[str, str]:
        """Merge once."""
        entry = self.work()
        assert entry is not None
        self.enter(entry)
        return entry

    def seqs(self) -> list[int]:
        """Return the numbers of the first writer's rows, as a fresh reader finds them."""
        found = self.opened().read(["writer_id", "writer_seq"]).to_pylist()
        return sorted(row["writer_seq"] for row in found if row["writer_id"] != OWN)

    def forged(
        self, file: Path, change: Callable[[Rows], Rows], rows: list[Rows], written: Callable[[pa.Table], bytes] = parquet_bytes
    ) -> Path:  # fmt: skip
        """Put other rows in a file's place, as somebody would who can write table and Delta's log; return where.

        ``written`` makes the file's bytes of what Delta's log says that it holds.
        """
        ((day, table),) = by_date([change(part) for part in rows])
        data = written(table)
        name = file_name(day.isoformat(), hashlib.sha256(data).hexdigest())
        (self.table.path / name).write_bytes(data)
        inputs = tuple(one for one in self.table.numbered_files() if one.path == file)
        swap = Swap((Output(name, day.isoformat(), len(data), Statistics().add(table)),), inputs)
        delta = DeltaTable(self.table.path)
        actions = swap.actions(self.table.path, NOW_MS)
        delta.create_write_transaction(actions, mode="append", schema=delta.schema(), partition_by=["date"])
        return self.table.path / name
