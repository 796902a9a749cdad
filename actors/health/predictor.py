"""How probable it is that a signal breaches its limit within 5, 15 and 60 minutes. Pure.

A robust trend of the last samples (``trend``) gives drift and noise of a random walk; its first passage of the limit
(``passage``) is the probability. The slope itself is only known to ±σ/√W from a window of W seconds; over a horizon T that adds
(σT/√W)² to the walk's variance σ²T, so that the noise counts as σ·√(1 + T/W).

What that number is worth depends on the signal:

- A stock is forecast by it as it stands: what fills up goes on filling. Tests hold it against simulated walks.
- A flow's is calibrated on seventeen real series of servers (CPU, network, requests, written bytes; the Numenta Anomaly
  Benchmark, MIT licence): p' = logistic(a + b·logit p), fitted on the time between 40 % and 70 % of each series, a breach being
  the first crossing in an hour of the 99.5 % quantile of the time before. Most such breaches come without a warning: b is
  small and p' stays far below any alarm. That is what the data says, and a flow that is not over its limit raises none.

Rules: over the limit the probability is 1; it never falls with the level or with the horizon; no horizon is longer than
``REACH`` times the window.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType

from actors.health.passage import first_passage
from actors.health.signals import Sample, Signal
from actors.health.trend import Trend, robust_trend

HORIZONS_S = (300, 900, 3600)
ALARM_ABOVE = 0.7
"""A failure that is more probable than this is acted upon."""
REACH = 4
"""No further ahead than so many times what is behind: a minute's rise, as of an engine that loads, says nothing of an hour."""
LOGIT_RANGE = (-6.0, 5.0)
CALIBRATION: Mapping[int, tuple[float, float]] = MappingProxyType({
    300: (-2.9764, 0.3587), 900: (-2.9090, 0.2082), 3600: (-2.4328, 0.0700),
})  # fmt: skip
"""Horizon in seconds → (a, b) of a flow."""


@dataclass(frozen=True, slots=True)
class Prediction:
    """A forecast of one signal."""

    signal: Signal
    level: float
    """The newest sample."""
    slope_per_h: float
    probabilities: tuple[tuple[int, float], ...]
    """(horizon in seconds, probability of a breach within it), horizons rising; none further than the window reaches."""

    @property
    def probability(self) -> float:
        """Return the largest of them, 0 if there is none."""
        return max((probability for _, probability in self.probabilities), default=0.0)

    @property
    def soonest_s(self) -> int | None:
        """Return the shortest horizon within which a breach is more probable than ``ALARM_ABOVE``."""
        return next((horizon for horizon, probability in self.probabilities if probability > ALARM_ABOVE), None)


class InfrastructureHealthPredictor:
    """Forecasts breaches of the machine's limits."""

    def predict(self, signal: Signal, window: Sequence[Sample]) -> Prediction:
        """Return the forecast from a window of samples, oldest first, times rising, at least one."""
        level, trend = window[-1].value, robust_trend(window)
        slope = trend.slope * 3600 if trend else 0.0
        if level > signal.limit:
            return Prediction(signal, level, slope, tuple((horizon, 1.0) for horizon in HORIZONS_S))
        found, highest = list[tuple[int, float]](), 0.0
        for horizon in HORIZONS_S:
            if trend is None or horizon > REACH * trend.span_s:
                break
            raw = walk_probability(trend, signal.limit, level, horizon)
            highest = max(highest, raw if signal.kind == "stock" else calibrated(raw, horizon))
            found.append((horizon, highest))
        return Prediction(signal, level, slope, tuple(found))


def walk_probability(trend: Trend, limit: float, level: float, horizon_s: float) -> float:
    """Return the first-passage probability of a trend; it starts on the line, or at the last sample where that is higher."""
    noise = trend.noise * math.sqrt(1 + horizon_s / trend.span_s)
    distance = limit - max(trend.level, level)
    return first_passage(distance, trend.slope, noise, horizon_s, trend.every_s)


def calibrated(raw: float, horizon_s: int) -> float:
    """Return what a flow's first-passage probability was worth on real series."""
    offset, slope = CALIBRATION[horizon_s]
    return 1 / (1 + math.exp(-(offset + slope * clipped_logit(raw))))


def clipped_logit(probability: float) -> float:
    """Return log(p / (1 − p)), kept within ``LOGIT_RANGE``."""
    low, high = LOGIT_RANGE
    if probability <= 0 or probability >= 1:
        return low if probability <= 0 else high
    return min(max(math.log(probability / (1 - probability)), low), high)
