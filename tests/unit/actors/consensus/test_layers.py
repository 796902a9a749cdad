"""Which layer may follow which: unavailability fails over, disagreement never reaches a weaker jury."""

from collections.abc import Iterable, Sequence

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from actors.consensus.causes import HALTED_CAUSE, HOPELESS_CAUSE, NOT_COMPARED_CAUSE, SANDBOX_CAUSE
from actors.consensus.deliberation import begin
from actors.consensus.layers import (
    Ended,
    Offer,
    barred,
    deciding,
    ended,
    independence,
    may_follow,
    no_weaker,
    offer,
    silent,
    time_ms,
)
from actors.consensus.standing import ballots_told
from actors.consensus.tally import Rule
from actors.consensus.vocabulary import Ask, Seat
from actors.spans.record import LayerOutcome, LayerTried
from tests.examples import examples
from tests.unit.actors.consensus.courses import EVERYONE, Course, courses, run
from tests.unit.actors.consensus.panels import FAILS, Script, play
from tests.unit.actors.consensus.world import plan, screened

RULE = Rule(600_000, 2, 1_300_000, 500_000, 100_000)
FRESH = frozenset({"x", "y"})


def brings(rule: Rule, lineages: Iterable[str] = FRESH, standing_by: str = "") -> Offer:
    """Return what a layer of those lineages brings."""
    return Offer(rule, frozenset(lineages), frozenset(lineages) | frozenset(standing_by))


def end(outcome: LayerOutcome = "unavailable", *, heard: bool = False, cause: str = "") -> Ended:
    """Return the end of a layer of three lineages."""
    return Ended(outcome, cause, heard, RULE, frozenset("abc"))


@pytest.mark.parametrize(("outcome", "heard"), [("unavailable", False), ("deadline", False)])
def test_a_layer_that_was_not_heard_fails_over_to_any_other(outcome: LayerOutcome, *, heard: bool) -> None:
    """The next may ask for less, and may even have the same voters."""
    weaker = brings(replace(RULE, quorum_micro=1, min_n_eff_micro=0, min_gap_micro=0), "a")
    assert may_follow([end(outcome, heard=heard)], weaker)


@pytest.mark.parametrize("outcome", ["disagreed", "screened_out", "deadline"])
@pytest.mark.parametrize(
    "weaker",
    [{"quorum_micro": 599_999}, {"min_lineages": 1}, {"min_n_eff_micro": 1_299_999}, {"min_gap_micro": 99_999}],
)
def test_a_layer_that_was_heard_never_reaches_a_weaker_one(outcome: LayerOutcome, weaker: dict[str, int]) -> None:
    """Whatever is lower, and though all of its lineages are new."""
    heard = [end(outcome, heard=True)]
    assert may_follow(heard, brings(RULE))
    assert not may_follow(heard, brings(replace(RULE, **weaker)))


@pytest.mark.parametrize("outcome", ["disagreed", "screened_out"])
def test_a_layer_that_had_to_disagree_before_all_were_heard_was_no_silent_one(outcome: LayerOutcome) -> None:
    """It ended as soon as nobody could win any more: those it cancelled then make no silence of it."""
    weaker = brings(replace(RULE, quorum_micro=1))
    assert not may_follow([end(outcome, heard=False)], weaker)


@pytest.mark.parametrize(
    ("panel", "standing_by", "may"),
    [
        ("abc", "", False),
        ("abx", "", False),
        ("axy", "", False),
        ("xy", "a", False),
        ("x", "", False),
        ("xy", "z", True),
    ],
)
def test_a_layer_that_was_heard_is_followed_by_new_voters_only(panel: str, standing_by: str, *, may: bool) -> None:
    """Not one of them may bring along what he said before, as a substitute neither; and as many as must agree are seated."""
    assert may_follow([end("disagreed", heard=True)], brings(RULE, panel, standing_by)) is may


