"""TemporalConsistencyValidator: what rows say of time can have been so.

Rules, each with what the running system emits at the bound's other side:
- ``end_before_start``: a span ends when or after it began.
- ``too_long``: it lasts no longer than ``max_span_s``; the longest deadline of a request is ten minutes.
- ``latency``: where it names a latency, that is how long it lasted, to the millisecond: it is made from the same two times.
- ``future``: it has ended by now, give or take the skew. Now is the latest that was ever seen: an actor whose own clock was
  set back does not take its own past for a future.
- ``before_writer``: it began after its writer did (a writer's id says when), give or take the skew. A writer that goes on for
  months is held by the next rule.
- ``backwards``: a writer's rows come in the order in which they ended, give or take the longest span and the skew: the
  spans of a decision come with it, when it is made.
- ``child_outside_parent``: the spans of a decision lie within the span that carries its record. (Not within the span above
  them: a ballot that a later layer took over is under that layer, and was cast before it began.)
- ``stale``: a row that is too old to be told from a forgery waits in the log, as records do (``authenticity``): a day's
  outage is none, nor is a home that was brought back from long ago a reason to throw its rows out.

All but ``stale`` are critical: no clock that is right within the skew makes any of them. The spans of other services have clocks
and an order of their own: of them only ``end_before_start`` is said, as a warning.

Left out: when a record was issued (``cryptographic``).
"""

from collections import OrderedDict
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from actors.base.ids import is_ulid, ulid_time_ms
from actors.spans.checkers.arrays import Arrays, Bools, Ints
from actors.spans.checkers.finding import Arrivals, Finding, Severity

NAME = "TemporalConsistencyValidator"
LATENCY_SLACK_MS = 1
CHILD_SLACK_NS = 10_000_000
"""Times within a decision are rounded to milliseconds, several times over."""
MAX_WRITERS = 4096
"""Writers whose last row is remembered, the latest that were heard of."""
_S = 1_000_000_000


@dataclass(frozen=True, slots=True)
class Bounds:
    """What time allows."""

    skew_s: float
    """How far clocks may lie apart."""
    max_span_s: float
    stale_after_s: float
    """Age beyond which nobody can tell a backlog from a forgery."""


class TemporalConsistencyValidator:
    """Judges by times alone."""

    def __init__(self, bounds: Bounds) -> None:
        self._bounds = bounds
        self._skew_ns = round(bounds.skew_s * _S)
        self._longest_ns = round(bounds.max_span_s * _S)
        self._latest_now_ns = 0
        self._last_end_ns: OrderedDict[str, int] = OrderedDict()
        """Writer → the latest end of its rows."""

    @property
    def name(self) -> str:
        """Return the name of the class."""
        return NAME

    def check(self, arrivals: Arrivals) -> list[Finding]:
        """Return rows whose times cannot be."""
        rows, now_ns = arrivals.arrays, round(arrivals.now_s * _S)
        self._latest_now_ns = max(self._latest_now_ns, now_ns)
        return [
            *self._alone(rows, now_ns),
            *self._of_writers(rows),
            *_outside(rows),
        ]

    def learn(self, accepted: Arrivals) -> None:
        """Remember how far each writer has come."""
        rows = accepted.arrays
        ends = np.where(rows.external, 0, rows.end_ns)
        for writer_id, first, end in rows.runs:
            self._last_end_ns[writer_id] = max(self._last_end_ns.get(writer_id, 0), int(ends[first:end].max()))
            self._last_end_ns.move_to_end(writer_id)
        while len(self._last_end_ns) > MAX_WRITERS:
            self._last_end_ns.popitem(last=False)

    def _alone(self, rows: Arrays, now_ns: int) -> Iterator[Finding]:
        """Judge each row by itself."""
        lasted, ours = rows.end_ns - rows.start_ns, ~rows.external
        yield from _found(rows, ours & (lasted < 0), "end_before_start", lasted_ns=lasted)
        foreign = rows.external & (lasted < 0)
        yield from _found(rows, foreign, "end_before_start", severity=Severity.WARNING, lasted_ns=lasted)
        yield from _found(rows, ours & (lasted > self._longest_ns), "too_long", lasted_ns=lasted)
        off = np.abs(rows.latency_ms - lasted // 1_000_000)
        wrong = ours & (rows.latency_ms >= 0) & (off > LATENCY_SLACK_MS)
        yield from _found(rows, wrong, "latency", latency_ms=rows.latency_ms, lasted_ns=lasted)
        ahead = rows.end_ns - self._latest_now_ns
        yield from _found(rows, ours & (ahead > self._skew_ns), "future", ahead_ns=ahead)
        age = now_ns - rows.end_ns
        for at in np.flatnonzero(ours & (age > round(self._bounds.stale_after_s * _S))):
            (writer_id, seq), age_s = rows.place(at), int(age[at]) // _S
            why = f"row {seq} of {writer_id} ended {age_s} s ago: set the clock, or raise spans.wal_max_age_s for its sake"
            yield Finding(writer_id, seq, NAME, "stale", Severity.UNDECIDED, {"why": why})

    def _of_writers(self, rows: Arrays) -> Iterator[Finding]:
        """Judge rows by when their writer began, and by how far it had come."""
        if not len(rows.spans):
            return
        born = np.zeros(len(rows.spans), np.int64)
        for writer_id, first, end in rows.runs:
            born[first:end] = _born_ns(writer_id)
        early, ours = born - rows.start_ns, ~rows.external
        yield from _found(rows, ours & (early > self._skew_ns), "before_writer", before_ns=early)
        back = self._reached(rows) - rows.end_ns
        yield from _found(rows, ours & (back > self._longest_ns + self._skew_ns), "backwards", back_ns=back)

    def _reached(self, rows: Arrays) -> Ints:
        """Return the latest end of the writer's rows before each row. What lies in the future moves nothing."""
        believed = np.where(rows.external, 0, np.minimum(rows.end_ns, self._latest_now_ns + self._skew_ns))
        reached, latest = np.zeros(len(rows.spans), np.int64), dict[str, int]()
        for writer_id, first, end in rows.runs:
            before = latest.get(writer_id, self._last_end_ns.get(writer_id, 0))
            highest = np.maximum.accumulate(np.concatenate(([before], believed[first:end])))
            reached[first:end], latest[writer_id] = highest[:-1], int(highest[-1])
        return reached


def _outside(rows: Arrays) -> Iterator[Finding]:
    """Judge the spans of decisions by the span that carries the record, where that came with them."""
    roots: dict[tuple[bytes, str], int] = {}
    for at in rows.signed:
        roots.setdefault((rows.spans[at].trace_id, rows.spans[at].decision_id), at)
    if not roots:
        return
    root = np.array([roots.get((span.trace_id, span.decision_id), -1) for span in rows.spans], np.int64)
    early = rows.start_ns[root] - rows.start_ns
    late = rows.end_ns - rows.end_ns[root]
    outside = (root >= 0) & ((early > CHILD_SLACK_NS) | (late > CHILD_SLACK_NS))
    yield from _found(rows, outside, "child_outside_parent", begins_before_ns=early, ends_after_ns=late)


def _found(
    rows: Arrays, wrong: Bools, kind: str, *, severity: Severity = Severity.CRITICAL, **measured: Ints
) -> Iterator[Finding]:
    for at in np.flatnonzero(wrong):
        evidence = {name: str(int(values[at])) for name, values in measured.items()}
        yield Finding(*rows.place(at), NAME, kind, severity, evidence)


def _born_ns(writer_id: str) -> int:
    return ulid_time_ms(writer_id) * 1_000_000 if is_ulid(writer_id) else 0
