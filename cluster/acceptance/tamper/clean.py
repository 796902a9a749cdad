"""Homes that nobody touched, of shapes that the running system makes: none of them may look damaged, to nobody.

Rules:
- Writers come and go, end, are killed, tear their last write, lose frames, write forgeries that are set aside; decisions and
  other rows lie on several dates, in batches of one row and of many; SpanActor is restarted, its key rotated. Two witnesses sign
  the log of every other home. Some homes merge small files, and some of those let go what has expired.
- An alarm is whatever a check says, deep or light; a witness that is away or contradicts; and every incident that is not one of
  what was lost or forged here: each of those is counted beforehand, by kind, and one too few is an alarm as well.

Left out: what compares rows with each other, for no decision stands behind these rows (``bad_spans`` has the running system's);
buckets, backup storages and releases.
"""

import random
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import msgspec

from actors.base.canonical import canonical_json
from actors.spans.actor import SpanActor
from actors.spans.adapters.baseline import KeptStatistics
from actors.spans.adapters.check import Checked, check_log
from actors.spans.adapters.log import LogFiles
from actors.spans.adapters.progress import Instant
from actors.spans.adapters.wal import WriterIdentity
from actors.spans.conventions import SPAN_SCHEMA_VERSION
from actors.spans.frames import FrameKind, SegmentHeader, encode_header, encode_spans, frame_header, read_header
from actors.spans.log.checkpoint import SignedCheckpoint
from actors.spans.span import Span
from cluster.acceptance.tamper.people import NOW_S, Authority, deciding, envelope_of, key_of, measured
from cluster.acceptance.tamper.site import LOG, Incidents, Shape, config_of, disk
from cluster.acceptance.tamper.watching import Watched

Way = Literal["plain", "merging", "expiring"]
WRITERS_A_TICK = 60
"""At most: each makes a batch, or two where rows are missing between them."""
TICK_S = 300
LARGEST_MERGING = 257
"""Batches of the largest homes whose files are merged: that is dear."""
LASTS_S = 4 * 86_400
"""How long a home lasts whose batches expire, a day after their last row, if it does not last longer anyway."""
LONGEST_TICK_S = 2 * 86_400
FORGED = "error"
"""Status of a decision's row that somebody else signed, and of no other."""
CHECKS = 12
"""On the way of a home, at most, on average: each takes as long as the home is large."""
BASELINE_ROWS = 500
"""Learned rows that the baseline may be behind."""


@dataclass(frozen=True, slots=True)
class Grown:
    """What a check found in one home."""

    batches: int
    rows: int
    checks: int
    alarms: tuple[str, ...]
    incidents: int
    """Of what was lost or set aside: entered, and no damage of the log."""
    merges: int = 0
    expired: int = 0
    """Batches whose rows were let go."""
    signed: int = 0
    """Checkpoints that both witnesses signed."""


def grow(folder: Path, seed: int, batches: int, way: Way | None = None) -> Grown:
    """Let a home grow to some batches, checked on its way and at its end; ``way`` stands for the one that is drawn."""
    growing = _Growing(folder, seed, batches, way)
    while growing.size < batches:
        growing.tick()
    return growing.grown()


