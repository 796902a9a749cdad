"""JSON Schemas: which are taken, what satisfies them, and that neither can be made to cost much."""

import json
from collections.abc import Callable
from typing import Any
from urllib.parse import quote

import jsonschema
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from actors.base.errors import InvalidRequest, RequestError, UnsupportedParameter
from actors.consensus.reading.schema import (
    FIELD,
    MAX_BYTES,
    MAX_PATTERNS,
    MAX_VALUES,
    satisfies,
    schema_sha256,
    take_schema,
)
from tests.examples import examples

PERSON = {
    "$schema": "https://json-schema.org/draft/2020-12/schema",
    "type": "object",
    "properties": {"name": {"$ref": "#/$defs/name"}, "born": {"type": "string", "format": "date"}},
    "required": ["name"],
    "additionalProperties": False,
    "$defs": {"name": {"type": "string", "pattern": "^[A-Z]"}},
}
TREE = {"type": "object", "properties": {"left": {"$ref": "#"}, "right": {"$ref": "#"}}, "additionalProperties": False}


def holds(schema: dict[str, Any], value: object) -> bool:
    """Take a schema and hold a value against it."""
    return satisfies(take_schema(schema), value)


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ({"name": "Ada", "born": "1815-12-10"}, True),
        ({"name": "ada"}, False),
        ({"born": "1815-12-10"}, False),
        ({"name": "Ada", "born": "soon"}, False),
        ({"name": "Ada", "age": 36}, False),
        (["Ada"], False),
    ],
)
def test_a_value_satisfies_a_schema_or_does_not(value: object, expected: bool) -> None:
    """Types, names, references, patterns and formats are all held to."""
    assert holds(PERSON, value) is expected


def test_recursion_into_the_value_is_taken() -> None:
    """A schema of trees refers to itself, and each level is held to it."""
    assert holds(TREE, {"left": {"right": {}}})
    assert not holds(TREE, {"left": {"right": {"middle": {}}}})


_LEAF = st.sampled_from(
    [
        {"type": "integer"}, {"type": ["string", "null"]}, {"enum": [1, "a", None]}, {"const": [1]}, {"minimum": 1},
        {"maxLength": 1}, {"minItems": 1, "uniqueItems": True}, {"required": ["a"]}, True, False, {},
    ]
)  # fmt: skip
_SCHEMAS = st.recursive(
    _LEAF,
    lambda inner: st.one_of(
        st.fixed_dictionaries({}, optional={"items": inner, "additionalProperties": inner, "not": inner}),
        st.builds(lambda a, b, word: {word: [a, b]}, inner, inner, st.sampled_from(["allOf", "anyOf", "oneOf"])),
        st.builds(lambda a, b: {"properties": {"a": a, "b": b}}, inner, inner),
        st.builds(lambda a, b: {"if": a, "then": b, "else": {"prefixItems": [a]}}, inner, inner),
    ),
    max_leaves=8,
)
_VALUES = st.recursive(
    st.sampled_from([0, 1, 2, "a", "bb", None, True]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from("ab"), inner),
    max_leaves=6,
)


@given(_SCHEMAS.filter(lambda schema: isinstance(schema, dict)), _VALUES)
def test_what_satisfies_is_what_another_library_says(schema: dict[str, Any], value: object) -> None:
    """On small schemas and values the reference implementation in Python comes to the same."""
    assert holds(schema, value) == jsonschema.Draft202012Validator(schema).is_valid(value)


@given(st.text(st.characters(exclude_categories=["Cs"]), max_size=8))
def test_a_definition_of_any_name_can_be_referred_to(name: str) -> None:
    """As it is, but for the pointer's own ``~`` and ``/`` and for ``%``, or percent-encoded."""
    pointer = f"/$defs/{name.replace('~', '~0').replace('/', '~1')}"
    for ref in (f"#{pointer.replace('%', '%25')}", f"#{quote(pointer)}", f"#{quote(pointer, safe='')}"):
        schema = {"$ref": ref, "$defs": {name: {"type": "string"}}}
        assert (holds(schema, "x"), holds(schema, 1)) == (True, False)


@pytest.mark.parametrize("ref", ["#/$defs/größe", "#/$defs/gr%C3%B6%C3%9Fe", "#/%24defs/gr%c3%b6ße"])
def test_names_in_any_language_are_held_to(ref: str) -> None:
    """Each way of writing them is the same definition; what only looks like a reference stays as it is."""
    schema = {"properties": {"a": {"$ref": ref}, "b": {"const": {"$ref": ref}}}, "$defs": {"größe": {"maximum": 3}}}
    assert (holds(schema, {"a": 3}), holds(schema, {"a": 4})) == (True, False)
    assert (holds(schema, {"b": {"$ref": ref}}), holds(schema, {"b": {"$ref": "#"}})) == (True, False)


