"""Examples written as a call with its value behind it."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from actors.consensus.reading.examples_inline import inline_examples, value_at


def read(text: str) -> list[tuple[str, str]]:
    """Return the calls and values read from a text about the function ``f``."""
    return [(found.call, found.value) for found in inline_examples(text, ["f"])]


@pytest.mark.parametrize(
    "sign", ["==>", "=>", "->", "-->", "➞", "→", "=", "==", "#", "# =>", "# ->", "// ->", "# returns"]
)
@pytest.mark.parametrize("gap", ["", " "])
def test_every_sign_people_use_is_read(sign: str, gap: str) -> None:
    """Arrows, equals signs and comments give the value of the call before them."""
    assert read(f"    f(1, 'a') {sign} {gap}[2]\n") == [("f(1, 'a')", "[2]")]


@pytest.mark.parametrize(
    "words",
    [
        "returns",
        "should return",
        "must return",
        "gives",
        "outputs",
        "should output",
        "is",
        "equals",
        "evaluates to",
        "yields",
        "would be",
    ],
)
def test_every_word_people_use_is_read(words: str) -> None:
    """Verbs give the value of the call before them, with and without a full stop."""
    assert read(f"For example, f(3) {words} 4.") == [("f(3)", "4")]
    assert read(f"* `f(3)` {words} `4`\n") == [("f(3)", "4")]


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("assert f(1) == 2", ("f(1)", "2")),
        ("assert f([1,\n   2], k=3) == {'a': 1}", ("f([1, 2], k=3)", "{'a': 1}")),
        (">>> f('x') == 'y'\n", ("f('x')", "'y'")),
        (">>> f('x') == 'y'\nTrue\n", ("f('x')", "'y'")),
        ("1. f(2) -> true", ("f(2)", "True")),
        ("f(null) => [false, null]", ("f(None)", "[False, None]")),
        ("f(-1.5) == 6.00", ("f(-1.5)", "6.0")),
        ("f(1) returns 16.\nNext", ("f(1)", "16")),
        ("f(1) should return True.", ("f(1)", "True")),
        ("f(1) == [1, 5] # the numbers are 1, and 5.", ("f(1)", "[1, 5]")),
        ("f('1.dll') # => 'No' (the name should start with a letter)", None),
        ("f('1.dll') # => 'No' (the name starts with a digit)", ("f('1.dll')", "'No'")),
        ("f(4) -> 2, because 4 is even", ("f(4)", "2")),
        ("f(2) ->19 - 5 - 6 = 8", ("f(2)", "8")),
        ("f(2) == 1 + 9 + 2 * 0 = 10", ("f(2)", "10")),
        ("result = f(2)  # 4", ("f(2)", "4")),
        ("(e.g. f(2) = 4)", ("f(2)", "4")),
        ("The function f(3) returns 6.", ("f(3)", "6")),
        ("It is called f. f(3) should return 6. If 0, 1.", ("f(3)", "6")),
        ("f(3) == 6'''", ("f(3)", "6")),
        ('f(3) returns 6."""', ("f(3)", "6")),
        ("f(3) = 6 (3 + 2 + 1)", ("f(3)", "6")),
        ("for f(7, 34, 12) == 34", ("f(7, 34, 12)", "34")),
        ("f() == []", ("f()", "[]")),
    ],
)
def test_examples_as_they_stand_in_prompts(text: str, found: tuple[str, str] | None) -> None:
    """Asserts, bullets, JSON's words, sentences, comments and sums that are worked out."""
    assert read(text) == ([found] if found else [])


def test_several_examples_may_share_a_line() -> None:
    """A sentence may give one example after the other."""
    assert read("f(2) = 4 and f(3) = 9") == [("f(2)", "4"), ("f(3)", "9")]


@pytest.mark.parametrize(
    "text",
    [
        "f(x) == 2",
        "f(1) == y",
        "f(1) == f(2)",
        "f(1) == 2 or 3",
        "f(1) == 2 + 3",
        "f(1) == 2 * x",
        "f(1) -> 3, 5, 7",
        "f(1) -> [1] or [2]",
        "f(1) -> [1, 2, ...]",
        "f(1) -> 0.333...",
        "f(1) -> 1,000",
        "f(1) -> 5%",
        "f(1) -> 5 apples",
        "f(1) -> 5 (6)",
        "return f(1) == 2",
        "while f(1) == 2:",
        "f(1) ≈ 3.14",
        "f(1) -> 3.14 (approximately)",
        "f(1) -> 'a' + 'b'",
        'f(1) == ""aaa"',
        "f(1) == ('Venus')",
        "f(1) returns 2 if the list is sorted",
        "f(1) returns 2\nmore than it was given",
        "f(1) returns 3. It should return 4.",
        "f(1) returns 3 but should return 4",
        "f(1) = 2\n     + 3",
        "not f(1) == True",
        "assert not f(1) == True",
        "f(1) is not 2",
        "if f(1) == 2 stop",
        "currently f(1) == 2",
        "1 + f(1) == 2",
        "g(f(1)) == 2",
        "[f(1), 2] == 2",
        "g(0, f(1)) == 2",
        "x.f(1) == 2",
        "print(f(1)) # 2",
        "def f() -> None:",
        "def f() -> None",
        "fn f() -> None",
        "f(1)",
        "f(1) and 2",
        "f(*[1]) == 2",
        "f(**{}) == 2",
        "f(1, ...) == 2",
        "f('a\\\\b') == 2",
        "f(1) == 2 == 3",
        "f(1) >= 2",
        "f(1) != 2",
        "f(2) -> 2 + 2 = 5",
        ">>> f(1) == 2\nFalse\n",
        "f(1)[0] == 2",
        "f(1).x == 2",
    ],
)
def test_in_doubt_there_is_no_example(text: str) -> None:
    """What calculates with the call, denies it, goes on with the value or takes it back is no example."""
    assert read(text) == []


def test_equations_that_define_are_no_examples() -> None:
    """Where a question defines its function by a recurrence, the equations around it may be about another thing."""
    assert read("f(1) = 3\nf(n) = 1 + n / 2\nf(4) = 3\nf(3)  # 8") == [("f(3)", "8")]
    assert read("f(n) = f(n - 1)\nf(0) -> 0\n") == []


@given(
    st.recursive(
        st.integers() | st.booleans() | st.none() | st.text("ab'\" ,[]#x\n", max_size=6),
        lambda inner: st.lists(inner, max_size=3),
    )
)
def test_a_literal_is_read_as_it_was_written(value: object) -> None:
    """Whatever literal stands behind a call is read back whole."""
    if "\\\\" not in repr(value):
        assert read(f"f({value!r}) == {value!r}") == [(f"f({value!r})", repr(value))]


def test_a_value_ends_where_it_ends() -> None:
    """A literal in backticks needs both."""
    assert value_at("`[1]` then", 0) == ""
    assert value_at("`[1]`.", 0) == "[1]"
    assert value_at("`[1]", 0) == ""
