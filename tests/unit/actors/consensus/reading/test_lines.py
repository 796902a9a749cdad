"""The line of an answer that states its value."""

import pytest

from actors.consensus.reading.asked import take_apart
from actors.consensus.reading.lines import MAX_LINE_CHARS, MAX_READ_CHARS, stated

CAPITAL = take_apart("What is the capital of France?")


@pytest.mark.parametrize(
    "content",
    [
        "Paris",
        "\n\nParis\n",
        "Paris\nIt lies on the river Seine.",
        "Paris\nQ: What is the capital of Spain?\nA: Madrid",
        "Paris Q: What is the capital of Spain?",
        "Sure!\nParis",
        "**Answer:**\n\nParis",
        "Here is the capital of France:\nParis",
        "Paris\nParis\nParis",
    ],
)
def test_the_first_line_that_says_something_states_the_value(content: str) -> None:
    """Greetings and announcements say nothing yet, and what a model asks itself afterwards is not read."""
    assert stated(CAPITAL, content) == ["paris"]


@pytest.mark.parametrize(
    "content",
    [
        "Paris\n\nActually, it is Lyon.",
        "Paris\nNo, wait.",
        "Paris\n- Sorry, that is wrong",
        "Paris\nHowever, some say Lyon",
        "Paris\nLyon",
        "1. Paris\n2. Lyon",
        "- Paris is the capital\n- Lyon is the capital",
        "Two cities come to mind:\nParis",
        "Not the capital of France:\nParis",
        "Sure!",
        "Answer:",
        "🙂",
        f"Paris {' ' * MAX_LINE_CHARS}",
        "\n" * MAX_READ_CHARS + "Paris",
    ],
)
def test_an_answer_that_says_more_than_one_thing_states_no_value(content: str) -> None:
    """Lists, second thoughts, foreign announcements, lines without words or beyond the bounds leave nothing to agree on."""
    assert stated(CAPITAL, content) == []
