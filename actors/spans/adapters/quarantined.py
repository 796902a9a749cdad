"""Reads what the table itself says is quarantined.

Rules:
- Files of the table never change, so what one says is read once by whoever asks again and again; of those that are gone nothing
  is kept.
"""

from collections.abc import Iterator, Sequence
from typing import Any

import pyarrow.compute as pc

from actors.base.certificates import TrustBundle
from actors.base.errors import IntegrityError
from actors.spans import conventions as names
from actors.spans.adapters.reading import TableReader
from actors.spans.place import Place
from actors.spans.quarantined import Entry, check_word, entry_of

_COLUMNS = ("name", "log_index", "writer_seq", "start_unix_nano", "attributes")
_WANTED = (pc.field("name") == names.ROW_QUARANTINED) | (pc.field("name") == names.ROW_RELEASED)


class Entries:
    """Every word of one table on quarantined rows."""

    def __init__(self, table: TableReader) -> None:
        self._table = table
        self._said: dict[Place, list[dict[str, Any]]] = {}
        """File → its rows that say something."""

    def read(self, trust: TrustBundle) -> list[Entry]:
        """Return all words, in the order of the log.

        Raises ``IntegrityError`` if a file does not check, an entry cannot be read, or no operator said what is said in an
        operator's name; ``StorageUnavailable`` like the table.
        """
        rows = [row for said in self._table.with_files(self._files) for row in said]
        rows.sort(key=lambda row: (-1 if row["log_index"] is None else row["log_index"], row["writer_seq"]))
        return list(_read(rows, trust))

    def _files(self) -> Sequence[list[dict[str, Any]]]:
        current = self._table.current_files()
        for path in current:
            if path not in self._said:
                self._said[path] = self._table.read_file(path, _COLUMNS, _WANTED).to_pylist()
        self._said = {path: self._said[path] for path in current}
        return list(self._said.values())


def entries(table: TableReader, trust: TrustBundle) -> list[Entry]:
    """Return every word on quarantined rows, once; raises like ``Entries.read``."""
    return Entries(table).read(trust)


def _read(rows: list[dict[str, Any]], trust: TrustBundle) -> Iterator[Entry]:
    for row in rows:
        said = dict(row["attributes"])
        if names.ROW_WRITER not in said:
            continue  # of an earlier version: it tells of a row that was set aside, and is in no table
        try:
            entry = entry_of(str(row["name"]), said, int(row["start_unix_nano"]))
            check_word(entry, said, trust)
        except (KeyError, ValueError, IntegrityError) as error:
            raise IntegrityError(
                f"entry {row['writer_seq']} of batch {row['log_index']} does not count: {error}"
            ) from error
        yield entry
