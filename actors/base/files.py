"""Files that appear whole, durable and closed to others.

Rules:
- A folder's name is made durable before anything that lies in it is relied on, also where the folder was there: whoever made it
  may have died before that.
- A file is written beside its place, synced, put into it and its folder synced: readers see the old bytes or the new ones,
  and so does whoever reads after a crash.
- It has mode 0600 from its first moment.
- A write that fails names the file that was meant and leaves its place as it was; only if the folder's sync failed are the new
  bytes there, whole, and may be gone after a crash.
- What lies beside the file is removed, whether the write fails or not. Where a process was killed, or removing failed, it stays
  (``.<name>.<eight characters>``) and means nothing.

Left out: what a failure means.
"""

import contextlib
import os
import tempfile
from collections.abc import Callable
from pathlib import Path


class Folders:
    """The folders below one that is there and durable, as one process makes them."""

    def __init__(self, top: Path, sync: Callable[[Path], None] | None = None, mode: int = 0o777) -> None:
        self._top, self._sync, self._mode = top, sync or sync_folder, mode
        self._sure: set[Path] = set()
        """Those whose names this process made durable."""

    def ensure(self, folder: Path) -> None:
        """Make a folder, and its name and those above it durable: once even where they are there. Raises ``OSError``."""
        if folder in self._sure and folder.is_dir():
            return
        place = self._top
        for name in folder.relative_to(self._top).parts:
            place /= name
            if place not in self._sure or not place.is_dir():
                place.mkdir(mode=self._mode, parents=True, exist_ok=True)
                self._sync(place.parent)
                self._sure.add(place)

    def forget(self, folder: Path) -> None:
        """Learn that a folder was taken away."""
        self._sure.discard(folder)


def write_atomic(path: Path, data: bytes) -> None:
    """Make ``data`` the content of a file, whether there is one or not; raise ``OSError``."""
    _put(path, data, _replace)


def write_new(path: Path, data: bytes) -> None:
    """Make a file that is not there yet; raise ``FileExistsError``, another file untouched, or ``OSError``.

    After a failed sync of the folder the file is there all the same: who tries again finds it.
    """
    _put(path, data, _link)


def sync_folder(path: Path) -> None:
    """Make creations, renames and removals in a folder durable."""
    handle = os.open(path, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def _put(path: Path, data: bytes, into_place: Callable[[Path, Path], None]) -> None:
    try:
        handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
        try:
            with os.fdopen(handle, "wb") as file:
                file.write(data)
                file.flush()
                os.fsync(file.fileno())
            into_place(Path(name), path)
        except BaseException:
            with contextlib.suppress(OSError):  # what failed first is what is told
                Path(name).unlink(missing_ok=True)
            raise
        sync_folder(path.parent)
    except OSError as error:
        raise OSError(error.errno, error.strerror, str(path)) from error


def _replace(beside: Path, path: Path) -> None:
    beside.replace(path)


def _link(beside: Path, path: Path) -> None:
    path.hardlink_to(beside)
    with contextlib.suppress(OSError):  # the file is there, whatever else is
        beside.unlink()
