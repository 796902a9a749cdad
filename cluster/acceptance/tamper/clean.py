"""Homes that nobody touched, of every shape that the running system makes: none of them may look damaged.

Writers come and go, end, are killed, tear their last write, lose frames, write forgeries that are set aside; decisions and other
rows lie on several dates, in batches of one row and of many; SpanActor is restarted, its key rotated, its log witnessed.
"""

import random
from dataclasses import dataclass
from pathlib import Path

import msgspec

from actors.base.canonical import canonical_json
from actors.spans.actor import SpanActor
from actors.spans.adapters.check import check_log
from actors.spans.adapters.log import LogFiles
from actors.spans.adapters.progress import Instant
from actors.spans.adapters.wal import WriterIdentity
from actors.spans.conventions import SPAN_SCHEMA_VERSION
from actors.spans.frames import FrameKind, SegmentHeader, encode_header, encode_spans, frame_header, read_header
from actors.spans.log.checkpoint import SignedCheckpoint
from actors.spans.span import Span
from cluster.acceptance.tamper.people import NOW_S, Authority, deciding, envelope_of, key_of, measured
from cluster.acceptance.tamper.site import LOG, Incidents, Shape, config_of, disk

WRITERS_A_TICK = 60
"""At most: each makes a batch, or two where rows are missing between them."""
TICK_S = 300


@dataclass(frozen=True, slots=True)
class Grown:
    """What a check found in one home."""

    batches: int
    rows: int
    checks: int
    alarms: tuple[str, ...]
    incidents: int
    """Of what was lost or set aside: entered, and no damage of the log."""


def grow(folder: Path, seed: int, batches: int) -> Grown:
    """Let a home grow to some batches, checked on its way and at its end."""
    growing = _Growing(folder, seed)
    while growing.size < batches:
        growing.tick()
    return growing.grown()


class _Growing:
    """One home that grows."""

    def __init__(self, home: Path, seed: int) -> None:
        self._home, self._rng = home, random.Random(seed)  # noqa: S311 - draws shapes
        self._authority = Authority(seed)
        self._commits = self._rng.choice([3, 10, 1000])
        self._config = config_of(Shape(seed, 0, 0, 0, commits_a_checkpoint=self._commits))
        self._writers = self._ticks = self._checks = self._rows = 0
        self._incidents = Incidents()
        self._alarms: list[str] = []
        self._seen: dict[str, SignedCheckpoint] = {}
        self._actor = self._started()
        self._busiest = self._rng.choice([1, 5, WRITERS_A_TICK])

    @property
    def size(self) -> int:
        """Return how many batches are sealed."""
        return self._actor.totals.batches_sealed + self._before

    _before = 0
    """Sealed by instances of the actor before this one."""

    def _started(self) -> SpanActor:
        name = self._authority.writer(900_000 + self._ticks).id
        return SpanActor(self._home, name, self._config, self._incidents, self._authority, LOG, disk(), more=())

    def tick(self) -> None:
        """Let some writers write, and take it in; now and then check, restart, or rotate the key."""
        self._ticks += 1
        at_s = NOW_S + self._ticks * TICK_S
        for _ in range(self._rng.randint(1, self._busiest)):
            self._write(at_s)
        for step in range(2):
            self._actor.tick(Instant(float(at_s + step), float(at_s + step)), flush=True)
        chance = self._rng.random()
        if chance < 0.05:
            self._check()
        elif chance < 0.1:
            self._restart()
        elif chance < 0.12 and self._ticks > 1 and len(self._authority.trust().revocations) == 0:
            self._authority.rotate(at_s + TICK_S // 2)

    def grown(self) -> Grown:
        """Check once more, and tell."""
        size, rows = self._check()
        self._actor.close()
        return Grown(size, rows, self._checks, tuple(self._alarms), len(self._incidents.opened))

    def _restart(self) -> None:
        self._actor.close()
        self._before = self.size
        self._actor = self._started()

    def _check(self) -> tuple[int, int]:
        """Check, and remember what was seen."""
        checked = check_log(self._home, self._authority.trust(), self._commits, seen=self._seen)
        self._alarms += [str(item) for item in checked.damage]
        self._checks += 1
        signed = LogFiles(self._home / "log").checkpoint()
        if signed is not None:
            self._seen[f"check {self._checks % 3}"] = signed
        return checked.size, checked.rows

    def _write(self, at_s: int) -> None:
        """Leave the segment of a new writer."""
        self._writers += 1
        begun_s = at_s - self._rng.choice([0, 0, 0, 40_000])
        writer = self._authority.writer(self._writers, begun_s - 60)
        frames, seq = list[tuple[int, list[Span]]](), 1
        for _ in range(self._rng.choice([1, 1, 2, 5])):
            spans = self._spans(writer, seq, begun_s * 1000 + seq)
            frames.append((seq, spans))
            seq += len(spans)
        if len(frames) > 2 and self._rng.random() < 0.1:
            frames.pop(1)  # lost: entered, and an incident
        ends = self._rng.choice(["closed", "closed", "killed", "torn"])
        _save(self._home, writer, frames, ends)

    def _spans(self, writer: WriterIdentity, seq: int, at_ms: int) -> list[Span]:
        kind = self._rng.choice(["decision", "other", "other", "many"])
        if kind != "decision":
            count = self._rng.randint(2, 40) if kind == "many" else 1
            return [measured(writer.id, seq + n, at_ms + n, f"weavergen.{kind}") for n in range(count)]
        spans = deciding(writer, seq, at_ms, self._authority.trust())
        if self._rng.random() < 0.05:  # set aside: entered, and an incident
            forged = envelope_of(writer, seq, at_ms, self._authority.trust(), key=key_of("forger"))
            spans[0] = msgspec.structs.replace(spans[0], record=canonical_json(forged))
        return spans


def _save(home: Path, writer: WriterIdentity, frames: list[tuple[int, list[Span]]], ends: str) -> None:
    header = SegmentHeader(writer.id, 1, SPAN_SCHEMA_VERSION, bytes(16), canonical_json(writer.certificate))
    data = encode_header(header)
    seed = read_header(data).seed
    for first_seq, spans in frames:
        payload = encode_spans(spans)
        data += frame_header(FrameKind.SPANS, first_seq, len(spans), payload, len(data), seed) + payload
    last_seq, last = frames[-1]
    if ends == "closed":
        data += frame_header(FrameKind.CLOSED, last_seq + len(last), 0, b"", len(data), seed)
    elif ends == "torn":
        data += b"\xf7WGf torn"
    folder = home / "wal" / writer.id
    folder.mkdir(parents=True)
    (folder / "00000001.wal").write_bytes(data)
