"""The deliberation state machine."""

import dataclasses
import itertools

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from actors.consensus.causes import HOPELESS_CAUSE
from actors.consensus.choosing import ballot_outcome, choose_served
from actors.consensus.deliberation import begin, recount, step
from actors.consensus.vocabulary import (
    Answered,
    Ask,
    Cancel,
    Conclude,
    DeadlinePassed,
    Event,
    Failed,
    PolicyChanged,
    Seat,
    Slow,
    State,
    TimedOut,
)
from tests.examples import examples
from tests.unit.actors.consensus.panels import FAILS, Script, play, scripts, verdict
from tests.unit.actors.consensus.world import candidate, plan

pytestmark = pytest.mark.usefixtures("read_once")

A, B, C, D = (Seat(name, name, name, 500_000) for name in "abcd")


def run(state: State, *events: Event) -> tuple[State, list[object]]:
    """Feed events and collect every command."""
    commands: list[object] = []
    for event in events:
        state, more = step(state, event)
        commands += more
    return state, commands


def says(ask_id: int, content: str) -> Answered:
    """Build an answer event."""
    return Answered(ask_id, candidate(content), 10)


def outcomes(state: State) -> list[str]:
    """Return every ballot's recorded outcome."""
    return [ballot_outcome(state, ballot) for ballot in state.ballots]


def test_everybody_on_the_panel_is_asked_first() -> None:
    """Beginning asks each seat once."""
    _, commands = begin(plan([A, B, C]))
    assert commands == [Ask(0, "a"), Ask(1, "b"), Ask(2, "c")]


def test_agreement_concludes_early_and_cancels_the_rest() -> None:
    """Two of three agree: the third is cancelled because it cannot change the winner."""
    state, commands = run(begin(plan([A, B, C]))[0], says(0, "Paris"), says(1, "It is Paris."))
    assert Cancel(2) in commands
    assert isinstance(commands[-1], Conclude)
    assert outcomes(state) == ["agreed", "agreed", "cancelled"]


def test_disagreement_waits_for_everyone_and_says_so() -> None:
    """Three different answers: disagreed, with the largest support in the cause."""
    state, _ = run(begin(plan([A, B, C]))[0], says(0, "Paris"), says(1, "London"), says(2, "Rome"))
    assert state.conclusion is not None
    assert state.conclusion.outcome == "disagreed"
    assert "0.33" in state.conclusion.cause
    assert choose_served(state, "00") is None


def test_two_failures_of_three_end_it_as_unavailable() -> None:
    """No quorum can be formed any more: nobody waits for the last one."""
    start, _ = begin(plan([A, B, C]))
    state, commands = run(start, Failed(0, "failed", "reset", 5), TimedOut(1, 9))
    assert state.conclusion is not None
    assert state.conclusion.outcome == "unavailable"
    assert Cancel(2) in commands
    assert outcomes(state) == ["failed", "timeout", "cancelled"]


def test_a_substitute_takes_a_failed_seat() -> None:
    """A spare is asked in place of a voter that failed, and its agreement counts against the weight that was seated."""
    state, commands = run(
        begin(plan([A, B], spares=(C,)))[0], Failed(0, "failed", "x", 1), says(1, "Paris"), says(2, "Paris")
    )
    assert Ask(2, "c") in commands
    assert outcomes(state) == ["failed", "agreed", "agreed"]
    assert state.conclusion is not None
    assert state.conclusion.tally.eligible == {"a": 500_000, "b": 500_000}
    assert state.conclusion.tally.winner is not None
    assert state.conclusion.tally.winner.support_micro == 1_000_000


def test_substitutes_are_bounded() -> None:
    """The budget of substitutes holds, however many spares there are."""
    start, _ = begin(plan([A, B], spares=(C, D), max_substitutes=1))
    state, commands = run(start, Failed(0, "failed", "x", 1), Failed(1, "failed", "x", 1))
    assert [c for c in commands if isinstance(c, Ask)] == [Ask(2, "c")]
    assert state.conclusion is not None
    assert state.conclusion.outcome == "unavailable"


