"""Segments of which anything is missing or can no longer be read: ``quarantine/wal``, whole, as they were.

Nothing of it is removed but by hand. Together they take ``max_bytes`` at most: beyond it a segment stays in its writer's log,
whose own bound then makes the writer wait.
"""

from pathlib import Path

from actors.base.files import Folders
from actors.spans.adapters.reader import SegmentRef
from actors.spans.adapters.room import Room, size
from actors.spans.adapters.segments import Disk


class KeptSegments:
    """The folder they are moved to."""

    def __init__(self, home: Path, disk: Disk, max_bytes: int) -> None:
        self._path, self._disk = home / "quarantine" / "wal", disk
        self._folders = Folders(home, disk.sync_directory)
        self.room = Room(self._path, max_bytes)

    def take(self, ref: SegmentRef) -> None:
        """Move a segment there, durably; nothing where it was moved already.

        Raises ``OSError`` if the disk refuses, ``StorageUnavailable`` if there is no room: then it lies where it lay.
        """
        self._folders.ensure(self._path)
        if ref.path.exists():
            more = size(ref.path)
            self.room.need(more)
            self._disk.rename(ref.path, self._path / f"{ref.writer_id}-{ref.path.name}")
            self._disk.sync_directory(self._path)
            self.room.took(more)
