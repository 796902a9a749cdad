"""Deliberation of code: screening, sinks that one lineage alone uses, behaviour, examples."""

import pytest
from msgspec.structs import replace

from actors.base.digests import sha256_hex
from actors.consensus import deliberation
from actors.consensus.causes import SANDBOX_CAUSE
from actors.consensus.choosing import ballot_outcome, choose_served
from actors.consensus.deliberation import begin, recount, step
from actors.consensus.pieces import Piece
from actors.consensus.readable import Readable, readable
from actors.consensus.reading.examples import Example
from actors.consensus.screening.findings import Screening
from actors.consensus.vocabulary import (
    Answered,
    Ask,
    Cancel,
    Compare,
    Compared,
    DeadlinePassed,
    Event,
    Failed,
    PolicyChanged,
    Screen,
    Screened,
    Seat,
    State,
)
from tests.unit.actors.consensus.world import candidate, comparison, plan, screened

A, B, C, D = (Seat(name, name, name, 500_000) for name in "abcd")
ONE, TWO, THREE = (f"def f(x):\n    return {value}" for value in ("x + 1", "1 + x", "x + 1 + 1"))
"""Three forms that are made of the same parts."""
EXAMPLES = (Example("f(1)", "2"), Example("f(2)", "3"))


def code_plan(*seats: Seat, **changes: object) -> object:
    """Build the plan of a request for code that may run."""
    return plan(seats, **({"kind": "code:python", "compare_ms": 500} | changes))


def deliberate(*seats: Seat, events: list[Event], **changes: object) -> tuple[State, list[object]]:
    """Begin and feed events."""
    state, commands = begin(code_plan(*seats, **changes))  # type: ignore[arg-type]
    told: list[object] = [*commands]
    for event in events:
        state, more = step(state, event)
        told += more
    return state, told


def said(ask_id: int, code: str, screening: Screening | None = None) -> list[Event]:
    """Answer, and be screened."""
    return [Answered(ask_id, candidate(code), 10), Screened(ask_id, screening or screened())]


def compared(behaves: dict[int, str], passed: dict[int, int] | None = None, total: int = 0) -> Compared:
    """Say which candidates do the same, and how many examples each passes."""
    vectors = {ask_id: sha256_hex(word.encode()) for ask_id, word in behaves.items()}
    return Compared(comparison(vectors, passed, total))


def outcomes(state: State) -> list[str]:
    """Return every ballot's recorded outcome."""
    return [ballot_outcome(state, ballot) for ballot in state.ballots]


def end(state: State) -> tuple[str, str]:
    """Return how it ended and by what."""
    assert state.conclusion is not None
    return state.conclusion.outcome, state.conclusion.method


def test_code_counts_only_once_it_is_screened() -> None:
    """Two equal answers conclude nothing before both have been looked at."""
    events = [Answered(0, candidate(ONE), 10), Answered(1, candidate(ONE), 10), Screened(0, screened())]
    state, told = deliberate(A, B, C, events=events)
    assert state.conclusion is None
    assert [c for c in told if isinstance(c, Screen)] == [Screen(0, ONE, "python"), Screen(1, ONE, "python")]
    state, commands = step(state, Screened(1, screened()))
    assert end(state) == ("agreed", "syntax")
    assert commands[0] == Cancel(2)


def test_what_is_not_screened_by_the_end_is_not_served() -> None:
    """An answer that agrees by form and is still being looked at when the others conclude is in no group."""
    heavy = Seat("h", "h", "h", 600_000)
    events = [Answered(0, candidate(ONE), 10), *said(1, ONE), *said(2, ONE), *said(3, ONE)]
    state, _ = deliberate(heavy, A, B, C, events=events)
    assert outcomes(state) == ["cancelled", "agreed", "agreed", "agreed"]
    assert state.conclusion is not None
    assert 0 not in state.conclusion.groups


def test_what_is_rejected_is_out_and_a_substitute_is_asked() -> None:
    """A rejected candidate is no ballot for anybody, and its note says by which rule."""
    state, told = deliberate(A, B, events=said(0, ONE, screened("reject")), spares=(C,))
    assert outcomes(state)[0] == "screened_out"
    assert state.ballots[0].note == "test-rule (CWE-94, line 1)"
    assert told[-1] == Ask(2, "c")


