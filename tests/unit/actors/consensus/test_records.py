"""From deliberation to record."""

import pytest

from actors.base.digests import sha256_hex
from actors.consensus.choosing import choose_served
from actors.consensus.deliberation import begin, step
from actors.consensus.records import Facts, build_record, is_degraded, result_of
from actors.consensus.vocabulary import Answered, DeadlinePassed, Failed, Seat, State
from actors.spans.record import DecisionRecord, WriterRef
from tests.unit.actors.consensus.world import NOW_S, WRITER, candidate, plan, snapshot

SEATS = tuple(Seat(name, f"family {name}", f"lineage {name}", 500_000) for name in "abc")
FACTS = Facts("01D", NOW_S * 1000, "tenant", "commitment", "c" * 64, snapshot("abc"), "p" * 64, "00")


def finished(*events: object, **changes: object) -> State:
    """Run a deliberation to its end."""
    state, _ = begin(plan(SEATS, **changes))
    for event in events:
        state, _ = step(state, event)  # type: ignore[arg-type]
    return state


def record(state: State) -> DecisionRecord:
    """Build the record of a finished deliberation."""
    return build_record(state, choose_served(state, "00"), FACTS, WriterRef(id=WRITER, seq=7))


def test_the_record_says_who_said_what_and_what_it_came_to() -> None:
    """Ballots, groups, weights, rule and result are all there, as decimal strings and digests."""
    state = finished(
        Answered(0, candidate("Paris"), 5), Failed(1, "refused", "no", 6), Answered(2, candidate("paris"), 7)
    )
    made = record(state)
    assert made.result == "answered"
    assert [(b.voter, b.outcome, b.group, b.latency_ms) for b in made.ballots] == [
        ("a", "agreed", 0, 5), ("b", "refused", -1, 6), ("c", "agreed", 0, 7),
    ]  # fmt: skip
    assert (made.tally.support, made.tally.n_eff, made.layer.quorum) == ("0.666666", "1.333333", "0.600000")
    assert made.answer_sha256 == made.tally.served_sha256 in {b.candidate_sha256 for b in made.ballots}
    assert (made.writer.seq, made.policy.sha256, made.promise) == (7, "p" * 64, None)


def test_a_refusal_names_no_answer() -> None:
    """Without a winner there is no answer's digest, and the layer's cause is on record."""
    made = record(finished(Answered(0, candidate("Paris"), 5), DeadlinePassed(9)))
    assert (made.result, made.answer_sha256, made.tally.winner) == ("deadline", "", -1)
    assert "deadline" in made.layer.tried[0].cause


def test_similarity_and_single_voters_are_degraded() -> None:
    """Agreement of meaning is whole; prose likeness is said to be less."""
    value = finished(*(Answered(i, candidate("Paris"), 1) for i in range(3)))
    prose = finished(*(Answered(i, candidate("the sky is blue"), 1) for i in range(3)), kind="text")
    assert (is_degraded(value), is_degraded(prose)) == (False, True)


def test_an_answer_that_does_not_count_is_committed_to() -> None:
    """What came too late or could not be read has its digest on record, beside those that count; silence has none."""
    state = finished(
        Answered(0, candidate("Paris"), 5), Answered(1, candidate(" "), 6), Answered(2, candidate("Rome"), 90_000),
        DeadlinePassed(90_000),
    )  # fmt: skip
    made = record(state)
    assert [(b.outcome, bool(b.candidate_sha256)) for b in made.ballots] == [
        ("dissented", True), ("invalid", False), ("late", False),
    ]  # fmt: skip
    assert [b.received_sha256 for b in made.ballots] == ["", sha256_hex(b" "), sha256_hex(b"Rome")]
    assert made.similarity == ""


def test_prose_names_the_likeness_it_was_grouped_by() -> None:
    """Nothing else of the record tells how alike texts had to be."""
    assert record(finished(Answered(0, candidate("a sky"), 5), DeadlinePassed(9), kind="text")).similarity == "0.600000"


def test_an_unfinished_deliberation_has_no_record() -> None:
    """Asking for the result of what is not over is a defect, not a record."""
    state, _ = begin(plan(SEATS))
    for ask in (lambda: result_of(state), lambda: record(state)):
        with pytest.raises(ValueError, match="not over"):
            ask()
