"""Examples in a prompt."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from actors.consensus.reading.examples import MAX_EXAMPLES, MAX_PROMPTS, Example, examples_of

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
    """Expressions with a literal under them are kept; statements and printed text are not."""
    assert examples_of(PROMPT) == (Example("incr(1)", "2"), Example("incr([1, 2])", "[2, 3]"))


def test_a_prompt_without_examples_has_none() -> None:
    """No notation, no examples; broken indentation is no reason to fail."""
    assert examples_of("Write a function") == ()
    assert examples_of("  >>> f(1)\n 2\n") == ()


def test_examples_are_bounded() -> None:
    """However many a prompt gives, a bounded number is kept."""
    assert len(examples_of(">>> f(1)\n1\n\n" * 100)) == MAX_EXAMPLES
    assert examples_of(">>> f(1)\nprinted\n\n" * MAX_PROMPTS + ">>> f(1)\n1\n") == ()


@pytest.mark.parametrize(
    "question",
    [
        ">>> f(0x" + "f" * 5000 + ")\n1\n",
        ">>> f(1)\n" + "9" * 5000,
        ">>> f('\ud800')\n'\ud800'\n",
        ">>> f(\0)\n1\n",
        ">>> f(1)\n" + "-" * 30_000 + "1",
        ">>> " + "(" * 30_000 + "\n1\n",
    ],
)
def test_no_prompt_can_make_reading_fail(question: str) -> None:
    """Digits, surrogates and nesting without end in a prompt are at most an example."""
    assert len(examples_of(question)) <= 1


@given(st.text(alphabet=">. \n()abc1'\"", max_size=200))
def test_any_prompt_can_be_read(text: str) -> None:
    """Reading examples never raises."""
    assert len(examples_of(text)) <= MAX_EXAMPLES