def test_what_was_rejected_might_have_won_with_those_who_stand_by() -> None:
    """Without it nobody can win any more; had it passed, with one more substitute somebody could: that may yet be the cause."""
    heavy, rule = replace(C, weight_micro=1_500_000), replace(plan([]).rule, quorum_micro=900_000)
    spares = tuple(Seat(name, name, name, 500_000) for name in "efg")
    events = [*said(0, ONE, screened("reject")), Failed(2, "failed", "x", 1)]
    changes = {"rule": rule, "max_substitutes": 3, "compare_ms": 0}
    state, told = deliberate(A, B, heavy, spares=spares, events=events, **changes)
    assert [command.voter for command in told if isinstance(command, Ask)] == ["a", "b", "c", "e", "f"]
    assert state.conclusion is None
    state, _ = deliberate(A, B, heavy, spares=spares[:2], events=events, **changes)
    assert end(state)[0] == "unavailable"


def test_a_majority_that_is_rejected_never_wins() -> None:
    """Poison that two of three agree on ends as screened out."""
    poison = [*said(0, ONE, screened("reject")), *said(1, ONE, screened("reject")), *said(2, TWO)]
    state, _ = deliberate(A, B, C, events=poison)
    assert end(state)[0] == "screened_out"
    assert choose_served(state, "00") is None


@pytest.mark.parametrize(("asked", "expected"), [(frozenset(), "screened_out"), (frozenset({"network"}), "agreed")])
def test_a_sink_that_one_lineage_alone_uses_puts_it_out(asked: frozenset[str], expected: str) -> None:
    """Code that does the same and also opens a connection is no agreement, unless the prompt asks for one."""
    events = [
        *said(0, ONE),
        *said(1, TWO),
        *said(2, THREE, screened("pass", "network")),
        compared(dict.fromkeys(range(3), "s")),
    ]
    state, _ = deliberate(A, B, C, events=events, asked_sinks=asked)
    assert outcomes(state)[2] == expected
    assert end(state) == ("agreed", "behaviour")


def test_who_is_rejected_or_isolated_vouches_for_no_sink() -> None:
    """A sink is shared only by candidates that may count: poison does not excuse poison."""
    events = [*said(0, ONE), *said(1, ONE), *said(2, TWO, screened("pass", "network"))]
    poison = Screening("reject", "rules-1", screened("reject").findings, ("network",))
    rejected, _ = deliberate(A, B, C, D, events=[*events, *said(3, TWO, poison)])
    assert outcomes(rejected)[2:] == ["screened_out", "screened_out"]
    shared, _ = deliberate(A, B, C, D, events=[*events, *said(3, TWO, screened("pass", "network"))])
    assert shared.comparing
    state, _ = step(shared, PolicyChanged(frozenset("d"), halted=False))
    state, _ = step(state, compared(dict.fromkeys(range(3), "same")))
    assert outcomes(state)[2:] == ["screened_out", "isolated"]


def test_a_lone_sink_does_not_help_to_conclude_early() -> None:
    """While somebody may yet use the same sink or not, a ballot with it is as good as open."""
    a2 = Seat("a2", "a", "a", 500_000)
    events = [*said(0, ONE, screened("pass", "file")), *said(1, ONE, screened("pass", "file"))]
    state, _ = deliberate(A, a2, B, events=events)
    assert state.conclusion is None
    state, _ = step(state, DeadlinePassed(60_000))
    assert "agreed" not in outcomes(state)


def test_a_lone_sink_is_out_when_others_conclude_early() -> None:
    """What agrees by form and alone uses a sink is not served because the others needed no more ballots."""
    a, b, c = (Seat(name, name, name, 500_000) for name in "abc")
    heavy, silent = Seat("h", "h", "h", 600_000), Seat("s", "s", "s", 200_000)
    events = [*said(0, f"{ONE}  # same", screened("pass", "process")), *said(1, ONE), *said(2, ONE), *said(3, ONE)]
    state, _ = deliberate(heavy, a, b, c, silent, events=events)
    assert end(state) == ("agreed", "syntax")
    assert outcomes(state) == ["screened_out", "agreed", "agreed", "agreed", "cancelled"]
    served = choose_served(state, "00")
    assert served is not None
    assert served.seat.voter != "h"


def test_different_forms_that_do_the_same_agree_by_behaviour() -> None:
    """Comparing is asked for once, when every ballot is in."""
    state, told = deliberate(A, B, C, events=[*said(0, ONE), *said(1, TWO), *said(2, THREE)])
    assert told[-1] == Compare({0: ONE, 1: TWO, 2: THREE})
    assert state.comparing
    state, _ = step(state, compared({0: "same", 1: "same", 2: "other"}))
    assert end(state) == ("agreed", "behaviour")
    assert outcomes(state) == ["agreed", "agreed", "dissented"]


