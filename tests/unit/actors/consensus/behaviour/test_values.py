"""Equality of encoded values."""

import copy
import math
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from actors.consensus.behaviour.values import (
    MAX_DEPTH,
    encode,
    encode_literal,
    matches_example,
    normal,
    rounded,
    same,
)
from tests.unit.actors.consensus.behaviour.test_literals import VALUES

JUNK = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=3) | st.sampled_from("ifcsbltSFdx"),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=2), inner, max_size=2),
    max_leaves=10,
)


@pytest.mark.parametrize(
    ("source", "encoded"),
    [
        ("None", None),
        ("True", True),
        ("12", ["i", "12"]),
        ("-0.5", ["f", "-0.5"]),
        ("float('inf')", ["f", "inf"]),
        ("1+2j", ["c", "1.0", "2.0"]),
        ("'a'", ["s", "a"]),
        ("b'\\xff'", ["b", "ff"]),
        ("[1, (2,)]", ["l", [["i", "1"], ["t", [["i", "2"]]]]]),
        ("{2, 10}", ["S", [["i", "10"], ["i", "2"]]]),
        ("frozenset()", ["F", []]),
        ("{'b': 1, 'a': None}", ["d", [[["s", "b"], ["i", "1"]], [["s", "a"], None]]]),
    ],
)
def test_literals_are_encoded_as_the_sandbox_does(source: str, encoded: Any) -> None:
    """Each type has its tag; dicts keep their order, sets are sorted by their JSON."""
    assert encode_literal(source) == encoded


def test_what_is_no_literal_is_not_encoded() -> None:
    """A name is no value."""
    with pytest.raises(ValueError, match="literal"):
        encode_literal("x")


@given(VALUES, VALUES)
def test_agreement_implies_equality(left: Any, right: Any) -> None:
    """Values agree with themselves; values that agree and hold no floats are equal in Python, too."""
    assert same(encode(left), encode(copy.deepcopy(left)))
    if same(encode(left), encode(right)) and "." not in repr(left) and "inf" not in repr(left):
        assert left == right


@pytest.mark.parametrize(
    ("left", "right"),
    [
        (1, 1.0),
        (1, True),
        (0, False),
        ([1], (1,)),
        ({1}, frozenset({1})),
        ("1", 1),
        ("a", b"a"),
        ([1, 2], [2, 1]),
        ({"a": 1}, {"a": 2}),
        (None, False),
        (1.0, 1.00001),
        (1, 1 + 0j),
    ],
)
def test_types_order_and_contents_tell_apart(left: Any, right: Any) -> None:
    """What Python might hold equal, or nearly, is not the same behaviour."""
    assert not same(encode(left), encode(right))
    assert not same(encode(right), encode(left))


@pytest.mark.parametrize(
    ("left", "right"),
    [
        (0.1 + 0.2, 0.3),
        (math.nan, math.nan),
        (0.0, -0.0),
        (1e-17, 0.0),
        ({"a": 1, "b": 2}, {"b": 2, "a": 1}),
        ([0.1 + 0.2, "x"], [0.3, "x"]),
        (1 - 1e-16, 1.0),
        (2.0**-13 * (1 + 1e-15), 2.0**-13),
        (1e300 * (1 + 1e-15), 1e300),
    ],
)
def test_rounding_noise_and_dict_order_do_not_tell_apart(left: Any, right: Any) -> None:
    """Floats within the tolerance agree, nan with nan, dicts in any order."""
    assert same(encode(left), encode(right))


@given(st.floats(), st.floats())
def test_rounding_is_idempotent_and_bounded(number: float, other: float) -> None:
    """A rounded float stays; rounding moves by at most the tolerance, so floats that agree are near."""
    near = rounded(number)
    assert near == rounded(near) or math.isnan(near)
    assert math.isnan(number) or math.isclose(near, number, rel_tol=1.3e-9, abs_tol=1e-12)
    if same(encode(number), encode(other)) and math.isfinite(number):
        assert math.isclose(number, other, rel_tol=2.6e-9, abs_tol=2e-12)


