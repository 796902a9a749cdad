"""Spans, segments, writers and a sink for the tests of this domain."""

import fcntl
import os
from collections.abc import Callable, Mapping
from pathlib import Path

from actors.base.certificates import Certificate, certify
from actors.base.ids import ulid
from actors.base.signing import SigningKey
from actors.spans.adapters.wal import WriterIdentity
from actors.spans.config import KIB, SpansConfig
from actors.spans.frames import (
    Frame,
    FrameKind,
    SegmentHeader,
    SegmentStart,
    encode_header,
    encode_spans,
    frame_header,
    read_header,
)
from actors.spans.span import Span

NOW_S = 1_790_000_000.0
SMALL = SpansConfig(
    segment_bytes=64 * KIB, reserve_segments=1, max_frame_bytes=16 * KIB, storage_retry_ms=5, table_roll_age_s=0
)


def writer_id(number: int) -> str:
    """Return a ULID that sorts by ``number``."""
    return ulid(int(NOW_S * 1000) + number, bytes(10))


def decision(seq: int) -> str:
    """Return the decision id of the row with this sequence number."""
    return ulid(int(NOW_S * 1000) + seq, b"decision!!")


def span(seq: int, record: bytes = b"", **changes: object) -> Span:
    """Make a span that can be told from every other by its sequence number."""
    fields: dict[str, object] = {
        "trace_id": seq.to_bytes(16, "big"),
        "span_id": seq.to_bytes(8, "big"),
        "parent_span_id": b"",
        "name": "invoke_workflow",
        "kind": "server",
        "start_unix_nano": int(NOW_S * 1e9) + seq,
        "end_unix_nano": int(NOW_S * 1e9) + seq + 1000,
        "status": "ok",
        "decision_id": decision(seq),
        "tenant": "t-1",
        "attributes": {"gen_ai.request.model": "consensus", "seq": str(seq)},
        "record": record,
    }
    return Span(**(fields | changes))  # type: ignore[arg-type]


def spans_from(first_seq: int, count: int, record: bytes = b"") -> list[Span]:
    """Make ``count`` spans in sequence."""
    return [span(first_seq + index, record) for index in range(count)]


def builder(count: int, record: bytes = b"") -> Callable[[int], list[Span]]:
    """Build what ``WalWriter.append`` asks for."""
    return lambda first_seq: spans_from(first_seq, count, record)


def identity(number: int = 1) -> WriterIdentity:
    """Make a writer whose certificate nobody checks here."""
    issuer, key = SigningKey.from_seed(bytes(32)), SigningKey.from_seed(number.to_bytes(32, "big"))
    name = writer_id(number)
    certificate = Certificate("writer", name, key.public.hex, issuer.public.key_id, 0, 3600)
    return WriterIdentity(name, key, certify(issuer, certificate))


def segment_start(number: int = 1, writer: str = "", nonce: bytes = b"n" * 16) -> tuple[bytes, SegmentStart]:
    """Encode a segment header and read it back."""
    header = encode_header(SegmentHeader(writer or writer_id(1), number, 1, nonce, b"{}"))
    return header, read_header(header)


class SegmentBytes:
    """Builds a segment batch by batch, as the writer would."""

    def __init__(self, number: int = 1, writer: str = "") -> None:
        self.data, self.start = segment_start(number, writer)
        self.spots: list[int] = []
        """Offset of every frame."""

    def batch(self, *frames: tuple[int, int]) -> "SegmentBytes":
        """Add one group commit of frames (first_seq, count)."""
        begin = len(self.data)
        for first_seq, count in frames:
            self.raw(first_seq, count, encode_spans(spans_from(first_seq, count)), begin)
        return self

    def raw(self, first_seq: int, count: int, payload: bytes, begin: int | None = None) -> "SegmentBytes":
        """Add a frame with any payload."""
        self.spots.append(len(self.data))
        begin = len(self.data) if begin is None else begin
        head = frame_header(FrameKind.SPANS, first_seq, count, payload, begin, self.start.seed)
        self.data += head + payload
        return self

    def end(self, kind: FrameKind, next_seq: int) -> "SegmentBytes":
        """Add a trailer."""
        self.data += frame_header(kind, next_seq, 0, b"", len(self.data), self.start.seed)
        return self

    def zeros(self, count: int) -> "SegmentBytes":
        """Add what preallocation left."""
        self.data += bytes(count)
        return self

    def save(self, root: Path) -> Path:
        """Write the segment where its header says it belongs."""
        header = self.start.header
        path = root / header.writer_id / f"{header.number:08d}.wal"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(self.data)
        return path


def flipped(data: bytes, bit: int) -> bytes:
    """Return the data with one bit changed."""
    changed = bytearray(data)
    changed[bit // 8] ^= 1 << (bit % 8)
    return bytes(changed)


def seqs(frames: tuple[Frame, ...]) -> list[int]:
    """Return every sequence number that frames of spans carry."""
    return [frame.first_seq + index for frame in frames for index in range(frame.count)]


def held(path: Path) -> int:
    """Hold a segment's lock as a live writer would; close the descriptor to let go."""
    fd = os.open(path, os.O_RDWR)
    fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
    return fd


class Incidents:
    """An ``IncidentSink`` that remembers."""

    def __init__(self) -> None:
        self.opened: list[tuple[str, dict[str, str]]] = []

    def open(self, kind: str, level: str, evidence: Mapping[str, str], dedup_key: str) -> None:
        """Remember an incident."""
        self.opened.append((kind, dict(evidence)))

    @property
    def kinds(self) -> list[str]:
        """What was opened, in order."""
        return [kind for kind, _ in self.opened]
