"""A simulated replica's voters behind what production puts before them: breakers, retries, hedges, bulkheads and learnt limits.

Rules:
- What decides is production's: ``GuardedVoter``, ``Circuits``, ``RetryBudget``, and the limits that its ``Admission`` gives.
- Every permit that a breaker gives is counted until it is settled.
- Every ask that a guard takes, and every first token, is told to the judge of limits: the ask before the voter has it, the token
  once the limit has learnt of it.

Left out: reports of other replicas' breakers, and what operators force.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from actors.consensus.adapters.guarded import GuardedVoter
from actors.consensus.breakers.budget import RetryBudget
from actors.consensus.breakers.circuits import Circuit, Circuits
from actors.consensus.breakers.config import BreakerConfig
from actors.consensus.breakers.ports import Gate, Limiter
from actors.consensus.breakers.vocabulary import Admission, Moves, Permit, Transition, Verdict
from cluster.simulation.limits_judge import Held, LimitsJudge
from cluster.simulation.settings import SiteSettings
from cluster.simulation.surroundings import SimulatedClock
from cluster.simulation.voters import SimulatedVoter
from cluster.simulation.weather import Weather
from models.voter import Candidate, Voter, VoterRequest


@dataclass(slots=True)
class CountedGate:
    """A breaker whose permits are counted: those that were given and not settled."""

    circuit: Circuit
    open: list[Permit] = field(default_factory=list)

    def admit(self, now_s: float) -> Admission:
        """Let a call in or not."""
        admission = self.circuit.admit(now_s)
        if isinstance(admission[0], Permit):
            self.open.append(admission[0])
        return admission

    def settle(self, permit: Permit, verdict: Verdict, now_s: float, retry_after_s: float | None = None) -> Moves:
        """Take a call's end."""
        moves = self.circuit.settle(permit, verdict, now_s, retry_after_s)
        self.open = [one for one in self.open if not one.settled]
        return moves


class HeardLimit:
    """A learnt limit whose lessons are told on."""

    def __init__(self, limiter: Limiter, heard: Callable[[], None]) -> None:
        self._limiter, self._heard = limiter, heard

    @property
    def limit(self) -> int:
        """Return how many asks the voter takes now."""
        return self._limiter.limit

    def observe(self, first_token_ms: float, under_way: int) -> None:
        """Learn, and tell."""
        self._limiter.observe(first_token_ms, under_way)
        self._heard()


class HeardVoter(GuardedVoter):
    """A guarded voter whose asks the judge hears of."""

    def __init__(
        self, held: Held, judge: LimitsJudge, voter: Voter, gate: Gate, budget: RetryBudget, config: BreakerConfig,
        clock: SimulatedClock, listener: "Guarding", limiter: Limiter, draw: Callable[[], float],
    ) -> None:  # fmt: skip
        super().__init__(voter, gate, budget, config, clock, listener, limiter, draw=draw)
        self._held, self._judge = held, judge

    async def _asked(self, request: VoterRequest) -> Candidate:
        self._judge.let_in(self._held)
        try:
            return await super()._asked(request)
        finally:
            self._judge.ended(self._held)


@dataclass(frozen=True, slots=True)
class Watch:
    """What gives one replica's voters their limits, and who looks on."""

    replica: str
    voter_limit: Callable[[int], Limiter | None]
    voters: Mapping[str, SimulatedVoter]
    weather: Weather
    judge: LimitsJudge

    def limited(self, name: str, max_calls: int) -> tuple[Held, Limiter] | None:
        """Return a voter's limit and what the judge counts of it; ``None`` where limits are not learnt."""
        learnt = self.voter_limit(max_calls)
        if learnt is None:
            return None
        held = Held(self.replica, name, lambda: learnt.limit)
        return held, HeardLimit(learnt, lambda: self._told(held))

    def _told(self, held: Held) -> None:
        is_late = self.weather.worst("late", self.replica) is not None
        self.judge.told(held, self.voters[held.voter].slow_until_s, is_late=is_late)


class Guarding:
    """A replica's voters behind their breakers, retries and hedges."""

    def __init__(
        self, voters: Mapping[str, Voter], settings: SiteSettings, clock: SimulatedClock, draw: Callable[[], float],
        watch: Watch | None,
    ) -> None:  # fmt: skip
        self._config, self._clock, self._draw, self._watch = settings.breakers, clock, draw, watch
        self.circuits = Circuits(settings.breakers, [layer.members for layer in settings.layers])
        self.budget = RetryBudget(settings.breakers.retries)
        self.gates = {name: CountedGate(self.circuits.of(name)) for name in voters}
        self.voters = {name: self._guarded(name, voter) for name, voter in voters.items()}

    def moved(self, service: str, transition: Transition) -> None:
        """Hear that a breaker moved."""

    def alert(self, kind: str, service: str, evidence: Mapping[str, str]) -> None:
        """Hear something that a person should know."""

    def due_s(self, voter: str, left_s: float) -> float | None:
        """Return how long after its ask a voter is slow."""
        return self.voters[voter].hedge_due_s(left_s)

    def pay(self) -> bool:
        """Take what a hedge costs."""
        return self.budget.take(throttled=False) is not None

    def _guarded(self, name: str, voter: Voter) -> GuardedVoter:
        gate, config = self.gates[name], self._config
        limited = self._watch.limited(name, config.bulkhead.max_calls) if self._watch is not None else None
        if self._watch is None or limited is None:
            return GuardedVoter(voter, gate, self.budget, config, self._clock, self, draw=self._draw)
        held, limiter = limited
        return HeardVoter(
            held, self._watch.judge, voter, gate, self.budget, config, self._clock, self, limiter, self._draw
        )
