"""Shrinking ends with events of which none can be spared."""

from collections.abc import Sequence

from hypothesis import given
from hypothesis import strategies as st

from cluster.simulation.shrink import shortest


@given(st.integers(1, 60), st.data())
def test_what_is_needed_is_left_and_nothing_else(size: int, data: st.DataObject) -> None:
    """Where a set of events must be there together, exactly that set is found, in order."""
    needed = data.draw(st.sets(st.integers(0, size - 1), min_size=1, max_size=5))
    left = shortest(range(size), lambda events: needed <= set(events), most_runs=10_000)
    assert left == sorted(needed)


def test_one_of_two_ways_to_fail_is_found() -> None:
    """Where either of two events fails, one is left."""
    assert shortest(range(40), lambda events: bool({7, 31} & set(events)), 1000) in ([7], [31])


def test_runs_are_bounded() -> None:
    """However long it would take, it ends, with something that fails."""
    runs = 0

    def fails(events: Sequence[int]) -> bool:
        nonlocal runs
        runs += 1
        return set(range(0, 100, 3)) <= set(events)

    left = shortest(range(100), fails, most_runs=20)
    assert set(range(0, 100, 3)) <= set(left)
    assert runs < 60
