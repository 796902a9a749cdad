"""What a question asks for."""

import pytest

from actors.consensus.reading.asked import MAX_QUESTION_CHARS, MAX_REMEMBERED, root, take_apart


@pytest.mark.parametrize(
    ("question", "offers"),
    [
        ("What is the capital of France?", False),
        ("What is the capital of France? Answer in one word, please.", False),
        ("Answer in one word: what is the capital of France?", False),
        ("What colour do you get by mixing blue and yellow?", False),
        ("Is the Nile or the Amazon longer?", True),
        ("Which is larger, 9.11 and 9.9?", True),
        ("Which is bigger: the sun, the moon?", True),
        ("Which of Mars and Venus is larger?", True),
        ("Which is a fruit?\nA) stone\nB) pear", True),
        ("Which is larger? The sun, the moon", True),
        ("Which is not a planet?", True),
        ("Is the sun larger than the moon?", True),
        ("x" * (MAX_QUESTION_CHARS + 1), True),
    ],
)
def test_a_question_that_names_its_answers_is_told(question: str, *, offers: bool) -> None:
    """Choices, lists, comparisons, negations and questions too long to look into offer their answers themselves."""
    assert take_apart(question).offers_choice is offers


@pytest.mark.parametrize(
    ("question", "calculates"),
    [
        ("What is 7 times 8?", True),
        ("How many days are there?", True),
        ("What is 12/4?", True),
        ("5 * 3", True),
        ("Which Python version introduced match?", False),
        ("How many features has version 3.10?", False),
        ("What happened on 2020-10-05?", False),
        ("What is the capital of France?", False),
    ],
)
def test_a_question_that_counts_is_told(question: str, *, calculates: bool) -> None:
    """Numbers are quantities where the question counts or calculates, and never in questions about versions."""
    assert take_apart(question).calculates is calculates


def test_inflections_and_signs_share_a_root() -> None:
    """A word, its endings and its possessive are one; a sign is its word; numbers are themselves."""
    assert root("mixing") == root("mix")
    assert root("spiders") == root("spider")
    assert root("France's".lower()) == root("france")
    assert root("×") == root("times")
    assert root("1000") == "1000"


def test_what_is_asked_for_is_told() -> None:
    """The counted noun, the verb whose subject is wanted, the tense and the preposition of the question."""
    assert take_apart("How many US states are there?").counted == {"US", "stat", "many"}
    assert take_apart("Who killed Caesar?").verb == root("killed")
    assert take_apart("What language is spoken there?").verb == ""
    assert take_apart("What is it?").in_present
    assert not take_apart("What was it?").in_present
    assert take_apart("By whom was it written?").asks_with == {"by"}


def test_few_questions_are_remembered() -> None:
    """However many questions are read, the text that a process keeps of them is bounded."""
    for number in range(100):
        take_apart(f"What is {number}?")
    assert take_apart.cache_info().currsize <= MAX_REMEMBERED
    assert take_apart("y" * 10 * MAX_QUESTION_CHARS).question == ""
