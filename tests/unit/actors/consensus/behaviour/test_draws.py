"""Draws by seed."""

from hypothesis import given
from hypothesis import strategies as st

from actors.consensus.behaviour.draws import Draws


def test_a_key_names_one_stream() -> None:
    """The same key draws the same, another key something else; known answers hold on every machine."""
    assert [Draws("a", 1).below(1000) for _ in range(2)] == [Draws("a", 1).below(1000)] * 2
    first, second = Draws("a", 1), Draws("a", 2)
    assert [first.below(1000) for _ in range(8)] != [second.below(1000) for _ in range(8)]
    known = Draws("known", 7)
    assert [known.below(100) for _ in range(10)] == [10, 86, 24, 47, 1, 32, 2, 93, 37, 73]


@given(st.integers(), st.integers(1, 50), st.integers(-50, 50))
def test_draws_stay_within_bounds(seed: int, bound: int, low: int) -> None:
    """Every draw lies where it was asked for."""
    draws = Draws(seed)
    assert 0 <= draws.below(bound) < bound
    assert low <= draws.between(low, low + bound) <= low + bound
    assert draws.pick([3, 4]) in {3, 4}
    assert draws.one_in(1)


@given(st.integers(), st.lists(st.integers()))
def test_shuffling_loses_nothing(seed: int, items: list[int]) -> None:
    """A drawn order holds the same items."""
    assert sorted(Draws(seed).shuffled(items)) == sorted(items)


def test_all_values_are_drawn() -> None:
    """No value of a small range is missed in many draws."""
    draws = Draws("range")
    assert {draws.below(10) for _ in range(500)} == set(range(10))
