"""Examples in a prompt."""

from hypothesis import given
from hypothesis import strategies as st

from actors.consensus.reading.examples import MAX_EXAMPLES, Example, examples_of

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


@given(st.text(alphabet=">. \n()abc1'\"", max_size=200))
def test_any_prompt_can_be_read(text: str) -> None:
    """Reading examples never raises."""
    assert len(examples_of(text)) <= MAX_EXAMPLES
