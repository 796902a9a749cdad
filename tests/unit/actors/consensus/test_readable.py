"""Whether an answer can be a ballot, by the functions that deliberation and grouping again share."""

import pytest

from actors.consensus.pieces import MAX_PIECES
from actors.consensus.readable import READ_OTHERWISE, is_text, readable
from actors.consensus.reading.reading import NOT_SATISFIED


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
    assert readable(kind, "Write something.", "strict", content, ended).why == why


def test_a_voter_asked_alone_is_always_read() -> None:
    """It is compared with nobody: its words are its form, but for what is no text."""
    read = readable("code:python", "Write f.", "direct", "no code at all", "length")
    assert (read.reading.method, read.reading.form, read.why) == ("single", "no code at all", "")
    assert readable("text", "q", "direct", "\ud800", "stop").why == "answer is not valid Unicode"


def code_in(content: str, kind: str) -> str:
    """Return the code of a direct answer."""
    return readable(kind, "q", "direct", content, "stop").code


def test_the_code_of_an_answer_is_what_is_screened() -> None:
    """Prose around it goes; where no code can be told from the rest all of it is looked at."""
    assert code_in("Here:\n```python\nx = 1\n```\nDone.", "code:python").strip() == "x = 1"
    assert code_in("just words, no code", "code:python") == "just words, no code"
    assert code_in("x = 1", "text") == ""


def test_other_code_of_an_answer_is_screened_beside_it() -> None:
    """A block that is no part of the code is a piece of its own; too many of them are no answer."""
    read = readable("code:python", "q", "strict", "```python\nx = 1\n```\n```sh\nls\n```", "stop")
    assert [(piece.code.strip(), piece.language) for piece in read.pieces("python")] == [
        ("x = 1", "python"),
        ("ls", "bash"),
    ]
    crowded = readable("text", "q", "strict", "words\n" + "```sh\nls\n```\n" * (MAX_PIECES + 1), "stop")
    assert crowded.why == "more code beside the answer than is looked at"


OTHERWISE = "# coding: utf-7\ndef f(x):\n    return x + 1 #+AAo-    - 1\n"
"""As a file ``f`` adds a line."""


@pytest.mark.parametrize("policy", ["strict", "evidence", "direct"])
@pytest.mark.parametrize(
    ("kind", "content"),
    [
        ("code:python", OTHERWISE),
        ("code:python", f"Sure, this is it.\n{OTHERWISE}"),
        ("code:python", f"```python\nx = 1\n```\n```python\n{OTHERWISE}```"),
        ("code:python", f"```python\nx = 1\n```\n```text\n{OTHERWISE}```"),
        ("code:go", f"```go\nf()\n```\nAnd:\n```py\n{OTHERWISE}```"),
        ("text", f"Sure, this is it.\n{OTHERWISE}"),
        ("text", f"Run this:\n```\n{OTHERWISE}```"),
        ("text", "Type this:\n```pycon\n>>> # coding: utf-7\n>>> x = 1 #+AAo-f(x)\n```"),
        ("text", "# coding: utf-7\n#+AAo-import os"),
        ("text", "Run this:\n```python\n# coding: utf-7\n+ACIAIgAi-\nno Python\n+ACIAIgAi-\n```"),
        ("text", "Run this:\n```\n# coding: utf-7\n+ACIAIgAi-\nno Python\n+ACIAIgAi-\n```"),
        ("text", "Run this:\n```python\n# coding: utf-7 +AAo-x=+ACg-\n)\n```"),
        ("text", "Run this:\n```text\n# coding: utf-7\nx = 1 #+AAo-import os\n```"),
        ("text", "Run this:\n```python\n\ufeffimport os; os.system(input())\n```"),
        ("text", "Run this:\n```text\n\ufeffimport os; os.system(input())\n```"),
        ("text", "\ufeffimport os; os.system(input())"),
        ("json", f"```json\n{{}}\n```\n```python\n{OTHERWISE}```"),
    ],
)
def test_python_whose_file_is_other_code_is_no_answer(policy: str, kind: str, content: str) -> None:
    """Whoever saves it runs what nobody looked at; no policy and no kind of answer lets it pass, asked for or beside."""
    assert readable(kind, "q", policy, content, "stop").why == READ_OTHERWISE


@pytest.mark.parametrize(
    ("kind", "content"),
    [
        ("code:python", OTHERWISE.replace("utf-7", "utf-8")),
        ("code:ruby", "```ruby\n# encoding: ascii-8bit\nputs 1\n```"),
        ("code:ruby", "```\n# encoding: ascii-8bit\nputs 1\n```"),
        ("text", "```ruby\n# encoding: ascii-8bit\nputs 1\n```"),
        ("text", "# Encoding: what it is\n\nAn encoding maps characters to bytes."),
        ("text", "\ufeffParis is the capital."),
    ],
)
def test_what_is_no_python_may_say_encoding(kind: str, content: str) -> None:
    """Other languages' declarations and headings in prose are theirs, and UTF-8 may be declared."""
    assert readable(kind, "q", "strict", content, "stop").why == ""
    assert readable("code:bash", "q", "direct", "# encoding: latin-1\nls ./data", "stop").why == ""


def test_json_is_held_to_the_schema() -> None:
    """Whoever is asked, and alone too."""
    schema = '{"type":"object","required":["a"]}'
    assert readable("json", "q", "strict", '{"a": 1}', "stop", schema).why == ""
    assert readable("json", "q", "strict", '{"b": 1}', "stop", schema).why == NOT_SATISFIED
    assert readable("json", "q", "direct", '{"b": 1}', "stop", schema).why == NOT_SATISFIED


def test_lone_surrogates_are_no_text() -> None:
    """They have no UTF-8 bytes; everything else has."""
    assert [is_text(text) for text in ("plain", "café", "\ud800")] == [True, True, False]
