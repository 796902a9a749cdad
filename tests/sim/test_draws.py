"""Draws follow from their name alone."""

from hypothesis import given
from hypothesis import strategies as st

from cluster.simulation.draws import Draws

NAMES = st.tuples(st.text(max_size=5), st.integers(0, 99))


@given(st.integers(), NAMES, NAMES)
def test_a_draw_depends_on_its_name_and_on_no_other_draw(
    seed: int, one: tuple[str, int], other: tuple[str, int]
) -> None:
    """What was drawn before changes nothing; another name or part draws something else."""
    draws = Draws(seed)
    first = draws.unit(*one)
    draws.unit(*other)
    assert Draws(seed).unit(*one) == first
    assert 0 <= first < 1
    assert (draws.unit(*other) == first) == (one == other)
    assert draws.sub("part").unit(*one) != first


def test_draws_are_what_they_were() -> None:
    """A seed gives the same numbers in every process and version: figures that were published can be made again."""
    draws = Draws(7)
    assert draws.bytes(4, "a").hex() == Draws(7).bytes(4, "a").hex()
    assert round(draws.unit("known"), 12) == 0.759567745382


def test_distributions_have_their_means() -> None:
    """Times between events average to their mean; a lognormal's middle is its median; choices are even."""
    draws, many = Draws("means"), range(4000)
    assert abs(sum(draws.exponential(3.0, n) for n in many) / len(many) - 3.0) < 0.2
    assert abs(sorted(draws.lognormal(5.0, 1.0, n) for n in many)[2000] - 5.0) < 0.4
    counts = [sum(draws.choice("abcd", n) == letter for n in many) for letter in "abcd"]
    assert max(counts) - min(counts) < 200
