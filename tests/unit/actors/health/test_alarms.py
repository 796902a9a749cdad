"""When a forecast or a blind monitor becomes an incident."""

import itertools

from hypothesis import given
from hypothesis import strategies as st

from actors.health.alarms import Alarms, Watch, step
from actors.health.config import HealthConfig
from actors.health.monitors import Check
from actors.health.predictor import Prediction
from actors.health.signals import Signal

CONFIG = HealthConfig(confirm_ticks=3, blind_ticks=2)
DISK = Signal("disk", "stock", 0.9)
CPU = Signal("cpu", "flow", 0.9, alarms=False)


def forecast(probability: float | None, signal: Signal = DISK) -> Prediction:
    """Return a forecast of one horizon, or of none."""
    return Prediction(signal, 0.5, 0.1, () if probability is None else ((900, probability),))


def run(probabilities: list[float | None], signal: Signal = DISK) -> list[int]:
    """Return at which ticks an incident was opened."""
    state, opened = Alarms(), []
    for tick, probability in enumerate(probabilities):
        state, raised = step(state, [forecast(probability, signal)], (), (), CONFIG)
        opened += [tick] * len(raised)
    return opened


def test_a_forecast_opens_one_incident_when_it_is_confirmed() -> None:
    """Three ticks above 0.7 open one, and ten more nothing; 0.7 itself is not above."""
    assert run([0.9] * 13) == [2]
    assert run([0.9, 0.9, 0.7, 0.9, 0.9, 0.6, 0.9, 0.9]) == []


def test_it_opens_again_only_after_it_was_well() -> None:
    """What hovers between 0.5 and 0.7 is not well; what was below 0.5 is, and is confirmed anew."""
    assert run([0.9] * 3 + [0.6] + [0.9] * 5) == [2]
    assert run([0.9] * 3 + [0.4] + [0.9] * 3) == [2, 6]


def test_what_is_not_seen_neither_raises_nor_clears() -> None:
    """No forecast leaves everything as it was."""
    assert run([0.9, 0.9, None, None, 0.9]) == [4]
    assert run([0.9] * 3 + [None] * 5 + [0.9] * 5) == [2]


def test_a_signal_that_alarms_nobody_opens_nothing() -> None:
    """It is shown, and that is all."""
    assert run([1.0] * 20, CPU) == []


def test_a_blind_check_opens_one_incident_until_it_sees() -> None:
    """Two ticks in a row, once; with the first reading it is over, and it may happen again."""
    blind, seeing = Check("queue", 0, "no metrics", blind=True), Check("queue", 0, "full")
    state, opened = Alarms(), []
    for tick, check in enumerate([blind, seeing, blind, blind, blind, seeing, blind, blind]):
        state, raised = step(state, (), [check], (), CONFIG)
        opened += [(tick, alarm.cause, alarm.subject, alarm.evidence["why"]) for alarm in raised]
    assert opened == [(3, "blind", "queue", "no metrics"), (7, "blind", "queue", "no metrics")]


def test_what_has_not_started_is_not_blind() -> None:
    """While a check is awaited it is not counted; from then on as if it began."""
    blind, state, opened = Check("queue", 0, "no metrics", blind=True), Alarms(), []
    for tick, awaited in enumerate([{"queue"}] * 9 + [set[str]()] * 3):
        state, raised = step(state, (), [blind], awaited, CONFIG)
        opened += [tick] * len(raised)
    assert opened == [10]


def test_a_forecast_from_far_below_the_limit_alarms_nobody() -> None:
    """The level from which it does is the signal's; what falls below it is well again."""
    assert run([0.9] * 9, Signal("memory", "stock", 0.9, alarm_from=0.51)) == []
    assert run([0.9] * 9, Signal("memory", "stock", 0.9, alarm_from=0.5)) == [2]


def test_the_evidence_says_what_and_when() -> None:
    """Signal, level, limit, slope, probability and the horizon."""
    state = Alarms({"forecast/disk": Watch(above=2)})
    _, (alarm,) = step(state, [forecast(0.91)], (), (), CONFIG)
    assert alarm.evidence == {
        "signal": "disk", "level": "0.5000", "limit": "0.9000", "slope_per_h": "0.1000",
        "probability": "0.910", "within_s": "900",
    }  # fmt: skip


@given(st.lists(st.none() | st.floats(0, 1), max_size=60))
def test_between_two_incidents_it_was_well_once(probabilities: list[float | None]) -> None:
    """Whatever the forecasts do: no second incident of one fault."""
    opened = run(probabilities)
    for first, second in itertools.pairwise(opened):
        assert any(p is not None and p < CONFIG.clear_below for p in probabilities[first:second])
