"""Seventeen real series of servers, cut by time into episodes and forecasts, and exact scores of them.

A breach is the first crossing, in an hour, of the 99.5 % quantile of a series' first 40 %. Parameters are fitted on the
next 30 % and scored on the last 30 %.
"""

import csv
import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from actors.health.predictor import (
    ALARM_ABOVE,
    HORIZONS_S,
    InfrastructureHealthPredictor,
    clipped_logit,
    walk_probability,
)
from actors.health.signals import Sample, Signal
from actors.health.trend import robust_trend

EVERY_S = 300
WINDOW = 12
QUIET = 12
"""Samples below the limit after which a crossing is a new episode."""


@dataclass
class Series:
    """One series, its limit and where its episodes begin."""

    name: str
    values: list[float]
    limit: float
    onsets: list[int]
    over: list[bool]
    fit_from: int
    score_from: int

    @property
    def signal(self) -> Signal:
        """Return it as a flow."""
        return Signal(self.name, "flow", self.limit)

    def window(self, at: int) -> list[Sample]:
        """Return the last samples at a place."""
        return [Sample(EVERY_S * i, self.values[i]) for i in range(at - WINDOW + 1, at + 1)]

    def places(self, begin: int, end: int) -> Iterator[int]:
        """Yield where a forecast is made: nothing was over the limit for an hour, and an hour is left to see."""
        for at in range(max(begin, WINDOW), min(end, len(self.values) - max(HORIZONS_S) // EVERY_S)):
            if not any(self.over[at - QUIET : at + 1]):
                yield at

    def happens(self, at: int, horizon_s: int) -> bool:
        """Tell whether an episode begins within a horizon."""
        return any(at < onset <= at + horizon_s // EVERY_S for onset in self.onsets)


def load(path: Path) -> Series:
    """Read a series; its samples are five minutes apart, but for rare gaps."""
    with path.open() as file:
        rows = sorted(
            (datetime.fromisoformat(r["timestamp"]).replace(tzinfo=UTC), float(r["value"]))
            for r in csv.DictReader(file)
        )
    values = [value for _, value in rows]
    train, score = int(len(values) * 0.4), int(len(values) * 0.7)
    limit = float(np.quantile(values[:train], 0.995))
    over = [value > limit for value in values]
    onsets, last = [], -(10**9)
    for at, is_over in enumerate(over):
        if is_over:
            if at - last > QUIET:
                onsets.append(at)
            last = at
    return Series(path.name, values, limit, onsets, over, train, score)


def load_all(folder: Path) -> list[Series]:
    """Read every series of a folder."""
    return [load(path) for path in sorted(folder.glob("*.csv"))]


def fitted(series: Sequence[Series]) -> dict[int, tuple[float, float]]:
    """Return each horizon's (a, b) of logistic(a + b·logit p), by maximum likelihood (Newton's method)."""
    inputs: dict[int, list[float]] = {horizon: [] for horizon in HORIZONS_S}
    happened: dict[int, list[float]] = {horizon: [] for horizon in HORIZONS_S}
    for one in series:
        for at in one.places(one.fit_from, one.score_from):
            window = one.window(at)
            trend = robust_trend(window)
            assert trend is not None
            for horizon in HORIZONS_S:
                raw = walk_probability(trend, one.limit, window[-1].value, horizon)
                inputs[horizon].append(clipped_logit(raw))
                happened[horizon].append(float(one.happens(at, horizon)))
    return {horizon: _logistic(np.array(inputs[horizon]), np.array(happened[horizon])) for horizon in HORIZONS_S}


def _logistic(x: NDArray[np.float64], y: NDArray[np.float64]) -> tuple[float, float]:
    design, found = np.stack([np.ones_like(x), x], axis=1), np.array([clipped_logit(float(y.mean())), 0.0])
    for _ in range(50):
        told = 1 / (1 + np.exp(-design @ found))
        step = np.linalg.solve(design.T @ (design * (told * (1 - told))[:, None]), design.T @ (y - told))
        found = found + np.clip(step, -2, 2)
        if np.abs(step).max() < 1e-9:
            break
    return float(found[0]), float(found[1])


@dataclass
class Score:
    """How one forecaster did at one horizon."""

    forecasts: int = 0
    told: float = 0.0
    """Sum of the probabilities."""
    came: int = 0
    squares: float = 0.0
    alerts: int = 0
    false_alerts: int = 0
    episodes: int = 0
    hits: int = 0
    leads_s: list[float] = field(default_factory=list)
    _since: int | None = None
    _bad_at: int = 0

    @property
    def brier(self) -> float:
        """Return the mean square of the error."""
        return self.squares / self.forecasts

    @property
    def false_bounds(self) -> tuple[float, float]:
        """Return exact 95 % bounds of the share of false alerts."""
        return clopper_pearson(self.false_alerts, self.alerts)

    @property
    def hit_bounds(self) -> tuple[float, float]:
        """Return exact 95 % bounds of the share of episodes that were foreseen."""
        return clopper_pearson(self.hits, self.episodes)

    def forecast(self, probability: float, *, happened: bool) -> None:
        """Take one forecast."""
        self.forecasts += 1
        self.told += probability
        self.came += happened
        self.squares += (probability - happened) ** 2

    def alert(self, at: int, *, bad: bool, onset: bool, horizon_s: int) -> None:
        """Go one place on. An alert is open from its first bad forecast until the horizon of the last one is over.

        It is right, and foresees the episode, if one begins meanwhile; else it is false. Samples are five minutes apart, so
        that whatever was open had been so for five minutes at least.
        """
        if onset:
            self.episodes += 1
            if self._since is not None:
                self.hits += 1
                self.leads_s.append((at - self._since) * EVERY_S)
                self._since = None
        elif bad:
            self._bad_at = at
            if self._since is None:
                self._since = at
                self.alerts += 1
        elif self._since is not None and at - self._bad_at >= horizon_s // EVERY_S:
            self.false_alerts += 1
            self._since = None


def scored(series: Sequence[Series]) -> dict[int, dict[str, Score]]:
    """Return horizon → forecaster → score on the last time of every series."""
    predictor = InfrastructureHealthPredictor()
    rates = {h: _base_rate(series, h) for h in HORIZONS_S}
    names = ("ours", "never", "base rate", "static 80 %", "predict_linear")
    scores = {horizon: {name: Score() for name in names} for horizon in HORIZONS_S}
    for one in series:
        onsets = set(one.onsets)
        places = set(one.places(one.score_from, len(one.values)))
        for at in range(one.score_from, len(one.values) - max(HORIZONS_S) // EVERY_S):
            window = one.window(at) if at in places else []
            ours = dict(predictor.predict(one.signal, window).probabilities) if window else {}
            for horizon in HORIZONS_S:
                told = dict.fromkeys(names, 0.0)
                if window:
                    told |= {
                        "ours": ours[horizon], "base rate": rates[horizon],
                        "static 80 %": float(window[-1].value > 0.8 * one.limit),
                        "predict_linear": float(predict_linear(window, horizon) > one.limit),
                    }  # fmt: skip
                for name, score in scores[horizon].items():
                    if window:
                        score.forecast(told[name], happened=one.happens(at, horizon))
                    score.alert(at, bad=told[name] > ALARM_ABOVE, onset=at in onsets, horizon_s=horizon)
    return scores


def _base_rate(series: Sequence[Series], horizon_s: int) -> float:
    happened = [one.happens(at, horizon_s) for one in series for at in one.places(one.fit_from, one.score_from)]
    return sum(happened) / len(happened)


def predict_linear(window: Sequence[Sample], ahead_s: float) -> float:
    """Return what Prometheus' function of that name returns: the least-squares line of the window, so far ahead of now."""
    times = np.array([sample.at_s - window[-1].at_s for sample in window])
    values = np.array([sample.value for sample in window])
    centred = times - times.mean()
    slope = float((centred * values).sum() / (centred**2).sum())
    return float(values.mean()) - slope * float(times.mean()) + slope * ahead_s


def clopper_pearson(hits: int, of: int, confidence: float = 0.95) -> tuple[float, float]:
    """Return the exact bounds of a share (Clopper and Pearson, Biometrika 26, 1934); (0, 1) of nothing."""
    tail = (1 - confidence) / 2
    low = 0.0 if hits == 0 else _root(lambda p: _at_least(hits, of, p) - tail)
    high = 1.0 if hits == of else _root(lambda p: tail - (1 - _at_least(hits + 1, of, p)))
    return low, high


def _at_least(hits: int, of: int, share: float) -> float:
    def term(k: int) -> float:
        ways = math.lgamma(of + 1) - math.lgamma(k + 1) - math.lgamma(of - k + 1)
        return math.exp(ways + k * math.log(share) + (of - k) * math.log1p(-share))

    return math.fsum(term(k) for k in range(hits, of + 1))


def _root(rising: Callable[[float], float]) -> float:
    low, high = 1e-12, 1 - 1e-12
    for _ in range(60):
        middle = (low + high) / 2
        low, high = (low, middle) if rising(middle) > 0 else (middle, high)
    return (low + high) / 2


def table(scores: dict[int, dict[str, Score]]) -> str:
    """Return the scores as a Markdown table."""
    lines = [
        "| within | forecaster | Brier | alerts | false of them (95 %) | foreseen of episodes (95 %) | lead median, p10 |",
        "|---|---|---|---|---|---|---|",
    ]
    for horizon, found in scores.items():
        for name, score in found.items():
            leads = sorted(score.leads_s)
            lead = f"{leads[len(leads) // 2] / 60:.0f}, {leads[len(leads) // 10] / 60:.0f} min" if leads else "-"
            wrong, right = score.false_bounds, score.hit_bounds
            false = f"{score.false_alerts} ({wrong[0]:.1%} to {wrong[1]:.1%})" if score.alerts else "-"
            lines.append(
                f"| {horizon // 60} min | {name} | {score.brier:.5f} | {score.alerts} | {false} "
                f"| {score.hits} of {score.episodes} ({right[0]:.1%} to {right[1]:.1%}) | {lead} |"
            )
    return "\n".join(lines)
