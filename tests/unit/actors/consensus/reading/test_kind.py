"""Which kind of answer a question wants."""

import time

import pytest

from actors.consensus.reading.kind import WINDOW_CHARS, answer_kind


@pytest.mark.parametrize(
    ("question", "kind"),
    [
        ("Write a Python function is_prime(n)", "code:python"),
        ("Implement a JavaScript function that debounces", "code:javascript"),
        ("def add(a, b):\n    pass", "code:python"),
        ('def f(x):\n    """Lets go through the SQL in Java."""\n', "code:python"),
        ("from typing import List\n\n\ndef f(x):\n", "code:python"),
        ("class A:\n    pass", "code:python"),
        ("Write a function in JavaScript", "code:javascript"),
        ("Write a function to sort a list, then go on", "code:python"),
        ("Write a Go function", "code:go"),
        ("Implement a function in Go", "code:go"),
        ("Write a program in C that adds", "code:c"),
        ("Write a C++ class", "code:cpp"),
        ("Write code in golang", "code:go"),
        ("Translate this Python function to Rust:\n```python\ndef f(): pass\n```", "code:rust"),
        ("```python\ndef f(): pass\n```\nRewrite this method in TypeScript.", "code:typescript"),
        ("Complete:\n```ts\nfunction f(a) {\n```", "code:typescript"),
        ("Complete:\n```js\n// like Python\n```", "code:javascript"),
        ("Complete this:\n```\ndef f(x):\n```", "code:python"),
        ("function add(a, b) {", "code:javascript"),
        ("const add = (a, b) =>", "code:javascript"),
        ("function add(a: number, b: number): number {", "code:typescript"),
        ("fn add(a: i32) -> i32 {", "code:rust"),
        ("func Add(a int) int {", "code:go"),
        ("public static int add(int a) {", "code:java"),
        ("#include <stdio.h>\nint main() {", "code:cpp"),
        ("SELECT name\nFROM users WHERE", "code:sql"),
        ("Write an SQL query that counts users", "code:sql"),
        ("Write a query for PostgreSQL", "code:sql"),
        ("Write a Python script using SQLite", "code:python"),
        ("Write a Python function that runs a SQL query", "code:python"),
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


def test_of_a_long_question_the_ends_decide() -> None:
    """What is asked for stands at the beginning or the end; the middle of a long question is not searched."""
    filling = "lorem ipsum. " * WINDOW_CHARS
    assert answer_kind("auto", f"Write a Rust function.\n{filling}") == "code:rust"
    assert answer_kind("auto", f"{filling}\nWrite a Rust function.") == "code:rust"
    assert answer_kind("auto", f"{filling}\nWrite a Rust function.\n{filling}") == "text"


@pytest.mark.parametrize("piece", ["\n", " \n", "write ", "1 ", "\ud800", "``"])
def test_no_question_takes_longer_than_its_length(piece: str) -> None:
    """Twice the question takes about twice the time, and beyond the windows nothing more."""
    question = piece * WINDOW_CHARS
    short, full = _least_s(question[: WINDOW_CHARS - 10]), _least_s(question[: 2 * WINDOW_CHARS - 20])
    assert full < 3 * short + 0.002
    assert _least_s(question * 4) < 2 * full + 0.005


def _least_s(question: str) -> float:
    took = []
    for _ in range(5):
        start = time.process_time()
        answer_kind("auto", f"Hello{question}there")
        took.append(time.process_time() - start)
    return min(took)
