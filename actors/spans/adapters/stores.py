"""The spans table as its readers see it: in one place, or in the first storage and a backup behind it.

Rules:
- Which it is is asked anew each time: ``handover.json`` is one look at the disk. Rows leave the write-ahead log only after
  that word and they are durable, so whoever asks the log before this misses nothing.
- While a backup is in use, the first storage's rows are those of batches before ``first_batch``, and the backup's the others.
  What is copied back meanwhile is there twice and read once.
- A storage that cannot be asked is never taken for one that holds nothing: a backup whose directory is gone is away.

Left out: writing (``backup``).
"""

import contextlib
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

from actors.base.errors import IntegrityError, StorageUnavailable
from actors.spans.adapters.handover import HandoverFile
from actors.spans.adapters.located import table_of
from actors.spans.adapters.reading import TableReader
from actors.spans.adapters.segments import Disk
from actors.spans.adapters.table import KEEP_S, SpanTable
from actors.spans.columns import Rows
from actors.spans.compaction import TableFile
from actors.spans.failover import Handover
from actors.spans.place import AT_HOME, Location, Place
from actors.spans.remembered import NOTHING, Transactions

HANDOVER = "handover"
"""Application id under which a backup says from which batch on it holds all; without it, it never took over."""
T = TypeVar("T")


class SpanStores(TableReader):
    """The spans table of one home, wherever its rows lie. Any number of processes read."""

    def __init__(
        self, home: Path, checkpoint_commits: int, disk: Disk | None = None, keep_s: int = KEEP_S,
        location: Location = AT_HOME,
    ) -> None:  # fmt: skip
        """Raise ``HomeError`` if this home's rows do not lie at that location."""
        self._first_path = table_of(home, location)
        super().__init__(self._first_path, checkpoint_commits)
        self._desk, self._disk, self._keep_s = home / "spans", disk, keep_s
        self._first = self._open(self._first_path)
        self._word = HandoverFile(home, disk)
        self._backup: tuple[str, SpanTable] | None = None
        """The backup's directory, and the table in it."""

    def _open(self, path: Place) -> SpanTable:
        return SpanTable(path, self._checkpoint_commits, self._disk, self._keep_s, self._desk)

    def _in_use(self) -> tuple[SpanTable, int] | None:
        """Return the backup and the number of its first batch while it is in use."""
        handover = self._word.read()
        return (self._backup_of(handover), handover.first_batch) if handover is not None and handover.in_use else None

    def _backup_of(self, handover: Handover) -> SpanTable:
        """Return a backup that took over; raise ``StorageUnavailable`` if it is away, ``IntegrityError`` if it was set back."""
        if self._backup is not None and self._backup[0] == handover.directory:
            return self._backup[1]
        path = Path(handover.directory)
        if not path.is_dir():
            raise StorageUnavailable(f"the backup span storage {path} is in use, and away: bring it back")
        table = self._open(path)
        if table.last_committed(HANDOVER) != handover.first_batch:
            raise IntegrityError(f"the backup span storage {path} is in use, and is not what took over", "table")
        self._backup = handover.directory, table
        return table

    def _holder(self) -> SpanTable:
        """Return the table that holds the newest rows."""
        found = self._in_use()
        return self._first if found is None else found[0]

    def _first_found(self, ask: Callable[[SpanTable], T | None]) -> T | None:
        """Ask the newest rows first: what they hold is newer than anything else about it."""
        found = self._in_use()
        for table in (self._first,) if found is None else (found[0], self._first):
            if (answer := ask(table)) is not None:
                return answer
        return None

    def only_table(self) -> SpanTable | None:
        """Return the first storage where it holds all rows; ``None`` while a backup holds some."""
        return self._first if self._in_use() is None else None

    def version(self) -> int | None:
        """See ``TableReader.version``; of the storage in use."""
        return self._holder().version()

    def transactions(self, known: Transactions = NOTHING) -> Transactions:
        """See ``TableReader.transactions``; of the storage in use."""
        return self._holder().transactions(known)

    def last_committed(self, app_id: str) -> int | None:
        """See ``TableReader.last_committed``."""
        return self._holder().last_committed(app_id)

    def last_durable(self, app_id: str) -> int | None:
        """See ``SpanTable.last_durable``."""
        return self._holder().last_durable(app_id)

    def said(self) -> list[str]:
        """See ``TableReader.said``; of a storage that is away nothing is told."""
        if (found := self._in_use()) is None:
            return self._first.said()
        told = found[0].said()
        with contextlib.suppress(StorageUnavailable):
            told += self._first.said()
        return told

    def find(self, decision_id: str) -> bytes | None:
        """See ``TableReader.find``."""
        return self._first_found(lambda table: table.find(decision_id))

    def row_of(self, writer_id: str, seq: int, decision_id: str) -> Rows | None:
        """See ``TableReader.row_of``."""
        return self._first_found(lambda table: table.row_of(writer_id, seq, decision_id))

    def batches(self, first: int, last: int) -> list[Rows]:
        """See ``TableReader.batches``."""
        if (found := self._in_use()) is None:
            return self._first.batches(first, last)
        backup, start = found
        earlier = self._first.batches(first, min(last, start - 1)) if first < start else []
        return earlier + (backup.batches(max(first, start), last) if last >= start else [])

    def last_within(self, first: int, last: int, max_rows: int) -> int:
        """See ``TableReader.last_within``; what lies in two storages is not told together."""
        if (found := self._in_use()) is None or first >= found[1]:
            return self._holder().last_within(first, last, max_rows)
        return self._first.last_within(first, min(last, found[1] - 1), max_rows)

    def current_files(self) -> list[Place]:
        """See ``TableReader.current_files``."""
        return [file.path for file in self.numbered_files()] if self._in_use() else self._first.current_files()

    def numbered_files(self) -> list[TableFile]:
        """See ``TableReader.numbered_files``."""
        files, away = self.reachable_files()
        if away is not None:
            raise away
        return files

    def reachable_files(self) -> tuple[list[TableFile], StorageUnavailable | None]:
        """Return ``numbered_files`` as far as they can be told, and why not all if the first storage is away."""
        handover = self._word.read()
        files, away = self._list()
        if self._word.read() != handover:  # the first may hold files by now that go across the handover
            return self.reachable_files()
        return files, away

    def _list(self) -> tuple[list[TableFile], StorageUnavailable | None]:
        if (found := self._in_use()) is None:
            return self._first.numbered_files(), None
        backup, start = found
        try:
            earlier, away = self._first.numbered_files(), None
        except StorageUnavailable as error:
            earlier, away = [], error
        return [file for file in earlier if file.first is None or file.first < start] + backup.numbered_files(), away
