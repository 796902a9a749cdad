"""Decisions in a write-ahead log, as many as wanted: production's own spans and records, signed by a certified writer.

Rules:
- A handful of deliberations comes from simulated storms (``cluster.simulation``): answered, refused, over several layers. Each
  decision is one of them once more, under ids and times of its own, with the spans and the record that the coordinator makes.
- Times go on by the rate that is asked for, and end now: nothing lies in the future, or before the writer's certificate.
- Segments are those of a writer that is done: whole, closed, nobody's lock.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from unittest.mock import patch

import msgspec

from actors.base.canonical import canonical_json
from actors.base.certificates import Certificate, TrustBundle, certify
from actors.base.ids import ulid
from actors.base.signing import SigningKey
from actors.consensus import actor as coordinator
from actors.consensus.records import Facts, build_record
from actors.consensus.telemetry import Trace, decision_spans
from actors.consensus.vocabulary import Ballot, State
from actors.spans.adapters.wal import WriterIdentity
from actors.spans.conventions import SPAN_SCHEMA_VERSION
from actors.spans.frames import FrameKind, SegmentHeader, encode_header, encode_spans, frame_header, read_header
from actors.spans.record import DecisionRecord, Promise, WriterRef, seal
from actors.spans.span import Span
from cluster.simulation.storm import play, schedule_of
from cluster.trust import certified

SEEDS = range(3)
"""Storms whose decisions are taken."""
_PROMISE_S = 86_400
_MS = 1_000_000


@dataclass(frozen=True, slots=True)
class Template:
    """One deliberation that came to its end."""

    state: State
    served: Ballot | None
    facts: Facts
    trace: Trace

    @property
    def took_ns(self) -> int:
        """Return how long it took."""
        return self.trace.ended_ns - self.trace.started_ns


def templates() -> list[Template]:
    """Return what simulated storms deliberated, in order."""
    found: list[Template] = []

    def keep(state: State, served: Ballot | None, facts: Facts, writer: WriterRef) -> DecisionRecord:
        waiting.append((state, served, facts))
        return build_record(state, served, facts, writer)

    def take(state: State, trace: Trace) -> list[Span]:
        found.append(Template(*waiting[-1], trace))
        return decision_spans(state, trace)

    waiting: list[tuple[State, Ballot | None, Facts]] = []
    with patch.object(coordinator, "build_record", keep), patch.object(coordinator, "decision_spans", take):
        for seed in SEEDS:
            play(seed, schedule_of(seed))
    return found


class Decisions:
    """Decisions one after the other, each of the writer whose turn it is."""

    def __init__(self, writer: WriterIdentity, known: list[Template], log_id: str, began_ns: int, step_ns: int) -> None:
        self.next_seq, self.count = 1, 0
        self._writer, self._known, self._log_id = writer, known, log_id
        self._began_ns, self._step_ns = began_ns, step_ns

    @property
    def next_ns(self) -> int:
        """Return when the next one ends."""
        return self._began_ns + self.count * self._step_ns

    def go_on_as(self, writer: WriterIdentity) -> None:
        """Let another writer go on, from its first number."""
        self._writer, self.next_seq = writer, 1

    def next(self) -> list[Span]:
        """Return the spans of the next decision; the first of them carries its record."""
        template = self._known[self.count % len(self._known)]
        ended_ns = self.next_ns
        started_ns, number = ended_ns - template.took_ns, self.count.to_bytes(10, "big")
        decision_id = ulid(started_ns // _MS, number)
        facts = msgspec.structs.replace(
            template.facts, decision_id=decision_id, now_ms=ended_ns // _MS,
            promise=Promise(self._log_id, ended_ns // 1_000_000_000 + _PROMISE_S),
        )  # fmt: skip
        trace = msgspec.structs.replace(
            template.trace, decision_id=decision_id, trace_id=b"\x01" * 6 + number, parent_span_id=b"",
            started_ns=started_ns, ended_ns=ended_ns,
        )  # fmt: skip
        spans = decision_spans(template.state, trace)
        record = build_record(template.state, template.served, facts, WriterRef(self._writer.id, self.next_seq))
        envelope = canonical_json(seal(record, self._writer.key, self._writer.certificate))
        self.count += 1
        self.next_seq += len(spans)
        return [msgspec.structs.replace(spans[0], record=envelope), *spans[1:]]


def certified_writer(issuer: SigningKey, at_s: int, number: int = 0) -> WriterIdentity:
    """Return a writer that the issuer vouches for, from half a day before that time to half a day after it."""
    key, name = SigningKey.generate(), ulid(at_s * 1000, b"bench" + number.to_bytes(5, "big"))
    certificate = Certificate(
        "writer", name, key.public.hex, issuer.public.key_id, at_s - 12 * 3600, at_s + 12 * 3600
    )  # fmt: skip
    return WriterIdentity(name, key, certify(issuer, certificate))


def segments(made: Decisions, writer: WriterIdentity, rows: int, size: int) -> Iterator[bytes]:
    """Yield segments of that size, at most, until together they hold so many rows, or a few more; the last one is closed."""
    number = 0
    while made.next_seq <= rows:
        number += 1
        data = bytearray(
            encode_header(
                SegmentHeader(
                    writer.id,
                    number,
                    SPAN_SCHEMA_VERSION,
                    number.to_bytes(16, "big"),
                    canonical_json(writer.certificate),
                )
            )
        )
        seed = read_header(bytes(data)).seed
        while made.next_seq <= rows and len(data) < size - 64 * 1024:
            first_seq, spans = made.next_seq, made.next()
            payload = encode_spans(spans)
            data += frame_header(FrameKind.SPANS, first_seq, len(spans), payload, len(data), seed) + payload
        kind = FrameKind.ROTATED if made.next_seq <= rows else FrameKind.CLOSED
        data += frame_header(kind, made.next_seq, 0, b"", len(data), seed)
        yield bytes(data)


def put_segment(wal: Path, writer_id: str, number: int, data: bytes) -> Path:
    """Put a segment where its writer would have, whole at once."""
    folder = wal / writer_id
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{number:08d}.wal"
    fresh = folder / f".{number:08d}"
    fresh.write_bytes(data)
    fresh.rename(path)
    return path


@dataclass(frozen=True, slots=True)
class Keys:
    """What a home is signed with."""

    trust: TrustBundle
    issuer: SigningKey
    log: SigningKey


def fresh_keys(at_s: int) -> Keys:
    """Make a root and let it certify an issuer and a log key, for a year."""
    root, issuer, log = (SigningKey.generate() for _ in range(3))

    trust = TrustBundle(
        schema="weavergen.trust/1", root=root.public.hex,
        certificates=[certified(root, "issuer", issuer, at_s), certified(root, "log", log, at_s)], revocations=[],
    )  # fmt: skip
    return Keys(trust, issuer, log)
