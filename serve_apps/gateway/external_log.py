"""The log of other services' rows: a writer of its own, so that no flood of them stands before a decision.

Rules:
- It is another writer incarnation than the replica's: its own segments, thread, queue and numbers, opened when the first such
  rows come. What fills it, hangs in it or breaks it is nothing to the log of decisions.
- It takes rows only while there is room: in its queue, on the disk beside what decisions need, and behind the span actor.
  Where there is none it says so at once, and the sender keeps its spans: nothing is dropped here.
- Its certificate is renewed like the replica's: a rotation of the issuer waits for every live writer.
- A call's frames are queued one a turn of the event loop, once there is room for all of them. Durable on return; what was waited
  for in vain may become durable later, and comes twice if it is sent again.

Left out: what the rows say (``actors.spans.otlp``), and removing segments (the span actor).
"""

import asyncio
import math
import shutil
import time
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from actors.base.errors import StorageUnavailable, WeaverGenError
from actors.spans.adapters.segments import SEGMENT_SUFFIX
from actors.spans.adapters.wal import WalWriter, WriterIdentity
from actors.spans.config import SpansConfig
from actors.spans.otlp.config import ROW_BYTES, OtlpConfig
from actors.spans.span import Span

LOOK_S = 1.0
"""How often the disk is looked at, at most."""
FRAME_BYTES = 256 * 1024
"""Rows are encoded on the event loop, so many bytes in one turn of it."""
MIB = 1024 * 1024


