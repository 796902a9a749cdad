"""What came of asking a voter stands in the later layers of the same request: nobody is asked twice."""

import pytest
from msgspec.structs import replace

from actors.consensus.deliberation import begin, step
from actors.consensus.vocabulary import Answered, Ask, Ballot, Command, Failed, Seat, State
from tests.unit.actors.consensus.world import candidate, plan, screened

A, B, C, D = (Seat(name, name, name, 500_000) for name in "abcd")
PARIS = candidate("Paris")


def before(*ballots: Ballot) -> State:
    """Return a layer that ended with these ballots."""
    return State(plan([ballot.seat for ballot in ballots]), ballots, ())


def next_layer(*earlier: State, spares: tuple[Seat, ...] = (), deadline_ms: int = 500) -> tuple[State, list[Command]]:
    """Begin a layer of ``a`` and ``b`` behind these, which gives voters less time than those had."""
    return begin(plan([A, B], spares=spares, hear_everyone=True, deadline_ms=deadline_ms), earlier, 1000)


@pytest.mark.parametrize("stage", ["readable", "screening"])
def test_an_answer_counts_as_it_came(stage: str) -> None:
    """In time, though it took longer than this layer has, and with what it took."""
    known = Ballot(0, A, stage, candidate=PARIS, latency_ms=700)  # type: ignore[arg-type]
    state, commands = next_layer(before(known))
    assert commands == [Ask(1, "b")]
    carried = state.ballots[0]
    assert (carried.state, carried.candidate, carried.latency_ms, carried.carried) == ("readable", PARIS, 700, True)
    state, _ = step(state, Answered(1, PARIS, 10))
    assert state.conclusion is not None
    assert state.conclusion.outcome == "agreed"


def test_a_late_answer_is_none() -> None:
    """It stays with the ballot, as what was received; another layer's time does not make it one."""
    known = Ballot(0, A, "out", outcome="late", note="answered after the deadline", candidate=PARIS, latency_ms=1200)
    state, commands = next_layer(before(known), deadline_ms=60_000)
    assert commands == [Ask(1, "b")]
    carried = state.ballots[0]
    assert (carried.state, carried.outcome, carried.candidate) == ("out", "timeout", PARIS)
    assert (carried.note, carried.latency_ms, carried.carried) == (known.note, 1200, True)


@pytest.mark.parametrize("outcome", ["failed", "timeout", "refused", "invalid", "breaker_open"])
def test_a_failure_is_the_same_failure(outcome: str) -> None:
    """With its cause, its note, what was received, and when its voter is back; a spare is asked in its place here as well."""
    known = Ballot(
        0, A, "out", outcome=outcome, note="why", cause="busy", back_ms=30_000, latency_ms=9, replaced=True,  # type: ignore[arg-type]
        candidate=PARIS if outcome == "invalid" else None,
    )  # fmt: skip
    for spares, asked in (((), [Ask(1, "b")]), ((C,), [Ask(2, "c"), Ask(1, "b")])):
        state, commands = next_layer(before(known), spares=spares)
        assert commands == asked
        assert state.ballots[0] == replace(known, carried=True, replaced=bool(spares))


@pytest.mark.parametrize(
    "known",
    [
        Ballot(0, A, "outstanding"),
        Ballot(0, A, "out", outcome="cancelled"),
        Ballot(0, A, "out", outcome="isolated", candidate=PARIS),
    ],
)
def test_whoever_was_not_heard_is_asked(known: Ballot) -> None:
    """A layer cancelled him before he answered, or policy kept him out then and does no more."""
    state, commands = next_layer(before(known))
    assert commands == [Ask(0, "a"), Ask(1, "b")]
    assert not state.ballots[0].carried


