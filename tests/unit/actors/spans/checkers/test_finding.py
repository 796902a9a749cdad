"""What follows from findings: a checker's word counts once, and the doubts of several add up."""

import pytest

from actors.spans.checkers.finding import Finding, Severity, score


def finding(checker: str, severity: Severity) -> Finding:
    """Return a finding of that checker."""
    return Finding("01J0000000000000000000000W", 1, checker, "odd", severity)


def test_a_row_of_which_nothing_is_said_is_trusted() -> None:
    """No finding takes nothing."""
    assert score([]) == 1.0


def test_many_words_of_one_checker_are_its_gravest() -> None:
    """Twenty notices and a warning of one checker are one warning."""
    words = [finding("A", Severity.NOTICE)] * 20 + [finding("A", Severity.WARNING)]
    assert score(words) == score([finding("A", Severity.WARNING)]) == pytest.approx(0.7)


def test_doubts_of_several_checkers_add_up() -> None:
    """Three warnings of three checkers leave less than one."""
    assert score([finding(name, Severity.WARNING) for name in "ABC"]) == pytest.approx(0.343)


def test_one_critical_word_leaves_nothing() -> None:
    """Whatever else is said."""
    assert score([finding("A", Severity.NOTICE), finding("B", Severity.CRITICAL)]) == 0.0
