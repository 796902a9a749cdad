"""Effects of a deliberation on a running loop."""

import itertools
from collections.abc import Iterator

import pytest

from actors.consensus.adapters.effects import Bench, Effects
from actors.consensus.vocabulary import Compare, Compared
from models.voter import Message, Sampling, VoterRequest
from tests.unit.actors.consensus.world import Comparer, FixedClock, Screener, comparison, plan

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