def test_an_encoded_slash_parts_a_pointer() -> None:
    """The pointer is decoded before it is read (RFC 6901 §6): a slash in a name is ``~1``, however that is written."""
    definitions = {"a/b": {"type": "string"}, "c": {"properties": {"d": {"type": "integer"}}}}
    assert holds({"$ref": "#/$defs/a%7E1b", "$defs": definitions}, "x")
    assert not holds({"$ref": "#/$defs/c%2Fproperties%2Fd", "$defs": definitions}, "x")


@pytest.mark.parametrize(
    ("schema", "kind", "words"),
    [
        ({"$ref": "https://example.com/person.json"}, UnsupportedParameter, "nothing is fetched"),
        ({"properties": {"a": {"$ref": "file:///etc/hostname"}}}, UnsupportedParameter, "copy it under $defs"),
        ({"$ref": "#/$defs/none"}, InvalidRequest, "points to no schema here"),
        ({"$ref": "#/properties"}, InvalidRequest, "points to no schema here"),
        ({"$ref": "#/$defs/a%62", "$defs": {"a%62": {}}}, InvalidRequest, "points to no schema here"),
        ({"$ref": "#/$defs/a%2Fb", "$defs": {"a/b": {}}}, InvalidRequest, "points to no schema here"),
        ({"$ref": "#/$defs/groß", "$defs": {"größe": {}}}, InvalidRequest, "'#/$defs/groß' points to no schema here"),
        ({"$ref": "#/$defs/5%", "$defs": {"5%": {}}}, InvalidRequest, "write '%25' for it"),
        ({"$ref": "#/$defs/a%FF", "$defs": {"a\ufffd": {}}}, InvalidRequest, "what is no UTF-8"),
        ({"$ref": 1}, InvalidRequest, "is no text"),
        ({"type": "strin"}, InvalidRequest, "#/type is no draft 2020-12"),
        ({"properties": {"a": {"type": "text"}}}, InvalidRequest, "#/properties/a/type"),
        ({"typ": "string"}, UnsupportedParameter, "'typ' at # is not supported"),
        ({"items": {"unevaluatedItems": False}}, UnsupportedParameter, "'unevaluatedItems' at #/items"),
        ({"$id": "https://example.com/a"}, UnsupportedParameter, "'$id'"),
        ({"$dynamicRef": "#a"}, UnsupportedParameter, "'$dynamicRef'"),
        ({"$schema": "http://json-schema.org/draft-04/schema#"}, UnsupportedParameter, "draft 2020-12"),
        ({"format": "colour"}, UnsupportedParameter, "format at # is none of"),
        ({"format": ["date"]}, UnsupportedParameter, "format at # is none of"),
        ({"properties": []}, InvalidRequest, "#/properties is no object"),
        ({"allOf": {}}, InvalidRequest, "#/allOf is no list"),
        ({"items": 3}, InvalidRequest, "#/items is no schema"),
        ({"pattern": "(?=a)b"}, InvalidRequest, "look-around or a back-reference"),
        ({"pattern": r"(a)\1"}, InvalidRequest, "look-around or a back-reference"),
        ({"pattern": "(((a{100}){100}){100}){100}"}, InvalidRequest, "a pattern too large"),
        ({"patternProperties": {"(?<!a)b": True}}, InvalidRequest, "look-around or a back-reference"),
        ({"const": float("inf")}, InvalidRequest, "what JSON cannot"),
        ({"const": "\ud800"}, InvalidRequest, "what JSON cannot"),
    ],
)
def test_what_cannot_be_kept_is_refused_with_what_to_do(
    schema: dict[str, Any], kind: type[RequestError], words: str
) -> None:
    """Each refusal names the field, the place and the way out."""
    with pytest.raises(kind) as refused:
        take_schema(schema)
    assert words in str(refused.value)
    assert refused.value.param == FIELD


def nested(levels: int) -> dict[str, Any]:
    """Return a schema of so many levels."""
    return {"items": nested(levels - 1)} if levels else {"type": "string"}


@pytest.mark.parametrize(
    ("schema", "words"),
    [
        ({"description": "x" * MAX_BYTES}, "bytes"),
        (nested(40), "levels"),
        ({"const": json.loads("[" * 900 + "]" * 900)}, "nested too deeply"),
        ({"enum": list(range(MAX_VALUES))}, "values"),
        ({"allOf": [{"pattern": "a"}] * (MAX_PATTERNS + 1)}, "patterns"),
        ({"patternProperties": {f"a{n}": True for n in range(MAX_PATTERNS + 1)}}, "patterns"),
        ({"$ref": "#"}, "leads back to itself"),
        ({"allOf": [{"$ref": "#/$defs/a"}], "$defs": {"a": {"anyOf": [{"$ref": "#"}]}}}, "leads back to itself"),
    ],
)
def test_bounds(schema: dict[str, Any], words: str) -> None:
    """Bytes, levels, values and patterns have bounds, and references an end."""
    with pytest.raises(InvalidRequest, match=words):
        take_schema(schema)


