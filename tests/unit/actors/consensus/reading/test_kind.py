"""Which kind of answer a question wants."""

import pytest

from actors.consensus.reading.kind import answer_kind


@pytest.mark.parametrize(
    ("question", "kind"),
    [
        ("Write a Python function is_prime(n)", "code:python"),
        ("Implement a JavaScript function that debounces", "code:javascript"),
        ("def add(a, b):\n    pass", "code:python"),
        ("Give me the planets as JSON", "json"),
        ("What is the capital of France?", "value"),
        ("How many days are in a week?", "value"),
        ("12 * 12", "value"),
        ("Why is the sky blue?", "text"),
        ("Explain what a monad is", "text"),
        ("Hello there", "text"),
    ],
)
def test_the_question_decides_the_kind(question: str, kind: str) -> None:
    """The kind follows from the question's own words."""
    assert answer_kind("auto", question) == kind


def test_the_request_overrides_the_question() -> None:
    """A client that names a kind gets it."""
    assert answer_kind("text", "Write a Python function f") == "text"
    assert answer_kind("code", "What is the capital of France?") == "code:python"
    assert answer_kind("code", "the fastest sort in Rust") == "code:rust"
