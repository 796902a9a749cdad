"""Characters that deceive the eye."""

import pytest

from actors.consensus.screening.characters import check


@pytest.mark.parametrize(
    ("text", "rule", "verdict"),
    [
        ("x = 1  # \u202e", "text-bidi", "reject"),
        ("x\u200b = 1", "text-invisible", "reject"),
        ("x = 'a\u200bb'", "text-invisible", "flag"),
        ("\u0430dmin = 1", "text-homoglyph", "reject"),
        ("\uff41\uff42 = 1", "text-homoglyph", "reject"),
        ("x = 1\x08", "text-control", "reject"),
    ],
)
def test_deception_is_found(text: str, rule: str, verdict: str) -> None:
    """Reordering, invisible, look-alike and control characters are found where they stand."""
    assert [(f.rule, f.verdict, f.line) for f in check("\n" + text)] == [(rule, verdict, 2)]


@pytest.mark.parametrize("text", ["x = 'грüße'", "größe = 1", "имя = 1", "# これは", "x = 1\n\ty = 2\f"])
def test_people_may_write_their_language(text: str) -> None:
    """Words wholly in one script, and text in strings and comments, are nothing."""
    assert list(check(text)) == []
