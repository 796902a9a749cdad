"""The robust trend of a window."""

from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from actors.health.signals import Sample
from actors.health.trend import MIN_SAMPLES, robust_trend


def line(slope: float, start: float = 0.0, count: int = 20) -> list[Sample]:
    """Return a straight line, a sample a minute."""
    return [Sample(60.0 * i, start + slope * 60 * i) for i in range(count)]


@given(st.floats(-1e-3, 1e-3), st.floats(0, 1))
def test_a_line_is_found_as_it_is(slope: float, start: float) -> None:
    """Slope, level at its end, no noise, and how it was sampled."""
    trend = robust_trend(line(slope, start))
    assert trend is not None
    assert trend.slope == pytest.approx(slope, abs=1e-12)
    assert trend.level == pytest.approx(start + slope * 60 * 19, abs=1e-9)
    assert trend.noise == pytest.approx(0, abs=1e-9)
    assert (trend.every_s, trend.span_s) == (60.0, 60.0 * 19)


def test_a_quarter_of_the_samples_may_be_anything() -> None:
    """Five wild samples of twenty change neither slope nor level much."""
    samples = line(1e-4)
    for place in (3, 7, 11, 15, 18):
        samples[place] = Sample(samples[place].at_s, 1e6)
    trend = robust_trend(samples)
    assert trend is not None
    assert trend.slope == pytest.approx(1e-4, rel=0.2)
    assert trend.level == pytest.approx(1e-4 * 60 * 19, rel=0.2)


def test_noise_that_reverts_is_told_from_a_walk() -> None:
    """A walk's noise is found; white noise with the same steps from minute to minute counts for much less."""
    draw, walks, whites = Random(3), [], []
    for _ in range(100):
        level, walk, white = 0.0, [], []
        for i in range(30):
            level += draw.gauss(0, 1)
            walk.append(Sample(60.0 * i, level))
            white.append(Sample(60.0 * i, draw.gauss(0, 0.5**0.5)))
        walks.append(robust_trend(walk))
        whites.append(robust_trend(white))
    mean = [sum(trend.noise for trend in found if trend) / len(found) * 60**0.5 for found in (walks, whites)]
    assert 0.6 < mean[0] < 1.1
    assert mean[1] < 0.5 * mean[0]


def test_too_few_samples_are_no_trend() -> None:
    """One less than the minimum."""
    assert robust_trend(line(1.0, count=MIN_SAMPLES - 1)) is None
    assert robust_trend(line(1.0, count=MIN_SAMPLES)) is not None
