"""HealthActor: looks at the machine and the voters, forecasts, keeps what it saw, tells people and does what can be done.

One tick: read, check, forecast, decide on alarms; then open incidents, carry mitigations out, keep the tick.

Rules:
- What cannot be read is a failed check (``monitors``) and opens an incident when it lasts (``alarms``). What others publish
  has ``start_grace_s`` to appear first: engines take minutes to load, and nobody is blind for that.
- There is one instance a home, by its name; a new one goes on with what the last one kept: samples, and which alarms are
  open, so that a restart opens nothing twice.
- While the state database is away it goes on in memory and says so: the check ``history`` fails.
- A mitigation that fails is an incident of its own; the forecast's stays open either way, and says what a person can do.
- Samples later than now are forgotten: a clock that was set back would otherwise turn time round.
"""

import logging
from collections import deque
from collections.abc import Callable, Mapping

from actors.base.errors import StorageUnavailable
from actors.base.ports import IncidentSink
from actors.health.alarms import Alarm, step
from actors.health.config import HealthConfig
from actors.health.monitors import Check, InfrastructureHealthMonitor, ModelPerformanceMonitor, Readings, Unread, judge
from actors.health.ports import FAILURES, History, Mitigation, Past, Probe, Tick
from actors.health.predictor import InfrastructureHealthPredictor, Prediction
from actors.health.signals import Sample, Signal, even

_log = logging.getLogger("weavergen.health")
FIRST_TICK_S = 1.0
"""Until the first tick: time for the first metrics to be read."""
PUBLISHED = frozenset({"queue", "voters"})
"""Checks of what other processes publish, which they do once they have started."""
ADVICE: Mapping[str, str] = {
    "disk": "free space on the file system of the home; once it is full answers are refused until there is space again",
    "memory": "end other programs on this machine, or `weavergen down` and `up` with fewer or smaller engines in the "
    "profile, or with lower gateway.replicas and consensus.max_concurrent; what runs out of memory the kernel kills",
    "queue": "send less, or give the gateway more replicas (gateway.replicas) or each more (consensus.max_concurrent); "
    "what is too much is refused with 429",
}
"""Signal → what a person can do about it."""


class HealthActor:
    """One instance a home. ``mitigations`` names what is done about a signal that will breach its limit."""

    def __init__(
        self, config: HealthConfig, probe: Probe, history: History, incidents: IncidentSink,
        mitigations: Mapping[str, Mitigation], now_s: float,
    ) -> None:  # fmt: skip
        self._config = config
        self._signals = config.signals
        self._probe, self._history, self._incidents, self._mitigations = probe, history, incidents, mitigations
        self._infrastructure = InfrastructureHealthMonitor(self._signals)
        self._models = ModelPerformanceMonitor(config)
        self._predictor = InfrastructureHealthPredictor()
        self._unkept = ""
        self._awaited, self._awaited_until_s = PUBLISHED, now_s + config.start_grace_s
        most = int(config.window_s / config.tick_s) + 1
        self._samples: dict[str, deque[Sample]] = {signal.name: deque(maxlen=most) for signal in self._signals}
        past = self._past(now_s)
        self._alarms = past.alarms
        for at_ms, levels in past.levels:
            self._take(at_ms / 1000, levels)

    def tick(self, now_s: float) -> Tick:
        """Look once, and do what follows; return what was seen."""
        readings = self._probe.read(now_s)
        levels = {name: level for name, level in readings.levels.items() if not isinstance(level, Unread)}
        self._take(now_s, levels)
        health = judge(self._checks(readings), self._models.check(readings.voters))
        predictions = tuple(filter(None, (self._predict(signal, levels) for signal in self._signals)))
        blind = {check.name for check in health.checks if check.blind}
        self._awaited = self._awaited & blind if now_s < self._awaited_until_s else frozenset()
        self._alarms, raised = step(self._alarms, predictions, health.checks, self._awaited, self._config)
        for alarm in raised:
            self._act(alarm, now_s)
        for name, mitigation in self._mitigations.items():
            if done := mitigation.settle(now_s, levels.get(name)):
                _log.warning("%s: %s", name, done)
        tick = Tick(int(now_s * 1000), health.score, levels, health.checks, predictions, self._alarms)
        self._keep(tick)
        return tick

    def run(self, wait: Callable[[float], bool], clock: Callable[[], float], show: Callable[[Tick], None]) -> None:
        """Tick until ``wait``, called with the pause in seconds, says that it is over; hand each tick to ``show``."""
        pause_s = min(FIRST_TICK_S, self._config.tick_s)
        while not wait(pause_s):
            show(self.tick(clock()))
            pause_s = self._config.tick_s

    def _checks(self, readings: Readings) -> tuple[Check, ...]:
        kept = Check("history", 0.0 if self._unkept else 1.0, self._unkept or "kept")
        return (*self._infrastructure.check(readings.levels), kept)

    def _take(self, now_s: float, levels: Mapping[str, float]) -> None:
        for name, level in levels.items():
            if (samples := self._samples.get(name)) is None:
                continue
            while samples and samples[-1].at_s >= now_s:
                samples.pop()
            samples.append(Sample(now_s, level))

    def _predict(self, signal: Signal, levels: Mapping[str, float]) -> Prediction | None:
        if signal.name not in levels:
            return None
        config, samples = self._config, self._samples[signal.name]
        every_s, count = (
            (config.stock_every_s, config.stock_samples)
            if signal.kind == "stock"
            else (config.flow_every_s, config.flow_samples)
        )
        return self._predictor.predict(signal, even(samples, every_s, count, signal.kind))

    def _act(self, alarm: Alarm, now_s: float) -> None:
        kind, evidence = "health_monitor_blind", dict(alarm.evidence)
        if alarm.cause == "forecast":
            mitigation = self._mitigations.get(alarm.subject)
            done = self._mitigate(alarm, mitigation, now_s) if mitigation else "nothing: there is no mitigation for it"
            kind = "infrastructure_breach_predicted"
            evidence |= {"mitigation": done, "advice": ADVICE.get(alarm.subject, "")}
        self._incidents.open(kind, "level_2_major", evidence, f"{kind}/{alarm.subject}")

    def _mitigate(self, alarm: Alarm, mitigation: Mitigation, now_s: float) -> str:
        try:
            done = mitigation.carry_out(now_s)
        except FAILURES as error:
            evidence = {"signal": alarm.subject, "cause": str(error)}
            self._incidents.open("mitigation_failed", "level_2_major", evidence, f"mitigation_failed/{alarm.subject}")
            return f"failed: {error}"
        _log.warning("%s will breach its limit; %s", alarm.subject, done)
        return done

    def _past(self, now_s: float) -> Past:
        try:
            return self._history.load(int((now_s - self._config.window_s) * 1000))
        except StorageUnavailable as error:
            self._unkept = str(error)
            return Past()

    def _keep(self, tick: Tick) -> None:
        try:
            self._history.add(tick)
        except StorageUnavailable as error:
            self._unkept = str(error)
        else:
            self._unkept = ""
