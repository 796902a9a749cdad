"""Shifts that no single row shows: a voter slower, other verdicts, more tokens, another voter; each by several magnitudes. Pure.

Rules:
- The statistics learn from real decisions, then see others of the same system: first as they were, then with one kind of shift in
  every decision. Rows that were shifted are known, so every score is right or wrong.
- A row's score is the most that any of its measures says: decades of its p-value, and where its cell has moved and most others'
  have not, decades of that too.
- The threshold is the score that one in a thousand of the rows as they were exceeds: recall is measured there, whatever
  severities the detector gives; what those come to is told beside it.
- A shift is in the rows beside a record as well as in it: rows that contradict their record are kinds of their own
  (``bad_spans_kinds``).

Left out: running it and telling of it (``bad_spans``).
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from copy import deepcopy
from dataclasses import dataclass
from random import Random
from typing import Any

import numpy as np
from msgspec.structs import replace

from actors.spans import conventions as names
from actors.spans.checkers.baseline import Baseline
from actors.spans.checkers.finding import Arrivals, Severity
from actors.spans.checkers.statistical import StatisticalAnomalyDetector
from actors.spans.checkers.statistical_sights import look
from actors.spans.checkers.statistical_tests import Floats
from actors.spans.columns import Rows
from actors.spans.span import Span

Decision = Sequence[Span]
Shift = Callable[[Decision, str, float, Random], list[Span]]
BATCH = 50
"""Decisions that are judged together."""
WORST_SHARE = 0.001
"""Share of rows as they were that the threshold lets be called bad."""
_MAX_DECADES = 40.0
_CURVE = 60


def slower(decision: Decision, victim: str, by: float, _: Random) -> list[Span]:
    """Have the voter take so many times as long."""
    return [_with_latency(span, by) if span.voter == victim else span for span in decision]


def _with_latency(span: Span, by: float) -> Span:
    latency_ms = round(span.latency_ms * by)
    return replace(span, latency_ms=latency_ms, end_unix_nano=span.start_unix_nano + latency_ms * 1_000_000)


def turned(decision: Decision, victim: str, share: float, random: Random) -> list[Span]:
    """Have the voter's verdicts turn in such a share of decisions."""
    turns = {"agreed": "dissented", "dissented": "agreed"}
    if random.random() >= share:
        return list(decision)
    return [
        replace(span, outcome=turns.get(span.outcome, span.outcome)) if span.voter == victim else span for span in decision
    ]  # fmt: skip


def failing(decision: Decision, victim: str, share: float, random: Random) -> list[Span]:
    """Have the voter time out in such a share of decisions."""
    if random.random() >= share:
        return list(decision)
    return [replace(span, outcome="timeout", status="error") if span.voter == victim else span for span in decision]


def longer(decision: Decision, victim: str, by: float, _: Random) -> list[Span]:
    """Have the voter's answers take so many times as many tokens."""
    return [_with_tokens(span, by) if span.voter == victim else span for span in decision]


def _with_tokens(span: Span, by: float) -> Span:
    told = span.attributes.get(names.GEN_AI_USAGE_OUTPUT_TOKENS)
    if told is None:
        return span
    return replace(span, attributes=span.attributes | {names.GEN_AI_USAGE_OUTPUT_TOKENS: str(round(int(told) * by))})


def less_agreed(decision: Decision, _: str, by: float, __: Random) -> list[Span]:
    """Have decisions agree by so much of what they did."""
    return [replace(span, agreement=span.agreement * by) if span.record else span for span in decision]


def swapped(decision: Decision, victim: str, share: float, random: Random) -> list[Span]:
    """Have another voter of the decision answer in the voter's place in such a share of decisions."""
    others = [span for span in decision if span.voter and span.voter != victim]
    if not others or random.random() >= share:
        return list(decision)
    other = random.choice(others)
    return [
        replace(
            span, outcome=other.outcome, latency_ms=other.latency_ms, attributes=other.attributes,
            end_unix_nano=span.start_unix_nano + other.latency_ms * 1_000_000,
        ) if span.voter == victim else span
        for span in decision
    ]  # fmt: skip


