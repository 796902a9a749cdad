"""What follows from findings: a checker's word counts once, and the doubts of several add up."""

import pytest

from actors.spans.checkers.arrays import arrays_of
from actors.spans.checkers.finding import Arrivals, Finding, Severity, by_row, judge, score
from actors.spans.columns import Rows
from actors.spans.opened import Opened
from tests.unit.actors.spans.signed import signed_row
from tests.unit.actors.spans.telemetry import NOW_S, span, writer_id


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


def test_what_is_critical_or_below_the_threshold_is_set_aside() -> None:
    """And what is at it is not; everything that was found comes with the result."""
    warnings = [finding("A", Severity.WARNING), finding("B", Severity.WARNING)]
    assert judge([finding("A", Severity.CRITICAL)], 0.0).action_taken == "quarantine"
    assert judge(warnings, 0.5).action_taken == "quarantine"
    assert judge(warnings[:1], 0.7).action_taken == "accept"
    result = judge(warnings, 0.4)
    assert (result.action_taken, result.individual_results, result.why) == ("accept", tuple(warnings), "odd; odd")


def test_where_nobody_can_tell_the_row_waits_unless_it_is_wrong_anyway() -> None:
    """A forgery is one at any time."""
    undecided = finding("A", Severity.UNDECIDED)
    assert judge([undecided], 0.5).action_taken == "wait"
    assert judge([undecided, finding("A", Severity.CRITICAL)], 0.5).action_taken == "quarantine"


def test_findings_are_put_together_by_row() -> None:
    """Two of one row, one of another."""
    other = Finding("W", 2, "A", "odd", Severity.NOTICE)
    found = by_row([finding("A", Severity.NOTICE), other, finding("B", Severity.NOTICE)])
    assert {place: len(several) for place, several in found.items()} == {
        ("01J0000000000000000000000W", 1): 2,
        ("W", 2): 1,
    }


def test_what_is_made_of_rows_is_made_once() -> None:
    """Whoever asks, for each thing that is made of them."""
    calls: list[int] = []

    def counted(parts: object) -> int:
        calls.append(1)
        return len(calls)

    arrivals = Arrivals([Rows(writer_id(1), 1, 1, [span(1)])], NOW_S)
    assert (arrivals.once(counted), arrivals.once(counted), calls) == (1, 1, [1])
    assert arrivals.arrays is arrivals.once(arrays_of)
    assert arrivals.arrays.spans == [span(1)]


def test_a_record_is_there_once_its_envelope_was_opened() -> None:
    """And only if it could be."""
    writer = writer_id(1)
    arrivals = Arrivals([Rows(writer, 1, 1, [signed_row(writer, 1)]), Rows(writer, 2, 1, [span(2, b"{}")])], NOW_S)
    assert [arrivals.record(at) for at in (0, 1)] == [None, None]
    first, second = arrivals.open(0), arrivals.open(1)
    assert isinstance(first, Opened)
    assert arrivals.record(0) is first.record
    assert isinstance(second, str)
    assert "envelope" in second
    assert arrivals.record(1) is None
