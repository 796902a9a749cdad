"""Whether what Delta's log says of the table is what the table's files hold.

Delta's log has no digests, and readers go by it: files whose range does not hold what is asked for are passed over, and a
writer's rows up to the number that it names are taken for known.

Rules:
- Of each file: its size, how many rows, the range and the nulls of every column that files are chosen by, and its date, held
  against its rows, as whoever checks them has read them: no footer is asked, but for one that is known to be good.
- Of each writer, also of one without a row: the number that it reached is that of its last row, and there is one where there are
  rows. It is higher only where an entry
  of the actor's own says that the row of that number was lost or set aside, or where an operator answered for its last batch.
- The last number of a batch is the highest that a row has. Columns are the table's own, by name and type. Its properties are
  those that it was made with, by name: others might keep whoever writes from merging or letting go. What they are is not asked,
  for SpanActor sets them anew when it begins.

Left out: what rows hold (``check``); numbers that are too high of writers all of whose rows, or what was entered of them, have
expired; numbers under which the actor remembers adoptions, Delta's times and its word of who wrote.
"""

import contextlib
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
from deltalake import Schema

from actors.base.errors import IntegrityError
from actors.base.ids import is_ulid
from actors.spans.adapters.delta import PROPERTIES
from actors.spans.adapters.parquet import STATISTICS, Statistics, footer_statistics, groups_in, named_bytes, read_file
from actors.spans.adapters.reached import ENTRIES, told_of
from actors.spans.adapters.reading import TableReader
from actors.spans.columns import PARTITION, table_schema
from actors.spans.conventions import BATCH_ANSWERED, ROW_LAST, ROW_WRITER
from actors.spans.place import Place

_BATCHES = "log"
_COLUMNS = {column.name: column.type for column in Schema.from_arrow(table_schema()).fields}
Fault = tuple[str, str]
"""Name of a file, empty for the table as a whole, and what is wrong."""


