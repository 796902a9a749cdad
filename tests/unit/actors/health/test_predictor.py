"""The infrastructure predictor: what its probabilities obey, and what they are worth on real series."""

import math
from pathlib import Path
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from actors.health.predictor import ALARM_ABOVE, CALIBRATION, HORIZONS_S, InfrastructureHealthPredictor, calibrated
from actors.health.signals import Kind, Sample, Signal
from tests.unit.actors.health import nab

PREDICTOR = InfrastructureHealthPredictor()
DISK = Signal("disk", "stock", 0.9)
kinds = st.sampled_from(["stock", "flow"])
values = st.lists(st.floats(0, 0.8), min_size=6, max_size=40)


def window(levels: list[float], every_s: float = 120.0) -> list[Sample]:
    """Return samples two minutes apart."""
    return [Sample(every_s * i, level) for i, level in enumerate(levels)]


@given(values, kinds)
def test_it_never_falls_with_the_horizon(levels: list[float], kind: Kind) -> None:
    """Sixty minutes hold fifteen, and fifteen five."""
    found = PREDICTOR.predict(Signal("s", kind, 0.9), window(levels)).probabilities
    assert [horizon for horizon, _ in found] == list(HORIZONS_S)[: len(found)]
    assert [p for _, p in found] == sorted(p for _, p in found)
    assert all(0 <= p <= 1 for _, p in found)


@given(values, kinds, st.floats(0, 0.5))
def test_it_never_falls_with_the_level(levels: list[float], kind: Kind, up: float) -> None:
    """The same window, lifted as a whole."""
    signal = Signal("s", kind, 0.9)
    low, high = (PREDICTOR.predict(signal, window([x + d for x in levels])).probabilities for d in (0.0, up))
    assert all(above >= below - 1e-6 for (_, below), (_, above) in zip(low, high, strict=False))


@given(st.lists(st.floats(0.91, 2), min_size=1, max_size=8), kinds)
def test_over_the_limit_it_is_certain(levels: list[float], kind: Kind) -> None:
    """A breach that is there need not be predicted."""
    assert PREDICTOR.predict(Signal("s", kind, 0.9), window(levels)).probability == 1.0


def test_nothing_is_said_further_than_the_window_reaches() -> None:
    """Six samples five seconds apart say nothing; two minutes apart they reach a quarter of an hour."""
    levels = [0.1, 0.2, 0.3, 0.4, 0.5, 0.6]
    assert PREDICTOR.predict(DISK, window(levels, 5)).probabilities == ()
    reached = PREDICTOR.predict(DISK, window(levels, 120)).probabilities
    assert [horizon for horizon, _ in reached] == [300, 900]
    assert PREDICTOR.predict(DISK, window(levels[:5])).probability == 0.0


def test_a_steady_trend_is_seen_before_it_arrives() -> None:
    """A disk that fills a percent a minute, with noise, twelve minutes before its limit: within 15 minutes yes, 5 no."""
    draw = Random(1)
    levels = [0.78 - 0.01 * (39 - i) * 0.5 + draw.gauss(0, 0.001) for i in range(40)]
    prediction = PREDICTOR.predict(DISK, window(levels, 30))
    probabilities = dict(prediction.probabilities)
    assert probabilities[300] < 0.05
    assert probabilities[900] > ALARM_ABOVE
    assert prediction.soonest_s == 900
    assert prediction.slope_per_h == pytest.approx(0.6, rel=0.1)


def test_what_stands_still_or_falls_is_no_danger() -> None:
    """A flat disk near its limit, and one that is being emptied."""
    for levels in ([0.85] * 40, [0.89 - 0.002 * i for i in range(40)]):
        assert PREDICTOR.predict(DISK, window(levels, 30)).probability < 0.01


def test_a_stocks_probability_is_what_happens_to_walks() -> None:
    """Of simulated walks with drift, about as many breach within fifteen minutes as was said: no more than 7 % off."""
    draw, told, came = Random(5), 0.0, 0
    step, noise, walks = 60.0, 0.0012, 1500
    for _ in range(walks):
        drift = draw.uniform(-1, 3) * 1e-4
        levels = [0.0]
        for _ in range(39 + 15):
            levels.append(levels[-1] + draw.gauss(drift * step, noise * math.sqrt(step)))
        limit = levels[39] + draw.uniform(0.02, 0.12)
        found = PREDICTOR.predict(Signal("s", "stock", limit), window(levels[:40], step))
        told += dict(found.probabilities)[900]
        came += max(levels[40:]) >= limit
    assert abs(told - came) / walks < 0.07


def test_calibration_keeps_the_order() -> None:
    """Every horizon's calibration rises with the raw probability, and stays far below an alarm."""
    for horizon in CALIBRATION:
        curve = [calibrated(raw / 100, horizon) for raw in range(101)]
        assert curve == sorted(curve)
        assert curve[-1] < ALARM_ABOVE


@pytest.mark.timeout(600)
def test_the_calibration_is_the_one_that_fits_the_series(shared_data: Path) -> None:
    """On the middle time of seventeen series the likelihood of each horizon's (a, b) has its maximum where the code says."""
    series = nab.load_all(shared_data / "nab")
    assert len(series) == 17
    for horizon, (offset, slope) in nab.fitted(series).items():
        assert CALIBRATION[horizon] == pytest.approx((offset, slope), abs=2e-3)


@pytest.mark.timeout(600)
def test_what_it_is_worth_on_real_series(shared_data: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """On the last time of the series: calibrated, a little better than the base rate, and never an alarm.

    A static threshold and a straight line alarm, and are wrong nearly always; nobody predicts breaches that come without a
    warning. The table is printed; ``docs/decisions/015-health.md`` holds it.
    """
    scores = nab.scored(nab.load_all(shared_data / "nab"))
    with capsys.disabled():
        print(f"\n{nab.table(scores)}")
    for horizon in HORIZONS_S:
        ours, others = scores[horizon]["ours"], scores[horizon]
        assert abs(ours.told - ours.came) < 0.15 * ours.came
        assert ours.brier <= min(others[name].brier for name in ("never", "base rate", "static 80 %", "predict_linear"))
    assert scores[3600]["ours"].alerts == 0
    for name in ("static 80 %", "predict_linear"):
        assert scores[3600][name].false_bounds[0] > 0.5
