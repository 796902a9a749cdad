"""What a set of scored tasks says, and how surely. Pure; everything random is drawn from a seed.

Rules:
- A task is the unit: intervals are bootstrapped over tasks, never over samples or decisions, which are not independent of each
  other.
- Where few tasks have a hit, or few have anything else, a bootstrap sees little spread or none, and would be sure. Its outer
  bound is then never nearer than the exact one of as many whole tasks as the nine that were hit most (or least) make together,
  rounded up. Shares of tasks spread no more than tasks that are wholly so or not, of the same mean (Hoeffding).
- More hits of as much never give a smaller bound at either end, however few the tasks are.
- A rate over nothing is not a number, and is reported as ``None``.

Sources: Efron and Tibshirani, "An Introduction to the Bootstrap" (1993), percentile intervals; Clopper and Pearson (1934);
Hoeffding, "Probability inequalities for sums of bounded random variables" (1963), section 4; Geifman and El-Yaniv (2017)
for coverage and selective error.
Left out: who was right (``scoring``) and which candidate was chosen (``selection``).
"""

import math
from collections.abc import Callable, Sequence
from fractions import Fraction

import msgspec
import numpy as np
from numpy.typing import NDArray

RESAMPLES = 10_000
CONFIDENCE = 0.95
FEW = 9
"""Tasks whose hits alone are too few for a bootstrap's outer bound."""
_BISECTIONS = 60
"""Halvings of [0, 1]: more than a float can tell apart."""


class Estimate(msgspec.Struct, frozen=True):
    """A mean over tasks, or a ratio of two sums over tasks, with its 95 % interval."""

    value: float
    low: float
    high: float
    tasks: int
    exact: bool = False
    """A bound, or both, is Clopper's and Pearson's over whole tasks; else both are percentiles of a bootstrap by task."""


class Selective(msgspec.Struct, frozen=True):
    """How a selector that may abstain did."""

    coverage: float
    """Share of tasks that were served."""
    pass_at_1: float
    """Share of all tasks that were served and right: abstaining is failure here."""
    error: float | None
    """Share of served tasks that were wrong; ``None`` where nothing was served."""
    error_high: float | None
    """Upper Clopper-Pearson bound of that."""


class CurvePoint(msgspec.Struct, frozen=True):
    """What serving every task of at least this confidence would give."""

    threshold: float
    coverage: float
    error: float


def pass_at_1(passed: Sequence[Sequence[bool]], seed: int) -> Estimate:
    """Return the mean over tasks of the share of their samples that pass (Chen et al.: unbiased for pass@1)."""
    return bootstrap([sum(samples) / len(samples) for samples in passed], seed)


def oracle(passed: Sequence[Sequence[bool]], seed: int) -> Estimate:
    """Return the share of tasks of which at least one candidate passes: no selection can do better. β is 1 minus that."""
    return bootstrap([float(any(samples)) for samples in passed], seed)


def bootstrap(per_task: Sequence[float], seed: int, resamples: int = RESAMPLES) -> Estimate:
    """Return the mean of one number a task and its 95 % interval; raises ``ValueError`` without a task."""
    values = np.asarray(per_task, dtype=np.float64)
    low, high = _interval(len(values), lambda picks: values[picks].mean(axis=1), seed, resamples)
    return Estimate(float(values.mean()), low, high, len(values))


def ratio(parts: Sequence[float], wholes: Sequence[float], seed: int, resamples: int = RESAMPLES) -> Estimate:
    """Return the ratio of the sums of two numbers a task and its 95 % interval.

    Raises ``ValueError`` where the wholes are nothing. Resamples that draw nothing of the wholes have no ratio and are left out.
    """
    part, whole = np.asarray(parts, dtype=np.float64), np.asarray(wholes, dtype=np.float64)
    if not whole.any():
        raise ValueError("nothing has no rate")

    def ratios(picks: NDArray[np.intp]) -> NDArray[np.float64]:
        drawn = whole[picks].sum(axis=1)
        return np.asarray(part[picks].sum(axis=1)[drawn > 0] / drawn[drawn > 0], dtype=np.float64)

    low, high = _interval(len(whole), ratios, seed, resamples)
    return Estimate(float(part.sum() / whole.sum()), low, high, len(whole))