def multiplying(levels: int) -> dict[str, Any]:
    """Return a schema whose references multiply by ten on every level."""
    definitions: dict[str, Any] = {f"d{n}": {"allOf": [{"$ref": f"#/$defs/d{n + 1}"}] * 10} for n in range(levels)}
    return {"$ref": "#/$defs/d0", "$defs": {**definitions, f"d{levels}": {"type": "string"}}}


TWO_WAYS = {"anyOf": [{"items": {"$ref": "#"}}, {"items": {"$ref": "#"}, "minItems": 2}]}


@pytest.mark.parametrize(
    ("schema", "value"),
    [
        (multiplying(30), "x"),
        (TWO_WAYS, json.loads("[" * 60 + "]" * 60)),
        ({"items": {"enum": [[n] for n in range(1000)]}}, [[999]] * 10_000),
        ({"items": {"anyOf": [{"type": "string"}] * 100}}, list(range(10_000))),
        ({"pattern": "[ab]*a[ab]{200}c"}, "ab" * 100_000),
        ({"patternProperties": {"[ab]*a[ab]{200}c": True}}, {"ab" * 100_000: 1}),
        ({"allOf": [{"uniqueItems": True}] * 500}, [list(range(30_000))]),
        ({"items": {"multipleOf": 1e-300}}, [1e300] * 20_000),
        ({"items": {"properties": {f"p{n}": True for n in range(1_000)}}}, [{}] * 10_000),
        (multiplying(4) | {"$defs": multiplying(4)["$defs"] | {"d4": {"maxLength": 9}}}, "x" * 200_000),
        ({"additionalProperties": True, "propertyNames": {"pattern": "a"}}, {str(n): n for n in range(60_000)}),
    ],
)
def test_what_takes_too_long_satisfies_nothing(schema: dict[str, Any], value: object) -> None:
    """References, unions, lists and patterns that multiply are given up after a bounded count; small values are checked."""
    assert not holds(schema, value)


@pytest.mark.parametrize("pattern", ["^(a+)+$", "^(a|a)*$", "^(a?){25}a{25}$"])
def test_patterns_that_make_other_engines_backtrack_are_told_at_once(pattern: str) -> None:
    """An engine of linear time answers what a backtracking one would work on for years."""
    assert not holds({"pattern": pattern}, "a" * 5_000 + "!")


def test_large_arrays_are_told_unique() -> None:
    """Ten thousand different objects are unique, and one that comes twice is found."""
    items = [{"a": n} for n in range(10_000)]
    assert holds({"uniqueItems": True}, items)
    assert not holds({"uniqueItems": True}, [*items, {"a": 5}])


def test_what_the_library_cannot_look_at_satisfies_nothing() -> None:
    """A value with a lone surrogate is no text, and nothing is raised for it."""
    assert not holds({"type": "string"}, "\ud800")


def test_the_digest_is_of_what_the_schema_says() -> None:
    """Order of keys changes the text that voters see, not the digest; without a schema there is none."""
    one, other = take_schema({"type": "object", "required": ["a"]}), take_schema({"required": ["a"], "type": "object"})
    assert one != other
    assert schema_sha256(one) == schema_sha256(other) != schema_sha256(take_schema({"type": "object"}))
    assert schema_sha256("") == ""


_KEYWORDS = (
    "$ref $schema $id $defs type enum const properties patternProperties additionalProperties propertyNames required items"
    " prefixItems contains minContains uniqueItems allOf anyOf oneOf not if then else dependentSchemas dependentRequired"
    " pattern format minimum multipleOf maxLength title made-up"
).split()
_ODD = st.sampled_from(
    ["#", "#/$defs/a", "#/items", "a", "(", "string", "date", 0, -1, 1.5, 10**400, True, False, None]
)
_WILD = st.recursive(
    _ODD,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from([*_KEYWORDS, "a"]), inner, max_size=4),
    max_leaves=10,
)


@settings(max_examples=examples(300), deadline=None)
@given(st.dictionaries(st.sampled_from(_KEYWORDS), _WILD, max_size=5), _WILD)
def test_whatever_is_given_is_taken_or_refused(schema: dict[str, Any], value: object) -> None:
    """No schema and no value raises anything but a refusal that the caller can mend."""
    try:
        text = take_schema(schema)
    except RequestError:
        return
    assert satisfies(text, value) in (True, False)
    assert len(schema_sha256(text)) == 64


@pytest.mark.parametrize("item", [lambda n: 10**20 + n, lambda n: [2**63 + n], lambda n: {"a": -(2**70) - n}])
def test_items_that_the_library_compares_each_with_each_are_bounded(item: Callable[[int], object]) -> None:
    """Integers beyond 64 bits cost the square of their number where they must be unique; many of them satisfy nothing."""
    schema = take_schema({"uniqueItems": True})
    assert satisfies(schema, [item(n) for n in range(50)])
    assert not satisfies(schema, [item(n) for n in range(400)])
    assert satisfies(schema, list(range(400)))
