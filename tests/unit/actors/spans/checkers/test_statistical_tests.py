"""p-values: how often they are small when nothing is odd, and that they are when something is."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from actors.spans.checkers.statistical_tests import (
    BINS,
    BINS_PER_OCTAVE,
    believed,
    bins_of,
    moved_values,
    moved_words,
    row_p,
    word_p,
)

RNG = np.random.default_rng


def histogram(bins: np.ndarray) -> np.ndarray:
    """Count bins."""
    return np.bincount(bins, minlength=BINS)


def test_bins_are_an_eighth_of_an_octave() -> None:
    """They begin at nothing, and end at 2^33."""
    assert bins_of(np.array([0.0, 1.0, 3.0, 2.0**40])).tolist() == [0, 8, 16, BINS - 1]


@pytest.mark.parametrize("seed", range(3))
def test_p_values_of_rows_like_those_before_are_uniform_or_larger(seed: int) -> None:
    """Of 20,000 rows no more than their share are below any level, give or take what chance does."""
    rng = RNG(seed)
    before, now = (bins_of(rng.lognormal(6, 1, size)) for size in (5_000, 20_000))
    p = row_p(histogram(before), now)
    for level in (0.1, 0.01, 0.001):
        assert (p <= level).mean() <= level * 1.3 + 0.0005


def test_what_lies_further_out_is_odder() -> None:
    """In both directions, and beyond everything that was seen."""
    seen = bins_of(RNG(1).lognormal(6, 0.5, 2_000))
    above = row_p(histogram(seen), seen.max() + BINS_PER_OCTAVE * np.arange(4))
    below = row_p(histogram(seen), seen.min() - np.arange(4))
    assert (np.diff(above) < 0).all()
    assert (np.diff(below) < 0).all()
    assert above[3] < 1e-3


def test_of_a_rate_only_the_upper_end_is_odd() -> None:
    """A quiet second is none."""
    seen = bins_of(RNG(1).lognormal(6, 0.5, 2_000))
    p = row_p(histogram(seen), np.array([0, seen.max() + 1]), upper=True)
    assert p[0] == 1.0
    assert p[1] < 1e-3


def test_nothing_is_odd_where_nothing_was_seen() -> None:
    """Without values there is no p-value but 1."""
    assert row_p(np.zeros(BINS, np.int64), np.array([0, 9])).tolist() == [1.0, 1.0]


def test_a_rare_word_is_as_odd_as_all_that_are_no_more_frequent() -> None:
    """A word that never came is the oddest."""
    p = word_p(np.array([90, 9, 1, 0]), np.array([0, 1, 2, 3]))
    assert p.tolist() == pytest.approx([1.0, 11 / 101, 2 / 101, 1 / 101])


@pytest.mark.parametrize("seed", range(5))
def test_a_window_like_those_before_has_not_moved(seed: int) -> None:
    """Of a thousand windows about a hundredth is below a hundredth."""
    rng = RNG(seed)
    before = bins_of(rng.lognormal(6, 1, 20_000))
    counts = histogram(before)
    ps = np.array([moved_values(counts, rng.choice(before, 128))[0] for _ in range(1_000)])
    assert (ps <= 0.01).mean() <= 0.03


def test_a_window_that_moved_tells_by_how_much() -> None:
    """Twice as long is one octave, half as long one less."""
    rng = RNG(2)
    before = histogram(bins_of(rng.lognormal(6, 0.5, 5_000)))
    for factor, octaves in ((2.0, 1.0), (0.5, -1.0), (8.0, 3.0)):
        p, by = moved_values(before, bins_of(rng.lognormal(6, 0.5, 256) * factor))
        assert p < 1e-6
        assert by == pytest.approx(octaves, abs=0.3)


def test_words_that_come_more_often_have_moved() -> None:
    """The share that would have to end otherwise is told."""
    before = np.array([900, 100, 0])
    p, by = moved_words(before, np.array([45, 55, 0]))
    assert p < 1e-12
    assert by == pytest.approx(0.45)
    assert moved_words(before, np.array([90, 10, 0])) == (pytest.approx(0.5, abs=0.5), pytest.approx(0.0))
    assert moved_words(np.array([5, 0]), np.array([7, 0]))[0] == 1.0


def test_nothing_moves_without_rows() -> None:
    """Neither before nor now, nor where all are the same."""
    one, none = histogram(np.array([5] * 300)), np.zeros(0, np.int64)
    assert moved_values(one, none) == (1.0, 0.0)
    assert moved_values(np.zeros(BINS, np.int64), np.array([5])) == (1.0, 0.0)
    assert moved_values(one, np.array([5] * 100)) == (1.0, 0.0)
    assert moved_words(np.zeros(3, np.int64), np.array([1, 0, 0])) == (1.0, 0.0)


PS = arrays(float, st.integers(0, 60), elements=st.floats(0, 1))


@given(PS, st.floats(0.001, 0.5))
def test_believed_p_values_are_the_smallest_up_to_a_line(p: np.ndarray, level: float) -> None:
    """Benjamini and Hochberg's rule, said once more: the largest k whose k-th smallest is below k·level/m."""
    order, m = np.sort(p), len(p)
    k = max((n for n in range(1, m + 1) if order[n - 1] <= level * n / m), default=0)
    assert believed(p, level).sum() == (int((p <= order[k - 1]).sum()) if k else 0)


@pytest.mark.parametrize("seed", range(3))
def test_false_discoveries_stay_at_their_level(seed: int) -> None:
    """Among 5 % odd rows of 10,000 no more than the level's share of what is believed is false, on average of 20 batches."""
    rng = RNG(seed)
    shares = []
    for _ in range(20):
        counts = histogram(bins_of(rng.lognormal(6, 0.5, 20_000)))
        odd = bins_of(rng.lognormal(6, 0.5, 500) * 2.0 ** rng.uniform(6, 12, 500))
        p = row_p(counts, np.concatenate((bins_of(rng.lognormal(6, 0.5, 9_500)), odd)))
        chosen = believed(p, 0.05)
        shares.append(chosen[:9_500].sum() / max(1, chosen.sum()))
        assert chosen[9_500:].mean() > 0.9
    assert np.mean(shares) <= 0.06