def test_equal_forms_without_examples_need_no_run() -> None:
    """Where nothing that ran could change the end, nothing is run."""
    _, told = deliberate(A, B, C, events=[*said(0, ONE), *said(1, ONE), *said(2, ONE)])
    assert not any(isinstance(command, Compare) for command in told)


def test_groups_that_may_merge_keep_it_open() -> None:
    """Two of four agree by form; the other two may turn out to do the same as each other, so all are heard and compared."""
    light, heavy = (Seat(name, name, name, weight) for name, weight in (("l", 300_000), ("h", 900_000)))
    events = [*said(0, ONE), *said(1, ONE), *said(2, TWO)]
    state, _ = deliberate(A, B, light, heavy, events=events, rule=plan([]).rule)
    assert state.conclusion is None


def test_a_group_that_fails_an_example_cannot_win() -> None:
    """The prompt's own examples outweigh any majority: the popular mistake is refused."""
    events = [*said(0, ONE), *said(1, ONE), *said(2, TWO)]
    state, told = deliberate(A, B, C, events=events, examples=EXAMPLES)
    assert told[-1] == Compare({0: ONE, 1: ONE, 2: TWO})
    state, _ = step(state, compared({0: "x", 1: "x", 2: "y"}, {0: 1, 1: 1, 2: 2}, 2))
    assert end(state) == ("disagreed", "syntax")
    assert outcomes(state) == ["dissented"] * 3


@pytest.mark.parametrize(
    ("policy", "expected"), [("strict", ("disagreed", "syntax")), ("evidence", ("agreed", "examples"))]
)
def test_evidence_takes_one_lineage_that_passes_the_examples(policy: str, expected: tuple[str, str]) -> None:
    """What fails the examples is no rival; strict still asks for two lineages."""
    events = [*said(0, ONE), *said(1, TWO), *said(2, THREE), compared({0: "x", 1: "y", 2: "z"}, {0: 2, 1: 1, 2: 0}, 2)]
    state, _ = deliberate(A, B, C, events=events, examples=EXAMPLES, policy=policy)
    assert end(state) == expected
    served = choose_served(state, "00")
    assert (served.candidate.content if served and served.candidate else None) == (
        ONE if policy == "evidence" else None
    )


def test_evidence_of_one_lineage_uses_no_sink_of_its_own() -> None:
    """Where nobody else answers, a sink that was not asked for is as suspect as beside others."""
    events = [*said(0, ONE, screened("pass", "network")), DeadlinePassed(60_000)]
    state, _ = deliberate(A, B, C, events=events, examples=EXAMPLES, policy="evidence")
    assert outcomes(state) == ["screened_out", "timeout", "timeout"]


def test_one_example_is_not_evidence() -> None:
    """A single example may be met by chance."""
    events = [*said(0, ONE), *said(1, TWO), *said(2, THREE), compared({0: "x", 1: "y", 2: "z"}, {0: 1}, 1)]
    state, _ = deliberate(A, B, C, events=events, examples=EXAMPLES[:1], policy="evidence")
    assert end(state)[0] == "disagreed"


def test_two_that_pass_and_differ_are_no_evidence() -> None:
    """Where the examples do not decide, nobody is preferred by weight of one lineage."""
    events = [*said(0, ONE), *said(1, TWO), *said(2, THREE), compared({0: "x", 1: "y", 2: "z"}, {0: 2, 1: 2}, 2)]
    state, _ = deliberate(A, B, C, events=events, examples=EXAMPLES, policy="evidence")
    assert end(state)[0] == "disagreed"


def test_the_end_of_voting_still_leaves_time_to_compare() -> None:
    """A voter that hangs costs its ballot; the others are compared."""
    state, told = deliberate(A, B, C, events=[*said(0, ONE), *said(1, TWO), DeadlinePassed(60_000)])
    assert told[-2:] == [Cancel(2), Compare({0: ONE, 1: TWO})]
    state, _ = step(state, compared({0: "same", 1: "same"}))
    assert (end(state), outcomes(state)) == (("agreed", "behaviour"), ["agreed", "agreed", "timeout"])