def rate(hits: Sequence[int], of: Sequence[int], seed: int, resamples: int = RESAMPLES) -> Estimate:
    """Return the share of hits, both counted by task, and its 95 % interval; raises ``ValueError`` where there is nothing to hit.

    Only tasks that have something to hit count. Of hits of another kind there may be more than there was to hit.
    """
    found = ratio(hits, of, seed, resamples)
    pairs = [(min(hit, whole), whole) for hit, whole in zip(hits, of, strict=True) if whole]
    held = len(pairs)
    high = clopper_pearson(_few(pairs), held)[1]
    low = clopper_pearson(held - _few([(whole - hit, whole) for hit, whole in pairs]), held)[0]
    exact = low < found.low or high > found.high
    return Estimate(found.value, min(low, found.low), max(high, found.high), held, exact)


def _few(pairs: Sequence[tuple[int, int]]) -> int:
    """Return how many whole tasks the few make together that have the most, rounded up."""
    return math.ceil(sum(sorted((Fraction(part, whole) for part, whole in pairs), reverse=True)[:FEW]))


def share_of_tasks(hit: int, tasks: int) -> Estimate:
    """Return the share of tasks that were hit, with its exact bounds; raises ``ValueError`` without a task."""
    low, high = clopper_pearson(hit, tasks)
    return Estimate(hit / tasks, low, high, tasks, exact=True)


def paired_difference(ours: Sequence[float], theirs: Sequence[float], seed: int) -> Estimate:
    """Return the mean difference of two numbers a task, with its interval: both were measured on the same tasks."""
    return bootstrap([a - b for a, b in zip(ours, theirs, strict=True)], seed)


def selective(served: Sequence[bool | None]) -> Selective:
    """Return what came of a selector: for every task whether what it served was right, ``None`` where it abstained."""
    right = sum(outcome is True for outcome in served)
    answered = sum(outcome is not None for outcome in served)
    wrong = answered - right
    return Selective(
        coverage=answered / len(served),
        pass_at_1=right / len(served),
        error=wrong / answered if answered else None,
        error_high=clopper_pearson(wrong, answered)[1] if answered else None,
    )


def coverage_error(confidence: Sequence[float], correct: Sequence[bool]) -> tuple[CurvePoint, ...]:
    """Return the curve of error over coverage, a point for every distinct confidence, from the highest down.

    Tasks of equal confidence come in together: no threshold could tell them apart.
    """
    pairs = sorted(zip(confidence, correct, strict=True), key=lambda pair: -pair[0])
    points: list[CurvePoint] = []
    wrong = 0
    for number, (sure, right) in enumerate(pairs, 1):
        wrong += not right
        if number == len(pairs) or pairs[number][0] != sure:
            points.append(CurvePoint(sure, number / len(pairs), wrong / number))
    return tuple(points)


def coverage_at(curve: Sequence[CurvePoint], most_error: float) -> float:
    """Return the largest coverage at which the error is at most ``most_error``; 0 where there is none."""
    return max((point.coverage for point in curve if point.error <= most_error), default=0.0)


def clopper_pearson(hits: int, trials: int, confidence: float = CONFIDENCE) -> tuple[float, float]:
    """Return the exact two-sided bounds of a binomial rate; raises ``ValueError`` unless 0 ≤ hits ≤ trials."""
    if not 0 <= hits <= trials or not trials:
        raise ValueError(f"{hits} of {trials} is no rate")
    tail = (1 - confidence) / 2
    low = 0.0 if hits == 0 else _bisected(lambda rate: 1 - _binomial_cdf(hits - 1, trials, rate) < tail)
    high = 1.0 if hits == trials else _bisected(lambda rate: _binomial_cdf(hits, trials, rate) > tail)
    return low, high


def _bisected(still_below: Callable[[float], bool]) -> float:
    """Return where a predicate that is true from 0 on becomes false."""
    low, high = 0.0, 1.0
    for _ in range(_BISECTIONS):
        middle = (low + high) / 2
        low, high = (middle, high) if still_below(middle) else (low, middle)
    return (low + high) / 2


def _binomial_cdf(hits: int, trials: int, rate: float) -> float:
    if rate in (0.0, 1.0):
        return float(rate == 0.0 or hits == trials)
    logs = [
        math.lgamma(trials + 1) - math.lgamma(k + 1) - math.lgamma(trials - k + 1)
        + k * math.log(rate) + (trials - k) * math.log1p(-rate)
        for k in range(hits + 1)
    ]  # fmt: skip
    return math.fsum(map(math.exp, logs))


def _interval(
    tasks: int, means: Callable[[NDArray[np.intp]], NDArray[np.float64]], seed: int, resamples: int
) -> tuple[float, float]:
    if not tasks:
        raise ValueError("no task to estimate from")
    picks = np.random.default_rng(seed).integers(0, tasks, size=(resamples, tasks), dtype=np.intp)
    tail = 100 * (1 - CONFIDENCE) / 2
    low, high = np.percentile(means(picks), [tail, 100 - tail])
    return float(low), float(high)
