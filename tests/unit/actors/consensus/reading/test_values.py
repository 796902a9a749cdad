"""Reading one value out of an answer."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from actors.consensus.reading.values import normal_value

CAPITAL = "What is the capital of France?"
WEEK = "How many days are in a week?"


@pytest.mark.parametrize(
    ("question", "answer", "value"),
    [
        (CAPITAL, "The capital of France is Paris.", "paris"),
        (CAPITAL, "Paris", "paris"),
        (CAPITAL, "**Paris**", "paris"),
        (CAPITAL, "Answer: Paris", "paris"),
        (CAPITAL, " Paris\nQ: What is the capital of Spain?\nA: Madrid", "paris"),
        (WEEK, "There are seven days in a week.", "7"),
        (WEEK, "7", "7"),
        (WEEK, "7.0 days", "7"),
        ("What is 12 + 30?", "12 + 30 = 42.", "42"),
        ("What is 12 + 30?", "forty-two", "42"),
        ("How many metres are in a kilometre?", "1,000 metres", "1000"),
        ("How many metres are in a kilometre?", "one thousand", "1000"),
        ("In which year did the Second World War end?", "The Second World War ended in 1945.", "1945"),
        ("What language is spoken in Brazil?", "The official language of Brazil is Portuguese.", "portuguese"),
        ("Is the moon a star?", "No", "no"),
        ("Is the Nile or the Amazon longer?", "The Nile", "nile"),
    ],
)
def test_sentences_and_bare_answers_read_the_same(question: str, answer: str, value: str) -> None:
    """The value stands the same whether a model answers in a word or in a sentence."""
    assert normal_value(question, answer) == value


def test_a_negated_answer_is_not_the_answer() -> None:
    """Taking words away never turns "not Paris" into "Paris"."""
    assert normal_value(CAPITAL, "It is not Paris") != normal_value(CAPITAL, "Paris")
    assert normal_value(WEEK, "not 7") != "7"


def test_an_essay_holds_no_value() -> None:
    """An answer whose rest is longer than six words states no one value."""
    essay = "France, a lovely country, was historically ruled by many kings from several different towns"
    assert normal_value(CAPITAL, essay) == ""


@given(st.text(max_size=200), st.text(max_size=400))
def test_any_text_can_be_read(question: str, answer: str) -> None:
    """Whatever a model says, reading ends and gives one line."""
    form = normal_value(question, answer)
    assert "\n" not in form
    assert len(form.split()) <= 6 or form.isascii()


@given(st.integers(min_value=-(10**9), max_value=10**9))
def test_numbers_read_the_same_in_every_notation(number: int) -> None:
    """Thousands separators and trailing zeros change nothing."""
    question = "What is the result?"
    assert normal_value(question, f"{number:,}") == normal_value(question, f"{number}.00") == str(number)
