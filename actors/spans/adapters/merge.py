"""One file of the spans table made of others, or of what is left of one: checked, written, read back.

Rules:
- Every input is read against the digest in its name, and its rows against the log's leaves under the root that is sealed: nothing
  that is damaged is written anew under a digest that fits.
- The output holds the inputs' rows in the order of the log, and is read back and compared with them before it counts.
- All of it goes in steps of some thousand rows, so that whoever makes it can do something else in between.
- Until it is committed nothing but a note and a file that ``swaps`` removes is there.

Left out: which files (``compaction``, ``retention``), and the commit (``table``).
"""

import hashlib
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from itertools import zip_longest

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from actors.base.errors import IntegrityError, StorageUnavailable
from actors.spans import conventions as names
from actors.spans.adapters.backup import Backed
from actors.spans.adapters.parquet import (
    ROW_GROUP_ROWS,
    WRITTEN,
    Statistics,
    chunks,
    digest_in,
    file_name,
    row_groups,
)
from actors.spans.adapters.scrub import Scrub
from actors.spans.adapters.segments import Disk
from actors.spans.adapters.swaps import Output, Swap
from actors.spans.columns import pinned_schema, rows_of
from actors.spans.compaction import TableFile
from actors.spans.place import Place, below

SCRATCH = "_merging.parquet"
STEP_ROWS = 1024
"""Rows that are held against the log in one step."""
_MERGED = pa.schema([
    (field.name, field.type.value_type if pa.types.is_dictionary(field.type) else field.type) for field in pinned_schema()
])  # fmt: skip


@dataclass(frozen=True, slots=True)
class Merged:
    """A merge that is ready to be committed, and what its entry says."""

    name: str
    """Of the row."""
    swap: Swap
    entry: dict[str, str]


class Merge:
    """One merge in the making."""

    def __init__(
        self, inputs: Sequence[TableFile], scrub: Scrub, table: Backed, disk: Disk, now_ms: int,
        without: Collection[int] = (),
    ) -> None:  # fmt: skip
        """``without`` are batches whose rows are left out."""
        self.at = inputs[0]
        """The input that is looked at."""
        self.done: Merged | None = None
        self._inputs, self._scrub, self._table, self._disk, self._now_ms = inputs, scrub, table, disk, now_ms
        self._statistics, self._without = Statistics(), pa.array(sorted(without), pa.int64())

    def steps(self) -> Iterator[None]:
        """Do it, stopping after each step; then ``done`` is there."""
        yield from self._check_inputs()
        yield from self._write()
        output = self._put_in_place()
        yield
        yield from self._compare(output)
        size = (self._table.path / output).stat().st_size
        self.done = Merged(
            names.TABLE_COMPACTED,
            Swap((Output(output, self._inputs[0].day, size, self._statistics),), tuple(self._inputs)),
            {
                names.TABLE_INPUTS: " ".join(digest_in(file.path.name) for file in self._inputs),
                names.TABLE_OUTPUTS: digest_in(output),
                names.TABLE_FIRST_BATCH: str(self._scrub.first),
                names.TABLE_LAST_BATCH: str(self._scrub.last),
                names.TABLE_ROWS: str(self._scrub.rows),
                names.TABLE_ROWS_ROOT: self._scrub.root.hex(),
            },
        )

    def _check_inputs(self) -> Iterator[None]:
        for file in self._inputs:
            self.at = file
            for group in self._kept(file):
                for start in range(0, group.num_rows, STEP_ROWS):
                    for row in rows_of(group.slice(start, STEP_ROWS)):
                        self._scrub.take(row)
                    yield
            self._scrub.end()

    def _kept(self, file: TableFile) -> Iterator[pa.Table]:
        for group in row_groups(file.path):
            yield group.filter(pc.invert(pc.is_in(group["log_index"], self._without))) if self._without else group

    def _rows(self) -> Iterator[pa.Table]:
        """Yield the inputs' rows, in the output's row groups."""

        def of_inputs() -> Iterator[pa.Table]:
            for file in self._inputs:
                self.at = file
                yield from self._kept(file)

        return chunks(of_inputs())

    def _write(self) -> Iterator[None]:
        scratch = self._table.files.desk / SCRATCH
        with pq.ParquetWriter(scratch, pinned_schema(), **WRITTEN) as writer:
            for table in self._rows():
                writer.write_table(table, row_group_size=ROW_GROUP_ROWS)
                self._statistics.add(table)
                yield
        self._disk.sync_file(scratch)

    def _put_in_place(self) -> str:
        """Give the output its name, of which a note was made before."""
        scratch = self._table.files.desk / SCRATCH
        with scratch.open("rb") as file:
            sha256 = hashlib.file_digest(file, "sha256").hexdigest()
        output = file_name(self._inputs[0].day, sha256)
        inputs = [below(self._table.path, file.path) for file in self._inputs]
        self._table.swaps.note([output], inputs, self._now_ms)
        self._table.files.take(scratch, output)
        return output

    def _compare(self, output: str) -> Iterator[None]:
        """Read the output back, and hold it against the inputs row by row."""
        for wanted, found in zip_longest(self._rows(), self._written(self._table.path / output)):
            if wanted is None or found is None or not wanted.cast(_MERGED).equals(found.cast(_MERGED)):
                raise StorageUnavailable(f"{output} does not hold what was written to it: the disk or its memory fails")
            yield

    @staticmethod
    def _written(output: Place) -> Iterator[pa.Table]:
        try:
            yield from chunks(row_groups(output))
        except IntegrityError as error:  # no input's fault
            raise StorageUnavailable(f"what was written cannot be read back: {error}") from error
