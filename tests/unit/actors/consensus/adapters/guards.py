"""A guarded voter with a clock that moves only when told, and a listener that remembers."""

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from actors.consensus.adapters.guarded import GuardedVoter
from actors.consensus.breakers.breaker import Breaker
from actors.consensus.breakers.budget import RetryBudget
from actors.consensus.breakers.config import BreakerConfig
from actors.consensus.breakers.ports import Gate, Limiter
from actors.consensus.breakers.vocabulary import Transition
from models.voter import Candidate, Message, Sampling, VoterInfo, VoterRequest

REQUEST = VoterRequest("r", (Message("user", "1 + 1?"),), Sampling(max_tokens=5))
TWO = Candidate("2", "stop", 3, 1)


@dataclass
class Clock:
    """A clock that sleeping moves."""

    now_s: float = 0.0
    slept: list[float] = field(default_factory=list)

    def time_ns(self) -> int:
        """Return Unix nanoseconds."""
        return int(self.now_s * 1e9)

    def monotonic(self) -> float:
        """Return seconds."""
        return self.now_s

    async def sleep(self, seconds: float) -> None:
        """Let so much time pass, and let others run."""
        self.slept.append(seconds)
        await asyncio.sleep(0)
        self.now_s += seconds


@dataclass
class Listener:
    """Remembers what it heard."""

    moves: list[tuple[str, str, str]] = field(default_factory=list)
    alerts: list[tuple[str, str, Mapping[str, str]]] = field(default_factory=list)

    def moved(self, service: str, transition: Transition) -> None:
        """Remember a transition."""
        self.moves.append((service, transition.after, transition.cause))

    def alert(self, kind: str, service: str, evidence: Mapping[str, str]) -> None:
        """Remember an alert."""
        self.alerts.append((kind, service, evidence))


@dataclass
class ScriptedVoter:
    """A voter whose ends are given: one for each ask, the last for ever. ``None`` never ends."""

    clock: Clock
    ends: Sequence[Candidate | BaseException | None]
    took_s: float = 0.0
    asked: int = 0
    under_way: int = 0
    info: VoterInfo = field(default=VoterInfo("v", "f", "l"))

    async def ask(self, request: VoterRequest) -> Candidate:
        """End as told."""
        end = self.ends[min(self.asked, len(self.ends) - 1)]
        self.asked += 1
        self.under_way += 1
        try:
            await (asyncio.Event().wait() if end is None else asyncio.sleep(0))
        finally:
            self.under_way -= 1
        self.clock.now_s += self.took_s
        if isinstance(end, Candidate):
            return end
        assert end is not None
        raise end


@dataclass
class Guarded:
    """Everything around one guarded voter."""

    clock: Clock
    inner: ScriptedVoter
    gate: Gate
    budget: RetryBudget
    listener: Listener
    voter: GuardedVoter


def guarded(
    *ends: Candidate | BaseException | None,
    config: BreakerConfig | None = None,
    took_s: float = 0.0,
    budget: RetryBudget | None = None,
    gate: Gate | None = None,
    clock: Clock | None = None,
    drawn: float = 1.0,
    limiter: Limiter | None = None,
) -> Guarded:
    """Put a voter with the given ends behind a breaker of its own."""
    config, clock, listener = config or BreakerConfig(), clock or Clock(), Listener()
    inner, gate = ScriptedVoter(clock, ends, took_s), gate or Breaker(config)
    budget = budget or RetryBudget(config.retries)
    voter = GuardedVoter(inner, gate, budget, config, clock, listener, limiter, sleep=clock.sleep, draw=lambda: drawn)
    return Guarded(clock, inner, gate, budget, listener, voter)


def without_retries(**values: object) -> BreakerConfig:
    """Return a configuration in which nothing is asked again."""
    return BreakerConfig.model_validate({"retries": {"max_retries": 0}, **values})
