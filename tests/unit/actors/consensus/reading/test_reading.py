"""Reading by kind, and reading whatever a voter may say."""

import json
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from actors.base.digests import sha256_hex
from actors.consensus.reading.reading import NOT_SATISFIED, Reading, read_answer, single_answer

KINDS = ("value", "json", "text", "code:python", "code:go", "code:", "code:javascript", "code:typescript", "code:sql")
SIZE = 65_536  # as long as an answer gets

HOSTILE = {
    "endless digits": "x = 0x" + "f" * 5000,
    "endless number": "9" * SIZE,
    "endless exponent": "1e" + "9" * SIZE,
    "escaped surrogate": '{"a": "\\ud800"}',
    "surrogate": '{"a": "\ud800"}',
    "surrogates": "\ud800" * SIZE,
    "number words": "thousand " * 1500,
    "nested brackets": "[" * 30_000 + "]" * 30_000,
    "nested objects": '{"a":' * 10_000,
    "nested signs": "-" * SIZE + "1",
    "nested lambdas": "lambda:" * 9000 + "0",
    "nested attributes": "a" + ".a" * 30_000,
    "zero bytes": "\0" * SIZE,
    "emoji": "\U0001f44d",
    "one fence": "```" + " " * SIZE,
    "blank": " \n\t",
}


def test_every_kind_names_its_method() -> None:
    """The method says how answers of the kind are compared, and prose never claims more than similarity."""
    assert read_answer("code:python", "q", "x = 1").method == "syntax"
    assert read_answer("code:go", "q", "```go\nx\n```").method == "syntax"
    assert read_answer("code:sql", "q", "SELECT 1").method == "syntax"
    assert read_answer("json", "q", "{}").method == "canonical"
    assert read_answer("value", "q?", "42").method == "value"
    assert read_answer("text", "q", "words").method == "similarity"
    assert read_answer("value", "q?", " ").method == "value"
    assert read_answer("code:python", "q", "x = 0x" + "f" * 5000).method == "syntax"


def test_a_reading_carries_the_digest_of_its_form() -> None:
    """Ballots are grouped by the SHA-256 of the form."""
    reading = read_answer("value", "What is the capital of France?", "Paris")
    assert (reading.form, reading.sha256) == ("paris", sha256_hex(b"paris"))


@pytest.mark.parametrize("content", ["Paris", "\U0001f44d"])
def test_a_single_answer_has_a_digest_even_if_it_cannot_be_read(content: str) -> None:
    """What is compared with nothing stands for itself."""
    single = single_answer(read_answer("value", "q?", content), content)
    assert (single.method, single.sha256, single.why_invalid) == ("single", sha256_hex(single.form.encode()), "")
    assert single.form.casefold() == content.casefold()


@pytest.mark.parametrize(
    ("kind", "content"),
    [
        ("value", " \n"), ("json", "nope"), ("code:python", "nope!"), ("code:go", "nope"), ("text", "\U0001f44d"),
        ("value", "\U0001f44d"), ("json", '"\\ud800"'), ("text", "\ud800"), ("code:python", "x = 0x" + "f" * 5000),
    ],
)  # fmt: skip
def test_unreadable_answers_say_why(kind: str, content: str) -> None:
    """An answer without words, that does not parse or cannot be written down has no form, no digest and a reason."""
    reading = read_answer(kind, "q?", content)
    assert (reading.form, reading.sha256) == ("", "")
    assert reading.why_invalid


@pytest.mark.parametrize("content", HOSTILE.values(), ids=HOSTILE)
@pytest.mark.parametrize("kind", KINDS)
def test_no_answer_can_make_reading_fail(kind: str, content: str) -> None:
    """Digits, surrogates and nesting without end cost the voter's ballot, never the request; a form has its digest."""
    for question in ("How many?", content):
        reading = read_answer(kind, question, content)
        assert bool(reading.form) == bool(reading.sha256) == (not reading.why_invalid)


PIECES = st.sampled_from(
    [
        "```",
        "\n",
        " ",
        "=",
        "def f(x):",
        "return",
        "0x",
        "f" * 4400,
        "\ud800",
        "\\ud800",
        '"',
        "{",
        "[" * 90,
        ")",
        "not",
    ]
)
ANSWERS = st.lists(PIECES | st.text(max_size=3), max_size=30).map("".join)


@given(st.sampled_from(KINDS), ANSWERS, ANSWERS)
def test_reading_is_total(kind: str, question: str, content: str) -> None:
    """Every text of the pieces that programs, JSON and fences are made of has a reading, with a digest or a reason."""
    reading = read_answer(kind, question, content)
    assert len(reading.sha256) == (64 if reading.form else 0)
    assert bool(reading.form) != bool(reading.why_invalid)


@given(st.text(max_size=20))
def test_reading_json_is_total(text: str) -> None:
    """Whatever string stands in JSON, there is a digest or a reason."""
    reading = read_answer("json", "q", json.dumps(text))
    assert bool(reading.sha256) != bool(reading.why_invalid)


SLOW = {
    "value": ["a" + " " * SIZE + "b", "a =" + " " * SIZE + "= b", "one " * (SIZE // 4), "\n" * SIZE + "a", " -" * (SIZE // 2)],
    "json": ["```" + " " * SIZE, "```\n" * (SIZE // 4), "[" * SIZE],
    "code:python": ["```" + " " * SIZE, "x = 1\n" * (SIZE // 8) + "z ) (\n" * (SIZE // 16), "some words\n" * (SIZE // 11)],
    "code:javascript": ["let a = [1];\n" * (SIZE // 13), "'" * 16_000, "'a' " * 4_000, "some words\n" * (SIZE // 11)],
    "code:typescript": ["a<b," * 4_000, "a<" * 8_000, "(a)=>" * 3_000],
    "code:sql": ["select " * 2_000, "f<(" * 5_000, "(" * 16_000],
    "text": ["word " * (SIZE // 5), " " * SIZE],
}  # fmt: skip


@pytest.mark.parametrize(
    ("kind", "content"), [(kind, content) for kind, contents in SLOW.items() for content in contents]
)
def test_the_work_of_reading_grows_with_the_length_of_the_answer(kind: str, content: str) -> None:
    """Four times the answer takes about four times the time, not sixteen: nothing is repeated for every character."""
    quarter = content[: len(content) // 4]
    assert _least_s(kind, content) < 9 * _least_s(kind, quarter) + 0.02


def _least_s(kind: str, content: str) -> float:
    took = []
    for _ in range(5):
        start = time.process_time()
        read_answer(kind, "How many days are there?", content)
        took.append(time.process_time() - start)
    return min(took)


def test_json_that_does_not_satisfy_the_schema_is_no_answer() -> None:
    """Its form is none and the reason says so; what satisfies it reads as without a schema."""
    schema = '{"type":"object","required":["a"]}'
    assert read_answer("json", "q", '{"a": 1}', schema) == read_answer("json", "q", '{"a": 1}')
    assert read_answer("json", "q", '{"b": 1}', schema) == Reading("", "canonical", NOT_SATISFIED)
    assert read_answer("json", "q", "{", schema).why_invalid == "no JSON that parses"


@pytest.mark.parametrize(
    "content", ['```json\n{"a": 1}\n```', 'Sure:\n```json\n{"a": 1}\n```\nrun this', '{"a": 1} there']
)
def test_with_a_schema_the_whole_answer_is_json(content: str) -> None:
    """Whoever gives one reads the answer with a parser: no fence and no word around it."""
    assert read_answer("json", "q", content, '{"type":"object"}').form == ""
