"""Whether an answer can be a ballot, by the functions that deliberation and grouping again share."""

import pytest

from actors.consensus.readable import code_in, is_text, readable


@pytest.mark.parametrize(
    ("kind", "content", "ended", "why"),
    [
        ("code:python", "def f(): pass", "stop", ""),
        ("code:python", "def f(): pass", "length", "answer cut off by max_tokens"),
        ("json", '{"a": 1}', "length", "answer cut off by max_tokens"),
        ("text", "some words", "length", ""),
        ("text", "some \ud800 words", "stop", "answer is not valid Unicode"),
        ("text", " ", "stop", "empty answer"),
    ],
)
def test_an_answer_counts_or_says_why_not(kind: str, content: str, ended: str, why: str) -> None:
    """Broken-off code is none, prose may end anywhere, and what is no text is no answer."""
    assert readable(kind, "Write something.", "strict", content, ended)[1] == why


def test_a_voter_asked_alone_is_always_read() -> None:
    """It is compared with nobody: its words are its form, but for what is no text."""
    reading, why = readable("code:python", "Write f.", "direct", "no code at all", "length")
    assert (reading.method, reading.form, why) == ("single", "no code at all", "")
    assert readable("text", "q", "direct", "\ud800", "stop")[1] == "answer is not valid Unicode"


def test_the_code_of_an_answer_is_what_is_screened() -> None:
    """Prose around it goes; where no code can be told from the rest all of it is looked at."""
    assert code_in("Here:\n```python\nx = 1\n```\nDone.", "python").strip() == "x = 1"
    assert code_in("just words, no code", "python") == "just words, no code"
    assert code_in("x = 1", "") == ""


def test_lone_surrogates_are_no_text() -> None:
    """They have no UTF-8 bytes; everything else has."""
    assert [is_text(text) for text in ("plain", "café", "\ud800")] == [True, True, False]
