"""The write-ahead log of one writer incarnation: frames are durable before anybody is told, in groups.

Rules:
- Sequence numbers are given out on the event loop's thread, without a gap: what raises before its frame is queued
  consumes none. A frame that is queued is written in order whatever becomes of the task that waits for it.
- One thread writes: it takes everything queued, writes it with one ``pwritev``, makes it durable with one ``fdatasync``,
  then wakes all that waited with one call into the loop. Where many more are on their way it gives them a moment first
  (``group_wait_us``): so many syncs a second fewer leave the processor to whoever makes the frames.
- After a failed write or sync the segment is never written again, because the kernel may drop the pages and report the
  next sync as good. Its frames are still in memory, byte for byte, and go to the next segment under the same numbers;
  a reader that saw them twice skips the second. Only if that fails too is storage *unavailable*: those who wait get
  ``StorageUnavailable``, appends are refused, the frames are kept and tried again every ``storage_retry_ms``.
- So numbers never have a hole, and nothing acknowledged is missing. What was refused, or waited for in vain, may still
  become durable later: a record proves what was decided, not that it was delivered.
- A disk that hangs raises nothing, so age tells: once the oldest frame that is not durable has waited ``stall_after_ms``,
  storage is unavailable until the disk has answered. A thread that dies of anything else makes it unavailable for good;
  ``alive`` tells, and the process is to be replaced.

Left out: reading (``reader``), adoption (``actor``) and signatures over frames (with the transparency log).
"""

import asyncio
import contextlib
import os
import queue
import threading
import time
from bisect import bisect_left
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path

from actors.base.canonical import canonical_json
from actors.base.certificates import SignedCertificate
from actors.base.errors import HomeError, StorageUnavailable
from actors.base.signing import SigningKey
from actors.spans.adapters.segments import (
    UNBORN_SUFFIX,
    Disk,
    OpenSegment,
    SegmentReserve,
    create_segment,
    write_all,
)
from actors.spans.config import SpansConfig
from actors.spans.conventions import SPAN_SCHEMA_VERSION
from actors.spans.frames import (
    FRAME_HEADER_BYTES,
    NONCE_BYTES,
    FrameKind,
    SegmentHeader,
    encode_header,
    encode_spans,
    frame_header,
    read_header,
)
from actors.spans.sequence import FIRST_SEQ
from actors.spans.span import Span

FSYNC_BOUNDS_S = (0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 1.0)
"""Upper bounds of the buckets in ``WalCounters.fsync_buckets``; the last bucket is unbounded."""


@dataclass(frozen=True, slots=True)
class WriterIdentity:
    """A writer incarnation: its ULID, its key, and what the issuer says about that key."""

    id: str
    key: SigningKey
    certificate: SignedCertificate


@dataclass(slots=True)
class WalCounters:
    """What a log has done since it was opened; written by its thread, read by metrics."""

    emitted_spans: int = 0
    """Durable rows."""
    frames: int = 0
    bytes: int = 0
    refused: int = 0
    """Appends that got ``StorageUnavailable``."""
    fsyncs: int = 0
    fsync_seconds: float = 0.0
    fsync_buckets: list[int] = field(default_factory=lambda: [0] * (len(FSYNC_BOUNDS_S) + 1))
    """Syncs by duration, not cumulative."""
    failed_segments: int = 0
    group_waits: int = 0
    """How often a frame was given others' company."""


@dataclass(slots=True)
class _Pending:
    """A frame on its way to the disk."""

    first_seq: int
    count: int
    payload: bytes
    queued_s: float
    """When it was handed over (monotonic)."""
    waiter: asyncio.Future[None]

    @property
    def last_seq(self) -> int:
        return self.first_seq + self.count - 1

    @property
    def size(self) -> int:
        return FRAME_HEADER_BYTES + len(self.payload)


