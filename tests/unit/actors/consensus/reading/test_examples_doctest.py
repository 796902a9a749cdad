"""Examples in doctest notation."""

import pytest

from actors.consensus.reading.examples_doctest import doctest_examples


def read(text: str) -> list[tuple[str, str]]:
    """Return the calls and values read from a text about the function ``f``."""
    return [(found.call, found.value) for found in doctest_examples(text, ["f"])]


@pytest.mark.parametrize(
    ("text", "found"),
    [
        (">>> f(1)\n2\n", ("f(1)", "2")),
        ("    >>> f(1)\n    True\n    ", ("f(1)", "True")),
        (">>> f(1)  # one\n'a'\n>>> f(2)", ("f(1)", "'a'")),
        (">>> f(1)\n'it\\'s'\n\nText", ("f(1)", '"it\'s"')),
        (">>> f([1,\n...    2])\n[1,\n2]\n", ("f([1, 2])", "[1, 2]")),
        ('>>> f(1)\n2"""', ("f(1)", "2")),
        (">>> f(1)\n2\n```\n", ("f(1)", "2")),
        ("  >>> f(1)\n 2\n", ("f(1)", "2")),
        (">>>f(1)\n2\n", ("f(1)", "2")),
        (">>> round(f(1), 2)  # near\n-0.5\n", ("round(f(1), 2)", "-0.5")),
        (">>> sorted(f('b'))\n['a']\n", ("sorted(f('b'))", "['a']")),
        (">>> f(1)\nhello\n", None),
        (">>> f(1)\n2\n3\n", None),
        (">>> f(x)\n2\n", None),
        (">>> g(1)\n2\n", None),
        (">>> f(1) + 1\n2\n", None),
        (">>> exec(f(1))\n2\n", None),
        (">>> print(f(1))\n2\n", None),
        (">>> f(f(1))\n2\n", None),
        (">>> x = f(1)\n2\n", None),
        (">>> f(1)\n\n2\n", None),
        (">>> f(1)\nTraceback (most recent call last):\nValueError\n", None),
        (">>> f(1)", None),
    ],
)
def test_a_call_and_the_literal_under_it_are_an_example(text: str, found: tuple[str, str] | None) -> None:
    """Several lines, comments, docstring ends and builtins that look; but no printed text, session or error."""
    assert read(text) == ([found] if found else [])