class ExternalLog:
    """Used from one event loop."""

    def __init__(
        self, home: Path, open_writer: Callable[[], WalWriter], spans: SpansConfig, config: OtlpConfig,
        monotonic: Callable[[], float] = time.monotonic, free_bytes: Callable[[Path], int] | None = None,
    ) -> None:  # fmt: skip
        """``open_writer`` blocks: it is called in a thread."""
        self._home = home
        self._open_writer = open_writer
        self._spans, self._config = spans, config
        self._monotonic = monotonic
        self._free_bytes = free_bytes or (lambda path: shutil.disk_usage(path).free)
        self._thread = ThreadPoolExecutor(1, "external-log")
        self._writer: WalWriter | None = None
        self._opening: asyncio.Task[None] | None = None
        self._promised_bytes = 0
        """Of calls that are under way."""
        self._looked_s = float("-inf")
        self._full = ""

    @property
    def alive(self) -> bool:
        """Tell whether it can write, or can be opened; without that the process is to be replaced."""
        return self._writer is None or self._writer.alive

    @property
    def identity(self) -> WriterIdentity | None:
        """Key and certificate of its writer, which rotations of the issuer wait for; ``None`` before there is one."""
        return self._writer.identity if self._writer else None

    @identity.setter
    def identity(self, identity: WriterIdentity | None) -> None:
        if self._writer is not None and identity is not None:
            self._writer.identity = identity

    def seconds_left(self, now_s: float) -> float:
        """Return how long the certificate is good."""
        return self.identity.certificate.read().not_after - now_s if self.identity else math.inf

    @property
    def writer_id(self) -> str:
        """Return whose rows they are; empty before there were any."""
        return self._writer.identity.id if self._writer else ""

    @property
    def queued_bytes(self) -> int:
        """Return what is on its way to the disk."""
        return self._writer.queued_bytes if self._writer else 0

    @property
    def unavailable_because(self) -> str:
        """Say why rows would not be taken, as far as it was seen last; empty while they would."""
        return (self._writer.unavailable_because if self._writer else "") or self._full

    async def append(self, rows: Sequence[Span]) -> None:
        """Write rows and return when all of them are durable.

        Raises ``StorageUnavailable`` if they cannot be made so in the time that a disk has, ``NotReady`` if no writer can be
        opened.
        """
        writer = await self._opened()
        frames = in_frames(rows, min(FRAME_BYTES, self._spans.max_frame_bytes))
        size = sum(map(row_bytes, rows))
        try:
            async with asyncio.timeout(self._spans.stall_after_ms / 1000):
                await self._require_room(writer, size)
                await self._write(writer, frames, size)
        except TimeoutError as error:
            raise StorageUnavailable("the spans could not be made durable in time; send them again later") from error

    async def _write(self, writer: WalWriter, frames: Sequence[Sequence[Span]], size: int) -> None:
        self._promised_bytes += size
        try:
            written = []
            for frame in frames:
                written.append(asyncio.create_task(_append(writer, frame)))
                written[-1].add_done_callback(_heard)  # whoever waited may have been cancelled by then
                await asyncio.sleep(0)  # other requests have their turn while so many rows are encoded
            await asyncio.gather(*written)
        finally:
            self._promised_bytes -= size

    async def _require_room(self, writer: WalWriter, size: int) -> None:
        if self._monotonic() - self._looked_s >= LOOK_S:
            self._looked_s = self._monotonic()
            self._full = await asyncio.get_running_loop().run_in_executor(self._thread, self._look, writer.identity.id)
        if self._full:
            raise StorageUnavailable(self._full)
        if max(self._promised_bytes, writer.queued_bytes) + size > self._config.queue_max_bytes:
            raise StorageUnavailable("the queue of spans that wait for the disk is full; send them again later")

    def _look(self, writer_id: str) -> str:
        """Say why the disk has no room for such rows; empty if it has."""
        try:
            free = self._free_bytes(self._home)
            segments = sum(1 for _ in (self._home / "wal" / writer_id).glob(f"*{SEGMENT_SUFFIX}"))
        except OSError as error:
            return f"the disk cannot be looked at: {error.strerror}"
        if free < self._config.min_free_bytes:
            return f"less than {self._config.min_free_bytes // MIB} MiB of disk are free, which are for decisions"
        waiting = max(0, segments - 1 - self._spans.reserve_segments) * self._spans.segment_bytes
        if waiting > self._config.max_backlog_bytes:
            return (
                f"{waiting // MIB} MiB of spans wait for the table (otlp.max_backlog_bytes); the span actor is behind"
            )
        return ""

    async def _opened(self) -> WalWriter:
        while self._writer is None:
            if self._opening is None:
                self._opening = asyncio.create_task(self._open())
                self._opening.add_done_callback(self._ended)
            await asyncio.shield(self._opening)
        return self._writer

    async def _open(self) -> None:
        self._writer = await asyncio.get_running_loop().run_in_executor(self._thread, self._open_writer)

    def _ended(self, opening: asyncio.Task[None]) -> None:
        """Have the next call try again, if this one failed; whoever waited was told why."""
        self._opening = None
        _heard(opening)

    async def close(self) -> None:
        """Make what is queued durable, and let go."""
        if self._opening is not None:
            await asyncio.wait([self._opening])
        if self._writer is not None:
            await asyncio.to_thread(self._writer.close)
        self._thread.shutdown(wait=False)


def row_bytes(row: Span) -> int:
    """Return what a row takes in the log, at most."""
    return len(row.otlp) + len(row.name.encode()) + ROW_BYTES


def in_frames(rows: Iterable[Span], most: int) -> list[list[Span]]:
    """Part rows into frames of ``most`` bytes at most, in their order; one that is larger is alone."""
    frames: list[list[Span]] = []
    size = most
    for row in rows:
        size += row_bytes(row)
        if size > most:
            frames.append([])
            size = row_bytes(row)
        frames[-1].append(row)
    return frames


def _heard(done: asyncio.Task[None]) -> None:
    if not done.cancelled():
        done.exception()


async def _append(writer: WalWriter, frame: Sequence[Span]) -> None:
    try:
        await writer.append(len(frame), lambda _: list(frame))
    except ValueError as error:  # a row that was checked before and that the log refuses all the same
        raise WeaverGenError(f"a span cannot be recorded: {error}") from error
