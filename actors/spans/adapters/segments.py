"""Segment files of one writer: preallocated, locked, synced to disk before anything relies on them.

Rules:
- A segment appears under its final name only when it is locked, preallocated, headed and durable. A live writer holds
  the lock of at least one segment at every instant, so a free lock means that its writer is gone (or done with it).
- Locks are ``flock``: they die with the process, whatever kills it.

Left out: what is written into segments (``wal``) and reading them (``reader``).
"""

import contextlib
import errno
import os
import threading
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from actors.base.files import sync_folder
from actors.base.locks import hold

SEGMENT_SUFFIX = ".wal"
UNBORN_SUFFIX = ".new"


def _rename(source: Path, target: Path) -> None:
    source.rename(target)


def _remove(path: Path) -> None:
    path.unlink(missing_ok=True)


def _sync_file(path: Path) -> None:
    fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)


@dataclass(frozen=True, slots=True)
class Disk:
    """The system calls that durability depends on, so that a test can make a disk fail and see their order."""

    allocate: Callable[[int, int, int], None] = os.posix_fallocate
    write: Callable[[int, Sequence[bytes], int], int] = os.pwritev
    sync: Callable[[int], None] = os.fdatasync
    sync_file: Callable[[Path], None] = _sync_file
    """Make a closed file durable."""
    sync_directory: Callable[[Path], None] = sync_folder
    """Make creations, renames and removals in a directory durable."""
    rename: Callable[[Path, Path], None] = _rename
    remove: Callable[[Path], None] = _remove
    """Remove a file; one that is gone already is no error."""


@dataclass(slots=True)
class OpenSegment:
    """A segment this process holds the lock of."""

    number: int
    path: Path
    fd: int
    start: int
    """Offset at which frames begin."""
    seed: int
    end: int
    """Offset behind the last durable frame."""
    usable: bool = True
    """False once a write or sync failed: what the kernel says about its pages afterwards means nothing."""

    def close(self) -> None:
        """Release the lock."""
        os.close(self.fd)

    def discard(self) -> None:
        """Release the lock and remove the file, which holds nothing that was acknowledged."""
        try:
            self.path.unlink(missing_ok=True)
        finally:
            self.close()


def segment_name(number: int) -> str:
    """File name of a segment."""
    return f"{number:08d}{SEGMENT_SUFFIX}"


def create_segment(directory: Path, number: int, header: bytes, seed: int, size: int, disk: Disk) -> OpenSegment:
    """Create a locked, preallocated, durable segment; raise ``OSError`` if the disk cannot.

    Then nothing is left, or where the disk refuses that as well a segment that was never used, and above all no lock.
    """
    unborn = directory / f".{number:08d}{UNBORN_SUFFIX}"
    fd = os.open(unborn, os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
    try:
        if not hold(fd):
            raise BlockingIOError(f"{unborn} is another process's")
        disk.allocate(fd, 0, size)
        write_all(fd, [header], 0, disk)
        disk.sync(fd)
        path = directory / segment_name(number)
        disk.rename(unborn, path)
        disk.sync_directory(directory)
    except OSError:
        for left in (unborn, directory / segment_name(number)):
            with contextlib.suppress(OSError):
                left.unlink(missing_ok=True)
        os.close(fd)
        raise
    return OpenSegment(number, path, fd, len(header), seed, len(header))


def write_all(fd: int, buffers: Sequence[bytes], offset: int, disk: Disk) -> int:
    """Write buffers one behind the other, going on after short writes; return how many bytes that were."""
    total = sum(map(len, buffers))
    written = disk.write(fd, buffers, offset)
    if written < total:
        rest = b"".join(buffers)
        while written < total:
            step = disk.write(fd, [rest[written:]], offset + written)
            if step == 0:
                raise OSError(5, "the disk took no bytes")
            written += step
    return total


class SegmentReserve:
    """Keeps segments preallocated ahead, on a thread of its own, so that rotating never waits for the disk.

    ``create`` makes the next segment or raises ``OSError``; a failed attempt is repeated every ``retry_s``. Whatever
    else it raises ends the thread, and is what ``take`` fails with from then on once the reserve is used up.
    """

    def __init__(self, create: Callable[[], OpenSegment], depth: int, retry_s: float, wait_s: float) -> None:
        self._create = create
        self._depth = depth
        self._retry_s = retry_s
        self._wait_s = wait_s
        self._ready: deque[OpenSegment] = deque()
        self._error: OSError | None = None
        self._closed = False
        self._changed = threading.Condition()
        self._thread = threading.Thread(target=self._run, name="wal-reserve", daemon=True)
        self._thread.start()

    def take(self) -> OpenSegment:
        """Return the next segment; wait up to ``wait_s`` for one that is being made, raise ``OSError`` if none is."""
        with self._changed:
            self._changed.wait_for(lambda: self._ready or self._error or self._closed, self._wait_s)
            if not self._ready:
                late = f"no segment was ready within {self._wait_s:g} s"
                raise self._error or OSError(errno.ETIMEDOUT, "the log is closed" if self._closed else late)
            segment = self._ready.popleft()
            self._changed.notify_all()
            return segment

    @property
    def depth(self) -> int:
        """Segments ready at this moment."""
        return len(self._ready)

    @property
    def alive(self) -> bool:
        """Tell whether segments are still being made."""
        return self._thread.is_alive()

    def close(self) -> None:
        """Stop and remove the segments nobody used."""
        with self._changed:
            self._closed = True
            self._changed.notify_all()
        self._thread.join()
        while self._ready:
            with contextlib.suppress(OSError):  # what cannot be removed is adopted as never used: its lock is released
                self._ready.popleft().discard()

    def _run(self) -> None:
        try:
            self._keep_filled()
        except BaseException as error:  # noqa: BLE001 - a thread that ends must say why, whatever it was
            with self._changed:
                self._error = OSError(errno.EIO, f"the reserve's thread ended: {error!r}")
                self._changed.notify_all()

    def _keep_filled(self) -> None:
        while self._wanted():
            try:
                segment = self._create()
            except OSError as error:
                self._failed(error)
                continue
            with self._changed:
                self._ready.append(segment)
                self._error = None
                self._changed.notify_all()

    def _wanted(self) -> bool:
        with self._changed:
            self._changed.wait_for(lambda: self._closed or len(self._ready) < self._depth)
            return not self._closed

    def _failed(self, error: OSError) -> None:
        with self._changed:
            self._error = error
            self._changed.notify_all()
            self._changed.wait_for(lambda: self._closed, self._retry_s)
