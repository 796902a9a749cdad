"""When asking again can make sense, by what the ballots that failed say of it."""

import math

import pytest
from msgspec.structs import replace

from actors.consensus.deliberation import begin, recount, step
from actors.consensus.lost import asking_again_s, back_after_ms, was_lost_to
from actors.consensus.vocabulary import Answered, DeadlinePassed, Event, Failed, PolicyChanged, Seat, State
from models.errors import FailureCause
from tests.unit.actors.consensus.world import candidate, plan

SEATS = [Seat(name, name, name, 500_000) for name in "abcd"]


def failed(ask_id: int, retry_after_s: float | None = None, cause: FailureCause = "", at_ms: int = 0) -> Failed:
    """Return a failure that says when its voter is back."""
    return Failed(ask_id, "failed", "x", at_ms, cause, retry_after_s)


def says(ask_id: int, content: str) -> Answered:
    """Return an answer."""
    return Answered(ask_id, candidate(content), 1)


def ended(
    *events: Event, seats: int = 3, began_ms: int = 0, took_ms: int = 0, earlier: tuple[State, ...] = ()
) -> State:
    """Return a layer of so many voters after these events, of whom two must agree."""
    state, _ = begin(plan(SEATS[:seats], hear_everyone=True), earlier, began_ms)
    for event in events:
        state, _ = step(state, event)
    return replace(state, took_ms=took_ms)


def test_it_is_when_the_second_of_three_is_back() -> None:
    """Two make a quorum: whoever comes last is not waited for."""
    assert asking_again_s(ended(failed(0, 30), failed(1, 9), failed(2, 20))) == 20


def test_whoever_answered_needs_no_waiting_for() -> None:
    """With one answer one more suffices: the first that is back."""
    assert asking_again_s(ended(failed(0, 30), says(1, "Paris"), failed(2, 20))) == 20


def test_nothing_is_built_on_whoever_failed_without_a_word() -> None:
    """One that is back alone makes no quorum; with another of whom that is known it does, however late."""
    assert asking_again_s(ended(failed(0, 5), failed(1), failed(2))) is None
    assert asking_again_s(ended(failed(0, 5), failed(1), failed(2, 40))) == 40
    assert asking_again_s(ended(failed(0, 5), failed(1), DeadlinePassed(9))) is None


def test_whoever_only_had_no_room_may_be_back_at_once() -> None:
    """Unless it says when; and a second is the least that is told."""
    busy = [failed(ask_id, None, "busy") for ask_id in range(3)]
    assert asking_again_s(ended(*busy)) == 1
    assert asking_again_s(ended(busy[0], failed(1, 7, "busy"), failed(2, 8, "busy"))) == 7
    assert asking_again_s(ended(failed(0), failed(1), busy[2])) is None


@pytest.mark.parametrize(
    ("wait_s", "at_ms", "took_ms", "told"),
    [(30.0, 0, 0, 30), (30.0, 0, 1, 30), (30.0, 0, 1000, 29), (30.0, 400, 1000, 30), (0.25, 0, 0, 1), (0.0, 0, 0, 1),
     (5.0, 0, 9000, 1), (30.001, 0, 0, 31), (3600.0, 900, 900, 3600), (1e9, 9, 9, 86_400), (math.inf, 0, 0, 86_400),
     (86_400.0, 9, 0, 86_400), (-5.0, 0, 0, 1), (math.nan, 0, 0, None)],
)  # fmt: skip
def test_it_is_counted_from_the_end_in_whole_seconds(wait_s: float, at_ms: int, took_ms: int, told: int | None) -> None:
    """What the deliberation itself took has passed; it is rounded up, one at least, and bounded."""
    again = ended(failed(0, wait_s, at_ms=at_ms), failed(1, wait_s, at_ms=at_ms), failed(2), took_ms=took_ms)
    assert asking_again_s(again) == told


def test_a_fraction_of_a_millisecond_is_waited_for() -> None:
    """Nobody is told to come before the voter is back."""
    assert back_after_ms(10, 0.0001) == 11
    assert back_after_ms(10, None) is None


def test_of_several_layers_the_soonest_counts() -> None:
    """Whichever can decide again first; times are of the whole request, whichever layer they were heard in."""
    first = ended(failed(0, 30), failed(1, 30), failed(2, 30), took_ms=2000)
    for wait_s, told in ((4, 3), (90, 27)):
        last = ended(failed(0, wait_s), failed(1, wait_s), seats=2, began_ms=2000, took_ms=1000)
        assert asking_again_s(replace(last, earlier=(first,))) == told


def test_what_an_earlier_layer_heard_is_carried_with_its_time() -> None:
    """A voter of both layers is asked once: its word counts from when it was said."""
    first = ended(failed(0, 30), failed(1), failed(2), took_ms=9000)
    members = [SEATS[0], SEATS[3]]
    state, _ = begin(plan(members, hear_everyone=True), (first,), 9000)
    state, _ = step(state, failed(1, 5, at_ms=1000))
    assert [ballot.carried for ballot in state.ballots] == [True, False]
    assert [ballot.back_ms for ballot in state.ballots] == [30_000, 15_000]
    assert asking_again_s(replace(state, took_ms=1000)) == 20


def test_whoever_disagreed_is_taken_to_disagree_again() -> None:
    """Three different answers of four, and one that failed: it makes two at most, of whom three are needed."""
    rule = replace(plan(SEATS).rule, quorum_micro=700_000)
    state, _ = begin(plan(SEATS, hear_everyone=True, rule=rule))
    for event in (says(0, "Paris"), says(1, "Rome"), says(2, "Oslo"), failed(3, 9)):
        state, _ = step(state, event)
    assert asking_again_s(state) is None


def test_nothing_is_lost_while_nobody_has_failed() -> None:
    """Whoever is still asked may decide it yet: nobody is to blame, and there is nothing to come back for."""
    for state in (ended(), ended(says(0, "Paris"))):
        assert not was_lost_to(state, "busy")
        assert asking_again_s(state) is None


def test_an_isolated_voter_is_not_waited_for() -> None:
    """It is not asked next time either, whatever it said before."""
    events = (failed(0, 5), failed(1, 7, "busy"), says(2, "Paris"))
    assert asking_again_s(ended(*events)) == 5
    for gone, told in (("a", 7), ("b", 5), ("ab", None)):
        again = recount(ended(*events), replace(plan(SEATS[:3]), isolated=frozenset(gone)), halted=False)
        assert asking_again_s(again) == told
        assert was_lost_to(again, "busy") is ("b" not in gone)


def test_whoever_was_no_longer_waited_for_may_answer_next_time() -> None:
    """Nobody could have made a quorum any more, so the last one was cancelled: with whoever is back it may."""
    state, _ = begin(plan(SEATS[:3]))
    for event in (failed(0, 6), failed(1)):
        state, _ = step(state, event)
    assert state.conclusion is not None
    assert asking_again_s(state) == 6
    assert asking_again_s(recount(state, state.plan, halted=False)) == 6


def test_isolation_that_came_while_a_voter_was_asked_leaves_no_time() -> None:
    """Its failure changed nothing any more."""
    state = ended(PolicyChanged(frozenset("a"), halted=False), failed(0, 5), failed(1, 7), failed(2, 8))
    assert state.ballots[0].back_ms is None
    assert asking_again_s(state) == 8