def test_a_layer_offers_those_whom_policy_lets_answer_and_may_ask_more() -> None:
    """On its panel count those that are asked; new must be everybody, the isolated and those who stand by too."""
    a, b, c = (Seat(f"v-{lineage}", "f", lineage, 500_000) for lineage in "abc")
    made = plan([a, b], spares=(c,), isolated=frozenset(["v-b"]))
    assert offer(made) == Offer(made.rule, frozenset("a"), frozenset("abc"))


def test_a_layer_that_stays_silent_allows_most_and_takes_its_lineages_along() -> None:
    """Anything may follow it alone; behind a disagreement nobody on its panel, standing by or isolated."""
    a, b, c = (Seat(f"v-{lineage}", "f", lineage, 500_000) for lineage in "xyz")
    made = plan([a, b], spares=(c,), isolated=frozenset(["v-y"]), rule=RULE)
    assert may_follow([silent(made)], brings(replace(RULE, quorum_micro=1), "xy"))
    assert may_follow([end("disagreed", heard=True), silent(made)], brings(RULE, "uv"))
    for panel in ("uvx", "uvy", "uvz"):
        assert not may_follow([end("disagreed", heard=True), silent(made)], brings(RULE, panel))


def test_every_layer_that_was_tried_binds_the_next() -> None:
    """A layer that could not be heard in between opens no way round the one that disagreed."""
    weaker = brings(replace(RULE, quorum_micro=1))
    assert may_follow([end()], weaker)
    assert not may_follow([end("disagreed", heard=True), end()], weaker)
    asked_meanwhile = replace(end(), lineages=FRESH)
    assert not may_follow([end("disagreed", heard=True), asked_meanwhile], brings(RULE))


@pytest.mark.parametrize(
    "last",
    [end("agreed"), end(cause=HALTED_CAUSE), end("deadline", cause=NOT_COMPARED_CAUSE), end(cause=SANDBOX_CAUSE)],
)
def test_an_answer_a_halt_and_what_could_not_be_proven_end_the_request(last: Ended) -> None:
    """No other layer has another sandbox, nor lifts a halt."""
    assert not may_follow([last], brings(RULE))


def test_silence_is_not_being_heard_and_rejection_is() -> None:
    """Of three, two must have answered: a rejected answer is one, a late or failed one is none."""
    seats = [Seat(f"v{n}", "f", f"l{n}", 500_000) for n in range(3)]
    code = ("def f():\n    return 1", "def f():\n    return 2")

    def heard(*does: str, rejected: Sequence[str] = ()) -> bool:
        asked = plan(seats, kind="code:python", deadline_ms=1_000)
        script = Script(
            asked, {f"v{n}": deed for n, deed in enumerate(does)}, dict.fromkeys(rejected, screened("reject"))
        )
        return ended(play(script, script.voters)).heard

    assert heard(*code, FAILS)
    assert heard(*code, FAILS, rejected=code[:1])
    assert not heard(code[0], FAILS, FAILS)
    assert not heard(code[0], FAILS, "<late>", rejected=code[:1])
    assert heard(code[0], "<refuses>", FAILS)
    assert heard(code[0], "def f(:", FAILS)


def test_time_that_is_left_is_shared_among_the_layers_that_are_left() -> None:
    """Half of it for the first of three, and what it did not use goes on to the others."""
    assert time_ms(60_000, 500_000, [250_000, 250_000]) == 30_000
    assert time_ms(59_000, 250_000, [250_000]) == 29_500
    assert time_ms(29_500, 250_000, []) == 29_500


SANDBOX, TOO_LATE = SANDBOX_CAUSE, NOT_COMPARED_CAUSE


