"""Examples in a prompt, whatever their notation."""

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from actors.consensus.reading.examples import MAX_EXAMPLES, Example, entry_point_of, examples_of
from actors.consensus.reading.examples_doctest import MAX_PROMPTS

PROMPT = '''def incr(n):
    """Add one.
    >>> incr(1)
    2
    >>> incr([1, 2])
    [2, 3]
    >>> print("no value")
    no value
    >>> x = 3
    """
'''


def test_calls_with_literal_values_are_examples() -> None:
    """Calls with a literal under them are kept; statements and printed text are not."""
    assert examples_of(PROMPT) == (Example("incr(1)", "2"), Example("incr([1, 2])", "[2, 3]"))


def test_a_prompt_without_examples_has_none() -> None:
    """No notation, no examples."""
    assert examples_of("Write a function") == ()
    assert examples_of("Write a function f(x).") == ()


def test_notations_may_be_mixed_and_keep_their_order() -> None:
    """Every notation of a question is read, and examples stand as they stand there."""
    question = (
        "def f(x):\n    '''Input: 3\n    Output: 6\n\n    f(4) ==> 8\n    For x = 5 the output should be 10.\n"
        "    >>> f(1)\n    2\n    '''"
    )
    assert [example.call for example in examples_of(question)] == ["f(3)", "f(4)", "f(5)", "f(1)"]


def test_line_ends_change_nothing() -> None:
    """A prompt written on another system has the same examples."""
    question = "def f(x):\n    '''\n    f(2) == 3\n    Input: 4\n    Output: 5\n    >>> f(1)\n    2\n    '''\n"
    assert examples_of(question.replace("\n", "\r\n")) == examples_of(question)
    assert len(examples_of(question)) == 3


def test_an_example_said_twice_counts_once() -> None:
    """Two spellings of one example are one, so that one example cannot pass for two."""
    assert examples_of("def f(x): ...\nf('a') == 'b'\nf(\"a\")  ==>  \"b\"\nf( 'a' ) -> 'b'") == (
        Example("f('a')", "'b'"),
    )


@pytest.mark.parametrize("second", ["f(1) == 3", "Input: 1\nOutput: 3", ">>> f(1)\n3"])
def test_examples_that_contradict_each_other_are_dropped(second: str) -> None:
    """Two values for one call leave neither, whatever their notations; the others stay."""
    assert examples_of(f"def f(x): ...\nf(1) == 2\n{second}\n\nf(2) == 4\n") == (Example("f(2)", "4"),)


@pytest.mark.parametrize(
    ("first", "second", "kept"), [("1", "1.0", 1), ("1", "True", 0), ("0", "False", 0), ("[]", "()", 0)]
)
def test_equal_numbers_contradict_nothing(first: str, second: str, kept: int) -> None:
    """An integer and the float it equals are one value; a number and a truth value are two."""
    assert len(examples_of(f"def f(x): ...\nf(7) == {first}\nf(7) == {second}\n")) == kept


def test_without_a_definition_the_examples_must_agree_on_one_function() -> None:
    """A prompt that names no function means the one its examples call, and nothing if they call two."""
    assert examples_of("Double it: twice(2) == 4, and so on") == ()
    assert examples_of("Double it.\ntwice(2) == 4\ntwice(3) == 6") == (
        Example("twice(2)", "4"),
        Example("twice(3)", "6"),
    )
    assert examples_of("twice(2) == 4\nthrice(2) == 6") == ()
    assert examples_of("len([1]) == 1") == ()


def test_calls_of_other_functions_are_no_examples() -> None:
    """What another function gives says nothing about the one that is asked for; nor does a helper that is there already."""
    helper = 'def g(x):\n    """\n    g(1) == 1\n    """\n    return x\n\n'
    asked = 'def f(x):\n    """\n    f(1) == 2\n    h(1) == 3\n    """\n'
    assert examples_of(helper + asked) == (Example("f(1)", "2"),)


def test_examples_are_bounded() -> None:
    """However many a prompt gives, a bounded number is kept; a prompt without bound has none."""
    assert len(examples_of("".join(f">>> f({i})\n1\n\n" for i in range(100)))) == MAX_EXAMPLES
    assert examples_of(">>> f(1)\nprinted\n\n" * MAX_PROMPTS + ">>> f(1)\n1\n") == ()
    assert examples_of("def f(x): ...\nf(1) == 2\n" + " " * 70_000) == ()


@pytest.mark.parametrize(
    ("question", "name"),
    [
        ("def g(x):\n    return x\n\ndef f(x):\n    '''Doc.'''\n", "f"),
        ("def f(x):\n    return x\n", "f"),
        ("Write a function `two_sum` that adds.", "two_sum"),
        ("Write a function called fact for me", "fact"),
        ("Write a Python function is_prime(n)", "is_prime"),
        ("Do it.\n>>> area(2)\n4\n", "area"),
        ("a(1) == 2\nb(1) == 2", ""),
        ("Write a function that sorts a list", ""),
        ("Sort a list", ""),
    ],
)
def test_the_entry_point_is_what_the_question_asks_for(question: str, name: str) -> None:
    """Defined without a body, named in words, or called by all examples; else it is unclear."""
    assert entry_point_of(question) == name


@pytest.mark.parametrize(
    "question",
    [
        ">>> f(0x" + "f" * 5000 + ")\n1\n",
        ">>> f(1)\n" + "9" * 5000,
        ">>> f('\ud800')\n'\ud800'\n",
        ">>> f(\0)\n1\n",
        ">>> f(1)\n" + "-" * 30_000 + "1",
        ">>> " + "(" * 30_000 + "\n1\n",
        "def f(x): ...\nf(" + "[" * 30_000,
        "def f(x): ...\nf(1) == " + "[" * 2_000 + "]" * 2_000,
        "def f(x): ...\nf(1) == 0x" + "f" * 5000,
    ],
)
def test_no_prompt_can_make_reading_fail(question: str) -> None:
    """Digits, surrogates and nesting without end in a prompt are at most an example."""
    assert len(examples_of(question)) <= 1


PIECES = st.sampled_from(
    ["f(", ")", "1", "'a'", "[", "]", " == ", " => ", "\n", " ", ">>> ", "Input: ", "Output: ", "def f(x):", "|", "|-|-|",
     "For x = ", " the output should be ", "returns ", "# ", ".", ",", "`", '"""', "...", "x", "true", "assert ", "\\", "-"]
)  # fmt: skip


@given(st.lists(PIECES | st.text(max_size=2), max_size=60).map("".join))
def test_any_prompt_can_be_read(question: str) -> None:
    """Reading examples never raises, and what is read evaluates without a name but the function's."""
    for example in examples_of(question):
        assert eval(example.value, {}) is not ...  # noqa: S307 - a literal
    assert len(examples_of(question)) <= MAX_EXAMPLES


@pytest.mark.parametrize(
    "piece",
    [
        "f(",
        "f((",
        "f('",
        "f(1) ",
        "f(1) == ",
        ">>> f(",
        "Input: [",
        "Input: 1\n",
        "For x = 1 ",
        "|-|",
        "def f(",
        "`",
        " ",
        "\n",
    ],
)
def test_no_prompt_takes_longer_than_its_length(piece: str) -> None:
    """Twice the prompt takes about twice the time."""
    question = "def f(x): ...\n" + piece * (60_000 // len(piece))
    half = question[: len(question) // 2]
    assert _least_s(question) < 3 * _least_s(half) + 0.05


def _least_s(question: str) -> float:
    took = []
    for _ in range(3):
        start = time.process_time()
        examples_of(question)
        took.append(time.process_time() - start)
    return min(took)