def kin(name: str, lineage: str) -> Seat:
    """Return a seat whose voter is of another's lineage."""
    return Seat(name, name, lineage, 500_000)


def asked(commands: list[object]) -> list[str]:
    """Return whom commands ask."""
    return [command.voter for command in commands if isinstance(command, Ask)]


def test_a_panel_without_hope_asks_nobody_and_says_who_was_isolated() -> None:
    """Of one lineage, also with those that stand by: none of them is asked, and the record does not say cancelled of all."""
    state, commands = begin(plan([A, kin("b", "a")], spares=(kin("c", "a"),), isolated=frozenset("b")))
    assert [type(command) for command in commands] == [Conclude]
    assert state.conclusion is not None
    assert (state.conclusion.outcome, state.conclusion.cause) == ("unavailable", HOPELESS_CAUSE)
    assert outcomes(state) == ["cancelled", "isolated"]
    assert [ballot.note for ballot in state.ballots] == ["", "isolated by policy"]
    assert asked(begin(plan([A, kin("b", "a")], spares=(C,)))[1]) == ["a", "b"]
    assert asked(begin(plan([A, kin("b", "a")], spares=(C,), max_substitutes=0))[1]) == []


def test_a_panel_that_isolation_leaves_without_hope_asks_nobody() -> None:
    """Nobody stands by who could make the second lineage."""
    state, commands = begin(plan([A, B], isolated=frozenset("b")))
    assert asked(commands) == []
    assert outcomes(state) == ["cancelled", "isolated"]
    assert asked(begin(plan([A, B], spares=(C,), isolated=frozenset("b")))[1]) == ["a", "c"]


def test_a_panel_with_somebody_standing_by_has_hope_until_he_has_failed_too() -> None:
    """Two of three fail: the spare and the last one may yet agree; when the spare fails, the last one is not waited for."""
    state, commands = run(
        begin(plan([A, B, C], spares=(D,)))[0], Failed(0, "failed", "x", 1), Failed(1, "failed", "x", 1)
    )
    assert (asked(commands), state.conclusion) == (["d"], None)
    ended, commands = run(state, Failed(3, "failed", "x", 1))
    assert ended.conclusion is not None
    assert ended.conclusion.outcome == "unavailable"
    assert Cancel(2) in commands
    assert outcomes(ended) == ["failed", "failed", "cancelled", "failed"]
    ended, _ = run(state, says(3, "Paris"), says(2, "Paris"))
    assert ended.conclusion is not None
    assert ended.conclusion.outcome == "agreed"


@pytest.mark.parametrize("others", ["", "a", "aa"])
def test_a_substitute_that_could_bring_no_quorum_is_not_asked(others: str) -> None:
    """The only other lineage has failed and all spares are of the first: it ends at once, and what was asked is cancelled."""
    spares = (kin("c", "a"), *(kin(f"{lineage}{n}", lineage) for n, lineage in enumerate(others)))
    state, commands = run(begin(plan([A, B], spares=spares))[0], Failed(1, "failed", "x", 1))
    assert (asked(commands), commands[0]) == ([], Cancel(0))
    assert isinstance(commands[-1], Conclude)
    assert [command for command in commands if isinstance(command, Cancel)] == [Cancel(0)]
    assert outcomes(state) == ["cancelled", "failed", "cancelled"]


def test_a_substitute_behind_which_another_may_make_the_quorum_is_asked() -> None:
    """The first spare alone would be of no use: the second is of another lineage, and is asked if the first fails."""
    state, commands = run(begin(plan([A, B], spares=(kin("c", "a"), D)))[0], Failed(1, "failed", "x", 1))
    assert (asked(commands), state.conclusion) == (["c"], None)
    state, commands = run(state, Failed(2, "failed", "x", 1), says(3, "Paris"), says(0, "Paris"))
    assert asked(commands) == ["d"]
    assert state.conclusion is not None
    assert state.conclusion.outcome == "agreed"