def test_what_was_rejected_stays_rejected_on_the_seat_that_its_voter_has_now() -> None:
    """With what was found; that another was asked beside or instead of it there is not said of it here."""
    heavy = replace(A, weight_micro=900_000)
    known = Ballot(
        0, heavy, "out", outcome="screened_out", note="rule", candidate=PARIS, screening=screened("reject"),
        rejected_form="f" * 64, latency_ms=9, replaced=True, hedged=True,
    )  # fmt: skip
    alone, commands = next_layer(before(replace(known, ask_id=0)))
    assert commands == [Ask(1, "b")]
    assert alone.ballots[0] == replace(known, seat=A, carried=True, replaced=False, hedged=False)
    helped, commands = next_layer(before(known), spares=(C,))
    assert commands == [Ask(2, "c"), Ask(1, "b")]
    assert helped.ballots[0] == replace(alone.ballots[0], replaced=True)


def test_a_ballot_has_its_own_place_in_each_layer() -> None:
    """Whatever its number was before."""
    known = Ballot(1, B, "out", outcome="screened_out", candidate=PARIS, screening=screened("reject"))
    state, _ = begin(plan([B, C], hear_everyone=True), (before(Ballot(0, A, "outstanding"), known),))
    assert [(ballot.ask_id, ballot.seat.voter, ballot.outcome) for ballot in state.ballots] == [
        (0, "b", "screened_out"), (1, "c", None),
    ]  # fmt: skip


def test_of_several_layers_the_last_that_it_counted_in_tells() -> None:
    """One layer had its answer, the next ran out of time while it looked at it: that is how it ended."""
    first = before(Ballot(0, A, "screening", candidate=PARIS))
    second = before(
        Ballot(0, A, "out", outcome="timeout", note="no answer by the deadline", candidate=PARIS, carried=True)
    )
    state, _ = next_layer(first, second)
    assert (state.ballots[0].outcome, state.ballots[0].carried) == ("timeout", True)
    between = before(Ballot(0, C, "out", outcome="failed"))
    state, _ = next_layer(second, between)
    assert state.ballots[0].outcome == "timeout"


def test_whoever_stands_by_is_not_asked_twice_either() -> None:
    """A substitute that an earlier layer asked brings what it said there, and the next is asked if that is nothing."""
    answered = before(Ballot(0, C, "readable", candidate=PARIS, latency_ms=3))
    state, _ = next_layer(answered, spares=(C, D))
    state, commands = step(state, Failed(0, "failed", "x", 1))
    assert (commands, state.ballots[2].candidate, state.ballots[2].carried) == ([], PARIS, True)
    failed = before(Ballot(0, C, "out", outcome="failed", note="gone"))
    state, _ = next_layer(failed, spares=(C, D))
    state, commands = step(state, Failed(0, "failed", "x", 1))
    assert commands == [Ask(3, "d")]
    assert [(ballot.seat.voter, ballot.replaced) for ballot in state.ballots] == [
        ("a", True), ("b", False), ("c", True), ("d", False),
    ]  # fmt: skip


def test_an_answer_that_an_earlier_layer_rejected_of_another_is_not_carried_into_the_count() -> None:
    """Carried or new, byte for byte or in its form: it is put out, and a substitute asked."""
    digests = [ballot_of("Paris").candidate_sha256, ballot_of("It is Paris.").reading.sha256]  # type: ignore[union-attr]
    assert len(set(digests)) == 2
    known = before(Ballot(0, A, "readable", candidate=PARIS))
    for digest in digests:
        barring = plan([A, B], spares=(C,), hear_everyone=True, barred=frozenset([digest]))
        state, commands = begin(barring, (known,))
        assert (state.ballots[0].outcome, state.ballots[0].replaced) == ("screened_out", True)
        assert commands == [Ask(2, "c"), Ask(1, "b")]
        state, _ = step(state, Answered(1, candidate("Paris"), 1))
        assert state.ballots[1].outcome == "screened_out"


def ballot_of(content: str) -> Ballot:
    """Return the ballot that an answer makes."""
    return step(begin(plan([A, B], hear_everyone=True))[0], Answered(0, candidate(content), 1))[0].ballots[0]
