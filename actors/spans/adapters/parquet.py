"""One file of the spans table: written with page checksums under a name that ends in its digest, and read accordingly.

Rules:
- Every page is read against its checksum, under the pinned schema: a column that a file is too old to have is null.
- A file's name ends in the SHA-256 of its bytes, which covers what no checksum of Parquet does (footer, statistics, page
  headers). A name that stands for nothing is from before rows had batches.
- What a file's bytes lead to while it is read, damaged in whatever way, is an error that names it.
- A file that is not there is ``FileGone``: it may have been merged with others since its list was read, and its rows lie in
  another file then.
- Files are read by the thread that asks: Arrow's allocator keeps what was freed thread by thread, and gives back
  (``give_back``) only what its caller's thread and those that ended hold. With readers in threads it kept ever more.

Left out: which files the table consists of (``reading``, ``table``).
"""

import contextlib
import functools
import hashlib
import json
import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any, cast

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from deltalake.transaction import AddAction

from actors.base.errors import IntegrityError
from actors.base.ids import new_ulid
from actors.spans.adapters.objects import ObjectPath
from actors.spans.columns import PARTITION, pinned_schema
from actors.spans.place import Place

ROW_GROUP_ROWS = 8192
"""Small groups: looking one decision up reads one group's records, not the file's."""
_WORDS = [field.name for field in pinned_schema() if pa.types.is_dictionary(field.type)]
_PLAIN = [field.name for field in pinned_schema() if not pa.types.is_nested(field.type)]
WRITTEN = {"compression": "zstd", "write_page_checksum": True, "write_statistics": _PLAIN, "use_dictionary": _WORDS}
"""How files are written. A dictionary of what hardly comes twice (ids, records) takes time, and room; nobody asks for the first
and last of attributes."""
_NAMED = re.compile(r"part-[0-9A-Z]{26}-([0-9a-f]{64})\.parquet")
STATISTICS = ("writer_id", "writer_seq", "log_index", "decision_id", "start_unix_nano", "end_unix_nano")
"""Files are chosen by what Delta says of these."""


UNREADABLE = (OSError, pa.ArrowException, ValueError, LookupError, TypeError, OverflowError)
"""What pyarrow raises for bytes that are no Parquet file of ours: a name that is no text, one that is there twice, numbers that
are none. Its accessors of a footer (columns, statistics) end the process instead, and its datasets wait for ever: no footer is
asked by them that is not known to be what was written."""
_ROW = "row number"


class FileGone(IntegrityError):
    """A file is not there any more, or never was."""


# Writing.


def parquet_bytes(table: pa.Table) -> bytes:
    """Return a table as a file's bytes."""
    sink = pa.BufferOutputStream()
    pq.write_table(table, sink, row_group_size=ROW_GROUP_ROWS, **WRITTEN)
    return cast("bytes", sink.getvalue().to_pybytes())


def file_name(day: str, sha256: str) -> str:
    """Return where a new file of that digest lies, below the table."""
    return f"{PARTITION}={day}/part-{new_ulid()}-{sha256}.parquet"


def digest_in(name: str) -> str:
    """Return the digest that a file's name ends in; empty if it names none."""
    named = _NAMED.fullmatch(name.rpartition("/")[2])
    return "" if named is None else named[1]


@dataclass(slots=True)
class Statistics:
    """What Delta is told of a file, by which readers pass it over; taken in part by part."""

    rows: int = 0
    least: dict[str, Any] = field(default_factory=dict)
    most: dict[str, Any] = field(default_factory=dict)
    nulls: dict[str, int] = field(default_factory=lambda: dict.fromkeys(STATISTICS, 0))

    def add(self, table: pa.Table) -> "Statistics":
        """Take rows in."""
        self.rows += table.num_rows
        for column in STATISTICS:
            self.nulls[column] += table[column].null_count
            span = pc.min_max(_values(table[column])).as_py()
            if span["min"] is not None:
                self.take(column, span["min"], span["max"])
        return self

    def take(self, column: str, least: Any, most: Any) -> None:  # noqa: ANN401 - numbers or words
        """Take a range of a column in."""
        self.least[column] = min(least, self.least.get(column, least))
        self.most[column] = max(most, self.most.get(column, most))

    def action(self, name: str, size: int, day: str, now_ms: int, *, new_rows: bool = True) -> AddAction:
        """Describe a file to Delta; ``new_rows`` unless they were in the table before, in other files."""
        statistics = {
            "numRecords": self.rows, "minValues": self.least, "maxValues": self.most, "nullCount": self.nulls
        }  # fmt: skip
        return AddAction(
            path=name, size=size, partition_values={PARTITION: day}, modification_time=now_ms, data_change=new_rows,
            stats=json.dumps(statistics),
        )  # fmt: skip


