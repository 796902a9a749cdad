"""When a forecast, or a blind monitor, becomes an incident, and when something is done: a pure step.

Rules:
- A signal that alarms opens one incident once its probability was above 0.7 for ``confirm_ticks`` in a row, and has its
  mitigation carried out once, then. Nothing more is opened or done until the probability was below ``clear_below``.
- A forecast from below its signal's ``alarm_from`` is shown and alarms nobody.
- A check that is blind for ``blind_ticks`` in a row opens one incident; it is over with the first reading. One that is still
  awaited, because what it reads has not started, is not counted.
- No forecast, because nothing could be read or too little is known, neither raises nor clears: what is not seen is not well.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Literal

from actors.health.config import HealthConfig
from actors.health.monitors import Check
from actors.health.predictor import ALARM_ABOVE, Prediction

Cause = Literal["forecast", "blind"]


@dataclass(frozen=True, slots=True)
class Watch:
    """Where one signal or check stands."""

    above: int = 0
    """Ticks in a row that were bad."""
    open: bool = False
    """An incident is open and its mitigation was asked for."""


@dataclass(frozen=True, slots=True)
class Alarm:
    """An incident to open now."""

    cause: Cause
    subject: str
    """Signal or check."""
    evidence: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Alarms:
    """Every watch, by cause and subject."""

    watches: Mapping[str, Watch] = field(default_factory=dict)
    """``forecast/disk`` → its watch; what is well is left out."""


def step(
    state: Alarms,
    predictions: Sequence[Prediction],
    checks: Sequence[Check],
    awaited: Collection[str],
    config: HealthConfig,
) -> tuple[Alarms, tuple[Alarm, ...]]:
    """Return the next state and the incidents to open."""
    watches, raised = dict(state.watches), list[Alarm]()
    for prediction in predictions:
        if not prediction.signal.alarms or not prediction.probabilities:
            continue
        key = f"forecast/{prediction.signal.name}"
        probability = prediction.probability if prediction.level >= prediction.signal.alarm_from else 0.0
        watch, due = _forecast(watches.get(key, Watch()), probability, config)
        watches[key] = watch
        if due:
            raised.append(Alarm("forecast", prediction.signal.name, _evidence(prediction)))
    for check in checks:
        if check.name in awaited:
            continue
        key = f"blind/{check.name}"
        watch, due = _counted(watches.get(key, Watch()), bad=check.blind, after=config.blind_ticks)
        watches[key] = watch
        if due:
            raised.append(Alarm("blind", check.name, {"check": check.name, "why": check.detail}))
    return Alarms({key: watch for key, watch in watches.items() if watch != Watch()}), tuple(raised)


def _forecast(watch: Watch, probability: float, config: HealthConfig) -> tuple[Watch, bool]:
    if config.clear_below <= probability <= ALARM_ABOVE:
        return (watch, False) if watch.open else (Watch(), False)
    return _counted(watch, bad=probability > ALARM_ABOVE, after=config.confirm_ticks)


def _counted(watch: Watch, *, bad: bool, after: int) -> tuple[Watch, bool]:
    if not bad:
        return Watch(), False
    above = min(watch.above + 1, after)
    due = above == after and not watch.open
    return replace(watch, above=above, open=watch.open or due), due


def _evidence(prediction: Prediction) -> dict[str, str]:
    soonest = prediction.soonest_s
    return {
        "signal": prediction.signal.name,
        "level": f"{prediction.level:.4f}",
        "limit": f"{prediction.signal.limit:.4f}",
        "slope_per_h": f"{prediction.slope_per_h:.4f}",
        "probability": f"{prediction.probability:.3f}",
        "within_s": str(soonest) if soonest is not None and prediction.level <= prediction.signal.limit else "0",
    }