@pytest.mark.parametrize(
    ("content", "note"),
    [(" ", "empty answer"), ("x" * 2000, "answer too large"), ("x = '\ud800'", "answer is not valid Unicode")],
)
def test_unreadable_answers_are_invalid_ballots(content: str, note: str) -> None:
    """Empty, oversized and undecodable answers cost the ballot and say why."""
    state, _ = run(begin(plan([A, B, C]))[0], says(0, content))
    assert (state.ballots[0].outcome, state.ballots[0].note) == ("invalid", note)


def test_code_cut_off_by_max_tokens_is_invalid() -> None:
    """A truncated program is no answer even if what is left parses."""
    state, _ = run(begin(plan([A, B, C], kind="code:python"))[0], Answered(0, candidate("x = 1", "length"), 1))
    assert (state.ballots[0].outcome, state.ballots[0].note) == ("invalid", "answer cut off by max_tokens")


def test_the_deadline_ends_it() -> None:
    """Outstanding ballots become timeouts; without a quorum the layer's outcome is ``deadline``."""
    state, commands = run(begin(plan([A, B, C]))[0], says(0, "Paris"), DeadlinePassed(5000))
    assert state.conclusion is not None
    assert state.conclusion.outcome == "deadline"
    assert {Cancel(1), Cancel(2)} <= {c for c in commands if isinstance(c, Cancel)}
    assert outcomes(state) == ["dissented", "timeout", "timeout"]


def test_prose_waits_for_the_last_text() -> None:
    """Similar prose is not concluded early: a late text may move the medoid."""
    start, _ = begin(plan([A, B, C], kind="text"))
    state, _ = run(start, says(0, "the sky is blue"), says(1, "the sky is blue"))
    assert state.conclusion is None
    state, _ = run(state, says(2, "the sky is blue today"))
    assert state.conclusion is not None
    assert (state.conclusion.outcome, state.conclusion.method) == ("agreed", "similarity")


def test_isolation_removes_a_ballot_at_once() -> None:
    """A voter isolated in flight loses its ballot, in or out."""
    start, _ = begin(plan([A, B, C]))
    state, commands = run(start, says(0, "Paris"), PolicyChanged(frozenset("ab"), halted=False))
    assert Cancel(1) in commands
    assert outcomes(state)[:2] == ["isolated", "isolated"]
    assert state.conclusion is not None
    assert state.conclusion.outcome == "unavailable"


def test_whom_a_newer_policy_isolates_is_no_substitute_any_more() -> None:
    """The next one in order is asked instead."""
    state, commands = run(
        begin(plan([A, B], spares=(C, D)))[0], PolicyChanged(frozenset("c"), halted=False), Failed(0, "failed", "x", 1)
    )
    assert asked(commands) == ["d"]
    assert [ballot.seat.voter for ballot in state.ballots] == ["a", "b", "d"]


def test_isolating_a_voter_that_failed_gives_it_no_second_substitute() -> None:
    """One was asked in its place when it failed; whom another policy isolates again has none either."""
    start, _ = begin(plan([A, B, C], spares=(D, kin("e", "e")), max_substitutes=3))
    state, commands = run(start, Failed(0, "failed", "x", 1), PolicyChanged(frozenset("a"), halted=False))
    assert asked(commands) == ["d"]
    assert outcomes(state)[0] == "isolated"
    assert state.ballots[0].replaced
    state, commands = run(state, *[PolicyChanged(frozenset("ab"), halted=False)] * 2)
    assert asked(commands) == ["e"]
    assert [command for command in commands if isinstance(command, Cancel)] == [Cancel(1)]


def test_a_halt_that_isolates_asks_nobody_in_that_place() -> None:
    """It ends the deliberation: the isolated voter's ballot is dissent, and whoever stood by stays unasked."""
    state, commands = run(begin(plan([A, B], spares=(C,)))[0], PolicyChanged(frozenset("a"), halted=True))
    assert asked(commands) == []
    assert outcomes(state) == ["isolated", "cancelled"]


