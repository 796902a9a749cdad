"""Writing and removing files of the spans table: in a directory of this machine, or in a bucket.

Rules:
- In a directory nothing counts before it is synced, and the names that lead to it; in a bucket the store's answer to the PUT is
  that sync, and an object that was not wholly written is not there.
- What the kernel says of a file's pages after a failed sync means nothing: it may have dropped them. An entry of Delta's log, or
  a checkpoint, whose sync failed is written anew before it counts, as long as all of it can be read. So is the newest that a
  process finds: the one before may have ended over that very failure.
- Notes of what is begun, and files in the making, lie on the *desk*: in a directory's case the table's own, in a bucket's
  ``home/spans``. So two homes that were pointed at one bucket, by mistake, never take the other's unfinished files away.
- What takes its place under its name is complete: a directory renames it, a bucket gets it in one piece.

Left out: reading (``reading``), what is written when (``table``, ``merge``, ``swaps``).
"""

import errno
from collections.abc import Sequence
from pathlib import Path
from typing import Protocol

from actors.spans.adapters.delta import DELTA_LOG
from actors.spans.adapters.delta_log import is_whole, newest_of, set_torn_aside
from actors.spans.adapters.located import remember
from actors.spans.adapters.objects import ObjectPath
from actors.spans.adapters.segments import Disk
from actors.spans.adapters.transactions import newest_checkpoint
from actors.spans.place import Place

ANEW = "_entry.new"
"""Where an entry or a checkpoint of Delta's log is written anew."""


class Files(Protocol):
    """Where a table's files are written. Names are those below the table; raises ``OSError`` or ``StorageUnavailable``."""

    @property
    def desk(self) -> Path:
        """Return where notes lie and files are made."""
        ...

    def open_desk(self) -> None:
        """Have the desk, before the first row is written."""
        ...

    def open_root(self) -> None:
        """Have a place for a table that there is none of yet."""
        ...

    def created(self) -> None:
        """Make durable what created the table."""
        ...

    def make_folders(self, names: Sequence[str]) -> None:
        """Have folders for files; whoever notes their names makes that durable."""
        ...

    def write(self, name: str, data: bytes) -> None:
        """Write a file durably."""
        ...

    def take(self, made: Path, name: str) -> None:
        """Durably put a file in its place that was made, and synced, on the desk."""
        ...

    def remove(self, names: Sequence[str]) -> list[Place]:
        """Durably remove files; return those that there were."""
        ...

    def mend_log(self) -> None:
        """Set aside what a loss of power tore at the end of Delta's log."""
        ...

    def sync_log(self, synced: int | None, newest: int) -> bool:
        """Make what follows an entry of Delta's log durable; tell whether a checkpoint is among it."""
        ...


def files_of(root: Place, disk: Disk, desk: Path | None) -> Files:
    """Return how files of a table are written; ``desk`` is asked for where it lies in a bucket."""
    if isinstance(root, ObjectPath):
        if desk is None:
            raise ValueError(f"a table in {root} needs a directory for its notes")
        return BucketFiles(root, desk)
    return DirectoryFiles(Path(str(root)), disk)