@dataclass(slots=True)
class Held:
    """What a file holds of what Delta's log says; taken in row group by row group."""

    size_bytes: int
    statistics: Statistics = field(default_factory=Statistics)
    unsealed: dict[str, int] = field(default_factory=dict)
    """Writer → its last number in rows whose batches wait to be sealed."""
    is_readable: bool = True

    @classmethod
    def of_footer(cls, data: bytes) -> "Held | None":
        """Return what a file's footer says, if all: of a file that is known to be good, and of which all rows are sealed."""
        statistics = footer_statistics(data)
        return None if statistics is None else cls(len(data), statistics)

    def add(self, rows: pa.Table, size: int) -> "Held":
        """Take rows in, where ``size`` batches are sealed."""
        try:
            self.statistics.add(rows)
            self._add_unsealed(rows.filter(pc.greater_equal(rows["log_index"], size).fill_null(False)))
        except ValueError:  # words that are no text: whoever reads the rows says so
            self.is_readable = False
        return self

    def _add_unsealed(self, rows: pa.Table) -> None:
        if not rows.num_rows:
            return
        words = pa.table({"writer": rows["writer_id"].cast(pa.string()), "seq": rows["writer_seq"]}).drop_null()
        for row in words.group_by("writer").aggregate([("seq", "max")]).to_pylist():
            self.unsealed[row["writer"]] = max(row["seq_max"], self.unsealed.get(row["writer"], row["seq_max"]))

    def said(self) -> dict[str, Any]:
        """Return what Delta's log should say of the file, under the names that it says it."""
        held: dict[str, Any] = {"size_bytes": self.size_bytes, "num_records": self.statistics.rows}
        for name in STATISTICS:
            held[f"min.{name}"], held[f"max.{name}"] = self.statistics.least.get(name), self.statistics.most.get(name)
            held[f"null_count.{name}"] = self.statistics.nulls[name]
        began = {held["min.start_unix_nano"], held["max.start_unix_nano"]} - {None}
        dates = {datetime.fromtimestamp(nano // 1_000_000_000, UTC).date() for nano in began}
        return held | {f"partition.{PARTITION}": dates.pop() if len(dates) == 1 else None}


def misdescribed(
    table: TableReader, size: int, sealed: Mapping[str, int], known: Mapping[Place, Held] | None = None,
    kept: Collection[str] | None = None,
) -> Iterator[Fault]:  # fmt: skip
    """Yield what Delta's log says of a table that is not so.

    ``size`` batches are sealed, and of each writer the rows up to a number; ``kept`` are the writers whose newest of these have
    not expired, where some have. Whoever has read files says what they hold; others are read. Raises ``StorageUnavailable`` if
    Delta's log cannot be read, ``IntegrityError`` if it is none; a file that cannot is left to whoever reads its rows.
    """
    if (said := table.described()) is None:
        return
    if said.partition_columns != [PARTITION] or any(_COLUMNS.get(name) != kind for name, kind in said.columns):
        yield "", "the table's columns are not those that it was made with"
    if unlike := set(said.properties) ^ {*PROPERTIES}:
        yield "", f"the table's properties are not those that it was made with: {', '.join(sorted(unlike))}"
    held = {file: (known or {}).get(file) or _held(file, size) for file in said.files}
    held = {file: found for file, found in held.items() if found.is_readable}
    yield from _of_files(said.files, held)
    yield from _of_numbers(said.reached, held, sealed, kept)


def _held(file: Place, size: int) -> Held:
    """Return what a file holds that nobody has read; nothing that could be read where it is damaged or went meanwhile."""
    try:
        data = named_bytes(file)
        held = Held(len(data))
        for group in groups_in(file, data):
            held.add(group, size)
    except IntegrityError:  # whoever reads its rows says so
        return Held(0, is_readable=False)
    return held


def _of_files(files: Mapping[Place, Mapping[str, Any]], held: Mapping[Place, Held]) -> Iterator[Fault]:
    for file, found in held.items():
        try:
            truth = found.said()
        except (OverflowError, ValueError, OSError):  # a time that no calendar has
            continue
        if wrong := sorted(name for name, value in truth.items() if files[file].get(name) != value):
            yield file.name, f"Delta's log does not say the truth of its {', '.join(wrong)}"


def _of_numbers(
    said: Mapping[str, int], held: Mapping[Place, Held], sealed: Mapping[str, int], kept: Collection[str] | None
) -> Iterator[Fault]:
    last, unsealed = dict(sealed), {writer for found in held.values() for writer in found.unsealed}
    numbered = max((found.statistics.most.get("log_index", -1) for found in held.values()), default=-1)
    for found in held.values():
        for writer, seq in found.unsealed.items():
            last[writer] = max(last.get(writer, seq), seq)
    reached = said.get(_BATCHES)
    if reached is not None and reached != numbered:
        yield "", f"Delta's log says that {reached + 1} batches were numbered, and rows are of {numbered + 1}"
    told: Told | None = None
    for writer in sorted({*last, *filter(is_ulid, said)}):
        number, ends = said.get(writer), last.get(writer, 0)
        if (number or 0) == ends:
            continue
        if number is not None and number > ends:
            told = _told(held) if told is None else told
            if told.explains(writer, number, ends) or not (kept is None or writer in kept or writer in unsealed):
                continue
        yield "", f"Delta's log says that {writer} reached row {number or 'none'}, and its last row is {ends or 'none'}"


@dataclass(slots=True)
class Told:
    """What entries say of rows that are not in the table."""

    reached: dict[str, int] = field(default_factory=dict)
    """Writer → the last of its rows that were lost or set aside."""
    answered: set[tuple[str, int]] = field(default_factory=set)
    """Writer and last row of batches of which more was committed than lay there, as an operator answered."""

    def explains(self, writer: str, number: int, ends: int) -> bool:
        """Tell whether a writer can have reached a number whose last row is another."""
        return self.reached.get(writer) == number or (writer, ends) in self.answered


def _told(files: Collection[Place]) -> Told:
    """Read the entries that say of rows that they were lost, set aside or answered for."""
    told = Told()
    for file in files:
        with contextlib.suppress(IntegrityError, ValueError):  # left to who reads its rows
            held = pa.BufferReader(named_bytes(file))
            rows = read_file(file, ["name", "attributes"], pc.field("name").isin([*ENTRIES, BATCH_ANSWERED]), held)
            for writer, _, last in told_of(rows):
                told.reached[writer] = max(last, told.reached.get(writer, last))
            for row in rows.filter(pc.equal(rows["name"].cast(pa.string()), BATCH_ANSWERED)).to_pylist():
                words = dict(row["attributes"])
                with contextlib.suppress(KeyError, ValueError):  # it says nothing of the kind
                    told.answered.add((words[ROW_WRITER], int(words[ROW_LAST])))
    return told