def test_a_comparison_that_does_not_end_serves_nothing() -> None:
    """Agreement that the examples were to prove is none while they have not run."""
    events = [*said(0, ONE), *said(1, ONE), *said(2, ONE), DeadlinePassed(60_500)]
    state, _ = deliberate(A, B, C, events=events, examples=EXAMPLES)
    assert end(state)[0] == "deadline"
    assert choose_served(state, "00") is None
    assert step(state, compared({0: "x"}))[0] == state


def test_a_comparison_that_failed_proves_no_examples() -> None:
    """A sandbox that broke or was full meanwhile is no way round the prompt's examples; who was still asked is not any more."""
    events = [
        *said(0, ONE),
        *said(1, ONE),
        *said(2, ONE),
        PolicyChanged(frozenset({"c"}), halted=False),
        Compared(None),
    ]
    state, told = deliberate(A, B, C, events=events, examples=EXAMPLES, spares=(D,))
    assert end(state)[0] == "unavailable"
    assert state.conclusion is not None
    assert state.conclusion.cause == SANDBOX_CAUSE
    assert choose_served(state, "00") is None
    assert Cancel(3) in told


@pytest.mark.parametrize(("last", "expected"), [(DeadlinePassed(60_500), "deadline"), (Compared(None), "unavailable")])
def test_counting_again_proves_nothing_that_was_not_compared(last: Event, expected: str) -> None:
    """A newer policy, whatever it says, does not turn what the examples were to prove into an answer."""
    events = [*said(0, ONE), *said(1, ONE), *said(2, ONE), last]
    state, _ = deliberate(A, B, C, events=events, examples=EXAMPLES)
    for isolated in (frozenset(), frozenset("c")):
        again = recount(state, replace(state.plan, isolated=isolated), halted=False)
        assert end(again)[0] == expected
        assert choose_served(again, "00") is None
        assert ("isolated" in outcomes(again)) == bool(isolated)


def test_what_a_halt_ended_stays_ended() -> None:
    """Code that was to be run when generation was halted is not served unrun when it is resumed at once."""
    events = [*said(0, ONE), *said(1, ONE), *said(2, ONE), PolicyChanged(frozenset(), halted=True)]
    state, _ = deliberate(A, B, C, events=events, examples=EXAMPLES)
    assert end(recount(state, state.plan, halted=False))[0] == "halted"


def test_without_a_sandbox_only_forms_are_compared() -> None:
    """Nothing runs and nothing is called behaviour."""
    state, told = deliberate(
        A, B, C, events=[*said(0, ONE), *said(1, TWO), *said(2, ONE)], compare_ms=0, examples=EXAMPLES
    )
    assert not any(isinstance(command, Compare) for command in told)
    assert end(state) == ("agreed", "syntax")


def test_a_voter_isolated_while_behaviour_is_compared_counts_for_nothing() -> None:
    """What it did the same as others is no agreement any more."""
    state, _ = deliberate(A, B, C, events=[*said(0, ONE), *said(1, TWO), *said(2, THREE)])
    state, _ = step(state, PolicyChanged(frozenset({"b"}), halted=False))
    state, _ = step(state, compared({0: "same", 1: "same", 2: "other"}))
    assert end(state)[0] == "disagreed"


def test_a_substitute_that_comes_while_comparing_is_compared_too() -> None:
    """Examples are not passed over by who answers last: the panel as it is in the end is run once more."""
    events = [*said(0, ONE), *said(1, TWO), PolicyChanged(frozenset("b"), halted=False), *said(2, ONE)]
    state, told = deliberate(A, B, spares=(D,), events=events, examples=EXAMPLES)
    assert told.count(Compare({0: ONE, 1: TWO})) == 1
    state, commands = step(state, compared({0: "x", 1: "x"}, {0: 2, 1: 2}, 2))
    assert commands == [Compare({0: ONE, 2: ONE})]
    late, _ = step(state, DeadlinePassed(60_500))
    assert (end(late)[0], late.comparison) == ("deadline", None)  # the first was of another panel
    state, _ = step(state, compared({0: "x", 2: "x"}, {0: 2, 2: 1}, 2))
    assert choose_served(state, "00") is None


def test_nobody_is_asked_once_the_voting_is_over() -> None:
    """Whoever is isolated while behaviour is compared behind it has no substitute: there is no time left for one."""
    events = [*said(0, ONE), *said(1, TWO), DeadlinePassed(60_000)]
    state, told = deliberate(A, B, C, spares=(D,), events=events)
    assert told.count(Compare({0: ONE, 1: TWO})) == 1
    state, commands = step(state, PolicyChanged(frozenset("b"), halted=False))
    assert (commands, len(state.ballots), state.spares) == ([], 3, ())


