"""Examples that state arguments and value without a call."""

import pytest

from actors.consensus.reading.examples_stated import stated_examples
from actors.consensus.reading.signatures import signature_of


def read(text: str, parameters: str = "a, b=0") -> list[tuple[str, str]]:
    """Return the calls and values read from a text about ``f`` with these parameters."""
    signature = signature_of(f"def f({parameters}):\n")
    assert signature is not None
    return [(found.call, found.value) for found in stated_examples(text, signature)]


@pytest.mark.parametrize(
    ("text", "parameters", "call"),
    [
        ("Input: [4,2]\nOutput: 7", "arr", "f([4, 2])"),
        ("Example 1:\n\n  Input: arr = [4], k = 2\n  Output: 7\n", "arr, k", "f([4], 2)"),
        ("Input: k = 2, arr = [4]\nOutput: 7", "arr, k", "f([4], 2)"),
        ("Input:\n  grid : [[0], [1]]\n  bucket_capacity : 1\nOutput: 7", "grid, capacity", "f([[0], [1]], 1)"),
        ("**Input:** `'ab'`\n**Output:** `7`", "s", "f('ab')"),
        ("Input: 1, 2 -> Output: 7", "a, b", "f(1, 2)"),
        ("input: 1\nexpected output: 7", "a, b=0", "f(1)"),
        ("Sample Input 1: 1\nSample Output 1: 7", "a", "f(1)"),
        ("Input: f(1, b=2)\nOutput: 7", "a, b", "f(1, b=2)"),
        ("Input: true\nOutput: 7\nExplanation: it is.", "a", "f(True)"),
        ("Input: 1; Expected: 7.", "a", "f(1)"),
        ("For a = 1 the output should be 7.", "a", "f(1)"),
        ("For a = 1, b = 2, the result should be 7", "a, b", "f(1, 2)"),
        ("For `a` = 1 and b = 2  the output is `7`.", "a, b", "f(1, 2)"),
        ("For a = 1, the sum of digits will be 1 the output should be 7.", "a", "f(1)"),
        ("Given the input [1], the function should return 7.", "a", "f([1])"),
        ("| input | output |\n|-------|--------|\n| `1` | `7` |\n", "a", "f(1)"),
        ("| a | b | Expected |\n|:-:|---|---|\n| 1 | 2 | 7 |\n", "a, b", "f(1, 2)"),
        ("b | a | result\n--|--|--\n2 | 1 | 7\n", "a, b", "f(1, 2)"),
        ("| call | returns |\n|---|---|\n| `f(1)` | 7 |\n", "a", "f(1)"),
    ],
)
def test_arguments_go_to_their_parameters(text: str, parameters: str, call: str) -> None:
    """Pairs, sentences and tables, by name or in order, give one call and its value."""
    assert read(text, parameters) == [(call, "7")]


@pytest.mark.parametrize(
    ("text", "parameters"),
    [
        ("Input: [1, 2]\nOutput: 3", "a, b"),
        ("Input: 1, 2\nOutput: 3", "a"),
        ("Input: 1\nOutput: 3", "*a"),
        ("Input: 1\nOutput: 3", "a, *, k"),
        ("Input: b = 1, c = 2\nOutput: 3", "a, b"),
        ("Input: b = 1\nOutput: 3", "a, b=2"),
        ("Input: a = 1, a = 2\nOutput: 3", "a, b"),
        ("Input: hello\nOutput: 3", "a"),
        ("Input: 1 apple\nOutput: 3", "a"),
        ("Input: 1\nSome words.\nOutput: 3", "a"),
        ("Input: 1\nOutput: 3 or 4", "a"),
        ("Input: 1\nOutput: a list", "a"),
        ("For a = 1 the output should not be 3.", "a"),
        ("For a = 1 if sorted the output should be 3.", "a"),
        ("For a = 1. For others, the output should be 3.", "a"),
        ("For a = 1 and for a = 2 the output should be 3.", "a"),
        ("| input | output |\n|---|---|\n| 1 | or 3 |\n", "a"),
        ("| a | output |\n|---|---|\n| 'x|y' | 3 |\n", "a"),
        ("| input | meaning | output |\n|---|---|---|\n| 1 | 2 | 3 |\n", "a"),
        ("| input | output |\n| 1 | 3 |\n", "a"),
        ("GPA | Letter\n4.0  A+\n", "a"),
    ],
)
def test_what_does_not_fit_the_parameters_is_no_example(text: str, parameters: str) -> None:
    """A wrong count, other names, words between and columns of unknown meaning leave no example."""
    assert read(text, parameters) == []
