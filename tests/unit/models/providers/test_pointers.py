"""Differences of JSON values and how they are put back."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from models.providers.pointers import difference, merge, missing

LEAVES = st.none() | st.booleans() | st.integers(-3, 3) | st.sampled_from([1.0, 0.5]) | st.sampled_from(["", "a", "0"])
KEYS = st.sampled_from(["a", "b", "0", "1", "a/b", "~", "~1", ""])
VALUES = st.recursive(
    LEAVES, lambda inner: st.lists(inner, max_size=4) | st.dictionaries(KEYS, inner, max_size=4), max_leaves=12
)
OBJECTS = st.dictionaries(KEYS, VALUES, max_size=5)


@given(VALUES, VALUES)
def test_what_differs_put_back_gives_the_whole(whole: Any, known: Any) -> None:
    """Whatever two values are, the difference turns the one into the other, down to the type of a number."""
    again = merge(known, difference(whole, known))
    assert difference(whole, again) == ()
    assert again == whole


@given(OBJECTS)
def test_nothing_differs_from_itself(value: Any) -> None:
    """A value lacks nothing of itself."""
    assert difference(value, value) == ()


def test_places_are_json_pointers() -> None:
    """Slashes and tildes in names are escaped as RFC 6901 says; what is absent has no text."""
    whole = {"a/b": [1, {"~": None}], "c": 1}
    assert difference(whole, {"a/b": [1, {}], "c": True, "d": 0}) == (
        ("/a~1b/1/~0", "null"),
        ("/c", "1"),
        ("/d", ""),
    )


def test_several_elements_too_many_go() -> None:
    """Elements that are absent leave a list from the back, so that none takes another's place."""
    assert merge([1, 2, 3, 4], difference([1], [1, 2, 3, 4])) == [1]


def test_only_what_was_dropped_or_made_up_is_missing() -> None:
    """A value that is merely told differently stays; what was dropped comes back, what was made up goes."""
    whole = {"a": [{"x": 1, "y": 2}, {"z": 3}], "b": "c+/="}
    known = {"a": [{"x": 1}], "b": "c-_=", "own": True}
    assert missing(whole, known) == (("/a/0/y", "2"), ("/a/1", '{"z":3}'), ("/own", ""))
    assert merge(known, missing(whole, known)) == {"a": whole["a"], "b": "c-_="}


def test_arguments_are_left_alone() -> None:
    """Merging changes neither value."""
    known = {"a": [1]}
    merge(known, (("/a/1", "2"), ("/b", "3")))
    assert known == {"a": [1]}


def test_a_place_inside_a_number_is_refused() -> None:
    """An extra that fits nowhere is a mistake of whoever made it."""
    with pytest.raises(TypeError, match="nothing can be put"):
        merge({"a": 1}, (("/a/b", "2"),))