def test_a_halt_concludes_and_cancels() -> None:
    """Halting ends the deliberation and every ask."""
    state, commands = run(begin(plan([A, B]))[0], PolicyChanged(frozenset(), halted=True))
    assert state.conclusion is not None
    assert state.conclusion.outcome == "halted"
    assert [c for c in commands if isinstance(c, Cancel)] == [Cancel(0), Cancel(1)]


def test_recounting_under_a_newer_policy_drops_isolated_ballots() -> None:
    """An agreement that rested on a voter isolated since is no agreement any more."""
    base = plan([A, B, C])
    state, _ = run(begin(base)[0], says(0, "Paris"), says(1, "Paris"))
    assert choose_served(state, "00") is not None
    again = recount(state, replace(base, isolated=frozenset("a")), halted=False)
    assert again.conclusion is not None
    assert again.conclusion.outcome == "unavailable"
    assert outcomes(again) == ["isolated", "dissented", "cancelled"]
    assert choose_served(again, "00") is None


def test_recounting_asks_nobody_who_stood_by() -> None:
    """It is over: whom a newer policy isolates has no substitute any more."""
    base = plan([A, B, C], spares=(D,))
    state, _ = run(begin(base)[0], says(0, "Paris"), says(1, "Paris"), says(2, "Paris"))
    assert state.conclusion is not None
    again = recount(state, replace(base, isolated=frozenset("a")), halted=False)
    assert again.conclusion is not None
    assert (again.conclusion.outcome, outcomes(again)) == ("agreed", ["isolated", "agreed", "agreed"])


def test_isolated_members_are_on_record_and_never_asked() -> None:
    """An isolated seat appears as ``isolated`` and keeps its weight: two of three still agree, one alone does not."""
    state, commands = begin(plan([A, B, C], isolated=frozenset("c")))
    assert commands == [Ask(0, "a"), Ask(1, "b")]
    state, _ = run(state, says(0, "Paris"), says(1, "Paris"), says(2, "Paris"))
    assert outcomes(state) == ["agreed", "agreed", "isolated"]
    assert state.conclusion is not None
    assert state.conclusion.tally.eligible == {"a": 500_000, "b": 500_000, "c": 500_000}


def test_isolating_dissenters_never_makes_a_minority_a_quorum() -> None:
    """Isolation tightens: with two of four isolated, two that agree hold half the weight and do not win."""
    state, _ = run(begin(plan([A, B, C, D], isolated=frozenset("cd")))[0], says(0, "Paris"), says(1, "Paris"))
    assert state.conclusion is not None
    assert state.conclusion.outcome == "unavailable"


def test_an_isolated_seat_goes_to_a_substitute() -> None:
    """A spare takes the seat of an isolated member as it takes that of one that failed."""
    _, commands = begin(plan([A, B], spares=(C,), isolated=frozenset("b")))
    assert commands == [Ask(0, "a"), Ask(2, "c")]


EVENTS = st.lists(
    st.one_of(
        st.builds(says, st.integers(-1, 5), st.sampled_from(["Paris", "It is Paris", "London", ""])),
        st.builds(
            Failed, st.integers(-1, 5), st.sampled_from(["failed", "refused", "invalid"]), st.just("x"), st.just(1)
        ),
        st.builds(TimedOut, st.integers(-1, 5), st.just(1)),
        st.builds(PolicyChanged, st.frozensets(st.sampled_from("abc"), max_size=2), st.booleans()),
        st.builds(DeadlinePassed, st.just(9)),
    ),
    max_size=12,
)


@settings(max_examples=examples(400))
@given(EVENTS, st.integers(0, 2))
def test_any_events_keep_the_machine_sound(events: list[Event], spares: int) -> None:
    """Whatever arrives: one conclusion at most, no command after it, asks bounded, and a deadline always concludes."""
    state, commands = begin(plan([A, B, C], spares=(D,) * spares, max_substitutes=1))
    concluded = False
    for event in [*events, DeadlinePassed(99)]:
        state, more = step(state, event)
        assert not (concluded and more)
        concluded = concluded or any(isinstance(c, Conclude) for c in more)
        commands += more
    assert concluded
    assert state.conclusion is not None
    assert sum(isinstance(c, Ask) for c in commands) <= 4
    assert sum(isinstance(c, Conclude) for c in commands) == 1
    counted = {b.seat.voter for b in state.ballots if ballot_outcome(state, b) == "agreed"}
    assert all(state.ballots[i].outcome is None for i in state.conclusion.groups)
    assert bool(counted) == (state.conclusion.tally.winner is not None)