def burst(decision: Decision, _: str, by: float, __: Random) -> list[Span]:
    """Have so many times as many decisions begin in a second."""
    root = decision[0]
    began = round(root.start_unix_nano / by)
    return [replace(root, start_unix_nano=began, end_unix_nano=began + root.latency_ms * 1_000_000), *decision[1:]]


def another(decision: Decision, victim: str, by: float, random: Random) -> list[Span]:
    """Have the voter say other things at such a length: verdicts turned in three of four, so many times as many tokens."""
    return longer(turned(decision, victim, 0.75, random), victim, by, random)


KINDS: Mapping[str, tuple[Shift, str, tuple[float, ...]]] = {
    "a voter slower": (slower, "times", (1.5, 2, 4, 8, 16)),
    "a voter's verdicts turned": (turned, "of decisions", (0.05, 0.1, 0.25, 0.5, 1.0)),
    "a voter failing": (failing, "of decisions", (0.05, 0.1, 0.25, 0.5, 1.0)),
    "a voter's answers longer": (longer, "times", (1.25, 1.5, 2, 4, 8)),
    "a voter swapped for another": (swapped, "of decisions", (0.1, 0.25, 0.5, 1.0)),
    "a voter saying other things": (another, "times the tokens", (2, 4, 8, 16)),
    "decisions that agree less": (less_agreed, "of the agreement", (0.9, 0.75, 0.5, 0.25)),
    "a burst of decisions": (burst, "times", (2, 4, 8, 16, 32)),
}
"""What is shifted → how, what the magnitude is, and the magnitudes."""


@dataclass(frozen=True, slots=True)
class Judged:
    """Rows of one stretch of decisions, in columns."""

    score: Floats
    bad: np.ndarray
    """Whether the row was shifted."""
    severity: np.ndarray
    """0 nothing, 1 notice, 2 warning, 3 critical."""


def learned(decisions: Iterable[Decision]) -> StatisticalAnomalyDetector:
    """Return a detector that has accepted these decisions."""
    detector = StatisticalAnomalyDetector(Baseline())
    for part in _batches(list(decisions)):
        detector.learn(Arrivals(_rows(part), 0.0))
    return detector


def judged(
    detector: StatisticalAnomalyDetector, decisions: Sequence[Decision], shift: Callable[[Decision], list[Span]] = list
) -> Judged:  # fmt: skip
    """Let decisions through batch by batch, shifted: judged, what is critical set aside, and what is not learned."""
    found = [_batch(detector, part, [shift(decision) for decision in part]) for part in _batches(decisions)]
    return Judged(*(np.concatenate([getattr(one, name) for one in found]) for name in Judged.__slots__))


def _batch(detector: StatisticalAnomalyDetector, before: Sequence[Decision], now: Sequence[Decision]) -> Judged:
    bad = [new != old for was, shifted in zip(before, now, strict=True) for old, new in zip(was, shifted, strict=True)]
    rows = _rows(now)
    score = scores(detector, rows, len(bad))
    levels = {Severity.NOTICE: 1, Severity.WARNING: 2, Severity.CRITICAL: 3}
    severity = np.zeros(len(bad), np.int64)
    found = detector.check(Arrivals(rows, 0.0))
    for finding in found:
        severity[finding.seq - 1] = max(severity[finding.seq - 1], levels[finding.severity])
    detector.set_aside(finding for finding in found if severity[finding.seq - 1] == levels[Severity.CRITICAL])
    kept = [span for place, span in enumerate(span for part in now for span in part) if severity[place] < 3]
    detector.learn(Arrivals([Rows("w", 1, names.SPAN_SCHEMA_VERSION, kept)], 0.0))
    return Judged(score, np.array(bad), severity)


