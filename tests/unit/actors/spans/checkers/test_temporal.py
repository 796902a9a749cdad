"""Each way in which times cannot be is found as that, and what the running system emits is not."""

import msgspec
import pytest

from actors.spans.checkers import arrays
from actors.spans.checkers.finding import Arrivals, Finding, Severity
from actors.spans.checkers.temporal import MAX_WRITERS, Bounds, TemporalConsistencyValidator
from actors.spans.columns import Rows
from actors.spans.feedback import Feedback, feedback_span
from actors.spans.span import Span
from tests.unit.actors.spans.telemetry import NOW_S, span, writer_id

S = 1_000_000_000
NOW_NS = int(NOW_S) * S
W = writer_id(1)
BOUNDS = Bounds(skew_s=300, max_span_s=3600, stale_after_s=3 * 86_400)


def timed(start_s: float, end_s: float, seq: int = 1, **changes: object) -> Span:
    """Return a span with these times, in seconds from now."""
    times = {"start_unix_nano": NOW_NS + round(start_s * S), "end_unix_nano": NOW_NS + round(end_s * S)}
    return span(seq, **(times | changes))


def found(
    *spans: Span, checker: TemporalConsistencyValidator | None = None, writer: str = W, at_s: float = 0.0
) -> list[str]:
    """Return the kinds of what is found of rows of a writer."""
    checker = checker or TemporalConsistencyValidator(BOUNDS)
    return [one.kind for one in checked(checker, *spans, writer=writer, at_s=at_s)]


def checked(
    checker: TemporalConsistencyValidator, *spans: Span, writer: str = W, at_s: float = 0.0, first_seq: int = 1
) -> list[Finding]:
    """Return what is found of rows of a writer."""
    return checker.check(Arrivals([Rows(writer, first_seq, 1, spans)], NOW_S + at_s))


def test_a_span_ends_after_it_began() -> None:
    """One that ends before is none; one that ends at once is."""
    assert found(timed(10, 9)) == ["end_before_start"]
    assert found(timed(0, 0)) == []


def test_a_span_lasts_no_longer_than_any_can() -> None:
    """An hour, and a second more."""
    early = writer_id(-4_000_000)
    assert found(timed(-3600, 0), writer=early) == []
    assert found(timed(-3601, 0), writer=early) == ["too_long"]


@pytest.mark.parametrize(
    ("latency_ms", "kinds"), [(-1, []), (2000, []), (2001, []), (2002, ["latency"]), (0, ["latency"])]
)
def test_a_latency_is_how_long_it_lasted(latency_ms: int, kinds: list[str]) -> None:
    """To the millisecond, where there is one."""
    assert found(timed(-2, 0, latency_ms=latency_ms)) == kinds


def test_nothing_ends_in_the_future() -> None:
    """But for the skew; and an actor whose clock was set back does not take its own past for a future."""
    assert found(timed(0, 300)) == []
    assert found(timed(0, 301)) == ["future"]
    checker = TemporalConsistencyValidator(BOUNDS)
    assert found(timed(0, 900), checker=checker, at_s=900) == []
    assert found(timed(0, 900, seq=2), checker=checker, at_s=-7200) == []


def test_nothing_begins_before_its_writer_did() -> None:
    """A writer's id says when that was; give or take the skew. What is no such id says nothing."""
    assert found(timed(-299, 0)) == []
    assert found(timed(-301, 0)) == ["before_writer"]
    assert found(timed(-301, 0), writer="no-ulid") == []


def test_a_writer_does_not_go_back_in_time() -> None:
    """More than the longest span and the skew, within a batch and between batches; another writer's rows say nothing of it."""
    early, back = writer_id(-86_400_000), timed(-4000, -3901, 2)
    assert found(timed(-1, 0), back, writer=early) == ["backwards"]
    assert found(timed(-1, 0), timed(-3700, -3600, 2), writer=early) == []
    checker = TemporalConsistencyValidator(BOUNDS)
    checker.learn(Arrivals([Rows(early, 1, 1, [timed(-1, 0)]), Rows(W, 1, 1, [])], NOW_S))
    (one,) = checked(checker, back, writer=early, first_seq=2)
    assert (one.kind, one.severity, one.seq, one.evidence["back_ns"]) == (
        "backwards",
        Severity.CRITICAL,
        2,
        str(3901 * S),
    )
    assert found(back, checker=checker, writer=writer_id(-86_400_001)) == []