class _Growing:
    """One home that grows."""

    def __init__(self, home: Path, seed: int, batches: int, way: Way | None) -> None:
        self._home, self._rng = home, random.Random(seed)  # noqa: S311 - draws shapes
        self._authority = Authority(seed)
        self._commits = self._rng.choice([3, 10, 1000])
        self._busiest = self._rng.choice([1, 5, WRITERS_A_TICK])
        drawn: Way = self._rng.choice(["plain", "merging", "expiring"]) if batches <= LARGEST_MERGING else "plain"
        self._merges_files = (way or drawn) != "plain"
        expires = (way or drawn) == "expiring"
        ticks = max(1, 2 * batches // (1 + self._busiest))
        self._tick_s = max(TICK_S, min(LASTS_S // ticks, LONGEST_TICK_S)) if expires else TICK_S
        self._check_chance = min(0.05, CHECKS / ticks)
        self._config = config_of(Shape(seed, 0, 0, 0, commits_a_checkpoint=self._commits)).model_copy(
            update={"retention_days": int(expires), "compact_step_ms": 60_000}
        )
        self._watched = Watched(home, self._authority) if seed % 2 else None
        self._writers = self._ticks = self._checks = self._before = self._merges_before = self._signed = 0
        self._incidents = Incidents()
        self._expected = Counter[str]()
        """Kind → incidents that have to come, of what was lost or forged."""
        self._bad: list[tuple[int, int]] = []
        """When rows were lost or forged, and how many."""
        self._alarms: list[str] = []
        self._seen: dict[str, SignedCheckpoint] = {}
        self._actor = self._started()

    @property
    def size(self) -> int:
        """Return how many batches are sealed."""
        return self._actor.totals.batches_sealed + self._before

    @property
    def _merges(self) -> int:
        return int(self._actor.health(self._now())["merges"]) + self._merges_before

    def _now(self, step: int = 0) -> Instant:
        at_s = float(NOW_S + self._ticks * self._tick_s + step)
        return Instant(at_s, at_s)

    def _started(self) -> SpanActor:
        name, more = self._authority.writer(900_000 + self._ticks).id, (KeptStatistics(self._home, BASELINE_ROWS),)
        return SpanActor(self._home, name, self._config, self._incidents, self._authority, LOG, disk(), more=more)

    def tick(self) -> None:
        """Let some writers write, and take it in; now and then check, restart, rotate the key, or ask witnesses."""
        self._ticks += 1
        at_s = int(self._now().wall_s)
        for _ in range(self._rng.randint(1, self._busiest)):
            self._write(at_s)
        self._let_in(merging=self._rng.random() < 0.5)
        chance = self._rng.random()
        if chance < self._check_chance:
            self._check(deep=self._rng.random() < 0.5)
        elif 0.05 <= chance < 0.1:
            self._restart()
        elif 0.1 <= chance < 0.12 and self._ticks > 1 and len(self._authority.trust().revocations) == 0:
            self._authority.rotate(at_s + self._tick_s // 2)
        elif 0.12 <= chance < 0.2:
            self._ask()

    def _let_in(self, *, merging: bool) -> None:
        """Have SpanActor take in what there is, and where files are merged go on with that."""
        for step in range(4 if merging and self._merges_files else 2):
            self._actor.tick(self._now(step), flush=step < 2)

    def grown(self) -> Grown:
        """Check once more, and tell."""
        self._ticks += 1
        self._let_in(merging=True)
        self._ask()
        if self._merges_files:
            self._check(deep=False)
        checked, merges = self._check(deep=True), self._merges
        self._actor.close()
        if self._watched is not None:
            self._watched.close()
        self._alarms += _unexpected(self._incidents, self._expected, storm=self._may_storm())
        return Grown(
            checked.size, checked.rows, self._checks, tuple(self._alarms), len(self._incidents.opened), merges, checked.expired,
            self._signed,
        )  # fmt: skip

    def _restart(self) -> None:
        self._before, self._merges_before = self.size, self._merges
        self._actor.close()
        self._actor = self._started()

    def _ask(self) -> None:
        """Have witnesses sign; what they remember is held against every later check."""
        if self._watched is None:
            return
        found = self._watched.ask(int(self._now().wall_s))
        self._alarms += [*found.away, *found.contradicted]
        self._signed += len(found.signed) == len(self._watched.made)
        self._seen |= self._watched.memory()

    def _check(self, *, deep: bool) -> Checked:
        """Check, and remember what was seen."""
        checked = check_log(self._home, self._authority.trust(), self._commits, seen=self._seen, deep=deep)
        self._alarms += [str(item) for item in checked.damage]
        self._checks += 1
        signed = LogFiles(self._home / "log").checkpoint()
        if signed is not None:
            self._seen[f"check {self._checks % 3}"] = signed
        return checked

    def _may_storm(self) -> bool:
        """Tell whether at any time as many rows were lost or forged as a storm is made of."""
        return any(
            sum(rows for at_s, rows in self._bad if begun_s <= at_s <= begun_s + self._config.storm_window_s)
            >= self._config.storm_min_bad
            for begun_s, _ in self._bad
        )

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
            _, lost = frames.pop(1)
            self._expect("wal_damaged", at_s, len(lost))
        if forged := sum(_is_forged(spans) for _, spans in frames):
            self._expect("span_quarantined", at_s, forged)  # one of a writer and tick
        ends = self._rng.choice(["closed", "closed", "killed", "torn"])
        _save(self._home, writer, frames, ends)

    def _expect(self, kind: str, at_s: int, rows: int) -> None:
        self._expected[kind] += 1
        self._bad.append((at_s, rows))

    def _spans(self, writer: WriterIdentity, seq: int, at_ms: int) -> list[Span]:
        kind = self._rng.choice(["decision", "other", "other", "many"])
        if kind != "decision":
            count = self._rng.randint(2, 40) if kind == "many" else 1
            return [measured(writer.id, seq + n, at_ms + n, f"weavergen.{kind}") for n in range(count)]
        spans = deciding(writer, seq, at_ms, self._authority.trust())
        if self._rng.random() < 0.05:  # set aside: entered, and an incident
            forged = envelope_of(writer, seq, at_ms, self._authority.trust(), key=key_of("forger"))
            spans[0] = msgspec.structs.replace(spans[0], record=canonical_json(forged), status=FORGED)
        return spans


def _is_forged(spans: list[Span]) -> bool:
    """Tell whether a frame's decision is not its writer's word."""
    return spans[0].status == FORGED


def _unexpected(incidents: Incidents, expected: Counter[str], *, storm: bool) -> list[str]:
    """Return in words which incidents came that nothing accounts for, or did not come."""
    came = Counter(kind for kind, _ in incidents.opened)
    if storm:
        came.pop("span_corruption_storm", None)
    words = []
    for kind in sorted((came | expected).keys()):
        if came[kind] != expected[kind]:
            said = next((str(evidence) for opened, evidence in incidents.opened if opened == kind), "")
            words.append(f"{came[kind]} incidents {kind}, {expected[kind]} expected: {said}")
    return words


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
