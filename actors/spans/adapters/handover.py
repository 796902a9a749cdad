"""The file that says which storage holds the newest rows: ``home/handover.json``.

Rules:
- It appears whole under its name; who reads it anew finds the old word or the new one. That change, and nothing else, moves
  the truth from one storage to the other.
- Room for the next word is had beforehand, in ``.handover.next``: a full disk is the likeliest reason to need one.
- After a write that failed nobody knows which word is there: it is read again and made durable before it is believed.

Left out: what the word means (``failover``) and who changes it (``adapters.backup``, under the actor's lock).
"""

import os
from pathlib import Path

from actors.base.errors import IntegrityError, StorageUnavailable
from actors.spans.adapters.segments import Disk
from actors.spans.failover import Handover, encode_handover, read_handover

NAME = "handover.json"
_ROOM = 4096
"""A word takes no more bytes: two paths and some numbers."""


class HandoverFile:
    """The file in one home. One process writes; any number read."""

    def __init__(self, home: Path, disk: Disk | None = None) -> None:
        self._place, self._next = home / NAME, home / ".handover.next"
        self._disk = disk or Disk()
        self._seen: tuple[tuple[int, int, int], Handover] | None = None
        """Which file was read last, and what it said."""

    def read(self) -> Handover | None:
        """Return the word, ``None`` if there never was a backup; it is read again whenever the file is another one.

        Raises ``StorageUnavailable`` if nobody can tell, ``IntegrityError`` if the file is no such word.
        """
        try:
            found = self._place.stat()
            which = (found.st_ino, found.st_mtime_ns, found.st_size)
            if self._seen is None or self._seen[0] != which:
                self._seen = which, read_handover(self._place.read_bytes())
        except FileNotFoundError:
            return None
        except OSError as error:
            raise StorageUnavailable(f"{self._place} cannot be read: {error.strerror}") from error
        except IntegrityError as error:
            raise IntegrityError(
                f"{self._place} does not say which span storage is in use ({error}): bring the right one back",
                "handover",
            ) from error
        return self._seen[1]

    def settle(self) -> Handover | None:
        """Return the word once no loss of power can take it back."""
        handover = self.read()
        try:
            if handover is not None:
                self._disk.sync_file(self._place)
                self._disk.sync_directory(self._place.parent)
        except OSError as error:
            raise StorageUnavailable(f"{self._place} cannot be synced: {error.strerror}") from error
        return handover

    def write(self, handover: Handover) -> None:
        """Make it the word, durably; after ``StorageUnavailable`` ask ``settle`` which word there is."""
        data = encode_handover(handover)
        if len(data) > _ROOM:
            raise StorageUnavailable(f"{self._place} has no room for {len(data)} bytes: take shorter paths")
        try:
            self.reserve()
            with self._next.open("r+b") as file:
                file.write(data.ljust(_ROOM, b"\n"))
            self._disk.sync_file(self._next)
            self._disk.rename(self._next, self._place)
            self._disk.sync_directory(self._place.parent)
        except OSError as error:
            raise StorageUnavailable(f"{self._place} cannot be written: {error.strerror}") from error

    def reserve(self) -> None:
        """Have room for the next word, if there is none yet; raises ``OSError`` if the disk has none."""
        handle = os.open(self._next, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            if os.fstat(handle).st_size < _ROOM:
                os.pwrite(handle, b"\n" * _ROOM, 0)
                self._disk.sync(handle)
        finally:
            os.close(handle)