def _values(column: pa.ChunkedArray) -> pa.ChunkedArray:
    return column.cast(column.type.value_type) if pa.types.is_dictionary(column.type) else column


# Reading.


def source(path: Place) -> Any:  # noqa: ANN401 - whatever pyarrow takes
    """Return what pyarrow reads a file from: where it is a bucket's, only the parts that are asked for are fetched."""
    return path.opened() if isinstance(path, ObjectPath) else path


def read_file(
    path: Place, columns: Sequence[str], filters: pc.Expression | None = None, held: pa.BufferReader | None = None, *,
    threads: bool = False,
) -> pa.Table:  # fmt: skip
    """Read rows of a file; raise ``IntegrityError`` naming it if a page does not check, ``FileGone`` if it is not there.

    ``held`` are its bytes, if they are there already. ``StorageUnavailable`` if a store does not give them. What ``filters``
    asks for is read first, and the rest only of row groups in which there is such a row. ``threads`` is for processes that end
    soon.
    """
    with _reading(path):
        file = _opened(path, held)
        read = functools.partial(file.read_row_group, use_threads=threads)
        if filters is None:
            rows = _pinned(file.read(columns=[*columns], use_threads=threads), columns)
        else:
            schema = pa.schema([pinned_schema().field(name) for name in columns])
            found = _matching(read, file.num_row_groups, columns, filters)
            rows = pa.concat_tables([schema.empty_table(), *(part.select([*columns]) for part in found)])
        rows.validate(full=True)  # no page's checksum tells that it is another column's
    return rows


def _matching(
    read: Callable[..., pa.Table], groups: int, columns: Sequence[str], filters: pc.Expression
) -> Iterator[pa.Table]:
    """Yield the rows that a filter asks for, group by group: those columns, and what it is asked by."""
    words = _asked(filters)
    names = [name for name in pinned_schema().names if name in words]
    others = [name for name in columns if name not in words]
    for at in range(groups):
        group = _pinned(read(at, columns=names), names)
        rows = group.append_column(_ROW, pa.array(range(group.num_rows), pa.int64())).filter(filters)
        if rows.num_rows:
            rest = _pinned(read(at, columns=others), others).take(rows[_ROW])
            for name in others:
                rows = rows.append_column(pinned_schema().field(name), rest[name])
            yield rows


def _asked(filters: pc.Expression) -> set[str]:
    """Return the columns that a filter needs; one too many is no harm."""
    return set(re.findall(r"\w+", str(filters)))


def footer_statistics(data: bytes) -> Statistics | None:
    """Return what a file's footer says of its rows; ``None`` if it does not say all. Its bytes have to be known to be good."""
    footer = pq.ParquetFile(pa.BufferReader(data)).metadata
    places = {footer.schema.column(at).path: at for at in range(footer.num_columns)}
    found = Statistics()
    for at in range(footer.num_row_groups):
        group = footer.row_group(at)
        for name in STATISTICS:
            said = group.column(places[name]).statistics
            if said is None or not said.has_null_count or not (said.has_min_max or said.null_count == group.num_rows):
                return None
            found.nulls[name] += said.null_count
            if said.has_min_max:
                found.take(name, said.min, said.max)
        found.rows += group.num_rows
    return found


def _opened(path: Place, held: pa.BufferReader | None) -> pq.ParquetFile:
    """Open a file: never as a part of a dataset, which waits for ever where a footer lies of what columns are."""
    return pq.ParquetFile(
        held or source(path), page_checksum_verification=True, pre_buffer=isinstance(path, ObjectPath)
    )