def test_counting_again_runs_nothing() -> None:
    """A newer policy is applied to what is known; a comparison that was not due is not made up."""
    light = Seat("l", "l", "l", 100_000)
    state, _ = deliberate(A, B, C, light, events=[*said(2, TWO), *said(0, ONE), *said(1, ONE)])
    assert end(state) == ("agreed", "syntax")
    again = recount(state, state.plan, halted=False)
    assert again.conclusion is not None
    assert end(again) == ("agreed", "syntax")
    assert not again.comparing


def test_direct_answers_are_screened_too() -> None:
    """One named voter's code is looked at before it leaves; a rejection serves nothing."""
    direct = {"policy": "direct", "compare_ms": 0, "rule": plan([]).rule.__class__(1_000_000, 1, 1_000_000, 0)}
    passed, _ = deliberate(A, events=said(0, ONE, screened("pass", "network")), **direct)
    rejected, _ = deliberate(A, events=said(0, ONE, screened("reject")), **direct)
    assert (end(passed), end(rejected)[0]) == (("agreed", "single"), "screened_out")


def test_keeping_a_voter_out_whose_sink_another_shared_makes_no_group_win() -> None:
    """The ballot whose sink nobody shares any more is dissent: its lineage does not stand whole behind its other voter."""
    l2 = Seat("l2", "l", "a", 500_000)
    rule = plan([]).rule.__class__(510_000, 2, 1_000_000, 0)
    sends = screened("pass", "network")
    events = [*said(0, ONE), *said(1, ONE), *said(2, TWO, sends), *said(3, TWO, sends)]
    heard, _ = deliberate(A, B, C, l2, events=events, rule=rule, compare_ms=0)
    kept_out, _ = deliberate(A, B, C, l2, events=events, rule=rule, compare_ms=0, isolated=frozenset({"c"}))
    assert end(heard)[0] == "disagreed"
    assert outcomes(kept_out)[3] == "screened_out"
    assert "agreed" not in outcomes(kept_out)


BLOCK = "Never do this.\n\n```sql\nSELECT 1\n```"
BESIDE = (Piece("SELECT 1\n", "sql"),)


@pytest.mark.parametrize(
    ("kind", "content", "expected"),
    [
        ("text", BLOCK, Screen(0, "", "", BESIDE)),
        ("code:python", f"```python\n{ONE}\n```\n{BLOCK}", Screen(0, f"{ONE}\n", "python", BESIDE)),
    ],
)
def test_code_beside_what_was_asked_for_is_screened_before_it_counts(kind: str, content: str, expected: Screen) -> None:
    """Its ballot is open until all of it has been looked at, and out if any of it is rejected."""
    asked = plan((A, B, C), kind=kind)
    state, _ = begin(asked)
    state, commands = step(state, Answered(0, candidate(content), 10))
    assert commands == [expected]
    assert state.ballots[0].state == "screening"
    state, _ = step(state, Screened(0, screened("reject")))
    assert (state.ballots[0].outcome, state.ballots[0].candidate_sha256) == ("screened_out", "")


def test_prose_without_code_waits_for_no_screening() -> None:
    """There is nothing to look at."""
    state, commands = step(begin(plan((A, B), kind="text"))[0], Answered(0, candidate("Never do this."), 10))
    assert (commands, state.ballots[0].state) == ([], "readable")


def test_the_same_answer_is_read_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Ballots with the same bytes share their reading and their code; other bytes of the same form are read by themselves."""
    looks: list[str] = []

    def noted(kind: str, question: str, policy: str, content: str, *rest: str) -> Readable:
        looks.append(content)
        return readable(kind, question, policy, content, *rest)

    monkeypatch.setattr(deliberation, "readable", noted)
    events = [*said(0, ONE), *said(1, ONE), *said(2, f"{ONE}  # the same")]
    state, _ = deliberate(A, B, C, events=events, hear_everyone=True)
    assert looks == [ONE, f"{ONE}  # the same"]
    first, second, third = state.ballots
    assert (first.reading, first.code) == (second.reading, second.code)
    assert first.reading is not None
    assert third.reading is not None
    assert (first.reading.sha256, third.code) == (third.reading.sha256, f"{ONE}  # the same")
    assert outcomes(state) == ["agreed"] * 3