class DirectoryFiles:
    """A table in a directory."""

    def __init__(self, root: Path, disk: Disk) -> None:
        self._root, self._disk = root, disk
        self._is_named = False
        """Whether this process made the table's name durable."""
        self._unsure = set[Path]()
        """Entries and checkpoints whose sync failed, or may have."""

    @property
    def desk(self) -> Path:
        """Return the table's directory: Delta passes over names that begin with an underscore."""
        return self._root

    def open_desk(self) -> None:
        """Do nothing: the table's directory is made with the table."""

    def open_root(self) -> None:
        """Make the directory."""
        self._root.mkdir(parents=True, exist_ok=True)

    def created(self) -> None:
        """Sync the first entry, so that only the newest can ever be torn, and what leads to it."""
        self._name_durably()
        self._sync(self._root / DELTA_LOG / f"{0:020d}.json")

    def _name_durably(self) -> None:
        self._disk.sync_directory(self._root)
        self._disk.sync_directory(self._root.parent)
        self._is_named = True

    def make_folders(self, names: Sequence[str]) -> None:
        """Make them."""
        for name in names:
            (self._root / name).parent.mkdir(exist_ok=True)

    def write(self, name: str, data: bytes) -> None:
        """Write and sync."""
        path = self._root / name
        path.write_bytes(data)
        self._disk.sync_file(path)
        self._disk.sync_directory(path.parent)

    def take(self, made: Path, name: str) -> None:
        """Rename it."""
        path = self._root / name
        self._disk.rename(made, path)
        self._disk.sync_directory(path.parent)
        self._disk.sync_directory(self._root)

    def remove(self, names: Sequence[str]) -> list[Place]:
        """Remove them, and sync their folders."""
        paths = [path for name in names if (path := self._root / name).exists()]
        for path in paths:
            self._disk.remove(path)
        for folder in {path.parent for path in paths}:
            self._disk.sync_directory(folder)
        return list(paths)

    def mend_log(self) -> None:
        """See ``delta_log``."""
        set_torn_aside(self._root / DELTA_LOG, self._disk)
        if (entry := newest_of(self._root / DELTA_LOG, "*.json")) is not None:
            self._unsure.update((entry, entry.with_suffix(".checkpoint.parquet")))

    def sync_log(self, synced: int | None, newest: int) -> bool:
        """Sync entries and checkpoints since: the library leaves that to the system."""
        if not self._is_named:  # whoever made the table may have died before its name was durable
            self._name_durably()
        log, found = self._root / DELTA_LOG, False
        first = (newest_checkpoint(log, newest) or 0) if synced is None else synced + 1
        for version in range(first, newest + 1):
            entry, checkpoint = log / f"{version:020d}.json", log / f"{version:020d}.checkpoint.parquet"
            found |= checkpoint.exists()
            for path in (entry, checkpoint):
                if path.exists():
                    self._sync(path)
        if (log / "_last_checkpoint").exists():
            self._disk.sync_file(log / "_last_checkpoint")
        self._disk.sync_directory(log)
        return found

    def _sync(self, path: Path) -> None:
        if path in self._unsure:
            if not is_whole(path):
                raise OSError(errno.EIO, "what was written is gone: it is set aside at the next start", str(path))
            (self._root / ANEW).write_bytes(path.read_bytes())
            self._disk.sync_file(self._root / ANEW)
            self._disk.rename(self._root / ANEW, path)
            self._unsure.discard(path)
            return
        try:
            self._disk.sync_file(path)
        except OSError:
            self._unsure.add(path)
            raise


class BucketFiles:
    """A table in a bucket: objects have no folders, and are durable once the store has said so."""

    def __init__(self, root: ObjectPath, desk: Path) -> None:
        self._root, self._desk = root, desk

    @property
    def desk(self) -> Path:
        """Return a directory of this machine."""
        return self._desk

    def open_desk(self) -> None:
        """Have it say where rows lie."""
        remember(self._desk, self._root.location.url)

    def open_root(self) -> None:
        """Do nothing: there are no folders."""

    def created(self) -> None:
        """Do nothing: the store has said so."""

    def make_folders(self, names: Sequence[str]) -> None:
        """Do nothing: there are none."""

    def write(self, name: str, data: bytes) -> None:
        """Write it; the answer says that it is durable."""
        (self._root / name).write_bytes(data)

    def take(self, made: Path, name: str) -> None:
        """Write it under its name, and remove it here."""
        (self._root / name).write_bytes(made.read_bytes())
        made.unlink()

    def remove(self, names: Sequence[str]) -> list[Place]:
        """Remove them."""
        paths = [path for name in names if (path := self._root / name).exists()]
        for path in paths:
            path.unlink(missing_ok=True)
        return list(paths)

    def mend_log(self) -> None:
        """Do nothing: an entry is whole or not there."""

    def sync_log(self, synced: int | None, newest: int) -> bool:
        """Look for a checkpoint among what this process added."""
        log = self._root / DELTA_LOG
        first = newest + 1 if synced is None else synced + 1
        return any((log / f"{version:020d}.checkpoint.parquet").exists() for version in range(first, newest + 1))