@pytest.mark.parametrize(
    ("ends", "place"),
    [
        ([("disagreed", "why"), ("deadline", "late")], 0),
        ([("disagreed", "why"), ("unavailable", "down"), ("unavailable", "down")], 0),
        ([("unavailable", "down"), ("screened_out", "why"), ("deadline", "late")], 1),
        ([("disagreed", "why"), ("screened_out", "why"), ("deadline", "late")], 1),
        ([("unavailable", "down"), ("deadline", "late")], 1),
        ([("disagreed", "why"), ("agreed", "")], 1),
        ([("disagreed", "why"), ("deadline", TOO_LATE)], 1),
        ([("disagreed", "why"), ("unavailable", SANDBOX)], 1),
        ([("disagreed", "why"), ("unavailable", HALTED_CAUSE)], 1),
        ([("deadline", "late")], 0),
    ],
)
def test_silence_unsays_nothing(ends: Sequence[tuple[LayerOutcome, str]], place: int) -> None:
    """Behind a layer that was heard, late or failing ones decide nothing; what could not be proven and a halt do."""
    tried = [LayerTried(f"layer{number}", outcome, cause) for number, (outcome, cause) in enumerate(ends)]
    assert deciding(tried) is tried[place]


def test_a_policy_that_loosens_meanwhile_loosens_no_later_layer() -> None:
    """Each bound is the stricter of before and now; what correlates is taken from now."""
    new = Rule(500_000, 3, 1_000_000, 700_000, 0)
    assert no_weaker(RULE, new) == Rule(600_000, 3, 1_300_000, 700_000, 100_000)


def test_independence_tells_how_much_of_a_layer_is_new() -> None:
    """All, some, or none of its lineages."""
    assert [independence("ab", members) for members in ("cd", "bc", "ab", "a")] == ["full", "partial", "none", "none"]


def test_nobody_is_asked_where_nobody_could_win() -> None:
    """Under ``strict`` one lineage makes no consensus: the layer ends at once and says why."""
    alone = plan([Seat("v0", "f", "l0", 500_000), Seat("v1", "f", "l0", 400_000)])
    state, commands = begin(alone)
    assert not [command for command in commands if isinstance(command, Ask)]
    assert state.conclusion is not None
    assert (state.conclusion.outcome, state.conclusion.cause) == ("unavailable", HOPELESS_CAUSE)


@settings(max_examples=examples(400), deadline=None)
@given(courses(), st.permutations([seat.voter for seat in EVERYONE]))
def test_whoever_makes_a_layer_disagree_never_gets_a_weaker_jury(course: Course, order: list[str]) -> None:
    """Whatever voters do in whatever order: behind a layer that was heard only a jury decides that is no weaker, and new."""
    last = run(course, order)
    tried = (*last.earlier, last)
    for place, layer in enumerate(tried[1:], 1):
        before = [ended(one) for one in tried[:place]]
        asked = {lineage for one in before for lineage in one.lineages}
        for one in before:
            if one.heard or one.outcome in ("disagreed", "screened_out"):
                assert layer.plan.rule == no_weaker(one.rule, layer.plan.rule)
                assert asked.isdisjoint(b.seat.lineage for b in layer.ballots)
                assert not any(b.carried for b in layer.ballots)


@settings(max_examples=examples(400), deadline=None)
@given(courses(), st.permutations([seat.voter for seat in EVERYONE]))
def test_a_voter_is_asked_once_and_what_was_rejected_stays_out(course: Course, order: list[str]) -> None:
    """Over all layers each voter has at most one ballot that nobody carried over, and no rejected answer counts later."""
    last = run(course, order)
    tried = (*last.earlier, last)
    for place, layer in enumerate(tried):
        gone = barred(tried[:place])
        counted = [b for b in layer.ballots if b.state == "readable" and b.reading is not None]
        assert all(gone.isdisjoint((b.candidate_sha256, b.reading.sha256)) for b in counted if b.reading)
    never = ("isolated", "cancelled")
    asked = [
        b.seat.voter for layer in tried for b in layer.ballots
        if not b.carried and b.state != "outstanding" and b.outcome not in never
    ]  # fmt: skip
    assert len(asked) == len(set(asked))
    told = [
        b.seat.voter
        for _, b in ballots_told(last)
        if b.carried or (b.outcome not in never and b.state != "outstanding")
    ]
    assert sorted(told) == sorted(asked)
