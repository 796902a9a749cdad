"""Patterns that take exponential time."""

import pytest

from actors.consensus.screening import patterns
from tests.unit.actors.consensus.screening.rules import rejected


@pytest.mark.parametrize(
    ("code", "rule"),
    [
        ("import re\nre.compile(r'^(a+)+$')", "pattern-exponential"),
        ("import re\nre.match(r'(\\w*)*x', 'a')", "pattern-exponential"),
        ("import re\nP = r'(.*,)*end'\nre.search(P, 'a')", "pattern-exponential"),
    ],
)
def test_what_is_wrong_is_rejected(code: str, rule: str) -> None:
    """Each snippet is rejected by the rule that is for it."""
    assert rule in rejected(patterns.check, code)


@pytest.mark.parametrize(
    "code",
    [
        "import re\nre.compile(r'^[a-z]+(-[a-z]+)*$')",
        "import re\nre.compile(r'(ab)+c')",
        "import re\nre.compile('a' * 10)",
    ],
)
def test_what_is_right_is_not_rejected(code: str) -> None:
    """The sound way of doing the same is let through."""
    assert rejected(patterns.check, code) == set()
