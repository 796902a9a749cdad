"""A home with a table and a log, for whoever seals, proves and checks."""

from collections.abc import Callable
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from actors.spans.adapters.check import Checked, check_log
from actors.spans.adapters.located import table_of
from actors.spans.adapters.log import LogFiles
from actors.spans.adapters.sealer import Sealer
from actors.spans.adapters.segments import Disk
from actors.spans.adapters.table import KEEP_S, SpanTable
from actors.spans.columns import Rows, pinned_schema
from actors.spans.place import AT_HOME, Location
from tests.unit.actors.spans.telemetry import NOW_S, Authority, spans_from, writer_id

NOW_MS = int(NOW_S * 1000)
W = writer_id(1)


class Sealed:
    """A home with a table, and the sealer of its log."""

    def __init__(
        self, home: Path, disk: Disk | None = None, catch_up: int = 100, authority: Authority | None = None,
        catch_up_rows: int = 1000, keep_s: int = KEEP_S, location: Location = AT_HOME,
    ) -> None:  # fmt: skip
        self.home, self.authority, self.disk, self.location = home, authority or Authority(), disk, location
        self.table = self.opened(disk, keep_s)
        self.files = LogFiles(home / "log", disk)
        self.sealer = Sealer(self.files, self.table, self.authority, catch_up, catch_up_rows)
        self.sealer.begin(NOW_MS)
        self.next_seq = (self.table.last_committed(W) or 0) + 1

    def opened(self, disk: Disk | None = None, keep_s: int = KEEP_S) -> SpanTable:
        """Open the table."""
        return SpanTable(table_of(self.home, self.location), 10, disk, keep_s, self.home / "spans")

    def commit(self, rows: int = 3) -> list[Rows]:
        """Commit one batch."""
        spans = spans_from(self.next_seq, rows)
        batches = self.table.append(
            [Rows(W, self.next_seq, 1, spans)], {W: self.next_seq + rows - 1}, NOW_MS
        )  # fmt: skip
        self.next_seq += rows
        return batches

    def batches(self, count: int) -> None:
        """Commit and seal some batches."""
        for _ in range(count):
            assert self.sealer.seal(self.commit(), NOW_MS) == 1

    def many(self, count: int) -> None:
        """Commit and seal batches of as many writers at once."""
        rows = [Rows(writer_id(number), 1, 1, spans_from(1, 1)) for number in range(1000, 1000 + count)]
        batches = self.table.append(rows, {part.writer_id: 1 for part in rows}, NOW_MS)
        while self.sealer.waiting:
            self.sealer.seal(batches, NOW_MS)

    def checked(self, *, deep: bool = True) -> Checked:
        """Check the log."""
        return check_log(self.home, self.authority.trust(), 10, deep=deep, location=self.location)

    def damage(self) -> list[tuple[int, str]]:
        """Return what a check finds."""
        return [(item.batch, item.kind) for item in self.checked().damage]

    def file_of(self, batch: int) -> Path:
        """Return the file that holds a batch."""
        for path in self.table.current_files():
            if batch in pq.read_table(path, columns=["log_index"], partitioning=None)["log_index"].to_pylist():
                return path
        raise AssertionError


def rewritten(path: Path, change: Callable[[pa.Table], pa.Table]) -> None:
    """Write a file again with other rows, page checksums and all, as somebody would who wants nobody to see it."""
    rows = pq.read_table(path, schema=pinned_schema(), partitioning=None)
    pq.write_table(change(rows), path, write_page_checksum=True)


def not_utf_8(column: str) -> Callable[[pa.Table], pa.Table]:
    """Put bytes that are no text into a column of text."""

    def change(rows: pa.Table) -> pa.Table:
        words = pa.array([b"\xff\xfe"] * rows.num_rows, pa.binary()).view(pa.string())
        return rows.set_column(rows.schema.get_field_index(column), column, words)

    return change
