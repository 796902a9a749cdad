"""Codec of write-ahead log segments: a header, then frames, then zeros up to the preallocated size.

Layout (little endian):

    segment  magic 8 | format u16 | body length u32 | body: msgpack SegmentHeader | SHA-256 of all before
    frame    magic 4 | payload length u32 | kind u8, 3 zeros | first_seq u64 | count u32 | batch_start u32
             | CRC-32 of payload | CRC-32 of the frame header so far | payload: msgpack list[Span]

Rules:
- Checksums are CRC-32 (``zlib.crc32``), started from four bytes of the segment header's digest. The header holds random
  bytes, so nobody can hide a frame that checks inside a payload.
- ``batch_start`` is the offset at which the group commit began that carried the frame. A batch starts only after the one
  before is durable, so a bad frame is *damage* exactly if a good frame of a later batch follows it; otherwise it belongs
  to the last batch, which nobody was promised: a *torn tail*, cut there and reported.
- Good frames beside a damaged one in its batch are kept. Zeros up to the end are the clean end of a segment.
- A segment that its writer finished ends with a ``ROTATED`` (the writer goes on) or ``CLOSED`` (it is done) frame, whose
  ``first_seq`` is the next sequence number.

Left out: files and locks (adapters), gaps between segments (``sequence``), and protection against somebody who can
rewrite the file: CRCs are not tamper evidence.
"""

import hashlib
import struct
import zlib
from dataclasses import dataclass
from enum import IntEnum

import msgspec

from actors.base.errors import IntegrityError
from actors.spans.conventions import SPAN_SCHEMA_VERSION
from actors.spans.sequence import FIRST_SEQ, MAX_SEQ
from actors.spans.span import Span, check_span, check_version

SEGMENT_MAGIC = b"WGWALSEG"
"""Begins every segment, followed by the format's number; both and the digest behind the body are the same in all formats."""
FORMAT_VERSION = 1
HEADER_MAX_BYTES = 16 * 1024
MAX_SCHEMA_VERSION = 2**31 - 1  # of the table's column
NONCE_BYTES = 16

_PREFIX = struct.Struct("<8sHI")
_DIGEST_BYTES = 32
_FRAME = struct.Struct("<4sIB3xQIII")
_CRC = struct.Struct("<I")
_FRAME_MAGIC = b"\xf7WGf"
FRAME_HEADER_BYTES = _FRAME.size + _CRC.size
_NO_FRAME = bytes(FRAME_HEADER_BYTES)

_encode_spans = msgspec.msgpack.Encoder().encode
_decode_spans = msgspec.msgpack.Decoder(list[Span]).decode


class UnknownFormat(IntegrityError):
    """The segment is whole, and in a format of another version: nothing here may judge or remove it."""


class FrameKind(IntEnum):
    """What a frame carries."""

    SPANS = 1
    ROTATED = 2
    CLOSED = 3


_KINDS = {int(kind): kind for kind in FrameKind}


class SegmentHeader(msgspec.Struct, frozen=True, array_like=True):
    """What a segment says about itself; fields are only ever appended."""

    writer_id: str
    number: int
    schema_version: int
    """Version of ``Span`` its frames hold."""
    nonce: bytes
    """Random bytes that start the checksums."""
    certificate: bytes
    """Canonical JSON of the writer's signed certificate."""


@dataclass(frozen=True, slots=True)
class SegmentStart:
    """A header as read, where frames begin and what their checksums start from."""

    header: SegmentHeader
    frames_at: int
    seed: int


class Frame(msgspec.Struct, frozen=True, gc=False):
    """One good frame; ``offset`` is where it begins in its segment."""

    kind: FrameKind
    first_seq: int
    count: int
    payload: bytes
    offset: int
    batch_start: int

    @property
    def end(self) -> int:
        """Offset behind the frame."""
        return self.offset + FRAME_HEADER_BYTES + len(self.payload)


@dataclass(frozen=True, slots=True)
class Damage:
    """Bytes that were durable once and no longer check."""

    offset: int
    length: int
    reason: str


