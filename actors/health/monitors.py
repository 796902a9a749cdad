"""Monitors: readings become checks, checks a score. Pure.

Rules:
- A reading that could not be had is a failed check, whatever was read before it.
- A signal's check scores 1 up to 80 % of its limit, 0 at it, and falls evenly between.
- A voter's check fails where a breaker would open (failures and nothing else, or an error rate over its limit) or where its
  ballots take too long. Too few ballots say nothing, and are no failure: a voter that nobody asks is not blind.
- A monitor of the machine scores as its worst check: the first resource that runs out ends the service. The monitor of voters
  scores as the share of voters that are well: the others decide without one.
- The health score is the worst monitor's.

Left out: who reads (``adapters``) and what follows (``alarms``).
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from actors.health.config import HealthConfig
from actors.health.signals import Signal

WARNING_SHARE = 0.8
BREAKER_WORTHY = frozenset({"failed", "timeout"})
BAD = BREAKER_WORTHY | {"invalid", "late"}
SAYS_NOTHING = frozenset({"cancelled", "isolated", "breaker_open", "busy", "overloaded"})


@dataclass(frozen=True, slots=True)
class Unread:
    """A reading that could not be had."""

    why: str


@dataclass(frozen=True, slots=True)
class Ballots:
    """One voter's ballots in the window."""

    outcomes: Mapping[str, float] = field(default_factory=dict)
    """Outcome → how many."""
    timed: float = 0.0
    """How many have a latency."""
    seconds: float = 0.0
    """The sum of those."""

    @property
    def counted(self) -> float:
        """Return how many say something about the voter."""
        return sum(number for outcome, number in self.outcomes.items() if outcome not in SAYS_NOTHING)

    @property
    def failures(self) -> float:
        """Return how many a breaker would count."""
        return sum(self.outcomes.get(outcome, 0.0) for outcome in BREAKER_WORTHY)

    @property
    def error_rate(self) -> float:
        """Return the share of bad ones."""
        bad = sum(self.outcomes.get(outcome, 0.0) for outcome in BAD)
        return bad / self.counted if self.counted else 0.0

    @property
    def latency_s(self) -> float:
        """Return the mean time to a ballot."""
        return self.seconds / self.timed if self.timed else 0.0


@dataclass(frozen=True, slots=True)
class Readings:
    """What one look saw."""

    levels: Mapping[str, float | Unread]
    """Signal → level."""
    voters: Mapping[str, Ballots] | Unread


@dataclass(frozen=True, slots=True)
class Check:
    """One judgement."""

    name: str
    score: float
    """0 to 1."""
    detail: str
    blind: bool = False
    """It failed because nothing could be read."""


@dataclass(frozen=True, slots=True)
class Health:
    """What all monitors together say."""

    score: float
    checks: tuple[Check, ...]


class InfrastructureHealthMonitor:
    """CPU, memory, disk and queue against their limits."""

    def __init__(self, signals: Sequence[Signal]) -> None:
        self._signals = signals

    def check(self, levels: Mapping[str, float | Unread]) -> tuple[Check, ...]:
        """Return a check of every signal, read or not."""
        return tuple(
            _signal_check(signal, levels.get(signal.name, Unread("nobody read it"))) for signal in self._signals
        )


class ModelPerformanceMonitor:
    """Latency, errors and failures of every voter that was asked."""

    def __init__(self, config: HealthConfig) -> None:
        self._config = config

    def check(self, voters: Mapping[str, Ballots] | Unread) -> tuple[Check, ...]:
        """Return a check of every voter, or one failed check if nothing could be read."""
        if isinstance(voters, Unread):
            return (Check("voters", 0.0, voters.why, blind=True),)
        return tuple(self._voter(name, ballots) for name, ballots in sorted(voters.items()))

    def _voter(self, name: str, ballots: Ballots) -> Check:
        config, wrong = self._config, ""
        if ballots.failures >= config.voter_failures and ballots.failures == ballots.counted:
            wrong = f"its last {ballots.failures:.0f} ballots all failed"
        elif ballots.counted >= config.voter_min_ballots:
            if ballots.error_rate > config.voter_error_rate:
                wrong = f"{ballots.error_rate:.0%} of {ballots.counted:.0f} ballots are bad"
            elif ballots.latency_s > config.voter_latency_s:
                wrong = f"a ballot takes {ballots.latency_s:.1f} s"
        good = f"{ballots.counted:.0f} ballots, {ballots.error_rate:.0%} bad, {ballots.latency_s:.2f} s"
        return Check(f"voter {name}", 0.0 if wrong else 1.0, wrong or good)


def judge(infrastructure: Sequence[Check], voters: Sequence[Check]) -> Health:
    """Return the score and every check; nothing checked is nothing healthy."""
    worst = min((check.score for check in infrastructure), default=0.0)
    well = sum(check.score for check in voters) / len(voters) if voters else 1.0
    return Health(min(worst, well), (*infrastructure, *voters))


def _signal_check(signal: Signal, level: float | Unread) -> Check:
    if isinstance(level, Unread):
        return Check(signal.name, 0.0, level.why, blind=True)
    begins = WARNING_SHARE * signal.limit
    score = min(max((signal.limit - level) / (signal.limit - begins), 0.0), 1.0)
    return Check(signal.name, score, f"{level:.1%} of a limit of {signal.limit:.0%}")