@contextlib.contextmanager
def _reading(path: Place) -> Iterator[None]:
    """Let whatever bytes that are no file of ours lead to name the file."""
    try:
        yield
    except UNREADABLE as error:
        kind = FileGone if isinstance(error, FileNotFoundError) else IntegrityError
        raise kind(f"span file {path.name} cannot be read: {error}", str(path)) from error


def read_whole(path: Place) -> tuple[pa.Table, str]:
    """Read all of a file; say as well why its bytes are not those that its name stands for.

    A name that stands for nothing is from before rows had batches: one of a file that holds such rows was taken away.
    Raises ``IntegrityError`` like ``read_file``.
    """
    data = read_bytes(path)
    rows = read_file(path, pinned_schema().names, None, pa.BufferReader(data))
    if not digest_in(path.name):
        numbered = rows["log_index"].null_count < rows.num_rows
        return rows, "has no digest in its name, and holds rows of batches" if numbered else ""
    return rows, "" if is_named_by(path.name, data) else "is not the bytes that were written"


def read_bytes(path: Place) -> bytes:
    """Return a file's bytes; raise ``IntegrityError`` naming it if they cannot be read, ``FileGone`` if it is not there."""
    try:
        return path.read_bytes()
    except OSError as error:
        kind = FileGone if isinstance(error, FileNotFoundError) else IntegrityError
        raise kind(f"span file {path.name} cannot be read: {error.strerror or error}", str(path)) from error


def read_numbers(path: Place, column: str) -> set[int]:
    """Return which numbers a column of a file holds, once its bytes are known to be those that its name stands for."""
    data = named_bytes(path)
    return set(pc.unique(read_file(path, [column], None, pa.BufferReader(data))[column]).to_pylist())


def named_bytes(path: Place) -> bytes:
    """Return a file's bytes; raise ``IntegrityError`` like ``read_bytes``, and if they are not what its name stands for."""
    data = read_bytes(path)
    if not is_named_by(path.name, data):
        raise IntegrityError(f"span file {path.name} is not the bytes that were written", str(path))
    return data


def row_groups(path: Place) -> Iterator[pa.Table]:
    """Yield a file's rows, one row group after another, once its bytes are known to be those that its name stands for."""
    yield from groups_in(path, named_bytes(path))


def is_named_by(name: str, data: bytes) -> bool:
    """Tell whether a file's name ends in the digest of these bytes."""
    return hashlib.sha256(data).hexdigest() == digest_in(name)


def groups_in(path: Place, data: bytes) -> Iterator[pa.Table]:
    """Yield the rows that a file's bytes hold, one row group after another; raise ``IntegrityError`` if one does not check."""
    with _reading(path):
        file = _opened(path, pa.BufferReader(data))
    for number in range(file.num_row_groups):
        with _reading(path):
            group = _pinned(file.read_row_group(number, use_threads=False), pinned_schema().names)
        yield group


def give_back() -> None:
    """Return to the system what Arrow has freed and its allocator keeps for more of the same."""
    pa.default_memory_pool().release_unused()


def _pinned(table: pa.Table, names: Sequence[str]) -> pa.Table:
    """Return columns as the pinned schema has them; one that a file is too old to have is null."""
    schema = pa.schema([pinned_schema().field(name) for name in names])
    if table.schema.equals(schema):
        return table.replace_schema_metadata(None)
    columns = [
        table[field.name].cast(field.type) if field.name in table.column_names else pa.nulls(len(table), field.type)
        for field in schema
    ]
    return pa.Table.from_arrays(columns, schema=schema)


def chunks(tables: Iterator[pa.Table], count: int = ROW_GROUP_ROWS) -> Iterator[pa.Table]:
    """Yield the same rows in tables of ``count`` rows each, the last of what is left."""
    held: list[pa.Table] = []
    for table in tables:
        held.append(table)
        while sum(part.num_rows for part in held) >= count:
            joined = pa.concat_tables(held)
            yield joined.slice(0, count).unify_dictionaries()
            held = [joined.slice(count)]
    if any(part.num_rows for part in held):
        yield pa.concat_tables(held).unify_dictionaries()
