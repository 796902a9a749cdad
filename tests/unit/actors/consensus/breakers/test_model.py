"""The breaker beside an implementation that is plain to read: whatever happens, the two never differ."""

import random
from dataclasses import dataclass, field

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, rule

from actors.consensus.breakers.breaker import Breaker
from actors.consensus.breakers.config import BreakerConfig
from actors.consensus.breakers.merging import Report
from actors.consensus.breakers.vocabulary import Force, Permit, Verdict
from actors.consensus.breakers.window import Counts
from tests.unit.actors.consensus.breakers.reference import Let, Reference

CONFIGS = (
    BreakerConfig(),
    BreakerConfig(window_calls=10, minimum_calls=4, failure_rate=0.5, half_open_permits=3, half_open_max_s=50),
    BreakerConfig(window_calls=3, minimum_calls=1, failure_rate=0.34, slow_call_rate=0.5, slow_call_s=5, open_s=0),
    BreakerConfig(
        window="time", window_s=30, window_buckets=6, minimum_calls=3, failure_rate=0.5, slow_call_s=5, open_s=7
    ),
    BreakerConfig(
        window="time", window_s=10, window_buckets=10, failure_rate=0.6, slow_call_rate=0.7, half_open_permits=10
    ),
)
VERDICTS: tuple[Verdict, ...] = ("healthy", "sick", "says_nothing")
FORCES: tuple[Force, ...] = ("open", "closed", "none")
ASKED = (None, None, None, None, 0.0, 1.0, 30.0, 90_000.0)
STEPS = 25_000


@dataclass
class Both:
    """The breaker and its reference, led through the same steps."""

    config: BreakerConfig
    now_s: float = 1000.0
    calls: list[tuple[Permit, Let]] = field(default_factory=list)
    seen: set[tuple[str, str, str]] = field(default_factory=set)

    def __post_init__(self) -> None:
        self.breaker, self.reference = Breaker(self.config), Reference(self.config)

    def same(self, moves: tuple[object, ...]) -> None:
        """Hold both against each other."""
        told = [(m.before, m.after, m.cause) for m in moves]  # type: ignore[attr-defined]
        assert told == self.reference.moved
        self.seen.update(told)
        self.reference.moved.clear()
        view, report = self.breaker.view(self.now_s), self.breaker.report(self.now_s)
        counts = Counts(view.calls, view.failed, view.slow)
        shown = (view.state, counts, view.open_left_s, view.permits_left, report.open_left_s)
        assert shown == self.reference.shown(self.now_s)

    def admit(self, ignore_health: bool) -> None:
        """Ask both to let a call in."""
        permit, moves = self.breaker.admit(self.now_s, ignore_health=ignore_health)
        let = self.reference.admit(self.now_s, ignore_health)
        assert isinstance(permit, Permit) == (let is not None)
        if isinstance(permit, Permit) and let is not None:
            self.calls.append((permit, let))
            del self.calls[:-30]
        self.same(moves)

    def under_way(self) -> list[int]:
        """Return which calls have not ended."""
        return [which for which, (permit, _) in enumerate(self.calls) if not permit.settled]

    def settle(self, which: int, verdict: Verdict, asked_s: float | None) -> None:
        """End a call, perhaps one that has ended before."""
        permit, let = self.calls[which % len(self.calls)]
        moves = self.breaker.settle(permit, verdict, self.now_s, asked_s)
        self.reference.settle(let, verdict, self.now_s, asked_s)
        self.same(moves)

    def force(self, force: Force) -> None:
        """Be the operator."""
        moves = self.breaker.force(force, self.now_s)
        self.reference.force(force, self.now_s)
        self.same(moves)

    def hear(self, reports: tuple[Report, ...]) -> None:
        """Be the other replicas."""
        moves = self.breaker.hear(reports, self.now_s)
        self.reference.hear(reports, self.now_s)
        self.same(moves)


@pytest.mark.parametrize("number", range(len(CONFIGS)))
def test_a_long_walk_agrees_with_the_reference(number: int) -> None:
    """25,000 seeded steps with each of five configurations: same admissions, states, counts, cool-downs and permits."""
    drawn, both = random.Random(number), Both(CONFIGS[number])
    mood = 0.5
    for step in range(STEPS):
        if step % 100 == 0:
            mood = drawn.choice((0.05, 0.5, 0.95))
        what = drawn.random()
        if what < 0.45:
            both.admit(ignore_health=drawn.random() < 0.1)
        elif what < 0.9 and both.calls:
            verdict = drawn.choice(VERDICTS[1:]) if drawn.random() < mood else VERDICTS[0]
            which = drawn.choice(both.under_way() or range(len(both.calls)))
            both.settle(which, verdict, drawn.choice(ASKED) if what < 0.46 else None)
            if what > 0.85:
                both.settle(drawn.randrange(len(both.calls)), verdict, None)
        elif what < 0.98:
            both.now_s += drawn.choice((0.0, 0.1, 1.0, 6.0, 60.0))
        elif what < 0.985:
            both.force(drawn.choice(FORCES))
        elif what < 0.99:
            both.force("none")
        else:
            calls = drawn.randrange(8)
            counts = Counts(calls, drawn.randint(0, calls), drawn.randint(0, calls))
            both.hear((Report(counts, drawn.choice((0.0, 0.0, 20.0))),))
    causes = {cause for _, _, cause in both.seen}
    assert causes >= {"failure_rate", "retry_after", "cooled", "probes_passed", "probes_failed", "operator", "replicas"}


class Search(RuleBasedStateMachine):
    """The same with steps that are searched for."""

    @initialize(config=st.sampled_from(CONFIGS))
    def begin(self, config: BreakerConfig) -> None:
        """Begin with a configuration."""
        self.both = Both(config)

    @rule(ignore_health=st.booleans())
    def admit(self, ignore_health: bool) -> None:
        """Ask to be let in."""
        self.both.admit(ignore_health)

    @rule(which=st.integers(0, 29), verdict=st.sampled_from(VERDICTS), asked_s=st.none() | st.floats(-1, 5000))
    def settle(self, which: int, verdict: Verdict, asked_s: float | None) -> None:
        """End a call."""
        if self.both.calls:
            self.both.settle(which, verdict, asked_s)

    @rule(seconds=st.sampled_from((0.1, 1.0, 10.0, 100.0)) | st.floats(0, 700))
    def wait(self, seconds: float) -> None:
        """Let time pass."""
        self.both.now_s += seconds

    @rule(force=st.sampled_from(FORCES))
    def force(self, force: Force) -> None:
        """Be the operator."""
        self.both.force(force)

    @rule(failed=st.integers(0, 9), well=st.integers(0, 9), left_s=st.sampled_from((0.0, 5.0, 10_000.0)))
    def hear(self, failed: int, well: int, left_s: float) -> None:
        """Be another replica."""
        self.both.hear((Report(Counts(failed + well, failed, 0), left_s),))


Search.TestCase.settings = settings(max_examples=200, stateful_step_count=50, deadline=None)
TestSearch = Search.TestCase
