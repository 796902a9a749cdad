"""The first passage of a drifted random walk."""

import math
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from actors.health.passage import first_passage

distances = st.floats(1e-3, 1e3)
drifts = st.floats(-10, 10)
noises = st.floats(1e-3, 1e2)
horizons = st.floats(1e-2, 1e4)
SLACK = 1e-9


@given(distances, drifts, noises, horizons, st.floats(0, 60))
def test_it_is_a_probability(distance: float, drift: float, noise: float, horizon: float, every: float) -> None:
    """Whatever the magnitudes: between 0 and 1, and no overflow."""
    assert 0 <= first_passage(distance, drift, noise, horizon, every) <= 1


@given(distances, st.floats(0, 10), drifts, noises, horizons)
def test_it_never_falls_as_the_limit_comes_nearer(d: float, less: float, drift: float, noise: float, t: float) -> None:
    """Nearer is not safer."""
    assert first_passage(d - less, drift, noise, t) >= first_passage(d, drift, noise, t) - SLACK


@given(distances, drifts, noises, horizons, st.floats(0, 1e4))
def test_it_never_falls_with_time(distance: float, drift: float, noise: float, horizon: float, more: float) -> None:
    """A longer horizon holds the shorter one."""
    assert (
        first_passage(distance, drift, noise, horizon + more) >= first_passage(distance, drift, noise, horizon) - SLACK
    )


@given(distances, drifts, st.floats(0, 5), noises, horizons)
def test_it_never_falls_with_the_drift(d: float, drift: float, more: float, noise: float, t: float) -> None:
    """Faster is not safer."""
    assert first_passage(d, drift + more, noise, t) >= first_passage(d, drift, noise, t) - SLACK


@given(distances, noises, horizons)
def test_without_a_drift_it_is_the_reflection_principle(distance: float, noise: float, horizon: float) -> None:
    """P = 2·P(N > d/(σ√T)) for a walk without a drift."""
    expected = math.erfc(distance / (noise * math.sqrt(2 * horizon)))
    assert first_passage(distance, 0.0, noise, horizon) == pytest.approx(expected, abs=1e-12)


def test_a_receding_walk_ever_arrives_with_its_known_probability() -> None:
    """For μ < 0 and T → ∞ it is exp(2μd/σ²)."""
    assert first_passage(2.0, -0.5, 1.0, 1e9) == pytest.approx(math.exp(-2.0), rel=1e-9)


def test_without_noise_a_walk_is_a_line() -> None:
    """It arrives on time or not; at the limit it is there."""
    assert [first_passage(10, 1, 0, t) for t in (9.9, 10.0)] == [0.0, 1.0]
    assert first_passage(0.0, -1, 1, 1) == 1.0


def test_a_walk_that_is_looked_at_now_and_then_is_caught_as_often_as_is_said() -> None:
    """Simulated walks, looked at every minute for a quarter of an hour; the uncorrected number is far off."""
    draw, walks, every, horizon = Random(7), 4000, 60.0, 900.0
    distance, drift, noise = 1.0, 5e-4, 0.03
    hits = 0
    for _ in range(walks):
        level = 0.0
        for _ in range(int(horizon / every)):
            level += draw.gauss(drift * every, noise * math.sqrt(every))
            if level >= distance:
                hits += 1
                break
    told = first_passage(distance, drift, noise, horizon, every)
    error = math.sqrt(told * (1 - told) / walks)
    assert abs(hits / walks - told) < 4 * error
    assert abs(hits / walks - first_passage(distance, drift, noise, horizon)) > 8 * error