@dataclass(frozen=True, slots=True)
class ScanResult:
    """What a segment holds from the offset the scan began at."""

    frames: tuple[Frame, ...]
    valid_bytes: int
    """Offset behind the last good frame: where the next scan of a growing segment begins."""
    torn: bool
    """Something that is no frame and was never acknowledged follows (for a live segment: perhaps not yet whole)."""
    torn_bytes: int
    """Its length up to the last byte that is not zero."""
    reason: str
    """Why the scan stopped at a torn tail; empty otherwise."""
    damage: tuple[Damage, ...]

    @property
    def ended(self) -> bool:
        """Tell whether the writer finished the segment."""
        return bool(self.frames) and self.frames[-1].kind is not FrameKind.SPANS


def encode_header(header: SegmentHeader) -> bytes:
    """Write a segment header; raise ``ValueError`` if it is larger than a reader would accept."""
    body = msgspec.msgpack.encode(header)
    data = _PREFIX.pack(SEGMENT_MAGIC, FORMAT_VERSION, len(body)) + body
    if len(data) + _DIGEST_BYTES > HEADER_MAX_BYTES:
        raise ValueError(f"a segment header takes at most {HEADER_MAX_BYTES} bytes")
    return data + hashlib.sha256(data).digest()


def read_header(data: bytes) -> SegmentStart:
    """Read the header at the start of a segment; raise ``IntegrityError`` if it does not check.

    A header that checks and is of another format, or of a newer schema of ``Span``, raises ``UnknownFormat``: fields that
    this version does not know would be dropped.
    """
    if len(data) < _PREFIX.size:
        raise IntegrityError("the segment is shorter than a header", "segment header")
    magic, version, length = _PREFIX.unpack_from(data)
    if magic != SEGMENT_MAGIC:
        raise IntegrityError("the file does not begin like a segment", "segment header")
    end = _PREFIX.size + length
    digest = data[end : end + _DIGEST_BYTES]
    if end + _DIGEST_BYTES > HEADER_MAX_BYTES or digest != hashlib.sha256(data[:end]).digest():
        raise IntegrityError("the segment header does not match its digest", "segment header")
    if version != FORMAT_VERSION:
        raise UnknownFormat(
            f"segment format {version} is not {FORMAT_VERSION}: use the version that wrote it", "format"
        )
    try:
        header = msgspec.msgpack.decode(data[_PREFIX.size : end], type=SegmentHeader)
    except ValueError as error:  # msgspec's, or words that are not UTF-8
        raise IntegrityError(f"the segment header cannot be read: {error}", "segment header") from error
    if not 0 <= header.schema_version <= MAX_SCHEMA_VERSION:
        raise IntegrityError(f"the segment header says schema version {header.schema_version}", "segment header")
    if header.schema_version > SPAN_SCHEMA_VERSION:
        raise UnknownFormat(
            f"spans of schema {header.schema_version}, newer than {SPAN_SCHEMA_VERSION}: use the version that wrote them",
            "format",
        )
    return SegmentStart(header, end + _DIGEST_BYTES, _CRC.unpack_from(digest)[0])


def encode_spans(spans: list[Span]) -> bytes:
    """Write a frame's payload; raise ``ValueError`` naming the span that no table could take."""
    for span in spans:
        check_span(span)
    return _encode_spans(spans)


def decode_spans(frame: Frame, version: int = SPAN_SCHEMA_VERSION) -> list[Span]:
    """Read a frame's payload; raise ``IntegrityError`` unless it holds exactly ``count`` spans of that version."""
    try:
        spans = _decode_spans(frame.payload)
        for span in spans:
            check_span(span)
        check_version(spans, version)
    except (msgspec.DecodeError, ValueError) as error:
        raise IntegrityError(f"frame at {frame.offset} cannot be read: {error}", "frame") from error
    if len(spans) != frame.count:
        raise IntegrityError(f"frame at {frame.offset} holds {len(spans)} spans, not {frame.count}", "frame")
    return spans


