"""Reads segments of all writers, never writes them; tells which are finished, live or left behind.

Rules:
- Whether a segment's lock is free is asked *before* its bytes are read: what was read after a free lock is all there is.
- A segment that vanishes while it is looked at was removed after its rows were committed; that is no error.
- A search that could not look everywhere says so; it never passes for one that found nothing. Preallocated space that
  nothing was written to is not read.

Left out: what to do about damage and gaps, and who may remove a segment (``actor``).
"""

import errno
import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from actors.base.errors import IntegrityError, StorageUnavailable
from actors.base.ids import is_ulid
from actors.base.locks import is_free
from actors.spans.adapters.segments import SEGMENT_SUFFIX
from actors.spans.frames import (
    HEADER_MAX_BYTES,
    Frame,
    FrameKind,
    ScanResult,
    SegmentHeader,
    SegmentStart,
    UnknownFormat,
    decode_spans,
    read_header,
    scan,
)

HEADER_PROBE_BYTES = 64
ULID_TIME_LETTERS = 10


@dataclass(frozen=True, slots=True, order=True)
class SegmentRef:
    """Where a segment lies."""

    writer_id: str
    number: int
    path: Path


@dataclass(frozen=True, slots=True)
class SegmentRead:
    """What a segment held from an offset on, at the moment it was read."""

    header: SegmentHeader
    scan: ScanResult
    free: bool
    """Nobody holds its lock: no more will come."""

    @property
    def finished(self) -> bool:
        """Tell whether all it will ever hold has been read."""
        return self.free or self.scan.ended

    @property
    def abandoned(self) -> bool:
        """Tell whether its writer left without finishing it: it is to be adopted."""
        return self.free and not self.scan.ended


class WalReader:
    """Reads ``root/<writer id>/<segment>.wal``."""

    def __init__(self, root: Path, lookup_max_bytes: int) -> None:
        self._root = root
        self._lookup_max_bytes = lookup_max_bytes

    def writers(self) -> list[str]:
        """Return the ids of all writers that have segments here, oldest first."""
        try:
            return sorted(entry.name for entry in os.scandir(self._root) if is_ulid(entry.name) and entry.is_dir())
        except FileNotFoundError:
            return []
        except OSError as error:
            raise StorageUnavailable(f"{self._root} cannot be listed: {error.strerror}") from error

    def segments(self, writer_id: str) -> list[SegmentRef]:
        """Return a writer's segments in the order they were written."""
        try:
            names = [entry.name for entry in os.scandir(self._root / writer_id) if entry.name.endswith(SEGMENT_SUFFIX)]
        except FileNotFoundError:
            return []
        except OSError as error:
            raise StorageUnavailable(f"the log of {writer_id} cannot be listed: {error.strerror}") from error
        numbered = [(name, name.removesuffix(SEGMENT_SUFFIX)) for name in names]
        refs = [
            SegmentRef(writer_id, int(stem), self._root / writer_id / name)
            for name, stem in numbered
            if stem.isdecimal()
        ]
        return sorted(refs)

    def read(self, ref: SegmentRef, offset: int = 0) -> SegmentRead | None:
        """Read a segment's frames from an offset on; ``None`` if it was removed.

        Raises ``IntegrityError`` if the header does not check: nothing behind it can be believed then.
        Raises ``StorageUnavailable`` if the disk does not give the bytes.
        """
        try:
            return self._read(ref, offset)
        except FileNotFoundError:
            return None
        except OSError as error:
            raise StorageUnavailable(f"{ref.path} cannot be read: {error.strerror}") from error

    def is_free(self, ref: SegmentRef) -> bool:
        """Tell whether nobody holds a segment's lock (nobody holds that of a segment that is gone)."""
        try:
            return _is_free(ref.path)
        except OSError as error:
            raise StorageUnavailable(f"the lock of {ref.path} cannot be asked: {error.strerror}") from error

    def nobody_holds(self, directory: Path) -> bool:
        """Tell whether no file of a directory is locked: nobody is making a log there."""
        try:
            return all(_is_free(path) for path in directory.iterdir())
        except OSError as error:
            raise StorageUnavailable(f"the locks in {directory} cannot be asked: {error.strerror}") from error

    def _read(self, ref: SegmentRef, offset: int) -> SegmentRead:
        fd = os.open(ref.path, os.O_RDONLY | os.O_CLOEXEC)
        try:
            free = is_free(fd)
            start = _read_start(fd, ref)
            base = max(offset, start.frames_at)
            live_tail = not free and not os.pread(fd, HEADER_PROBE_BYTES, base).strip(b"\0")
            found = scan(b"" if live_tail else _read_from(fd, base), start, base)
            if found.damage:
                # A read is no snapshot: it may have passed a place before a frame came there and still have seen the next
                # commit. What lies before a good frame of a later commit was complete by then, so a second read is sound.
                found = scan(_read_from(fd, base)[: found.valid_bytes - base], start, base)
        finally:
            os.close(fd)
        return SegmentRead(start.header, found, free)

    def find(self, decision_id: str) -> bytes | None:
        """Return the newest envelope of a decision among the segments that are still here.

        Most likely writers and newest segments first, up to ``lookup_max_bytes``. Segments whose header is damaged are
        passed over: the actor reports them. Raises ``StorageUnavailable`` if it was not found and not everything could
        be looked through.
        """
        budget = self._lookup_max_bytes
        needle, missed = decision_id.encode(), ""
        for ref in self._likely_first(decision_id):
            if budget <= 0:
                missed = f"more than lookup_max_bytes {self._lookup_max_bytes} of log wait for the table"
                break
            try:
                found, read_bytes = _find_in(ref, needle, decision_id)
            except (OSError, UnknownFormat) as error:
                missed = f"segment {ref.number} of {ref.writer_id} cannot be read: {_cause(error)}"
                continue
            if found is not None:
                return found
            budget -= read_bytes
        if missed:
            raise StorageUnavailable(f"decision {decision_id} was not found, but {missed}; try again later")
        return None

    def _likely_first(self, decision_id: str) -> Iterator[SegmentRef]:
        """Yield segments, newest first; those of writers that began after the decision was made come last.

        Last, not never: a clock that stepped back makes a writer look younger than its own decisions.
        """
        newest = self.writers()[::-1]
        for writer_id in sorted(newest, key=lambda name: name[:ULID_TIME_LETTERS] > decision_id[:ULID_TIME_LETTERS]):
            yield from reversed(self.segments(writer_id))


