"""The words deliberation is spoken in."""

import pytest

from tests.unit.actors.consensus.world import plan


@pytest.mark.parametrize(
    ("kind", "language"), [("code:python", "python"), ("code:c++", "c++"), ("json", ""), ("text", ""), ("value", "")]
)
def test_the_language_is_that_of_the_code_asked_for(kind: str, language: str) -> None:
    """Whatever is no code has none, and is not screened."""
    assert plan([], kind=kind).language == language
