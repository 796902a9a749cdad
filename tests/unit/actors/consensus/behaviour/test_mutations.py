"""Small changes of values."""

from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from actors.consensus.behaviour.atoms import MAX_WHOLE, atoms_of
from actors.consensus.behaviour.draws import Draws
from actors.consensus.behaviour.growth import MAX_CHARS, MAX_MEMBERS
from actors.consensus.behaviour.literals import render
from actors.consensus.behaviour.mutations import mutated
from tests.unit.actors.consensus.behaviour.test_literals import VALUES

ATOMS = atoms_of([[1, 5], "ab cd"], [7, "key"])


def changes(value: Any, count: int = 400) -> list[Any]:
    """Draw many changes."""
    draws = Draws("changes")
    return [mutated(value, ATOMS, draws) for _ in range(count)]


@given(VALUES, st.integers(0, 1000))
def test_a_change_keeps_the_type(value: Any, seed: int) -> None:
    """Whatever the value, a change is of its type and a literal again; the value itself stays as it was."""
    before = render(value)
    changed = mutated(value, ATOMS, Draws(seed))
    assert type(changed) is type(value)
    assert render(changed)
    assert render(value) == before


def test_numbers_change_by_one_sign_and_size() -> None:
    """Neighbours, zero, the negative and the double are reached; nothing beyond the bound."""
    assert {6, 4, 0, -5, 10} <= set(changes(5))
    assert max(map(abs, changes(9000))) <= MAX_WHOLE
    assert {0.0, -2.5, 3.5, 1.5} <= set(changes(2.5))
    assert changes(True) == [False] * 400


def test_texts_change_in_every_way() -> None:
    """Empty, reversed, doubled, other case, spaced, cut, and texts with other characters are reached."""
    found = set(changes("ab cd"))
    assert {"", "dc ba", "ab cdab cd", "AB CD", " ab cd ", "ab", "cd ab"} <= found
    assert any("é" in text for text in found)
    assert any("key" in text for text in found)
    assert len(mutated("x" * 500, ATOMS, Draws(1))) <= MAX_CHARS


def test_lists_change_in_every_way() -> None:
    """Empty, single, reversed, sorted, doubled, extended, swapped, and changed members are reached."""
    found = changes([3, 1, 2])
    for wanted in ([], [3], [2, 1, 3], [1, 2, 3], [3, 1, 2, 3, 1, 2], [1, 3, 2], [3, 1], [3, 3, 1, 2], [4, 1, 2]):
        assert wanted in found, wanted
    assert max(map(len, changes(list(range(24))))) <= MAX_MEMBERS


def test_dicts_and_sets_change_in_every_way() -> None:
    """Empty, other order, fewer, other keys and other values are reached."""
    found = changes({"a": 1, "b": 2})
    assert {} in found
    assert {"a": 1} in found
    assert {"a": 2, "b": 2} in found
    assert any(list(each) == ["b", "a"] for each in found)
    assert any(set(each) - {"a", "b"} for each in found)
    assert set() in changes({1, 2})
