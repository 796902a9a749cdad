"""Spans, segments, writers and a sink for the tests of this domain."""

import fcntl
import os
from collections.abc import Callable, Mapping, Sequence
from hashlib import blake2b
from pathlib import Path
from typing import Any

import msgspec

from actors.base.certificates import Certificate, Revocation, Role, SignedCertificate, TrustBundle, certify, revoke
from actors.base.ids import ulid
from actors.base.signing import SigningKey
from actors.spans.actor import SpanActor
from actors.spans.adapters.located import table_of
from actors.spans.adapters.progress import Instant
from actors.spans.adapters.segments import Disk
from actors.spans.adapters.table import SpanTable
from actors.spans.adapters.wal import WriterIdentity
from actors.spans.checkers.finding import Checker
from actors.spans.config import KIB, LogConfig, SpansConfig
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
from actors.spans.place import AT_HOME
from actors.spans.span import Span

NOW_S = 1_790_000_000.0
SMALL = SpansConfig(
    segment_bytes=64 * KIB, reserve_segments=1, max_frame_bytes=16 * KIB, storage_retry_ms=5, table_roll_age_s=0
)


def at(seconds: float = 0.0) -> Instant:
    """Return the moment ``seconds`` after the tests' now, on clocks that agree."""
    return Instant(NOW_S + seconds, 1000.0 + seconds)


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


def of_writer(row: Span, writer: str) -> Span:
    """Return a span of a writer's own: no two rows have the same span's id, whoever wrote them."""
    if writer == writer_id(1):
        return row
    return msgspec.structs.replace(row, trace_id=blake2b(writer.encode() + row.trace_id, digest_size=16).digest())


def builder(count: int, record: bytes = b"") -> Callable[[int], list[Span]]:
    """Build what ``WalWriter.append`` asks for."""
    return lambda first_seq: spans_from(first_seq, count, record)


def bulky(count: int, size: int) -> Callable[[int], list[Span]]:
    """Return a builder of spans that take ``size`` bytes each and carry no decision."""
    return lambda first_seq: [span(first_seq + index, attributes={"bulk": "x" * size}) for index in range(count)]


def identity(number: int = 1) -> WriterIdentity:
    """Make a writer whose certificate nobody checks here."""
    issuer, key = SigningKey.from_seed(bytes(32)), SigningKey.from_seed(number.to_bytes(32, "big"))
    name = writer_id(number)
    certificate = Certificate("writer", name, key.public.hex, issuer.public.key_id, 0, 3600)
    return WriterIdentity(name, key, certify(issuer, certificate))


def segment_start(
    number: int = 1, writer: str = "", nonce: bytes = b"n" * 16, schema: int = 1
) -> tuple[bytes, SegmentStart]:
    """Encode a segment header and read it back."""
    header = encode_header(SegmentHeader(writer or writer_id(1), number, schema, nonce, b"{}"))
    return header, read_header(header)


class SegmentBytes:
    """Builds a segment batch by batch, as the writer would."""

    def __init__(self, number: int = 1, writer: str = "", schema: int = 1) -> None:
        self.data, self.start = segment_start(number, writer, schema=schema)
        self.spots: list[int] = []
        """Offset of every frame."""

    def batch(self, *frames: tuple[int, int]) -> "SegmentBytes":
        """Add one group commit of frames (first_seq, count)."""
        begin = len(self.data)
        for first_seq, count in frames:
            rows = [of_writer(row, self.start.header.writer_id) for row in spans_from(first_seq, count)]
            self.raw(first_seq, count, encode_spans(rows), begin)
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


ROOT, ISSUER, LOG_KEY = (SigningKey.from_seed(seed * 32) for seed in (b"r", b"i", b"l"))


class Authority:
    """Keys as a home has them: a root, and the issuer and log keys that it certified."""

    def __init__(self) -> None:
        self.signing = LOG_KEY
        self._trust = TrustBundle(
            schema="weavergen.trust/1", root=ROOT.public.hex,
            certificates=[certificate_of("issuer", ISSUER), certificate_of("log", LOG_KEY)], revocations=[],
        )  # fmt: skip

    def trust(self) -> TrustBundle:
        """Return what a verifier needs."""
        return self._trust

    def key(self) -> SigningKey:
        """Return the log's key."""
        return self.signing

    def rotate(self, key: SigningKey, revocation: Revocation) -> None:
        """Put another log key in the old one's place, and revoke that."""
        self.signing, trust = key, self._trust
        self._trust = msgspec.structs.replace(
            trust, certificates=[*trust.certificates, certificate_of("log", key)],
            revocations=[*trust.revocations, revoke(ROOT, revocation)],
        )  # fmt: skip


