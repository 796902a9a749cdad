"""Literals and calls read out of text."""

import ast

import pytest
from hypothesis import given
from hypothesis import strategies as st

from actors.consensus.reading.literals import (
    MAX_DEPTH,
    MAX_LITERAL_CHARS,
    call_source,
    closing,
    python_literal,
    read_call,
    read_literal,
)


@pytest.mark.parametrize(
    ("text", "source", "rest"),
    [
        ("[1, 'a]'] and", "[1, 'a]']", " and"),
        ("'it' x", "'it'", " x"),
        ("16. Then", "16", ". Then"),
        ("-1.5e3,", "-1500.0", ","),
        ("0x10", "16", ""),
        (".5", "0.5", ""),
        ("true)", "True", ")"),
        ('{"a": null}', "{'a': None}", ""),
        ("(1, 2)", "(1, 2)", ""),
        ("()", "()", ""),
        ("set()", "set()", ""),
        ("[(1)]", "[1]", ""),
    ],
)
def test_a_literal_is_read_with_what_follows_left(text: str, source: str, rest: str) -> None:
    """Quotes hide brackets, a full stop ends a number, JSON's words become Python's."""
    read = read_literal(text, 0)
    assert read is not None
    assert (read[0], text[read[1] :]) == (source, rest)


@pytest.mark.parametrize(
    "text",
    ["x", "", "(1)", "('a')", "[1, ...]", "...", "1,000", "5%", "3rd", "0.3...", "'a\nb'", "'a", "[1", "[1)", "[x]", "[f(1)]",
     "Trueish", "'\\\\'", "[1 # one\n]", "{1: }", "1.2.3", "“a”"],
)  # fmt: skip
def test_what_is_no_clear_literal_is_not_read(text: str) -> None:
    """Names, numbers that go on, lone values in parentheses, ellipses and doubled backslashes are left."""
    assert read_literal(text, 0) is None


def test_a_whole_text_must_be_one_literal() -> None:
    """A cell or an output is a literal only if nothing else stands there."""
    assert python_literal(" [1,2] ") == "[1, 2]"
    assert python_literal("[1] [2]") == ""


def test_calls_need_literal_arguments() -> None:
    """Names, stars and ellipses as arguments leave no source."""
    for text, source in (
        ("f(1, k='a')", "f(1, k='a')"),
        ("f(true)", "f(True)"),
        ("f(x)", ""),
        ("f(*[1])", ""),
        ("f(**{})", ""),
    ):
        read = read_call(text, 0)
        assert read is not None
        assert call_source(read[0]) == source
    assert read_call("f(1", 0) is None
    assert read_call("a.f(1)", 0) is None


def test_nothing_is_read_beyond_the_bounds() -> None:
    """A bracket that closes too far away, or holds too many others, closes nothing."""
    assert closing("[" * MAX_DEPTH + "]" * MAX_DEPTH, 0) == 2 * MAX_DEPTH
    assert closing("[" * (MAX_DEPTH + 1) + "]" * (MAX_DEPTH + 1), 0) is None
    assert closing("[" + " " * MAX_LITERAL_CHARS + "]", 0) is None
    assert read_literal("'" + "a" * MAX_LITERAL_CHARS + "'", 0) is None


@given(st.text(alphabet="[](){}'\"\\#,1a \n", max_size=40))
def test_what_is_read_is_a_literal(text: str) -> None:
    """Whatever stands there, the result is a literal's source."""
    read = read_literal(text, 0)
    if read is not None:
        ast.literal_eval(read[0])
        assert read[1] <= len(text)
