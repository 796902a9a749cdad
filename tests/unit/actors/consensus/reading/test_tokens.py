"""The tokens of a line."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from actors.consensus.reading.tokens import is_number, plain_number, tokens


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("The **Capital**, (France)!", ["the", "capital", "france"]),
        ("twenty-four two hundred five thousand", ["24", "205000"]),
        ("two, three", ["2", "3"]),
        ("one thousand thousand", ["1000", "1000"]),
        ("zero seven", ["0", "7"]),
        ("1,000 1,00 1,2", ["1000", "1,00", "1,2"]),
        ("5 minus 3", ["5", "minus", "3"]),
        ("minus 3", ["-3"]),
        ("12+30=42", ["12", "+", "30", "=", "42"]),
        ("x<=5 x!=5 a==b", ["x<=5", "x!=5", "a==b"]),
        ("10² m² 3½ H₂O", ["10^2", "m^2", "3", "1/2", "H2O"]),
        ("83% 83 percent", ["83", "%", "83", "%"]),
        ("CO Co PARIS iPhone", ["CO", "co", "paris", "iPhone"]),
        ("A week. Vitamin A", ["a", "week", "vitamin", "A"]),
        ("n! 5! Yes!", ["n!", "5!", "yes"]),
        ("[0,1) f(x) $5 3.14...", ["[0,1)", "f(x)", "$5", "3.14..."]),
    ],
)
def test_a_line_is_taken_apart_without_losing_what_counts(line: str, expected: list[str]) -> None:
    """Words, numbers, and everything else as it was written."""
    assert tokens(line) == expected


def test_numbers_are_told_and_made_plain() -> None:
    """Zeros and plus signs that change nothing go, and zero has no sign."""
    assert [plain_number(n) for n in ("007", "+5", "1.50", "-0.0", ".5", "100")] == ["7", "5", "1.5", "0", "0.5", "100"]
    assert [is_number(n) for n in ("1", "-1.5", "1,2", "1/2", "x", "1.")] == [True, True, False, False, False, False]


@given(st.integers(min_value=1, max_value=999_999))
def test_numbers_in_words_are_numbers(number: int) -> None:
    """Every number below a million that is said in English is read as it is written."""
    assert tokens(_said(number)) == [str(number)]


@given(st.text(max_size=200))
def test_any_line_has_tokens(line: str) -> None:
    """No token is empty or holds a blank, so that a form's words are its tokens."""
    assert all(token and not token.isspace() and " " not in token for token in tokens(line))


def _said(number: int) -> str:
    units = "zero one two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen sixteen seventeen"
    small = f"{units} eighteen nineteen".split()
    tens = "twenty thirty forty fifty sixty seventy eighty ninety".split()
    if number >= 1000:
        return f"{_said(number // 1000)} thousand" + (f" {_said(number % 1000)}" if number % 1000 else "")
    if number >= 100:
        return f"{small[number // 100]} hundred" + (f" {_said(number % 100)}" if number % 100 else "")
    if number < 20:
        return small[number]
    return tens[number // 10 - 2] + (f"-{small[number % 10]}" if number % 10 else "")
