"""How much candidates do alike, input by input."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from actors.base.canonical import MICRO
from actors.consensus.behaviour.vectors import Mark, Outcome, Vector
from cluster.evals.closeness import closeness_of

ONE, TWO = Outcome("value", '[["i","1"],[],""]'), Outcome("value", '[["i","2"],[],""]')
PRINTS = Outcome("value", '[["i","1"],[],"so"]')
RAISES, OTHERWISE = Outcome("exception", '["IndexError",[],""]'), Outcome("exception", '["KeyError",[],""]')

outcomes = st.sampled_from([ONE, TWO, PRINTS, RAISES, OTHERWISE, Outcome("timeout"), Outcome("nondeterministic")])


def vector(*did: Outcome) -> Vector:
    """Return what a candidate did at calls f(0), f(1), and so on."""
    return Vector(tuple(f"f({number})" for number in range(len(did))), did)


@pytest.mark.parametrize(
    ("mine", "its", "micro"),
    [
        (ONE, ONE, MICRO), (ONE, TWO, 0), (ONE, PRINTS, MICRO // 2), (ONE, RAISES, 0),
        (RAISES, RAISES, MICRO // 2), (RAISES, OTHERWISE, 0),
    ],
)  # fmt: skip
def test_equal_values_are_whole_agreement_and_equal_failures_half(mine: Outcome, its: Outcome, micro: int) -> None:
    """So are equal values with other side effects."""
    assert closeness_of({3: vector(mine), 1: vector(its)}) == {(1, 3): micro}


@pytest.mark.parametrize("mark", ["timeout", "crash", "not_run", "nondeterministic", "opaque"])
def test_what_tells_nothing_agrees_with_nothing(mark: Mark) -> None:
    """Not even with itself."""
    assert closeness_of({0: vector(ONE, Outcome(mark)), 1: vector(ONE, Outcome(mark))}) == {(0, 1): MICRO // 2}


def test_only_calls_in_common_count() -> None:
    """Further inputs that were searched for one pair say nothing of another."""
    assert closeness_of({0: vector(ONE), 1: vector(ONE, TWO, TWO)}) == {(0, 1): MICRO}
    assert closeness_of({0: Vector(("f(9)",), (ONE,)), 1: vector(ONE)}) == {(0, 1): 0}


@given(st.lists(st.lists(outcomes, min_size=4, max_size=4), min_size=2, max_size=5))
def test_closeness_is_a_share_of_every_pair(candidates: list[list[Outcome]]) -> None:
    """Between none and all, whatever the numbers of the candidates."""
    found = closeness_of({number: vector(*did) for number, did in enumerate(candidates)})
    assert len(found) == len(candidates) * (len(candidates) - 1) // 2
    assert all(0 <= micro <= MICRO for micro in found.values())
    turned = closeness_of({-number: vector(*did) for number, did in enumerate(candidates)})
    assert {(-b, -a): micro for (a, b), micro in turned.items()} == found
