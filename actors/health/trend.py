"""A robust trend of the last samples: slope, level on the line, and noise around it. Pure.

- Slope: the median of the slopes of all pairs (Theil 1950; Sen, J. Amer. Statist. Assoc. 63, 1968): up to 29 % of the samples
  may be anything.
- Level: where the line is now, by the median of the samples moved along it.
- Noise: root mean square of how far the residuals moved over a third of the window, a square root of a second. Over one step,
  noise that reverts would pass for a walk and be extrapolated; over a third of the window it does so much less, and a walk
  shows the same.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache

import numpy as np
from numpy.typing import NDArray

from actors.health.signals import Sample

MIN_SAMPLES = 6


@dataclass(frozen=True, slots=True)
class Trend:
    """A straight line through a window, and the walk around it."""

    level: float
    """On the line, at the last sample."""
    slope: float
    """A second."""
    noise: float
    """A square root of a second."""
    every_s: float
    """Median time between two samples."""
    span_s: float
    """From the first sample to the last."""


def robust_trend(samples: Sequence[Sample]) -> Trend | None:
    """Return the trend of a window, oldest first, times rising; ``None`` of fewer than ``MIN_SAMPLES``."""
    if len(samples) < MIN_SAMPLES:
        return None
    times = np.array([sample.at_s - samples[-1].at_s for sample in samples])
    values = np.array([sample.value for sample in samples])
    first, second = _pairs(len(samples))
    slope = np.median((values[second] - values[first]) / (times[second] - times[first]))
    line = values - slope * times
    lag = len(samples) // 3
    moved = (line[lag:] - line[:-lag]) / np.sqrt(times[lag:] - times[:-lag])
    return Trend(
        level=float(np.median(line)),
        slope=float(slope),
        noise=float(np.sqrt(np.mean(moved**2))),
        every_s=float(np.median(np.diff(times))),
        span_s=float(-times[0]),
    )


@cache
def _pairs(count: int) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    first, second = np.triu_indices(count, 1)
    return first, second