def frame_header(kind: FrameKind, first_seq: int, count: int, payload: bytes, batch_start: int, seed: int) -> bytes:
    """Write the header that goes before ``payload``."""
    checksum = zlib.crc32(payload, seed)
    head = _FRAME.pack(_FRAME_MAGIC, len(payload), kind, first_seq, count, batch_start, checksum)
    return head + _CRC.pack(zlib.crc32(head, seed))


def scan(data: bytes, start: SegmentStart, base: int = 0) -> ScanResult:
    """Read every frame of a segment. ``data`` are its bytes from offset ``base`` to its end."""
    frames: list[Frame] = []
    damage: list[Damage] = []
    at = max(base, start.frames_at)
    while True:
        frame = _frame_at(data, base, at, start.seed)
        if frame is not None:
            frames.append(frame)
            at = frame.end
            continue
        resumed = _resume(data, base, at, start.seed)
        if resumed is None:
            break
        damage.append(Damage(at, resumed - at, _why(data, base, at, start.seed)))
        at = resumed
    torn_bytes = len(data[at - base :].rstrip(b"\0"))
    reason = _why(data, base, at, start.seed) if torn_bytes else ""
    return ScanResult(tuple(frames), at, torn_bytes > 0, torn_bytes, reason, tuple(damage))


def _frame_at(data: bytes, base: int, at: int, seed: int) -> Frame | None:
    """Return the frame that begins at offset ``at``, or ``None`` if none that checks does."""
    position = at - base
    head_end = position + FRAME_HEADER_BYTES
    if len(data) < head_end or data[position : position + 4] != _FRAME_MAGIC:
        return None
    if zlib.crc32(data[position : head_end - 4], seed) != _CRC.unpack_from(data, head_end - 4)[0]:
        return None
    _, length, kind, first_seq, count, batch_start, checksum = _FRAME.unpack_from(data, position)
    payload = data[head_end : head_end + length]
    known = _KINDS.get(kind)
    if len(payload) != length or zlib.crc32(payload, seed) != checksum or known is None:
        return None
    if not _numbers(first_seq, count):
        return None
    return Frame(known, first_seq, count, payload, at, batch_start)


def _numbers(first_seq: int, count: int) -> bool:
    """Tell whether a frame's rows have numbers that rows may have; a trailer has none, and says which is next."""
    return first_seq >= FIRST_SEQ and first_seq + count - 1 <= MAX_SEQ


def _resume(data: bytes, base: int, bad: int, seed: int) -> int | None:
    """Return where good frames go on behind the bad bytes at ``bad`` if a later batch proves these were durable."""
    first: int | None = None
    position = data.find(_FRAME_MAGIC, bad - base + 1)
    while position >= 0:
        frame = _frame_at(data, base, base + position, seed)
        if frame is None:
            position = data.find(_FRAME_MAGIC, position + 1)
            continue
        first = frame.offset if first is None else first
        if frame.batch_start > bad:
            return first
        position = data.find(_FRAME_MAGIC, frame.end - base)
    return None


def _why(data: bytes, base: int, at: int, seed: int) -> str:
    """Say what is wrong with the bytes at offset ``at``."""
    head = data[at - base : at - base + FRAME_HEADER_BYTES]
    if head == _NO_FRAME[: len(head)]:
        return "zeros where a frame was"
    if len(head) < FRAME_HEADER_BYTES:
        return "cut inside a frame header"
    if head[:4] != _FRAME_MAGIC or zlib.crc32(head[:-4], seed) != _CRC.unpack(head[-4:])[0]:
        return "frame header does not check"
    _, length, _, first_seq, count, *_ = _FRAME.unpack(head[:-4])
    if not _numbers(first_seq, count):
        return f"{count} rows from {first_seq} on are none"
    if len(data) < at - base + FRAME_HEADER_BYTES + length:
        return "cut inside a frame"
    return "frame payload does not check"
