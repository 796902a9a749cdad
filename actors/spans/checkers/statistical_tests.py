"""The tests behind the statistics: how odd one value is, how far a group has moved, and which of many odd ones to believe. Pure.

Rules:
- A row's p-value is its conformal one: the share of earlier values that were as far out, both ends together. It holds whatever
  the values' distribution, as long as rows are like those before. Below one over their number it goes on falling by
  half an octave's worth: that tails thin out at least like 1/x beyond what was ever seen is the one assumption made.
- A group's p-value is Wilcoxon's rank sum (values) or Pearson's chi-squared (words), by their normal approximations, with ties.
- Of a batch's p-values those are believed that Benjamini and Hochberg believe: of what is said at level q, a share of q is false
  on average, under the positive dependence that conformal p-values have (Bates et al. 2023, arXiv 2104.08279).

Left out: what is measured, and what follows.
"""

from math import erfc, sqrt
from typing import Final

import numpy as np
from numpy.typing import NDArray

Ints = NDArray[np.int64]
Floats = NDArray[np.float64]
Bools = NDArray[np.bool_]

BINS_PER_OCTAVE: Final = 8
BINS: Final = 33 * BINS_PER_OCTAVE
"""Values up to 2^32."""
LEAST_P: Final = 1e-300


def bins_of(values: Floats) -> Ints:
    """Return the logarithmic bin of values that are not negative: an eighth of an octave each, beginning at 1."""
    steps = np.floor(np.log2(np.maximum(values, 0.0) + 1.0) * BINS_PER_OCTAVE)
    return np.asarray(np.minimum(steps, BINS - 1), np.int64)


def row_p(histogram: Ints, bins: Ints, *, upper: bool = False) -> Floats:
    """Return the conformal p-value of each bin among earlier values, as ``histogram`` counts them: of both ends, or the upper."""
    n = int(histogram.sum())
    below = np.cumsum(histogram)
    at_most = below[bins]
    at_least = n - at_most + histogram[bins]
    tail = at_least if upper else 2.0 * np.minimum(at_most, at_least) + 1.0
    p = np.minimum(1.0, (tail + 1.0) / (n + 1.0))
    seen = np.flatnonzero(histogram)
    if not len(seen):
        return np.ones(len(bins))
    beyond = bins - seen[-1] if upper else np.maximum(bins - seen[-1], seen[0] - bins)
    return np.asarray(p * np.exp2(-np.maximum(beyond, 0) / BINS_PER_OCTAVE))


def word_p(counts: Ints, words: Ints) -> Floats:
    """Return the conformal p-value of each word: the share of earlier ones that were no more frequent."""
    n = int(counts.sum())
    order = np.sort(counts)
    rarer = np.concatenate(([0], np.cumsum(order)))[np.searchsorted(order, counts[words], side="right")]
    return np.asarray((rarer + 1.0) / (n + 1.0))


def moved_values(histogram: Ints, window: Ints) -> tuple[float, float]:
    """Return the p-value that a window's bins are of the histogram, and by how many octaves its median lies higher."""
    n, w = int(histogram.sum()), len(window)
    if not n or not w:
        return 1.0, 0.0
    now = np.bincount(window, minlength=len(histogram))
    both = histogram + now
    ranks = np.cumsum(both) - (both - 1) / 2
    total = n + w
    mean = w * (total + 1) / 2
    ties = float(((both.astype(float) ** 3) - both).sum())
    variance = n * w / 12 * ((total + 1) - ties / (total * (total - 1)))
    if variance <= 0:
        return 1.0, 0.0
    z = (float((ranks * now).sum()) - mean) / sqrt(variance)
    return _two_sided(z), (_median(now) - _median(histogram)) / BINS_PER_OCTAVE


def moved_words(counts: Ints, window: Ints) -> tuple[float, float]:
    """Return the p-value that a window's words are drawn like those counted, and the share of it that would have to change."""
    n, w = int(counts.sum()), int(window.sum())
    if not n or not w:
        return 1.0, 0.0
    kept = (counts + window) > 0
    before, now = counts[kept].astype(float), window[kept].astype(float)
    shares = (before + now) / (n + w)
    statistic = float((((before - n * shares) ** 2) / (n * shares) + ((now - w * shares) ** 2) / (w * shares)).sum())
    return _chi_squared(statistic, int(kept.sum()) - 1), float(abs(before / n - now / w).sum()) / 2


def believed(p: Floats, level: float) -> Bools:
    """Return which of many p-values Benjamini and Hochberg's procedure believes at a level."""
    m = len(p)
    if not m:
        return np.zeros(0, np.bool_)
    order = np.sort(p)
    (passing,) = np.nonzero(order <= level * np.arange(1, m + 1) / m)
    return np.asarray(p <= order[passing[-1]]) if len(passing) else np.zeros(m, np.bool_)


def _median(counts: Ints) -> int:
    below = np.cumsum(counts)
    return int(np.searchsorted(below, (below[-1] + 1) // 2))


def _two_sided(z: float) -> float:
    return max(erfc(abs(z) / sqrt(2)), LEAST_P)


def _chi_squared(statistic: float, freedom: int) -> float:
    """Return the upper tail (Wilson and Hilferty's approximation)."""
    if freedom < 1:
        return 1.0
    spread = 2 / (9 * freedom)
    z = ((statistic / freedom) ** (1 / 3) - (1 - spread)) / sqrt(spread)
    return max(erfc(z / sqrt(2)) / 2, LEAST_P)
