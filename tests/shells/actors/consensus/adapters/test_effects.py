"""Effects of a deliberation on a running loop."""

import asyncio
import itertools
from collections.abc import Iterator

import pytest

from actors.consensus.adapters.clock import SystemClock
from actors.consensus.adapters.effects import Bench, Effects
from actors.consensus.adapters.guarded import OUT_OF_TIME
from actors.consensus.vocabulary import Answered, Ask, Cancel, Compare, Compared, Failed, Screen, Seat, Slow
from models.errors import (
    CircuitBreakerBusyError,
    CircuitBreakerOpenError,
    SpendCapReached,
    VoterBusy,
    VoterFailed,
    VoterFull,
    VoterRefused,
    VoterTimeout,
    VoterTooLong,
)
from models.voter import Candidate, Message, Sampling, VoterRequest
from tests.unit.actors.consensus.world import (
    Comparer,
    FixedClock,
    FunctionVoter,
    Screener,
    comparison,
    hangs,
    plan,
    raises,
    says,
    until,
    voter,
)

ONE, TWO = "def f(x):\n    return x + 1", "def f(x):\n    return 1 + x"


@pytest.fixture
def comparer() -> Comparer:
    """Return one that finds everything alike."""
    return Comparer(lambda candidates: comparison(dict.fromkeys(candidates, "d" * 64)))


@pytest.fixture
def effects(comparer: Comparer) -> Iterator[Effects]:
    """Return the effects of one deliberation, whose draws are 01…, 02… and so on."""
    drawn = itertools.count(1)
    bench = Bench({}, Screener(), comparer, FixedClock(), lambda n: bytes([next(drawn)]) * n)
    made = Effects(bench, VoterRequest("r", (Message("user", "q"),), Sampling(max_tokens=1)), plan([]), 60_000)
    yield made
    made.close()


async def test_a_second_comparison_has_inputs_that_nobody_could_have_seen(effects: Effects, comparer: Comparer) -> None:
    """A substitute may answer while others are compared: its own comparison has a salt drawn after its answer, on record."""
    for candidates in ({0: ONE, 1: TWO}, {0: ONE, 2: TWO}):
        effects.act([Compare(candidates)])
        assert isinstance(await effects.events.get(30), Compared)
    assert comparer.seeds == [int("01" * 8, 16), int("02" * 8, 16)]
    assert (effects.salt, effects.salt) == ("02" * 16, "02" * 16)


class Hedging:
    """Calls everybody slow at once, as often as there is money."""

    def __init__(self, money: int, due_s: float | None = 0.0) -> None:
        self.money, self._due_s = money, due_s

    def due_s(self, voter: str, left_s: float) -> float | None:
        """Return when a voter is slow."""
        return self._due_s

    def pay(self) -> bool:
        """Take a coin."""
        self.money -= 1
        return self.money >= 0


def hanging(
    hedges: Hedging, *, spare: bool = True, deadline_ms: int = 60_000, max_substitutes: int = 2
) -> tuple[Effects, FunctionVoter]:
    """Return the effects of a deliberation whose voter never answers."""
    silent = voter("a", hangs)
    seats = [Seat(name, "f", name, 500_000) for name in "ab"]
    spares = tuple(seats[1:]) if spare else ()
    made = plan(seats[:1], spares=spares, deadline_ms=deadline_ms, max_substitutes=max_substitutes)
    bench = Bench({"a": silent}, Screener(), Comparer(), SystemClock(), lambda n: b"\x07" * n, hedges)
    request = VoterRequest("r", (Message("user", "q"),), Sampling(max_tokens=1))
    return Effects(bench, request, made, deadline_ms), silent


async def test_a_voter_that_takes_long_is_told_as_slow_once() -> None:
    """Where somebody stands by; nothing is paid before it is known whether anybody is asked."""
    hedges = Hedging(5)
    effects, silent = hanging(hedges)
    effects.act([Ask(0, "a")])
    assert await effects.events.get(30) == Slow(0)
    assert (hedges.money, effects.events.take()) == (5, None)
    effects.close()
    await until(lambda: silent.cancelled == 1)


@pytest.mark.parametrize(
    ("hedges", "spare", "max_substitutes"), [(Hedging(5), False, 2), (Hedging(5), True, 0), (Hedging(5, None), True, 2)]
)
async def test_nobody_is_slow_where_that_would_bring_nothing(
    hedges: Hedging, *, spare: bool, max_substitutes: int
) -> None:
    """Not with nobody standing by, or nobody who may be asked, or with too little known of the voter."""
    effects, _ = hanging(hedges, spare=spare, max_substitutes=max_substitutes)
    effects.act([Ask(0, "a")])
    assert effects._timers == []
    assert await effects.events.get(0.05) is None
    effects.close()


async def test_an_ask_beside_a_slow_voter_is_paid_for_and_nothing_else_is() -> None:
    """What is known of a voter stands for nothing; without the money, or the time, nobody is asked."""
    hedges = Hedging(1)
    effects, _ = hanging(hedges)
    for commands, affordable, left in (
        ([], True, 1), ([Screen(1, ONE, "python")], True, 1), ([Ask(1, "b")], True, 0), ([Ask(1, "b")], False, -1),
    ):  # fmt: skip
        assert (effects.affords(commands), hedges.money) == (affordable, left)
    late, unhedged = Hedging(1), hanging(Hedging(1), spare=False)[0]
    assert not hanging(late, deadline_ms=0)[0].affords([Ask(1, "b")])
    assert late.money == 1
    assert not unhedged.affords([Ask(1, "b")])


