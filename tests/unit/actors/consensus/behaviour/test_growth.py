"""Growing values of a shape."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from actors.consensus.behaviour.atoms import atoms_of
from actors.consensus.behaviour.draws import Draws
from actors.consensus.behaviour.growth import MAX_CHARS, MAX_MEMBERS, boundaries, grown, in_order, is_hashable
from actors.consensus.behaviour.literals import render
from actors.consensus.behaviour.shapes import ANY, INT, STR, Shape, joined, shape_of
from tests.unit.actors.consensus.behaviour.test_literals import VALUES

ATOMS = atoms_of([[1, 5, 9], "ab cd"], [7, "key"])
TYPES = {"list": list, "tuple": tuple, "dict": dict, "set": set, "frozenset": frozenset, "int": int, "str": str}


@given(st.lists(VALUES, min_size=1, max_size=3), st.integers(0, 1000))
def test_grown_values_are_of_their_shape(values: list[Any], seed: int) -> None:
    """The outer type is the shape's; every grown value and boundary is a bounded literal."""
    shape = joined(map(shape_of, values))
    value = grown(shape, ATOMS, Draws(seed))
    assert type(value) is TYPES.get(shape.kind, type(value))
    assert len(render(value)) > 0
    assert all(render(edge) for edge in boundaries(shape, ATOMS))


@given(st.integers(0, 1000))
def test_growth_is_bounded_and_by_seed(seed: int) -> None:
    """Members, characters and range are bounded; the same draws give the same value."""
    shape = Shape("dict", (STR, Shape("list", (INT,))))
    value = grown(shape, ATOMS, Draws(seed))
    assert value == grown(shape, ATOMS, Draws(seed))
    assert len(value) <= MAX_MEMBERS
    for key, item in value.items():
        assert len(key) <= MAX_CHARS
        assert all(ATOMS.low <= n <= ATOMS.high or n in ATOMS.ints or -10 <= n <= 10 for n in item)


@pytest.mark.parametrize(
    ("shape", "edge"),
    [
        (INT, 0),
        (INT, -1),
        (STR, ""),
        (Shape("list", (INT,)), []),
        (Shape("list", (INT,)), [0]),
        (Shape("dict", (STR, INT)), {}),
        (Shape("set", (INT,)), set()),
        (Shape("bool"), True),
        (Shape("union", (INT, Shape("none"))), None),
        (Shape("tuple", (INT, STR)), (0, "")),
        (ANY, None),
    ],
)
def test_boundaries_hold_the_edges(shape: Shape, edge: Any) -> None:
    """Empty, single, zero, negative and missing values are among the boundaries."""
    assert edge in boundaries(shape, ATOMS)


def test_members_without_an_order_are_ordered_by_text() -> None:
    """Sorting never fails; what may be a key is told for nested tuples too."""
    assert in_order([2, "a", 1]) == sorted([2, "a", 1], key=repr)
    assert is_hashable((1, (2,)))
    assert not is_hashable((1, [2]))
