"""Steps of a check against a schema, counted before it."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from actors.consensus.reading.schema_steps import nodes_of, size, takes_more_than


def steps(schema: dict[str, Any], value: object, **inner: dict[str, Any]) -> int:
    """Return the fewest steps that are enough; ``inner`` are the subschemas by the place they are found under."""
    found: dict[str, Any] = {"#": schema, **inner}
    root = nodes_of(found, {f"#{name}": subschema for name, subschema in inner.items()})["#"]
    return next(n for n in range(10_000) if not takes_more_than(n, root, value))


@pytest.mark.parametrize(
    ("schema", "value", "expected"),
    [
        ({}, 1, 1),
        ({"enum": [1, [2]]}, 1, 5),
        ({"required": ["a", "b"]}, {}, 4),
        ({"pattern": "a"}, "abcd", 17),
        ({"pattern": "a"}, 5, 1),
        ({"multipleOf": 2}, 4, 26),
        ({"maxLength": 5}, "a" * 512, 3),
        ({"uniqueItems": True}, [1, [2, 3]], 6),
        ({"uniqueItems": False}, [1, [2, 3]], 1),
    ],
)
def test_an_application_costs_what_it_looks_at(schema: dict[str, Any], value: object, expected: int) -> None:
    """One for itself, and one for everything that its keywords go through."""
    assert steps(schema, value) == expected


def test_every_application_counts() -> None:
    """In place, in items, in names and values: as many as there are subschemas times values."""
    leaf: dict[str, Any] = {}
    assert steps({"allOf": [leaf, leaf], "not": leaf}, 1, leaf=leaf) == 4
    assert steps({"$ref": "#leaf"}, 1, leaf=leaf) == 2
    assert steps({"items": leaf, "prefixItems": [leaf]}, [1, 2], leaf=leaf) == 4
    assert steps({"properties": {"a": leaf}, "additionalProperties": leaf}, {"a": 1, "b": 2}, leaf=leaf) == 5
    assert steps({"propertyNames": leaf}, {"a": 1, "b": 2}, leaf=leaf) == 3
    assert steps({"patternProperties": {"x": leaf}}, {"a": 1}, leaf=leaf) == 10


def test_sizes_count_names_and_values() -> None:
    """A list, its items, an object, its names and values are one each."""
    assert size([1, {"a": [2]}]) == 6
    assert size("abc") == 1


@given(st.integers(0, 40), st.recursive(st.just("x" * 300), lambda inner: st.lists(inner, max_size=4), max_leaves=8))
def test_more_steps_never_take_longer(steps_given: int, value: object) -> None:
    """What is within a number of steps is within every larger one, also where a schema goes round through the value."""
    tree: dict[str, Any] = {"items": {"$ref": "#"}, "uniqueItems": True}
    root = nodes_of({"#": tree, "#/items": tree["items"]}, {"#": tree})["#"]
    if not takes_more_than(steps_given, root, value):
        assert not takes_more_than(steps_given + 1, root, value)
    assert not takes_more_than(10_000, root, value)