def scores(detector: StatisticalAnomalyDetector, rows: Sequence[Rows], count: int) -> Floats:
    """Return how much speaks against each row, in decades."""
    found = np.zeros(count)
    for one in detector.odd(look(rows)):
        decades = -np.log10(np.maximum(one.p, 10.0**-_MAX_DECADES))
        if not one.shared and one.moved.p < 1:
            decades = decades + one.moves * min(_MAX_DECADES, float(-np.log10(one.moved.p)))
        np.maximum.at(found, one.rows, decades)
    return found


def figures(calm: Judged, shifted: Judged) -> dict[str, Any]:
    """Return what a stretch of shifted decisions came to, at the threshold that calm ones set."""
    bad, good = shifted.score[shifted.bad], np.concatenate((calm.score, shifted.score[~shifted.bad]))
    if not len(bad):
        return {"rows": 0}
    threshold = float(np.quantile(calm.score, 1 - WORST_SHARE, method="higher"))
    return {
        "rows": len(bad),
        "auc": round(auc(bad, good), 4),
        "recall_at_0.1_percent": round(float((bad > threshold).mean()), 4),
        "noticed": round(float((shifted.severity[shifted.bad] >= 1).mean()), 4),
        "warned": round(float((shifted.severity[shifted.bad] >= 2).mean()), 4),
        "set_aside": round(float((shifted.severity[shifted.bad] >= 3).mean()), 4),
        "others_set_aside": round(float((shifted.severity[~shifted.bad] >= 3).mean()), 6),
    }  # fmt: skip


def auc(bad: Floats, good: Floats) -> float:
    """Return the probability that a bad row scores higher than a good one; ties count half."""
    order = np.sort(good)
    below = np.searchsorted(order, bad, side="left")
    equal = np.searchsorted(order, bad, side="right") - below
    return float((below + equal / 2).sum() / (len(bad) * len(good)))


def curve(bad: Floats, good: Floats) -> list[tuple[float, float]]:
    """Return points (share of good rows called bad, recall), from one in ten thousand to all."""
    shares = np.logspace(-4, 0, _CURVE)
    limits = np.quantile(good, 1 - shares, method="higher")
    return [
        (round(float(share), 6), round(float((bad > limit).mean()), 4)) for share, limit in zip(shares, limits, strict=True)
    ]  # fmt: skip


def sweep(
    detector: StatisticalAnomalyDetector, calm: Sequence[Decision], later: Sequence[Decision], victim: str, seed: int
) -> dict[str, Any]:  # fmt: skip
    """Shift decisions in every way by every magnitude, each time before a detector that saw none of it."""
    before = deepcopy(detector)
    as_it_was = judged(before, calm)
    levels = ("notices", "warnings", "set_aside")
    calmly = {name: int((as_it_was.severity == level).sum()) for level, name in enumerate(levels, 1)}
    kinds: dict[str, dict[str, Any]] = {}
    for name, (shift, unit, magnitudes) in KINDS.items():
        told: dict[str, Any] = {"unit": unit, "magnitudes": {}}
        kinds[name] = told
        for magnitude in magnitudes:
            random = Random(seed)  # noqa: S311 - a campaign, not a secret
            one = judged(deepcopy(before), later, lambda d, s=shift, m=magnitude, r=random: s(d, victim, m, r))  # type: ignore[misc]
            told["magnitudes"][f"{magnitude:g}"] = figures(as_it_was, one)
        if one.bad.any():
            told["curve"] = curve(one.score[one.bad], np.concatenate((as_it_was.score, one.score[~one.bad])))
    return {"calm_rows": len(as_it_was.score), "calm": calmly, "kinds": kinds}


def _batches(decisions: Sequence[Decision]) -> list[Sequence[Decision]]:
    return [decisions[first : first + BATCH] for first in range(0, len(decisions), BATCH)]


def _rows(decisions: Sequence[Decision]) -> list[Rows]:
    return [Rows("w", 1, names.SPAN_SCHEMA_VERSION, [span for decision in decisions for span in decision])]
