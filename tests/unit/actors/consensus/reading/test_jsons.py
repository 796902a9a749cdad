"""The canonical form of JSON answers."""

import json

from hypothesis import given
from hypothesis import strategies as st

from actors.consensus.reading.jsons import normal_json

VALUES = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**50), 2**50) | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=4), inner, max_size=4),
    max_leaves=12,
)


@given(VALUES)
def test_layout_changes_nothing(value: object) -> None:
    """Indentation, key order and fences do not change the form."""
    plain = normal_json(json.dumps(value))
    assert plain == normal_json("```json\n" + json.dumps(value, indent=2, sort_keys=True) + "\n```") != ""


def test_integral_floats_are_integers() -> None:
    """1.0 and 1 are the same JSON number; 1.5 is another."""
    assert normal_json("[1.0]") == normal_json("[1]") != normal_json("[1.5]")


def test_what_is_no_json_has_no_form() -> None:
    """Prose, duplicate keys, NaN and bottomless nesting are refused."""
    for bad in ("hello", '{"a":1,"a":2}', "[NaN]", "[" * 100_000, "[1] and [2]"):
        assert normal_json(bad) == ""