def _cause(error: OSError | UnknownFormat) -> str:
    """Say why without naming a path: clients read it."""
    return str(error.strerror) if isinstance(error, OSError) else str(error)


def _is_free(path: Path) -> bool:
    try:
        fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    except FileNotFoundError:
        return True
    try:
        return is_free(fd)
    finally:
        os.close(fd)


def _read_start(fd: int, ref: SegmentRef) -> SegmentStart:
    start = read_header(os.pread(fd, HEADER_MAX_BYTES, 0))
    if (start.header.writer_id, start.header.number) != (ref.writer_id, ref.number):
        raise IntegrityError(f"{ref.path.name} of {ref.writer_id} says it is another segment", "segment header")
    return start


def _read_from(fd: int, offset: int) -> bytes:
    """Read from an offset to the end of the file (at most one segment: its size is bounded by the configuration)."""
    wanted = os.fstat(fd).st_size - offset
    parts: list[bytes] = []
    while wanted > 0 and (part := os.pread(fd, wanted, offset)):
        parts.append(part)
        offset += len(part)
        wanted -= len(part)
    return parts[0] if len(parts) == 1 else b"".join(parts)


def _read_written(path: Path) -> bytes:
    """Read a file up to the end of what was ever written to it; where the file system cannot tell, all of it."""
    fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        end, size = 0, os.fstat(fd).st_size
        while end < size:
            try:
                end = os.lseek(fd, os.lseek(fd, end, os.SEEK_DATA), os.SEEK_HOLE)
            except OSError as error:
                if error.errno != errno.ENXIO:  # else there is no data behind ``end``
                    raise
                break
        return b"".join(_read_up_to(fd, min(end, size)))
    finally:
        os.close(fd)


def _read_up_to(fd: int, end: int) -> Iterator[bytes]:
    offset = 0
    while offset < end and (part := os.pread(fd, end - offset, offset)):
        yield part
        offset += len(part)


def _find_in(ref: SegmentRef, needle: bytes, decision_id: str) -> tuple[bytes | None, int]:
    """Search one segment; return the newest envelope and how many bytes were looked through."""
    try:
        data = _read_written(ref.path)
        start = read_header(data)
    except FileNotFoundError:
        return None, 0
    except UnknownFormat:
        raise
    except IntegrityError:  # the actor reports damaged headers
        return None, len(data)
    if needle not in data:
        return None, len(data)
    for frame in reversed(scan(data, start).frames):
        if frame.kind is FrameKind.SPANS and needle in frame.payload and (record := _record(frame, decision_id)):
            return record, len(data)
    return None, len(data)


def _record(frame: Frame, decision_id: str) -> bytes:
    try:
        spans = decode_spans(frame)
    except IntegrityError:  # the actor reports frames that cannot be read
        return b""
    return next((span.record for span in reversed(spans) if span.decision_id == decision_id and span.record), b"")
