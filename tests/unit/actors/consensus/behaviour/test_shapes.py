"""Shapes of values."""

import ast

import pytest
from hypothesis import given
from hypothesis import strategies as st

from actors.consensus.behaviour.shapes import (
    ANY,
    FLOAT,
    INT,
    STR,
    Shape,
    joined,
    shape_of,
    shape_of_annotation,
    shape_of_name,
)
from tests.unit.actors.consensus.behaviour.test_literals import VALUES

INTS = Shape("list", (INT,))


@pytest.mark.parametrize(
    ("annotation", "shape"),
    [
        ("int", INT),
        ("List[int]", INTS),
        ("typing.List[int]", INTS),
        ("list[list[float]]", Shape("list", (Shape("list", (FLOAT,)),))),
        ("Dict[str, int]", Shape("dict", (STR, INT))),
        ("Optional[int]", Shape("union", (INT, Shape("none")))),
        ("int | None", Shape("union", (INT, Shape("none")))),
        ("Union[int, str]", Shape("union", (INT, STR))),
        ("Tuple[int, str]", Shape("tuple", (INT, STR))),
        ("tuple[int, ...]", Shape("tuple", (INT, INT))),
        ("'List[int]'", INTS),
        ("list", Shape("list", (ANY,))),
        ("Any", ANY),
        ("MyClass", ANY),
        ("Callable[[int], int]", ANY),
        ("'('", ANY),
        ("3", ANY),
        ("List[int, int]", Shape("list", (ANY,))),
    ],
)
def test_annotations_tell_shapes(annotation: str, shape: Shape) -> None:
    """Built-in and typing names are known, in text too; everything else is anything."""
    assert shape_of_annotation(ast.parse(annotation, mode="eval").body) == shape


@pytest.mark.parametrize(
    ("value", "shape"),
    [
        ([1, 2], INTS),
        ([], Shape("list", (ANY,))),
        ([1, "a"], Shape("list", (Shape("union", (INT, STR)),))),
        ([[], [1]], Shape("list", (INTS,))),
        ((1, "a"), Shape("tuple", (INT, STR))),
        ({"a": 1.5}, Shape("dict", (STR, FLOAT))),
        (None, Shape("none")),
        (True, Shape("bool")),
    ],
)
def test_values_tell_shapes(value: object, shape: Shape) -> None:
    """A shape names exact types and joins those of members."""
    assert shape_of(value) == shape


@given(st.lists(VALUES, max_size=4))
def test_joining_keeps_what_was_seen(values: list[object]) -> None:
    """A join is one of: nothing known, the one shape, or bounded alternatives; joining it with itself changes nothing."""
    shape = joined(map(shape_of, values))
    assert joined([shape, shape]) == shape
    assert len(shape.items) <= 64


@pytest.mark.parametrize(
    ("name", "shape"),
    [("n", INT), ("s", STR), ("arr", INTS), ("nums2", INTS), ("words", Shape("list", (STR,))), ("input_list", INTS)],
)
def test_names_are_a_guess(name: str, shape: Shape) -> None:
    """Names people use tell what they hold."""
    assert shape_of_name(name) == shape


def test_an_unknown_name_may_be_several_things() -> None:
    """Where nothing is told, number, list and text are all tried."""
    assert {item.kind for item in shape_of_name("zorglub").items} == {"int", "list", "str"}
