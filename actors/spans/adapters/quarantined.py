"""Reads what the table itself says is quarantined."""

from collections.abc import Iterator

import pyarrow.compute as pc

from actors.base.errors import IntegrityError
from actors.spans import conventions as names
from actors.spans.adapters.reading import TableReader
from actors.spans.quarantined import Entry, entry_of

_COLUMNS = ("name", "log_index", "writer_seq", "start_unix_nano", "attributes")


def entries(table: TableReader) -> list[Entry]:
    """Return every word on quarantined rows, in the order of the log.

    Raises ``IntegrityError`` if a file does not check or an entry cannot be read, ``StorageUnavailable`` like the table.
    """
    wanted = (pc.field("name") == names.ROW_QUARANTINED) | (pc.field("name") == names.ROW_RELEASED)
    rows = table.read(_COLUMNS, wanted).to_pylist()
    rows.sort(key=lambda row: (-1 if row["log_index"] is None else row["log_index"], row["writer_seq"]))
    return list(_read(rows))


def _read(rows: list[dict[str, object]]) -> Iterator[Entry]:
    for row in rows:
        said = dict(row["attributes"])  # type: ignore[call-overload]
        if names.ROW_WRITER not in said:
            continue  # of an earlier version: it tells of a row that was set aside, and is in no table
        try:
            yield entry_of(str(row["name"]), said, int(row["start_unix_nano"]))  # type: ignore[call-overload]
        except (KeyError, ValueError) as error:
            raise IntegrityError(
                f"entry {row['writer_seq']} of batch {row['log_index']} cannot be read: {error}"
            ) from error