class Asking(Hedging):
    """Notes what it is asked."""

    def due_s(self, voter: str, left_s: float) -> float | None:
        """Note the voter and the time that is left."""
        self.asked = (voter, left_s)
        return super().due_s(voter, left_s)


async def test_when_a_voter_is_slow_is_asked_of_it_and_of_the_time_that_is_left_for_voting() -> None:
    """And it is told no sooner than that; once it has answered, never."""
    hedges = Asking(5, 0.2)
    effects, silent = hanging(hedges, deadline_ms=30_000)
    effects._started -= 10.0
    effects.act([Ask(0, "a")])
    voter_asked, left_s = hedges.asked
    assert voter_asked == "a"
    assert 19.0 < left_s <= 20.0
    assert await effects.events.get(0.05) is None
    assert await effects.events.get(30) == Slow(0)
    assert silent.asked == 1
    effects.close()


async def test_a_voter_that_answered_in_time_is_not_slow() -> None:
    """The timer finds the ask over."""
    effects, quick = hanging(Hedging(5, 0.01))
    quick.answer = says("Paris")
    effects.act([Ask(0, "a")])
    assert isinstance(await effects.events.get(30), Answered)
    assert await effects.events.get(0.1) is None


async def test_closing_ends_what_was_to_be_told() -> None:
    """Nobody is slow in a deliberation that is over."""
    effects, _ = hanging(Hedging(5, 0.01))
    effects.act([Ask(0, "a")])
    effects.close()
    assert await effects.events.get(0.1) is None


async def test_what_a_failure_says_reaches_deliberation_whole() -> None:
    """Outcome, note, cause, and when the voter is back."""
    effects, busy = hanging(Hedging(0))
    busy.answer = raises(VoterBusy("a", "its queue is full", 30.0))
    effects.act([Ask(0, "a")])
    event = await effects.events.get(30)
    assert isinstance(event, Failed)
    assert (event.outcome, event.note, event.cause, event.retry_after_s) == (
        "failed",
        "its queue is full",
        "busy",
        30.0,
    )


@pytest.mark.parametrize(("deadline_ms", "told"), [(0, (OUT_OF_TIME,)), (60_000, ())])
async def test_a_voter_whose_time_is_up_is_told_so(deadline_ms: int, told: tuple[str, ...]) -> None:
    """Whoever is cancelled sooner learns nothing: nobody waits for it any more, and that is all."""
    seen: list[tuple[object, ...]] = []

    async def listens(_: VoterRequest) -> Candidate:
        try:
            return await hangs(_)
        except asyncio.CancelledError as cancelled:
            seen.append(cancelled.args)
            raise

    effects, silent = hanging(Hedging(0), deadline_ms=deadline_ms)
    silent.answer = listens
    effects.act([Ask(0, "a")])
    await until(lambda: silent.asked == 1)
    effects.act([Cancel(0)])
    await until(lambda: bool(seen))
    assert seen == [told]


@pytest.mark.parametrize(
    ("error", "was_sent"),
    [
        (VoterFailed("a", "503"), True),
        (VoterBusy("a", "no room"), True),
        (VoterTimeout("a", "no answer in time"), True),
        (VoterRefused("a", "declined"), True),
        (RuntimeError("a defect"), True),
        (VoterFull("a", "as many as may be"), False),
        (VoterTooLong("a", "too long"), False),
        (SpendCapReached("a", "no money"), False),
        (CircuitBreakerOpenError("a", "open"), False),
        (CircuitBreakerBusyError("a", "busy"), False),
    ],
)
async def test_what_our_own_side_turned_away_was_not_sent(error: Exception, was_sent: bool) -> None:
    """Whatever else failed was."""
    effects = asking(error)
    effects.act([Ask(0, "a"), Ask(1, "nobody")])
    ends = {(await effects.events.get(5)).ask_id for _ in range(2)}  # type: ignore[union-attr]
    assert ends == {0, 1}
    assert effects.sent == (frozenset({0}) if was_sent else frozenset())
    effects.close()


async def test_what_was_cancelled_is_sent_if_it_had_begun() -> None:
    """A voter that hangs has the prompt; one that was cancelled before its turn came never saw it."""
    effects, silent = hanging(Hedging(0, None))
    effects.act([Ask(0, "a")])
    await until(lambda: silent.asked == 1)
    effects.act([Cancel(0), Ask(1, "a"), Cancel(1)])
    await until(lambda: silent.cancelled == 1)
    assert (effects.sent, silent.asked) == (frozenset({0}), 1)
    effects.close()


def asking(error: Exception) -> Effects:
    """Return the effects of a deliberation whose voter raises."""
    bench = Bench({"a": voter("a", raises(error))}, Screener(), Comparer(), SystemClock(), lambda n: b"\x07" * n)
    return Effects(bench, VoterRequest("r", (Message("user", "q"),), Sampling(max_tokens=1)), plan([]), 60_000)