def test_answers_after_the_deadline_are_late() -> None:
    """An answer that took longer than the deadline does not count, and without a quorum the layer's outcome is ``deadline``."""
    start, _ = begin(plan([A, B, C], deadline_ms=100, spares=(D,)))
    state, commands = run(start, says(0, "Paris"), Answered(1, candidate("Paris"), 101), DeadlinePassed(102))
    assert state.conclusion is not None
    assert (state.conclusion.outcome, outcomes(state)) == ("deadline", ["dissented", "late", "timeout"])
    assert not [command for command in commands if isinstance(command, Ask)]
    state, _ = run(start, *(Answered(n, candidate("Paris"), 101) for n in range(3)))
    assert state.conclusion is not None
    assert state.conclusion.outcome == "deadline"
    state, _ = run(
        begin(plan([A, B, C], deadline_ms=100))[0], *(Answered(n, candidate("Paris"), 100) for n in range(2))
    )
    assert outcomes(state)[:2] == ["agreed", "agreed"]


def test_isolating_a_heavy_dissenter_with_a_spare_makes_no_quorum() -> None:
    """A light substitute beside an isolated seat takes none of its weight away."""
    heavy, light = replace(A, weight_micro=900_000), replace(D, weight_micro=100_000)
    for isolated in (frozenset(), frozenset("a")):
        start, _ = begin(plan([heavy, B, C], spares=(light,), isolated=isolated))
        state, _ = run(start, says(0, "Rome"), says(1, "Paris"), says(2, "Paris"), says(3, "Oslo"))
        assert state.conclusion is not None
        assert state.conclusion.outcome != "agreed"


def test_recounting_takes_weights_lineages_and_threshold_of_the_newer_plan() -> None:
    """Seats weigh and group by the newer plan: two that turn out to be one lineage agree no more."""
    base = plan([A, B, C])
    state, _ = run(begin(base)[0], says(0, "Paris"), says(1, "Paris"))
    kin = replace(base, seats=(A, replace(B, lineage="a", weight_micro=900_000), C))
    again = recount(state, kin, halted=False)
    assert again.conclusion is not None
    assert (again.conclusion.outcome, again.conclusion.tally.eligible) == ("unavailable", {"a": 900_000, "c": 500_000})
    start, _ = begin(plan([A, B], kind="text"))
    prose, _ = run(start, says(0, "the sky is blue"), says(1, "the sky is blue today"))
    assert choose_served(prose, "00") is not None
    assert choose_served(recount(prose, replace(prose.plan, similarity_micro=1_000_000), halted=False), "00") is None


@settings(max_examples=examples(60), deadline=None)
@given(scripts(), st.data())
def test_the_verdict_is_a_function_of_the_ballots(script: Script, data: st.DataObject) -> None:
    """With failures, spares, shared lineages and isolated seats: every order of events ends the same way, same winner."""
    orders = data.draw(st.lists(st.permutations(script.voters), min_size=2, max_size=5))
    assert len({verdict(play(script, order)) for order in orders}) == 1


def test_every_order_of_a_small_panel_ends_the_same() -> None:
    """All permutations of failures and answers with a spare that not every failure gets: one verdict each."""
    heavy, light = replace(A, weight_micro=900_000), replace(B, weight_micro=300_000)
    for does in itertools.product(["Paris", "London", FAILS], repeat=4):
        script = Script(plan([heavy, light, C], spares=(D,)), dict(zip("abcd", does, strict=True)))
        assert len({verdict(play(script, order)) for order in itertools.permutations("dabc")}) == 1, does