def certificate_of(role: Role, key: SigningKey, by: SigningKey = ROOT) -> SignedCertificate:
    """Certify a key for as long as tests last."""
    return certify(by, Certificate(role, role, key.public.hex, by.public.key_id, 0, int(NOW_S) + 10_000_000))


class Home:
    """A home directory, an actor on it, and what is in its table."""

    def __init__(self, path: Path) -> None:
        self.path, self.incidents, self.started = path, Incidents(), 0
        self.authority, self.log, self.location = Authority(), LogConfig(), AT_HOME
        self.more: Sequence[Checker] | None = ()
        """Checkers that compare rows with others: none, for most rows of these tests belong to nothing. ``None``: all."""

    @property
    def wal(self) -> Path:
        """Where logs lie."""
        return self.path / "wal"

    def actor(self, config: SpansConfig = SMALL, disk: Disk | None = None) -> SpanActor:
        """Start an actor with an id of its own."""
        self.started += 1
        return SpanActor(
            self.path, writer_id(900 + self.started), config, self.incidents, self.authority, self.log, disk, self.more
        )

    def health_without_room(self) -> dict[str, Any]:
        """Let an actor that has no room for what is set aside go on for two ticks; return how it was."""
        actor = self.actor(SMALL.model_copy(update={"quarantine_max_bytes": 100}))
        for second in range(2):
            actor.tick(at(second), flush=True)
        health = actor.health(at(1))
        actor.close()
        return health

    def table(self) -> SpanTable:
        """Open the table in its first storage."""
        return SpanTable(table_of(self.path, self.location), 10, desk=self.path / "spans")

    def rows(self, writer: int = 1) -> list[int]:
        """Return a writer's sequence numbers in the table, sorted."""
        table = self.table().read(["writer_id", "writer_seq"]).to_pylist()
        return sorted(row["writer_seq"] for row in table if row["writer_id"] == writer_id(writer))

    def entries(self, name: str) -> list[dict[str, str]]:
        """Return the actor's own rows of that name."""
        table = self.table().read(["name", "attributes"]).to_pylist()
        return [dict(row["attributes"]) for row in table if row["name"] == name]

    def segments(self) -> list[str]:
        """Return what lies in the logs."""
        return sorted(str(path.relative_to(self.wal)) for path in self.wal.glob("*/*"))


def crash(_: object, *args: object) -> None:
    """Stand for kill -9 at this very step."""
    raise KeyboardInterrupt


class Recorder:
    """A disk that works, and remembers what was made durable, renamed and removed, by the names below ``root``."""

    def __init__(self, root: Path) -> None:
        self.calls: list[tuple[str, str]] = []
        self._root, self._real = root, Disk()

    def index(self, call: str, name: str) -> int:
        """Return when a call for a name first came; a name that ends with ``*`` stands for all that begin like it."""
        return next(
            at
            for at, (made, said) in enumerate(self.calls)
            if made == call and (said == name or (name.endswith("*") and said.startswith(name[:-1])))
        )

    @property
    def disk(self) -> Disk:
        """The system calls of this disk."""
        return Disk(
            sync=lambda fd: self._on("data", Path(f"/proc/self/fd/{fd}").readlink(), lambda _: self._real.sync(fd)),
            sync_file=lambda path: self._on("file", path, self._real.sync_file),
            sync_directory=lambda path: self._on("directory", path, self._real.sync_directory),
            rename=lambda old, new: self._on("rename", new, lambda _: self._real.rename(old, new)),
            remove=lambda path: self._on("remove", path, self._real.remove),
        )

    def _on(self, call: str, path: Path, do: Callable[[Path], None]) -> None:
        self.calls.append((call, str(path.relative_to(self._root))))
        do(path)
