"""Whether what Delta's log says of the table is what the table's files hold.

Delta's log has no digests, and readers go by it: files whose range does not hold what is asked for are passed over, and a
writer's rows up to the number that it names are taken for known.

Rules:
- Of each file: its size, how many rows, the range and the nulls of every column that files are chosen by, and its date, held
  against the footer, which the file's name vouches for. No page is read for that.
- Of each writer: the number that it reached is that of its last row. It is higher only where an entry of the actor's own says
  that rows were lost or set aside.
- The last number of a batch is the highest that a row has. Columns are the table's own, by name and type.

Left out: what rows hold (``check``), numbers under which the actor remembers adoptions, Delta's times and its word of who wrote.
"""

import contextlib
from collections.abc import Collection, Iterator, Mapping
from datetime import UTC, datetime
from typing import Any
from urllib.parse import unquote

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from deltalake import DeltaTable, Schema
from deltalake.exceptions import DeltaError

from actors.base.errors import StorageUnavailable
from actors.spans.adapters.delta import is_table, open_table
from actors.spans.adapters.objects import in_words
from actors.spans.adapters.parquet import source
from actors.spans.columns import PARTITION, pinned_schema, table_schema
from actors.spans.conventions import BATCH_ANSWERED, ROW_QUARANTINED, ROW_WRITER, WAL_DAMAGED, WAL_WRITER
from actors.spans.place import Place

COLUMNS = ("writer_id", "writer_seq", "log_index", "decision_id", "start_unix_nano", "end_unix_nano")
"""Files are chosen by what Delta says of these."""
_BATCHES = "log"
_SAID = (ROW_QUARANTINED, BATCH_ANSWERED, WAL_DAMAGED)
Fault = tuple[str, str]
"""Name of a file, empty for the table as a whole, and what is wrong."""


def misdescribed(path: Place, size: int, sealed: Mapping[str, int]) -> Iterator[Fault]:
    """Yield what Delta's log says of the table in ``path`` that is not so.

    ``size`` batches are sealed, and of each writer the rows up to a number. Raises ``StorageUnavailable`` if Delta's log cannot
    be read; a file that cannot is left to whoever reads its rows.
    """
    try:
        if not is_table(path):
            return
        delta = open_table(path)
        known = {field.name: field.type for field in Schema.from_arrow(table_schema()).fields}
        if delta.metadata().partition_columns != [PARTITION] or any(
            known.get(field.name) != field.type for field in delta.schema().fields
        ):
            yield "", "the table's columns are not those that it was made with"
        actions = pa.table(delta.get_add_actions(flatten=True)).to_pylist()
        files = {path / unquote(said["path"]): said for said in actions}
        yield from _of_files(files)
        yield from _of_numbers(delta, files, size, sealed)
    except (OSError, DeltaError, pa.ArrowException, ValueError) as error:
        raise StorageUnavailable(f"the log of the span table in {path} cannot be read: {in_words(error)}") from error


def _of_files(files: Mapping[Place, Mapping[str, Any]]) -> Iterator[Fault]:
    for file, said in files.items():
        try:
            held = _held(file)
        except (OSError, pa.ArrowException, OverflowError):
            continue
        if wrong := sorted(name for name, value in held.items() if said.get(name) != value):
            yield file.name, f"Delta's log does not say the truth of its {', '.join(wrong)}"


def _held(file: Place) -> dict[str, Any]:
    """Return what Delta's log should say of a file, under the names that it says it."""
    footer = pq.read_metadata(source(file))
    ranges = {name: _range(footer, name) for name in COLUMNS}
    held: dict[str, Any] = {"size_bytes": file.stat().st_size, "num_records": footer.num_rows}
    for name, (least, most, nulls) in ranges.items():
        held |= {f"min.{name}": least, f"max.{name}": most, f"null_count.{name}": nulls}
    least, most, _ = ranges["start_unix_nano"]
    dates = {datetime.fromtimestamp(nano // 1_000_000_000, UTC).date() for nano in (least, most) if nano is not None}
    return held | {f"partition.{PARTITION}": dates.pop() if len(dates) == 1 else None}


def _range(footer: pq.FileMetaData, column: str) -> tuple[Any, Any, int]:
    """Return least and greatest value of a column, ``None`` where it has none, and how many nulls."""
    least, most, nulls = None, None, 0
    for at in range(footer.num_row_groups):
        group = footer.row_group(at)
        found = next(
            group.column(number).statistics
            for number in range(group.num_columns)
            if group.column(number).path_in_schema == column
        )
        nulls += found.null_count if found is not None else 0
        if found is not None and found.has_min_max:
            least = found.min if least is None else min(least, found.min)
            most = found.max if most is None else max(most, found.max)
    return least, most, nulls


def _of_numbers(delta: DeltaTable, files: Collection[Place], size: int, sealed: Mapping[str, int]) -> Iterator[Fault]:
    last, numbered = dict(sealed), -1
    for file in files:
        try:
            most = _range(pq.read_metadata(source(file)), "log_index")[1]
            numbered = max(numbered, -1 if most is None else most)
            for writer, seq in _unsealed(file, size, most):
                last[writer] = max(last.get(writer, seq), seq)
        except (OSError, pa.ArrowException, ValueError):
            continue
    reached = delta.transaction_version(_BATCHES)
    if reached is not None and reached != numbered:
        yield "", f"Delta's log says that {reached + 1} batches were numbered, and rows are of {numbered + 1}"
    said = {writer: delta.transaction_version(writer) for writer in sorted(last)}
    told: set[str] | None = None
    for writer, number in said.items():
        if number is None or number == last[writer]:
            continue
        if number > last[writer]:
            told = _told(files) if told is None else told
        if number < last[writer] or writer not in (told or ()):
            yield "", f"Delta's log says that {writer} reached row {number}, and its last row is {last[writer]}"


def _unsealed(file: Place, size: int, most: int | None) -> Iterator[tuple[str, int]]:
    """Yield each writer of rows of a file whose batches wait to be sealed, with its last number there."""
    if most is None or most < size:
        return
    rows = _read(file, ["writer_id", "writer_seq"], (pc.field("log_index") >= size) & pc.field("writer_id").is_valid())
    rows = rows.set_column(0, "writer_id", rows["writer_id"].cast(pa.string()))
    for row in rows.group_by("writer_id").aggregate([("writer_seq", "max")]).to_pylist():
        yield row["writer_id"], row["writer_seq_max"]


def _told(files: Collection[Place]) -> set[str]:
    """Return the writers of whom the actor says that rows were lost or set aside."""
    told = set[str]()
    for file in files:
        with contextlib.suppress(OSError, pa.ArrowException, ValueError):  # left to who reads its rows
            rows = _read(file, ["attributes"], pc.field("name").isin(list(_SAID)))
            told |= {
                dict(items).get(key, "") for items in rows["attributes"].to_pylist() for key in (WAL_WRITER, ROW_WRITER)
            }
    return told


def _read(file: Place, columns: list[str], wanted: pc.Expression | None) -> pa.Table:
    return pq.read_table(source(file), columns=columns, filters=wanted, schema=pinned_schema(), partitioning=None)