class WalWriter:
    """Writes ``root/<writer id>/<segment>.wal``. Opening makes the first segment; use it from one event loop."""

    def __init__(
        self, root: Path, identity: WriterIdentity, config: SpansConfig, disk: Disk | None = None,
        clock: Callable[[], float] = time.monotonic, pause: Callable[[float], None] = time.sleep,
    ) -> None:  # fmt: skip
        self.identity = identity
        self.counters = WalCounters()
        self.durable_seq = FIRST_SEQ - 1
        """Highest sequence number that is durable."""
        self._config = config
        self._disk = disk or Disk()
        self._clock = clock
        self._pause = pause
        self.coming: Callable[[], int] = lambda: 0
        """How many frames are on their way, those handed over among them: whoever knows sets it. Asked from the thread."""
        self._directory = root / identity.id
        self._next_number = 1
        self._next_seq = FIRST_SEQ
        self._queued_bytes = 0
        self._cause = ""
        self._closing = False
        self._loop: asyncio.AbstractEventLoop | None = None
        self._incoming: queue.SimpleQueue[_Pending | None] = queue.SimpleQueue()
        self._unwritten: deque[_Pending] = deque()
        """The writer's thread's: taken from the queue, not yet on disk."""
        self._unsettled: deque[_Pending] = deque()
        """The event loop's: handed over, and nobody has been told that it is durable."""
        self._segment = self._first_segment(root)
        self._reserve = SegmentReserve(
            self._create, config.reserve_segments, config.storage_retry_ms / 1000, config.reserve_wait_s
        )
        self._stopped = threading.Event()
        self._thread = threading.Thread(target=self._run, name="wal-writer", daemon=True)
        self._thread.start()

    @property
    def alive(self) -> bool:
        """Tell whether both threads run; without them this process will never write again."""
        return self._closing or (self._thread.is_alive() and self._reserve.alive)

    @property
    def unavailable_because(self) -> str:
        """Why an append would not be taken; empty while it would."""
        if self._closing:
            return "the log is closed"
        if self._cause:
            return self._cause
        if self._stalled_s() * 1000 > self._config.stall_after_ms:
            return f"the disk has not answered for {self._stalled_s():.1f} s"
        return "wal queue full" if self._queued_bytes >= self._config.queue_max_bytes else ""

    def _stalled_s(self) -> float:
        """Return how long the oldest frame that is not durable has waited."""
        try:
            oldest = self._unsettled[0]
        except IndexError:  # nothing waits
            return 0.0
        return 0.0 if oldest.last_seq <= self.durable_seq else self._clock() - oldest.queued_s

    @property
    def queued_bytes(self) -> int:
        """Bytes handed over and not yet durable."""
        return self._queued_bytes

    @property
    def reserve_depth(self) -> int:
        """Segments preallocated ahead."""
        return self._reserve.depth

    async def append(self, rows: int, build: Callable[[int], list[Span]]) -> None:
        """Write ``rows`` spans and return when they are durable.

        ``build`` gets the first sequence number and returns exactly ``rows`` spans; it runs at once. If it raises,
        nothing is consumed. Raises ``StorageUnavailable`` if the rows cannot be made durable, ``ValueError`` if they
        are not what was announced. Cancelling the call does not take the rows back.
        """
        await self._enqueue(rows, build)

    def _enqueue(self, rows: int, build: Callable[[int], list[Span]]) -> asyncio.Future[None]:
        """Give out sequence numbers and queue one frame, without yielding to any other task."""
        self._admit()
        first_seq = self._next_seq
        spans = build(first_seq)
        if len(spans) != rows or rows < 1:
            raise ValueError(f"{rows} rows were announced and {len(spans)} built")
        payload = encode_spans(spans)
        if len(payload) > self._config.max_frame_bytes:
            self._refuse(f"a frame of {len(payload)} bytes exceeds max_frame_bytes {self._config.max_frame_bytes}")
        self._loop = self._loop or asyncio.get_running_loop()
        item = _Pending(first_seq, rows, payload, self._clock(), self._loop.create_future())
        self._next_seq += rows
        self._queued_bytes += item.size
        self._unsettled.append(item)
        self._incoming.put(item)
        return item.waiter

    def _admit(self) -> None:
        if cause := self.unavailable_because:
            self._refuse(f"the log takes nothing: {cause}")

    def _refuse(self, message: str) -> None:
        self.counters.refused += 1
        raise StorageUnavailable(message)

    def close(self) -> None:
        """Make the queue durable, mark the segment as the last, release the lock. Blocks up to ``close_timeout_s``."""
        if self._closing:
            return
        self._closing = True
        self._incoming.put(None)
        self._thread.join(self._config.close_timeout_s)
        self._stopped.set()
        self._thread.join(self._config.close_timeout_s)
        if self._thread.is_alive():
            raise StorageUnavailable(f"the disk under {self._directory} does not answer; its log was left as it is")
        self._reserve.close()
        self._segment.close()

    # The writer's thread.

    def _run(self) -> None:
        try:
            self._work()
        except BaseException as error:  # noqa: BLE001 - a thread that ends must say why, whatever it was
            self._cause = f"the log's thread ended: {error!r}"
            self._tell_all(self._cause)

    def _work(self) -> None:
        running = True
        while running:
            running = self._collect()
            while self._unwritten:
                if not self._write_next() and self._stopped.wait(self._config.storage_retry_ms / 1000):
                    return
        self._finish(FrameKind.CLOSED)

    def _collect(self) -> bool:
        """Wait for a frame, then take all that are there; return False when the log is to be closed."""
        item = self._incoming.get()
        if item is not None and self.coming() - 1 - self._incoming.qsize() >= self._config.group_siblings:
            self.counters.group_waits += 1
            self._pause(self._config.group_wait_us / 1e6)
        size = 0
        while item is not None:
            self._unwritten.append(item)
            size += item.size
            if len(self._unwritten) >= self._config.batch_max_frames or size >= self._config.batch_max_bytes:
                return True
            try:
                item = self._incoming.get_nowait()
            except queue.Empty:
                return True
        return False

    def _write_next(self) -> bool:
        """Make the first frames durable; on failure use another segment once, then tell all who wait. False: failed."""
        for _ in range(2):
            try:
                self._group_commit()
            except OSError as error:
                cause = error.strerror or str(error)
            else:
                self._cause = ""
                return True
        self._cause = cause
        self._tell_all(f"the wal cannot write: {cause}; free space or mend the disk")
        return False

    def _tell_all(self, error: str) -> None:
        """Tell everybody whose frames are not on disk, those still queued among them, that they will not be soon."""
        self._drain()
        if self._unwritten:
            self._wake(list(self._unwritten), error, 0)

    def _drain(self) -> None:
        """Take what was queued while storage was failing, so that those waiters are told too."""
        while not self._incoming.empty():
            item = self._incoming.get_nowait()
            if item is None:  # the log is being closed; nothing is queued behind this
                self._incoming.put(None)
                return
            self._unwritten.append(item)

    def _group_commit(self) -> None:
        """Write as many frames as the segment takes, in one batch."""
        if not self._segment.usable or not self._room(self._unwritten[0], self._segment.end):
            self._rotate()
        segment = self._segment
        batch: list[_Pending] = []
        buffers: list[bytes] = []
        end = segment.end
        for item in islice(self._unwritten, self._config.batch_max_frames):
            if not self._room(item, end):
                break
            head = frame_header(FrameKind.SPANS, item.first_seq, item.count, item.payload, segment.end, segment.seed)
            buffers += (head, item.payload)
            batch.append(item)
            end += item.size
        self._write(buffers)
        for _ in batch:
            self._unwritten.popleft()
        self.durable_seq = batch[-1].last_seq
        self.counters.frames += len(batch)
        self.counters.emitted_spans += sum(item.count for item in batch)
        self._wake(batch, "", sum(item.size for item in batch))

    def _room(self, item: _Pending, end: int) -> bool:
        return end + item.size + FRAME_HEADER_BYTES <= self._config.segment_bytes

    def _write(self, buffers: list[bytes]) -> None:
        """Write at the segment's end and sync; a failure makes the segment unusable for good."""
        segment = self._segment
        try:
            written = write_all(segment.fd, buffers, segment.end, self._disk)
            began = time.perf_counter()
            self._disk.sync(segment.fd)
            self._count_sync(time.perf_counter() - began)
        except OSError:
            segment.usable = False
            self.counters.failed_segments += 1
            raise
        segment.end += written
        self.counters.bytes += written

    def _count_sync(self, seconds: float) -> None:
        counters = self.counters
        counters.fsyncs += 1
        counters.fsync_seconds += seconds
        counters.fsync_buckets[bisect_left(FSYNC_BOUNDS_S, seconds)] += 1

    def _rotate(self) -> None:
        """Go on in the reserve; the old segment's lock is released only when the new one is held."""
        following = self._reserve.take()
        self._finish(FrameKind.ROTATED)
        old, self._segment = self._segment, following
        if old.end == old.start:
            old.discard()
        else:
            old.close()

    def _finish(self, kind: FrameKind) -> None:
        """Mark the segment as complete. Where that fails (it is counted) a free lock and a clean tail say the same."""
        segment = self._segment
        if segment.usable:
            trailer = frame_header(kind, self.durable_seq + 1, 0, b"", segment.end, segment.seed)
            with contextlib.suppress(OSError):
                self._write([trailer])

    def _wake(self, batch: list[_Pending], error: str, freed: int) -> None:
        """Tell the event loop, once for the whole batch."""
        loop = batch[0].waiter.get_loop()
        with contextlib.suppress(RuntimeError):  # the loop is closed: nobody waits any more
            loop.call_soon_threadsafe(self._settle, batch, error, freed)

    def _settle(self, batch: list[_Pending], error: str, freed: int) -> None:
        self._queued_bytes -= freed
        if freed:  # frames become durable in the order they were handed over
            for _ in batch:
                self._unsettled.popleft()
        for item in batch:
            if item.waiter.done():  # cancelled, or told of a failure before
                continue
            if error:
                self.counters.refused += 1
                item.waiter.set_exception(StorageUnavailable(error))
            else:
                item.waiter.set_result(None)

    # Segments.

    def _first_segment(self, root: Path) -> OpenSegment:
        """Make the writer's directory appear with a locked segment in it, all at once."""
        if self._directory.exists():
            raise HomeError(f"{self._directory} exists: a writer id is used by one process once")
        unborn = root / f".{self.identity.id}{UNBORN_SUFFIX}"
        segment: OpenSegment | None = None
        try:
            unborn.mkdir(parents=True)
            segment = self._create(unborn)
            self._disk.rename(unborn, self._directory)
            segment.path = self._directory / segment.path.name
            self._disk.sync_directory(root)
            self._disk.sync_directory(root.parent)  # whoever made root may have died before
        except OSError as error:
            _take_back(segment, unborn)
            raise StorageUnavailable(f"no log can be opened in {root}: {error.strerror}") from error
        return segment

    def _create(self, directory: Path | None = None) -> OpenSegment:
        number = self._next_number
        self._next_number += 1
        header = encode_header(
            SegmentHeader(
                writer_id=self.identity.id,
                number=number,
                schema_version=SPAN_SCHEMA_VERSION,
                nonce=os.urandom(NONCE_BYTES),
                certificate=canonical_json(self.identity.certificate),
            )
        )
        seed = read_header(header).seed
        return create_segment(
            directory or self._directory, number, header, seed, self._config.segment_bytes, self._disk
        )


def _take_back(segment: OpenSegment | None, unborn: Path) -> None:
    """Leave nothing of a log that could not be opened, as far as the disk lets it: above all no lock."""
    with contextlib.suppress(OSError):
        if segment is not None:
            segment.discard()
    with contextlib.suppress(OSError):
        (unborn if segment is None else segment.path.parent).rmdir()
