"""Reads what the table itself says is quarantined.

Rules:
- Files of the table never change, so what one says is read once by whoever asks again and again; of those that are gone nothing
  is kept.
- Of a batch that was sealed though it was not what its commit said only what somebody signed counts: the rest of its rows may be
  anybody's, and are passed over.
"""

import contextlib
import logging
from collections.abc import Container, Iterator, Sequence
from typing import Any

import pyarrow.compute as pc

from actors.base.certificates import TrustBundle
from actors.base.errors import IntegrityError
from actors.spans import conventions as names
from actors.spans.adapters.parquet import FileGone
from actors.spans.adapters.reading import TableReader
from actors.spans.place import Place
from actors.spans.quarantined import WORDS, Entry, check_word, entry_of, is_signed

_Row = dict[str, Any]
_COLUMNS = ("name", "log_index", "writer_seq", "start_unix_nano", "attributes")
_WANTED = pc.field("name").isin(list(WORDS))
_log = logging.getLogger("weavergen.spans")


class Entries:
    """Every word of one table on quarantined rows."""

    def __init__(self, table: TableReader) -> None:
        self._table = table
        self._said: dict[Place, list[_Row]] = {}
        """File → its rows that say something."""

    def read(self, trust: TrustBundle) -> list[Entry]:
        """Return all words, in the order of the log.

        Raises ``IntegrityError`` if a file does not check, an entry cannot be read, or no operator said what is said in an
        operator's name; ``StorageUnavailable`` like the table.
        """
        rows = [row for said in self._table.with_files(self._files) for row in said]
        rows.sort(key=lambda row: (-1 if row["log_index"] is None else row["log_index"], row["writer_seq"]))
        return list(_read(rows, {answer.batch for answer in _answers(rows, trust)}, trust))

    def answered(self, trust: TrustBundle) -> list[Entry]:
        """Return for which batches operators answered, and nothing else: what is forged elsewhere in the table keeps none of it.

        A file that does not check says nothing here. Raises ``StorageUnavailable`` like the table.
        """
        return list(_answers([row for said in self._table.with_files(self._sound) for row in said], trust))

    def _files(self) -> Sequence[list[_Row]]:
        current = self._table.current_files()
        found = [self._rows(path) for path in current]
        self._said = {path: self._said[path] for path in current}
        return found

    def _sound(self) -> Sequence[list[_Row]]:
        found = []
        for path in self._table.current_files():
            try:
                found.append(self._rows(path))
            except FileGone:
                raise
            except IntegrityError as error:
                _log.warning("what it says of quarantine is not known: %s", error)
        return found

    def _rows(self, path: Place) -> list[_Row]:
        if path not in self._said:
            self._said[path] = self._table.read_file(path, _COLUMNS, _WANTED).to_pylist()
        return self._said[path]


def entries(table: TableReader, trust: TrustBundle) -> list[Entry]:
    """Return every word on quarantined rows, once; raises like ``Entries.read``."""
    return Entries(table).read(trust)


def _read(rows: Sequence[_Row], answered: Container[int], trust: TrustBundle) -> Iterator[Entry]:
    for row in rows:
        if names.ROW_WRITER not in dict(row["attributes"]):
            continue  # of an earlier version: it tells of a row that was set aside, and is in no table
        anybody_s = row["log_index"] in answered
        try:
            entry = _checked(row, trust)
        except (KeyError, ValueError, IntegrityError) as error:
            if anybody_s:
                continue
            raise IntegrityError(
                f"entry {row['writer_seq']} of batch {row['log_index']} does not count: {error}"
            ) from error
        if not anybody_s or is_signed(entry):
            yield entry


def _answers(rows: Sequence[_Row], trust: TrustBundle) -> Iterator[Entry]:
    for row in rows:
        if row["name"] == names.BATCH_ANSWERED:
            with contextlib.suppress(KeyError, ValueError, IntegrityError):  # whoever reads all words names it
                yield _checked(row, trust)


def _checked(row: _Row, trust: TrustBundle) -> Entry:
    """Return what a row says; raise ``KeyError``, ``ValueError`` or ``IntegrityError`` if nobody who may said it."""
    said = dict(row["attributes"])
    entry = entry_of(str(row["name"]), said, int(row["start_unix_nano"]))
    check_word(entry, said, trust)
    return entry
