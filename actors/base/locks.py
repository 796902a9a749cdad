"""One process at a time: an advisory lock (``flock``) on a file of its own, taken at once, refused or waited for.

Rules:
- The lock dies with the process, whatever kills it; the file stays, and what is in it means nothing here.
- A file that is missing is made, for this user alone. A symbolic link is not followed, and no program that is started
  inherits the lock.
- A lock belongs to the open file: closing the descriptor gives it back.

Left out: waiting with a bound, which is for those who know what to say meanwhile.
"""

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from actors.base.errors import HomeError


def hold(fd: int) -> bool:
    """Lock an open file if nobody else holds it; tell whether it is locked now."""
    try:
        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def is_free(fd: int) -> bool:
    """Tell whether nobody holds an open file's lock; a shared lock is held for an instant to find out."""
    try:
        fcntl.flock(fd, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    fcntl.flock(fd, fcntl.LOCK_UN)
    return True


def try_lock(path: Path) -> int | None:
    """Return the descriptor that holds a file's lock, ``None`` if somebody else does; raise ``OSError`` if it cannot be made."""
    fd = _opened(path)
    if hold(fd):
        return fd
    os.close(fd)
    return None


def only_one(path: Path, busy: str) -> int:
    """Return the descriptor that holds a file's lock; raise ``HomeError`` that says ``busy`` if somebody else does."""
    fd = try_lock(path)
    if fd is None:
        raise HomeError(busy)
    return fd


@contextmanager
def alone(path: Path, busy: str) -> Iterator[None]:
    """Hold a file's lock for the time of a block; raise ``HomeError`` that says ``busy`` if somebody else does."""
    fd = only_one(path, busy)
    try:
        yield
    finally:
        os.close(fd)


@contextmanager
def in_turn(path: Path) -> Iterator[int]:
    """Wait for a file's lock and hold it for the time of a block, given its descriptor."""
    fd = _opened(path)
    try:
        fcntl.flock(fd, fcntl.LOCK_EX)
        yield fd
    finally:
        os.close(fd)


def _opened(path: Path) -> int:
    return os.open(path, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
