"""Effects of a deliberation on a running loop."""

import asyncio
import itertools
from collections.abc import Iterator

import pytest

from actors.consensus.adapters.clock import SystemClock
from actors.consensus.adapters.effects import Bench, Effects
from actors.consensus.adapters.guarded import OUT_OF_TIME
from actors.consensus.vocabulary import Ask, Cancel, Compare, Compared, Seat, Slow
from models.voter import Candidate, Message, Sampling, VoterRequest
from tests.unit.actors.consensus.world import (
    Comparer,
    FixedClock,
    FunctionVoter,
    Screener,
    comparison,
    hangs,
    plan,
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


def hanging(hedges: Hedging, *, spare: bool = True, deadline_ms: int = 60_000) -> tuple[Effects, FunctionVoter]:
    """Return the effects of a deliberation whose voter never answers."""
    silent = voter("a", hangs)
    seats = [Seat(name, "f", name, 500_000) for name in "ab"]
    made = plan(seats[:1], spares=tuple(seats[1:]) if spare else (), deadline_ms=deadline_ms)
    bench = Bench({"a": silent}, Screener(), Comparer(), SystemClock(), lambda n: b"\x07" * n, hedges)
    request = VoterRequest("r", (Message("user", "q"),), Sampling(max_tokens=1))
    return Effects(bench, request, made, deadline_ms), silent


async def test_a_voter_that_takes_long_is_told_as_slow_once() -> None:
    """Where somebody stands by; what it costs is paid then."""
    hedges = Hedging(5)
    effects, silent = hanging(hedges)
    effects.act([Ask(0, "a")])
    assert await effects.events.get(30) == Slow(0)
    assert (hedges.money, effects.events.take()) == (4, None)
    effects.close()
    await until(lambda: silent.cancelled == 1)


@pytest.mark.parametrize(("hedges", "spare"), [(Hedging(0), True), (Hedging(5), False), (Hedging(5, None), True)])
async def test_nobody_is_slow_where_that_would_bring_nothing(hedges: Hedging, *, spare: bool) -> None:
    """Not with the budget spent, with nobody standing by, or with too little known of the voter."""
    effects, _ = hanging(hedges, spare=spare)
    effects.act([Ask(0, "a")])
    assert await effects.events.get(0.05) is None
    effects.close()


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
