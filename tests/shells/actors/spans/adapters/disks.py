"""A log on a disk whose faults are made to order, and what a reader finds of it."""

import asyncio
import errno
import os
import threading
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from pathlib import Path

from actors.base.errors import StorageUnavailable
from actors.spans.adapters.reader import SegmentRead, WalReader
from actors.spans.adapters.segments import Disk
from actors.spans.adapters.wal import WalWriter
from actors.spans.config import SpansConfig
from actors.spans.frames import FrameKind, decode_spans
from actors.spans.span import Span
from tests.unit.actors.spans.telemetry import SMALL, identity


class Faults:
    """A disk whose next commits fail, are cut short, or wait, and that may be full."""

    def __init__(self) -> None:
        self.full = False
        self.bad_syncs = 0
        self.bad_writes = 0
        self.write_at_most: int | None = None
        self.gate = threading.Event()
        self.gate.set()

    def allocate(self, fd: int, offset: int, size: int) -> None:
        """Preallocate, unless the disk is full."""
        if self.full:
            raise OSError(errno.ENOSPC, "No space left on device")
        os.posix_fallocate(fd, offset, size)

    def write(self, fd: int, buffers: Sequence[bytes], offset: int) -> int:
        """Write, perhaps less than asked for."""
        commits = threading.current_thread().name == "wal-writer"
        if commits:
            self.gate.wait()
        if self.bad_writes and commits:
            self.bad_writes -= 1
            raise OSError(errno.EIO, "Input/output error")
        if self.write_at_most is not None:
            return os.pwritev(fd, [b"".join(buffers)[: self.write_at_most]], offset)
        return os.pwritev(fd, buffers, offset)

    def sync(self, fd: int) -> None:
        """Sync, or fail as a disk does: once, and as if nothing had been afterwards."""
        if self.bad_syncs and threading.current_thread().name == "wal-writer":
            self.bad_syncs -= 1
            raise OSError(errno.EIO, "Input/output error")
        os.fdatasync(fd)

    @property
    def disk(self) -> Disk:
        """The system calls of this disk."""
        return Disk(self.allocate, self.write, self.sync)


@asynccontextmanager
async def opened(root: Path, faults: Faults | None = None, config: SpansConfig = SMALL) -> AsyncIterator[WalWriter]:
    """Open a log and close it afterwards."""
    wal = WalWriter(root, identity(), config, (faults or Faults()).disk)
    try:
        yield wal
    finally:
        await asyncio.to_thread(wal.close)


async def until(condition: Callable[[], bool]) -> None:
    """Wait for what another thread brings about."""
    async with asyncio.timeout(60):
        while not condition():  # noqa: ASYNC110 - threads of the log set no asyncio event
            await asyncio.sleep(0)


async def settled(append: Awaitable[None]) -> str:
    """Say how an append ended: durable, or refused and why."""
    try:
        await append
    except StorageUnavailable as error:
        return str(error)
    return "durable"


def reads(root: Path) -> list[SegmentRead]:
    """Read every segment that has frames."""
    reader = WalReader(root, 1 << 30)
    found = [reader.read(ref) for writer in reader.writers() for ref in reader.segments(writer)]
    return [read for read in found if read is not None and read.scan.frames]


def rows(root: Path) -> list[Span]:
    """Return all rows, in the order they lie in the log, each sequence number once as a reader takes it."""
    taken: dict[int, Span] = {}
    for read in reads(root):
        assert read.scan.damage == ()
        for frame in read.scan.frames:
            if frame.kind is FrameKind.SPANS:
                for index, row in enumerate(decode_spans(frame)):
                    taken.setdefault(frame.first_seq + index, row)
    assert list(taken) == list(range(1, len(taken) + 1)), "a gap, or out of order"
    return list(taken.values())
