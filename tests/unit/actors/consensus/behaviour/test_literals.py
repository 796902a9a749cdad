"""Literals as values and back."""

import math
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from actors.consensus.behaviour.literals import MAX_DEPTH, parse, render

SCALARS = (
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=5) | st.binary(max_size=3)
)
KEYS = SCALARS | st.tuples(SCALARS, SCALARS) | st.frozensets(SCALARS, max_size=2)
VALUES: st.SearchStrategy[Any] = st.recursive(
    SCALARS,
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.lists(inner, max_size=3).map(tuple)
        | st.dictionaries(KEYS, inner, max_size=3)
        | st.sets(KEYS, max_size=3)
        | st.frozensets(KEYS, max_size=3)
    ),
    max_leaves=12,
)


@given(VALUES)
def test_a_value_comes_back_from_its_literal(value: Any) -> None:
    """Writing and reading gives the same value of the same types."""
    back = parse(render(value))
    assert back == value
    assert type(back) is type(value)


@pytest.mark.parametrize(
    ("source", "value"),
    [
        ("-1", -1),
        ("+2.5", 2.5),
        ("{1, 2}", {1, 2}),
        ("set()", set()),
        ("frozenset([1])", frozenset([1])),
        ("frozenset()", frozenset()),
        ("1 - 2j", 1 - 2j),
        ("float('-inf')", -math.inf),
        ("{'a': [(1,), None]}", {"a": [(1,), None]}),
        (" b'x' ", b"x"),
    ],
)
def test_literals_are_read(source: str, value: Any) -> None:
    """Signs, sets, complex numbers, infinities and nesting are literals."""
    assert parse(source) == value
    assert type(parse(source)) is type(value)


def test_nan_is_a_literal() -> None:
    """What has no literal in Python has one here."""
    assert math.isnan(parse(render(math.nan)))


@pytest.mark.parametrize(
    "source",
    [
        "x",
        "f(1)",
        "1 + 1",
        "...",
        "{[]: 1}",
        "{**{}}",
        "[*x]",
        "-'a'",
        "- True",
        "float('x')",
        "set(1)",
        "",
        "1;2",
        "\0",
        "(" * 9000,
        "[" * (MAX_DEPTH + 1) + "]" * (MAX_DEPTH + 1),
        "-" * 9000 + "1",
        "9" * 5000,
        "'" + "x" * 70_000 + "'",
    ],
)
def test_what_is_no_literal_is_refused(source: str) -> None:
    """Names, calls, arithmetic, nesting and lengths without end are refused, whatever they do to the parser."""
    with pytest.raises(ValueError, match="literal"):
        parse(source)


class Sly(int):
    """An integer that is none."""


@pytest.mark.parametrize("value", [Sly(1), object(), [Sly(1)], complex(math.inf, 0), range(3)])
def test_only_exact_built_ins_are_written(value: Any) -> None:
    """Subclasses and other objects have no literal."""
    with pytest.raises(ValueError, match="literal"):
        render(value)
