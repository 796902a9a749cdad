"""The stock of a parameter."""

from hypothesis import given
from hypothesis import strategies as st

from actors.consensus.behaviour.atoms import LARGEST_EXAMPLE, MAX_ATOMS, MAX_WHOLE, atoms_of, largest_whole
from tests.unit.actors.consensus.behaviour.test_literals import VALUES


def test_numbers_near_examples_and_constants_are_in_stock() -> None:
    """One less and one more count as much as the number itself."""
    atoms = atoms_of([[5]], [70])
    assert {4, 5, 6, 69, 70, 71} <= set(atoms.ints)


def test_the_range_is_the_examples() -> None:
    """Where examples show no negative number none is drawn."""
    assert atoms_of([3, 40], []).low == 1
    assert atoms_of([0, 40], []).low == 0
    assert atoms_of([-3], []).low < 0
    assert atoms_of([3, 40], []).high == 60


def test_texts_are_taken_apart() -> None:
    """Tokens between the separator that the examples use, and all their characters, are in stock."""
    atoms = atoms_of(["one,two"], ["three"])
    assert atoms.separator == ","
    assert set(atoms.tokens) == {"one", "two", "three"}
    assert set("onetwh") <= set(atoms.alphabet)


@given(st.lists(VALUES, max_size=5), st.lists(st.integers() | st.floats(-1e9, 1e9) | st.text(max_size=5), max_size=5))
def test_stock_is_bounded_and_never_empty(values: list[object], constants: list[int | float | str]) -> None:
    """Whatever examples and sources hold, there is something of each sort, not too much, and no whole number is a bomb."""
    atoms = atoms_of(values, [c for c in constants if not isinstance(c, int) or abs(c) <= LARGEST_EXAMPLE])
    for stock in (atoms.ints, atoms.floats, atoms.texts, atoms.tokens, atoms.alphabet):
        assert 0 < len(stock) <= MAX_ATOMS
    assert max(map(abs, atoms.ints)) <= max(MAX_WHOLE, LARGEST_EXAMPLE)
    assert atoms.low <= atoms.high


def test_the_largest_whole_number_is_found_anywhere() -> None:
    """Nested, negative, as a key; texts, floats and booleans are no whole numbers."""
    assert largest_whole([1, {-70: "99"}, (2.5e9, True)]) == 70
    assert largest_whole("12") == 0