def test_what_claims_the_future_does_not_make_the_next_rows_old() -> None:
    """One forged row ahead of time sets itself aside and nothing else."""
    assert found(timed(0, 86_400 * 2), timed(-1, 0, 2), timed(0, 0, 3))[-1] != "backwards"
    kinds = found(timed(3599, 86_400), timed(-1, 0, 2))
    assert "backwards" not in kinds


def test_how_far_writers_came_is_remembered_of_the_latest_alone() -> None:
    """The memory is bounded."""
    checker = TemporalConsistencyValidator(BOUNDS)
    for number in range(MAX_WRITERS + 10):
        checker.learn(Arrivals([Rows(writer_id(number), 1, 1, [timed(-1, 0)])], NOW_S))
    assert len(checker._last_end_ns) == MAX_WRITERS
    assert writer_id(0) not in checker._last_end_ns


def decision(*children: Span) -> list[Span]:
    """Return a root of two seconds that carries a record, and its children."""
    root = timed(-2, 0, trace_id=b"t" * 16, decision_id="D", record=b"{}")
    return [root, *(msgspec.structs.replace(child, trace_id=b"t" * 16, decision_id="D") for child in children)]


def test_the_spans_of_a_decision_lie_within_it() -> None:
    """Rounding is no fault; before or behind it is. Spans of another decision or trace are not its."""
    assert found(*decision(timed(-2, -1, 2), timed(-2, 0.009, 3), timed(-2.009, -1, 4))) == []
    assert found(*decision(timed(-2, 0.02, 2))) == ["child_outside_parent"]
    assert found(*decision(timed(-2.02, 0, 2))) == ["child_outside_parent"]
    assert found(*decision(), timed(-4, 3, 2, decision_id="D"), timed(-4, 3, 3, trace_id=b"t" * 16)) == []


def test_feedback_comes_long_after_its_decision() -> None:
    """In a trace of its own, it may come in one batch with the decision."""
    word = feedback_span(Feedback("f", "D", "t-1", "accepted", ""), b"f" * 16, b"f" * 8, NOW_NS + 200 * S)
    assert found(*decision(), word) == []


def test_a_backlog_is_taken_in_and_what_is_too_old_waits() -> None:
    """A day without the actor is no finding; of what is older than any backlog nobody can tell, and it is said what to do."""
    checker = TemporalConsistencyValidator(BOUNDS)
    assert checked(checker, timed(-1, 0), at_s=86_400) == []
    (one,) = checked(checker, timed(-1, 0), at_s=3 * 86_400 + 1)
    assert (one.kind, one.severity) == ("stale", Severity.UNDECIDED)
    assert "wal_max_age_s" in one.evidence["why"]


def test_rows_of_nobody_are_no_rows() -> None:
    """An empty batch has no findings."""
    assert TemporalConsistencyValidator(BOUNDS).check(Arrivals([], NOW_S)) == []


def test_other_services_have_clocks_of_their_own(monkeypatch: pytest.MonkeyPatch) -> None:
    """Their spans may be of any time; one that ends before it began is odd, and nothing follows of theirs for ours."""
    monkeypatch.setattr(arrays, "is_external", lambda row: row.name == "theirs")
    checker = TemporalConsistencyValidator(BOUNDS)
    theirs = [
        timed(86_400, 2 * 86_400, 1, name="theirs"), timed(-90 * 86_400, 5, 2, name="theirs"), timed(-1, 0, 3),
        timed(9, 8, 4, name="theirs"),
    ]  # fmt: skip
    assert [(one.seq, one.kind, one.severity) for one in checked(checker, *theirs)] == [
        (4, "end_before_start", Severity.WARNING)
    ]
    checker.learn(Arrivals([Rows(W, 1, 1, theirs)], NOW_S))
    assert found(timed(-1, 0, 5), checker=checker) == []
