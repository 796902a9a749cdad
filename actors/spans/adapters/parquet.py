"""One file of the spans table: written with page checksums under a name that ends in its digest, and read accordingly.

Rules:
- Every page is read against its checksum, under the pinned schema: a column that a file is too old to have is null.
- A file's name ends in the SHA-256 of its bytes, which covers what no checksum of Parquet does (footer, statistics, page
  headers). A name that stands for nothing is from before rows had batches.
- A file that is not there is ``FileGone``: it may have been merged with others since its list was read, and its rows lie in
  another file then.
- Files are read by the thread that asks: Arrow's allocator keeps what was freed thread by thread, and gives back
  (``give_back``) only what its caller's thread and those that ended hold. With readers in threads it kept ever more.

Left out: which files the table consists of (``reading``, ``table``).
"""

import hashlib
import json
import re
from collections.abc import Iterator, Sequence
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
_STATISTICS = ("writer_id", "writer_seq", "log_index", "decision_id", "start_unix_nano", "end_unix_nano")


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
    nulls: dict[str, int] = field(default_factory=lambda: dict.fromkeys(_STATISTICS, 0))

    def add(self, table: pa.Table) -> "Statistics":
        """Take rows in."""
        self.rows += table.num_rows
        for column in _STATISTICS:
            self.nulls[column] += table[column].null_count
            span = pc.min_max(_values(table[column])).as_py()
            if span["min"] is not None:
                self.least[column] = min(span["min"], self.least.get(column, span["min"]))
                self.most[column] = max(span["max"], self.most.get(column, span["max"]))
        return self

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

    ``held`` are its bytes, if they are there already. ``StorageUnavailable`` if a store does not give them. ``threads`` is for
    processes that end soon.
    """
    try:
        table = pq.read_table(
            held or source(path),
            columns=list(columns),
            filters=filters,
            schema=pinned_schema(),
            partitioning=None,
            page_checksum_verification=True,
            use_threads=threads,
        )
    except (OSError, pa.ArrowException) as error:
        kind = FileGone if isinstance(error, FileNotFoundError) else IntegrityError
        raise kind(f"span file {path.name} cannot be read: {error}", str(path)) from error
    return cast("Any", table)


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
    data = _named_bytes(path)
    return set(pc.unique(read_file(path, [column], None, pa.BufferReader(data))[column]).to_pylist())


def _named_bytes(path: Place) -> bytes:
    data = read_bytes(path)
    if not is_named_by(path.name, data):
        raise IntegrityError(f"span file {path.name} is not the bytes that were written", str(path))
    return data


def row_groups(path: Place) -> Iterator[pa.Table]:
    """Yield a file's rows, one row group after another, once its bytes are known to be those that its name stands for."""
    yield from groups_in(path, _named_bytes(path))


def is_named_by(name: str, data: bytes) -> bool:
    """Tell whether a file's name ends in the digest of these bytes."""
    return hashlib.sha256(data).hexdigest() == digest_in(name)


def groups_in(path: Place, data: bytes) -> Iterator[pa.Table]:
    """Yield the rows that a file's bytes hold, one row group after another; raise ``IntegrityError`` if one does not check."""
    try:
        file = pq.ParquetFile(pa.BufferReader(data), page_checksum_verification=True)
        for number in range(file.num_row_groups):
            yield _pinned(file.read_row_group(number, use_threads=False))
    except (OSError, pa.ArrowException) as error:
        raise IntegrityError(f"span file {path.name} cannot be read: {error}", str(path)) from error


def give_back() -> None:
    """Return to the system what Arrow has freed and its allocator keeps for more of the same."""
    pa.default_memory_pool().release_unused()


def _pinned(table: pa.Table) -> pa.Table:
    schema, count = pinned_schema(), table.num_rows
    columns = [
        table[field.name].cast(field.type) if field.name in table.column_names else pa.nulls(count, field.type)
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