@settings(max_examples=examples(60), deadline=None)
@given(scripts(isolation=False), st.data())
def test_isolation_is_the_same_from_the_start_and_at_once_after(script: Script, data: st.DataObject) -> None:
    """A seat isolated before it is asked and one isolated right after are the same dissent with the same substitute."""
    isolated = data.draw(st.frozensets(st.sampled_from([seat.voter for seat in script.plan.seats]), max_size=2))
    before = play(dataclasses.replace(script, plan=replace(script.plan, isolated=isolated)), script.voters)
    after = play(script, script.voters, (0, PolicyChanged(isolated, halted=False)))
    assert verdict(before) == verdict(after)


@settings(max_examples=examples(80), deadline=None)
@given(scripts(isolation=False), st.data())
def test_isolating_voters_never_makes_a_group_win(script: Script, data: st.DataObject) -> None:
    """What wins with voters isolated wins too if they fail, and where nobody stands by if they are heard."""
    isolated = data.draw(
        st.frozensets(st.sampled_from([seat.voter for seat in script.plan.seats]), min_size=1, max_size=2)
    )
    ended = verdict(play(dataclasses.replace(script, plan=replace(script.plan, isolated=isolated)), script.voters))
    if ended[0] == "agreed":
        failing = dataclasses.replace(script, does={**script.does, **dict.fromkeys(isolated, FAILS)})
        assert verdict(play(failing, script.voters)) == ended
    alone = dataclasses.replace(script, plan=replace(script.plan, spares=()))
    turn = data.draw(st.integers(0, 2 * len(script.voters)))
    ended = verdict(play(alone, script.voters, (turn, PolicyChanged(isolated, halted=False))))
    if ended[0] == "agreed" and script.plan.kind != "text":  # removing a text may move the medoid of the others
        assert verdict(play(alone, script.voters)) == ended


@given(st.permutations(["Paris", "Paris.", "London", "Rome"]), st.permutations([0, 1, 2, 3]))
def test_the_order_of_answers_does_not_change_the_winner(contents: list[str], order: list[int]) -> None:
    """The same ballots end the same way in whatever order they come in."""
    rule = replace(plan([A]).rule, quorum_micro=510_000)
    ends = set()
    for sequence in itertools.islice(itertools.permutations(order), 6):
        state, _ = run(begin(plan([A, B, C, D], rule=rule))[0], *(says(i, contents[i]) for i in sequence))
        assert state.conclusion is not None
        ends.add(state.conclusion.outcome)
    assert len(ends) == 1


def test_a_slow_voter_stays_asked_and_a_spare_is_asked_beside_it() -> None:
    """Both count if both answer; a hedged voter that fails has had its substitute; being slow twice asks nobody else."""
    state, _ = begin(plan([A, B], spares=(C, D), hear_everyone=True))
    state, commands = step(state, Slow(0))
    assert commands == [Ask(2, C.voter)]
    for event in (Slow(0), Failed(0, "failed", "x", 1)):
        state, commands = step(state, event)
        assert commands == []
    assert [(b.hedged, b.replaced) for b in state.ballots] == [(True, False), (False, False), (False, False)]
    both, _ = begin(plan([A, B], spares=(C,), hear_everyone=True))
    for event in (
        Slow(1),
        Answered(2, candidate("Paris"), 9),
        Answered(1, candidate("Rome"), 9),
        Answered(0, candidate("Paris"), 9),
    ):
        both, commands = step(both, event)
    assert both.conclusion is not None
    assert both.conclusion.groups == {0: 0, 1: 1, 2: 0}


def test_a_slow_voter_costs_no_more_substitutes_than_there_may_be() -> None:
    """One that has answered is not slow, and with the budget spent nobody is asked."""
    state, _ = begin(plan([A, B], spares=(C,), max_substitutes=0))
    assert step(state, Slow(0)) == (state, [])
    state, _ = step(begin(plan([A, B], spares=(C,), hear_everyone=True))[0], Answered(0, candidate("Paris"), 1))
    assert step(state, Slow(0)) == (state, [])
    assert step(state, Slow(7)) == (state, [])