@given(st.integers(min_value=-(10**7), max_value=10**7), st.sampled_from([1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 100, 1000]))
def test_fractions_people_compute_are_far_from_the_line(above: int, below: int) -> None:
    """A last-digit error in a small fraction never changes what it agrees with."""
    fraction = above / below
    for noisy in (math.nextafter(fraction, math.inf), math.nextafter(fraction, -math.inf)):
        assert rounded(noisy) == rounded(fraction)


@pytest.mark.parametrize("encoded", [["x", "Sly"], ["l", [["x", "object"]]], ["d", [[["s", "k"], ["x", "A"]]]]])
def test_what_is_unrepresentable_agrees_with_nothing(encoded: Any) -> None:
    """An object that claims to equal everything equals nothing, itself included, at any depth."""
    assert normal(encoded) is None
    assert not same(encoded, encoded)
    assert not matches_example(encoded, encoded)


@given(JUNK, JUNK)
def test_no_encoding_makes_comparing_fail(left: Any, right: Any) -> None:
    """Malformed encodings never raise, and agree with nothing."""
    assert same(left, right) == (normal(left) is not None and normal(left) == normal(right))
    assert isinstance(matches_example(left, right), bool)


@pytest.mark.parametrize(
    "encoded",
    [
        ["i", "01"],
        ["i", "-0"],
        ["i", "1_0"],
        ["i", "9" * 5000],
        ["i", 1],
        ["f", "0.50"],
        ["f", "1"],
        ["b", "F"],
        ["b", "FF"],
        ["s"],
        ["s", "a", "b"],
        ["l", {}],
        ["d", [["s", "a"]]],
        ["d", [[1, 2, 3]]],
        1,
        1.5,
        "text",
        {},
        [],
    ],
)
def test_malformed_encodings_have_no_normal_form(encoded: Any) -> None:
    """Only what the sandbox's own encoder could have written counts."""
    assert normal(encoded) is None


def test_depth_and_size_are_bounded() -> None:
    """A value deeper or larger than the bounds has no normal form."""
    deep: Any = None
    for _ in range(MAX_DEPTH):
        deep = ["l", [deep]]
    assert normal(deep) is None
    assert normal(["l", [None] * 100_000]) is None


@given(VALUES, VALUES)
def test_an_example_is_matched_as_python_would(left: Any, right: Any) -> None:
    """Whatever Python holds equal matches; what is unequal and holds no floats does not."""
    if left == right:
        assert matches_example(encode(left), encode(right))
    elif not any(mark in repr((left, right)) for mark in (".", "inf", "e")):
        assert not matches_example(encode(left), encode(right))


@pytest.mark.parametrize(
    ("observed", "wanted", "matches"),
    [
        (1.0, 1, True),
        (True, 1, True),
        (1, True, True),
        (0.3333333, 0.333333, True),
        (0.33333, 0.333333, False),
        (1000000.5, 1000000, False),
        ((1, 2), [1, 2], False),
        ({1: 2.0}, {1.0: 2}, True),
        ({1, 2}, frozenset({1.0, 2}), True),
        ([0.1 + 0.2], [0.3], True),
        ({"a": [0.30000001]}, {"a": [0.3]}, True),
        (math.nan, math.nan, True),
        (10**400, 1.0, False),
        (1.0, 10**400, False),
        (1 + 0j, 1, True),
        (None, 0, False),
        ("1", 1, False),
        ({"a": 1}, {"a": 1, "b": 2}, False),
        ({1e-200: "a", False: "b"}, {1e-200: "a", 0: "b"}, True),
        ({1e-200: "a", False: "b"}, {1e-200: "b", False: "a"}, False),
        ({0: "a", "x": "a"}, {1e-200: "a", 0: "a"}, False),
        (2 + 1j, 2 - 1j, False),
    ],
)
def test_examples_are_written_loosely(observed: Any, wanted: Any, matches: bool) -> None:
    """Numbers match by value, floats as far as people print them, lists never match tuples."""
    assert matches_example(encode(observed), encode(wanted)) is matches
