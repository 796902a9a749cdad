"""Records of requests that went through several layers: what is built replays, and what cannot have been is caught."""

from collections.abc import Callable, Iterator, Sequence

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from actors.base.errors import IntegrityError
from actors.consensus.causes import BARRED_NOTE, HOPELESS_CAUSE, UNVOUCHED_CAUSE
from actors.consensus.choosing import choose_served
from actors.consensus.deliberation import begin
from actors.consensus.reading.examples import Example
from actors.consensus.records import build_record
from actors.consensus.replay import check_ballots, check_choice, check_form, check_result, replay_tally
from actors.consensus.replay_layers import check_layers
from actors.consensus.tally import Rule
from actors.consensus.vocabulary import PolicyChanged, Seat, State
from actors.spans.record import BallotEntry, DecisionRecord, LayerEntry, Result, WriterRef
from tests.examples import examples
from tests.unit.actors.consensus.courses import EVERYONE, Course, courses, run
from tests.unit.actors.consensus.panels import CODES, FAILS, LATE, Script, play
from tests.unit.actors.consensus.test_replay import FACTS
from tests.unit.actors.consensus.world import NOW_S, WRITER, plan, screened

ONE, TWO = "def f(x):\n    return x + 1", "def f(x):\n    return x + 2"
Change = Callable[[LayerEntry], LayerEntry]


def record_of(state: State) -> DecisionRecord:
    """Build the record of a request."""
    facts = replace(FACTS, tie_salt=state.tie_salt)
    return build_record(state, choose_served(state, state.tie_salt), facts, WriterRef(id=WRITER, seq=7))


def check(record: DecisionRecord) -> None:
    """Check a record as ``verify`` does, without its signature."""
    check_form(record, NOW_S)
    check_ballots(record)
    counted = replay_tally(record)
    check_choice(record)
    check_result(record, counted)
    check_layers(record, NOW_S)


def course(*layers: tuple[str, ...], does: dict[str, str], **changes: object) -> Course:
    """Return a request whose layers have the named voters, each of a lineage of its own and of equal weight."""
    plans = [
        plan(
            [Seat(v, "f", f"l-{v}", 500_000) for v in members], layer=f"layer{index}", index=index, deadline_ms=1_000, **changes
        )
        for index, members in enumerate(layers)
    ]  # fmt: skip
    return Course(Script(plans[0], does), tuple(plans[1:]))


@pytest.fixture
def failed_over() -> DecisionRecord:
    """Two of three fail in the first layer; the third's answer is carried over, and the second layer agrees."""
    does = {"a": ONE, "b": FAILS, "c": FAILS, "d": ONE}
    made = course(("a", "b", "c"), ("a", "d"), does=does, kind="code:python")
    return record_of(run(made, "abcd"))


@settings(max_examples=examples(150), deadline=None)
@given(courses(), st.permutations([seat.voter for seat in EVERYONE]))
def test_every_request_through_layers_replays(made: Course, order: list[str]) -> None:
    """Whatever layers there are and whatever their voters do: what is recorded verifies."""
    check(record_of(run(made, order)))


def test_a_request_that_failed_over_says_so(failed_over: DecisionRecord) -> None:
    """It is degraded, tells both layers, and which ballot was carried over."""
    check(failed_over)
    assert (failed_over.result, failed_over.degraded, failed_over.layer.index) == ("answered", True, 1)
    assert [tried.outcome for tried in failed_over.layer.tried] == ["unavailable", "agreed"]
    assert [ballot.carried for ballot in failed_over.ballots] == [True, False]


def test_what_cannot_have_been_is_caught(failed_over: DecisionRecord) -> None:
    """Any one thing about an earlier layer that the rest contradicts fails, in its own words."""
    believed = [name for name, lied in lies(failed_over) if is_believed(lied)]
    assert believed == []


def is_believed(record: DecisionRecord) -> bool:
    """Tell whether a record passes every check."""
    try:
        check(record)
    except IntegrityError:
        return False
    return True


def lies(r: DecisionRecord) -> Iterator[tuple[str, DecisionRecord]]:
    """Yield changed records."""

    def earlier(change: Change) -> DecisionRecord:
        return replace(r, earlier=[change(r.earlier[0])])

    def ballots(number: int, **changes: object) -> DecisionRecord:
        def change(entry: LayerEntry) -> LayerEntry:
            changed: BallotEntry = replace(entry.ballots[number], **changes)
            return replace(entry, ballots=[*entry.ballots[:number], changed, *entry.ballots[number + 1 :]])

        return earlier(change)

    yield "left out", replace(r, earlier=[])
    alone = replace(r.layer, tried=r.layer.tried[1:])
    own = [replace(ballot, carried=False) for ballot in r.ballots]
    yield "left out, and nothing speaks of it", replace(r, earlier=[], layer=alone, ballots=own)
    tried = r.layer.tried
    yield "tried otherwise", replace(r, layer=replace(r.layer, tried=[replace(tried[0], cause="another"), tried[1]]))
    yield "told twice", replace(r, earlier=r.earlier * 2)
    yield "it tells of another", earlier(lambda e: replace(e, layer=replace(e.layer, tried=[e.layer.tried[0]] * 2)))
    yield "another index", replace(r, layer=replace(r.layer, index=0))
    yield "not degraded", replace(r, degraded=False)
    yield "another name", earlier(lambda e: replace(e, layer=replace(e.layer, name="other")))
    yield "another rule", earlier(lambda e: replace(e, layer=replace(e.layer, min_lineages=1)))
    yield "agreed", earlier(lambda e: _ending(e, "agreed", ""))
    yield "halted", earlier(lambda e: _ending(e, "unavailable", "generation was halted"))
    yield "disagreed", earlier(lambda e: _ending(e, "disagreed", "x"))
    yield "another tally", earlier(lambda e: replace(e, tally=replace(e.tally, winner=0)))
    yield "a likeness of code", earlier(lambda e: replace(e, similarity="0.600000"))
    yield "another method", earlier(lambda e: replace(e, method="value"))
    yield "one more was heard", ballots(1, outcome="dissented", group=0, **_digests(r))
    yield (
        "nobody was heard",
        ballots(0, outcome="failed", group=-1, candidate_sha256="", normal_form_sha256="", screening="none"),
    )
    yield "replaced by nobody", ballots(1, replaced=True)
    yield "carried into the first", ballots(0, carried=True)
    yield "another answer was heard", ballots(0, candidate_sha256="f" * 64)
    yield "it was rejected", earlier(lambda e: replace(e, rejected=[r.ballots[0].normal_form_sha256]))
    yield "asked again", replace(r, ballots=[replace(r.ballots[0], carried=False), r.ballots[1]])
    yield "never asked before", replace(r, ballots=[r.ballots[0], replace(r.ballots[1], carried=True)])


def _ending(entry: LayerEntry, outcome: str, cause: str) -> LayerEntry:
    tried = replace(entry.layer.tried[0], outcome=outcome, cause=cause)
    return replace(entry, layer=replace(entry.layer, tried=[tried]))


def _digests(r: DecisionRecord) -> dict[str, str]:
    first = r.earlier[0].ballots[0]
    return {
        "candidate_sha256": first.candidate_sha256, "normal_form_sha256": first.normal_form_sha256, "screening": "pass",
    }  # fmt: skip


def test_an_answer_that_one_layer_rejected_wins_in_no_later_one() -> None:
    """Screening rejects it in the first layer: in the second it stays out, byte for byte and written otherwise."""
    does = {"a": ONE, "b": FAILS, "c": FAILS, "d": ONE, "e": f"{ONE}  # written otherwise"}
    made = course(("a", "b", "c"), ("d", "e"), does=does, kind="code:python")
    made = Course(_rejecting(made.first), made.later)
    ended = run(made, "abc")
    assert ended.plan.barred
    record = record_of(run(made, "abcde"))
    check(record)
    assert [ballot.outcome for ballot in record.ballots] == ["screened_out"] * 2
    assert record.result == "screened_out"


def _rejecting(script: Script) -> Script:
    return Script(script.plan, script.does, {ONE: screened("reject")})


def test_a_weaker_layer_is_passed_over_and_a_fresh_one_decides() -> None:
    """After disagreement the second layer asks for less and is not asked; the third does not, and its voters are new."""
    does = {"a": ONE, "b": TWO, "c": "def f(x):\n    return x", "d": ONE, "e": ONE, "g": ONE, "h": ONE}
    made = course(("a", "b", "c"), ("d", "e"), ("g", "h"), does=does, kind="code:python")
    weaker = replace(made.later[0], rule=replace(made.later[0].rule, quorum_micro=500_000))
    record = record_of(run(Course(made.first, (weaker, made.later[1])), "abcdegh"))
    check(record)
    assert [tried.name for tried in record.layer.tried] == ["layer0", "layer2"]
    assert (record.result, record.layer.index) == ("answered", 2)


def test_a_layer_without_hope_is_on_record_and_whom_it_did_not_ask_the_next_one_asks() -> None:
    """Its voters are of one lineage, one of them isolated: nobody was asked, and whoever could have been is asked behind it."""
    kin = (Seat("a", "f", "l-a", 500_000), Seat("b", "f", "l-a", 500_000))
    made = course(("a", "b"), ("a", "d"), does=dict.fromkeys("abd", "Paris"))
    hopeless = replace(made.first.plan, seats=kin, isolated=frozenset("b"), spares=(replace(kin[1], voter="c"),))
    record = record_of(run(Course(Script(hopeless, made.first.does | {"c": "Paris"}), made.later), "abcd"))
    check(record)
    first = record.earlier[0]
    assert (first.layer.tried[0].cause, [b.outcome for b in first.ballots]) == (
        HOPELESS_CAUSE,
        ["cancelled", "isolated"],
    )
    assert [(b.voter, b.outcome, b.carried) for b in record.ballots] == [("a", "agreed", False), ("d", "agreed", False)]


def test_a_layer_that_ended_while_somebody_stood_by_in_vain_replays() -> None:
    """One of two lineages failed and the spares are of the other: one has a ballot, none was asked, the next layer decides."""
    made = course(("a", "b"), ("a", "d"), does=dict.fromkeys("ad", "Paris") | dict.fromkeys("bcg", FAILS))
    spares = tuple(Seat(voter, "f", "l-a", 500_000) for voter in "cg")
    first = Script(replace(made.first.plan, spares=spares), made.first.does)
    record = record_of(run(Course(first, made.later), "bacdg"))
    check(record)
    assert [(b.voter, b.outcome, b.replaced) for b in record.earlier[0].ballots] == [
        ("a", "cancelled", False), ("b", "failed", True), ("c", "cancelled", False),
    ]  # fmt: skip
    assert (record.result, record.layer.index) == ("answered", 1)


def test_a_late_answer_is_a_silent_ballot_of_the_next_layer() -> None:
    """There it is called a time-out, with the digest of what came; late, or agreed with, it would be another history."""
    does = {"a": LATE, "b": FAILS, "c": FAILS, "d": "Paris", "e": "Paris"}
    record = record_of(run(course(("a", "b", "c"), ("a", "d", "e"), does=does, hear_everyone=True), "abcde"))
    check(record)
    late, carried = record.earlier[0].ballots[0], record.ballots[0]
    assert (late.outcome, carried.outcome, carried.carried) == ("late", "timeout", True)
    assert carried.received_sha256 == late.received_sha256 != ""
    again = replace(carried, outcome="late")
    assert not is_believed(replace(record, ballots=[again, *record.ballots[1:]]))


def test_whom_policy_kept_out_of_one_layer_and_lets_answer_in_the_next_is_asked_there() -> None:
    """It was not heard before: there is nothing to carry."""
    made = course(("a", "b"), ("a", "d"), does={"a": "Paris", "b": FAILS, "d": "Paris"})
    keeping_out = Script(replace(made.first.plan, isolated=frozenset("a")), made.first.does)
    record = record_of(run(Course(keeping_out, made.later), "abd"))
    check(record)
    assert record.earlier[0].ballots[0].outcome == "isolated"
    assert [(ballot.outcome, ballot.carried) for ballot in record.ballots] == [("agreed", False)] * 2


def test_whom_policy_isolates_after_its_ballot_was_carried_is_isolated_and_was_carried() -> None:
    """Whether it had failed or answered before."""
    for does in (FAILS, "Paris"):
        made = course(
            ("a", "b", "c"), ("a", "d", "e"), does={"a": does, "b": FAILS, "c": FAILS, "d": "Rome", "e": "Rome"}
        )
        isolating = {1: (0, PolicyChanged(frozenset("a"), halted=False))}
        record = record_of(run(Course(made.first, made.later, isolating), "abcde"))
        check(record)
        assert (record.result, record.ballots[0].outcome, record.ballots[0].carried) == ("answered", "isolated", True)


@pytest.mark.parametrize("gone", ["a", "g"])
def test_whom_policy_isolates_by_then_is_not_carried(gone: str) -> None:
    """Whether an earlier layer asked it or not; and nobody is said to be carried who was not asked before."""
    does = {"a": FAILS, "b": FAILS, "d": "Paris", "e": "Paris", "g": "Paris"}
    made = course(("a", "b"), ("d", "e", gone), does=does, hear_everyone=True)
    isolating = replace(made.later[0], isolated=frozenset(gone))
    record = record_of(run(Course(made.first, (isolating,)), "abdeg"))
    check(record)
    isolated = record.ballots[-1]
    assert (record.result, isolated.voter, isolated.outcome, isolated.carried) == ("answered", gone, "isolated", False)
    if gone == "g":
        assert not is_believed(replace(record, ballots=[*record.ballots[:-1], replace(isolated, carried=True)]))


def test_a_layer_without_hope_carries_nothing_of_those_that_were_asked_before() -> None:
    """It asked nobody, so what it says of a voter that failed before is that it was not asked; the layer behind it decides."""
    made = course(("a", "b"), ("a",), ("a", "d", "e"), does={"a": FAILS, "b": FAILS, "d": "Paris", "e": "Paris"})
    record = record_of(run(made, "abde"))
    check(record)
    assert [tried.cause == HOPELESS_CAUSE for tried in record.layer.tried] == [False, True, False]
    assert [(b.outcome, b.carried) for b in record.earlier[1].ballots] == [("cancelled", False)]
    assert [(b.outcome, b.carried) for b in record.ballots] == [("failed", True), ("agreed", False), ("agreed", False)]


def test_a_voter_that_one_layer_hedged_and_rejected_has_a_substitute_in_the_next() -> None:
    """The hedge was the first layer's: carried over, the rejected answer has one more asked in its place, and that replays."""
    does = {"a": ONE, "b": FAILS, "c": FAILS, "d": TWO, "e": TWO}
    made = course(("a", "b", "c"), ("a", "d"), does=does, kind="code:python")
    hedging = replace(made.first.plan, seats=made.first.plan.seats[:2], spares=made.first.plan.seats[2:])
    spared = replace(made.later[0], spares=(Seat("e", "f", "l-e", 500_000),))
    first = Script(hedging, does, {ONE: screened("reject")}, slow=frozenset("a"))
    record = record_of(run(Course(first, (spared,)), "abcde"))
    check(record)
    assert record.earlier[0].ballots[0].hedged
    carried = record.ballots[0]
    assert (carried.carried, carried.hedged, carried.replaced) == (True, False, True)
    assert record.result == "answered"


def test_an_answer_that_nobody_looked_at_any_more_goes_on_and_is_not_asked_for_again() -> None:
    """The first layer ends while it is being screened; the second screens it, and the record says that it was carried."""
    does = {"a": FAILS, "b": ONE, "c": FAILS, "d": ONE}
    made = course(("a", "b", "c"), ("b", "d"), does=does, kind="code:python")
    first = play(Script(made.first.plan, does, unseen=frozenset([ONE])), "bac")
    last = play(Script(made.later[0], does), "bd", earlier=(replace(first, tie_salt="ab" * 16),))
    _, commands = begin(made.later[0], (first,))
    assert [type(command).__name__ for command in commands] == ["Screen", "Ask"]
    record = record_of(replace(last, tie_salt="ab" * 16))
    check(record)
    assert (record.earlier[0].ballots[1].outcome, record.ballots[0].carried) == ("cancelled", True)
    assert [ballot.outcome for ballot in record.ballots] == ["agreed", "agreed"]


@pytest.mark.parametrize("silenced", ["failed", "invalid", "timeout", "isolated"])
def test_a_carried_dissent_cannot_be_silenced(silenced: str) -> None:
    """What was answered before was answered: its digest stands, and the voter can have failed only in ways that keep it."""
    does = {"a": "Rome", "b": FAILS, "c": FAILS, "d": "Paris", "e": "Paris", "g": "Paris"}
    record = record_of(run(course(("a", "b", "c"), ("a", "d", "e", "g"), does=does, hear_everyone=True), "abcdeg"))
    check(record)
    dissent = record.ballots[0]
    assert (dissent.carried, dissent.group) == (True, 1)
    gone = replace(dissent, outcome=silenced, group=-1, candidate_sha256="", normal_form_sha256="")
    assert not is_believed(replace(record, ballots=[gone, *record.ballots[1:]]))
    kept = replace(gone, received_sha256=dissent.candidate_sha256 if silenced != "failed" else "")
    assert is_believed(replace(record, ballots=[kept, *record.ballots[1:]])) is (silenced in ("timeout", "isolated"))
    never = replace(gone, outcome="cancelled", carried=False)
    assert not is_believed(replace(record, ballots=[never, *record.ballots[1:]]))


def test_a_sink_that_one_layer_rejected_vouches_for_nobody_in_the_next() -> None:
    """One lineage alone used the network and was put out; another that does so in the second layer is alone there as well."""
    does = {"a": ONE, "b": "def f(x):\n    return x", "c": FAILS, "d": TWO, "e": "def f(x):\n    return 3 + x"}
    made = course(("a", "b", "c"), ("a", "d", "e"), does=does, kind="code:python", rule=Rule(900_000, 2, 0, 0))
    reaching = {code: screened("pass", "network") for code in (ONE, TWO)}
    last = run(Course(Script(made.first.plan, does, reaching), made.later), "abcde")
    check(record_of(last))
    assert [ballot.outcome for ballot in last.earlier[0].ballots] == ["screened_out", None, "failed"]
    assert [ballot.outcome for ballot in last.ballots] == ["screened_out", "screened_out", None]


def test_isolating_whoever_gave_a_rejected_answer_lets_nobody_else_give_it() -> None:
    """The answer stays barred from later layers, whoever gives it there."""
    does = {"a": ONE, "b": FAILS, "c": FAILS, "d": ONE, "e": ONE}
    made = course(("a", "b", "c"), ("d", "e"), does=does, kind="code:python", hear_everyone=True)
    isolating = {0: (1, PolicyChanged(frozenset("a"), halted=False))}
    rejecting = Script(made.first.plan, does, {ONE: screened("reject")})
    last = run(Course(rejecting, made.later, isolating), "abcde")
    assert [ballot.outcome for ballot in last.earlier[0].ballots] == ["isolated", "failed", "failed"]
    assert [ballot.note for ballot in last.ballots] == [BARRED_NOTE] * 2
    check(record_of(last))


def test_an_answer_that_failed_an_example_wins_in_no_later_layer() -> None:
    """Nor does one that says the same otherwise; the record is held to it by what the first layer's ballots say they passed."""
    does = {"a": ONE, "b": FAILS, "c": FAILS, "d": f"{ONE}  # written otherwise", "e": TWO, "g": TWO}
    proven = {"examples": (Example("f(1)", "3"),) * 2, "compare_ms": 100, "hear_everyone": True}
    made = course(("a", "b", "c"), ("d", "e", "g"), does=does, kind="code:python", **proven)
    last = run(Course(Script(made.first.plan, does, passes={ONE: 0}), made.later), "abcdeg")
    record = record_of(last)
    check(record)
    assert [ballot.note for ballot in last.ballots] == [BARRED_NOTE, "", ""]
    first = record.earlier[0]
    assert first.rejected == [first.ballots[0].normal_form_sha256]
    again = replace(record.ballots[1], normal_form_sha256=first.rejected[0])
    lied = replace(
        record, ballots=[record.ballots[0], again, replace(record.ballots[2], normal_form_sha256=first.rejected[0])]
    )
    assert not is_believed(replace(lied, earlier=[replace(first, rejected=[])]))
    assert is_believed(lied) is False
    same = replace(record.ballots[1], candidate_sha256=first.ballots[0].candidate_sha256)
    assert not is_believed(replace(record, ballots=[record.ballots[0], same, record.ballots[2]], result="no_consensus"))


def forced(made: Course, order: Sequence[str]) -> DecisionRecord:
    """Return the record of a request whose layers were all asked, whether they might follow or not."""
    tried: tuple[State, ...] = ()
    for asked in (made.first.plan, *made.later):
        script = Script(asked, made.first.does)
        held = [voter for voter in order if voter in script.voters]
        tried = (*tried, replace(play(script, held, earlier=tried), earlier=(), tie_salt="ab" * 16))
    return record_of(replace(tried[-1], earlier=tried[:-1]))


def test_a_jury_that_might_not_follow_is_refused() -> None:
    """A weaker one behind a disagreement, also with a layer in between that could not be heard, and layers out of order."""
    does = {"a": "Paris", "b": "Rome", "c": FAILS, "d": FAILS, "e": "Oslo", "g": "Oslo"}
    weaker = {"rule": Rule(500_000, 2, 1_300_000, 500_000)}
    made = course(("a", "b"), ("c", "d"), ("e", "g"), does=does)
    check(good := forced(made, "abcdeg"))
    last = replace(made.later[1], **weaker)
    for lied in (
        forced(Course(made.first, (last,)), "abeg"),
        forced(Course(made.first, (made.later[0], last)), "abcdeg"),
    ):
        with pytest.raises(IntegrityError, match="could not follow"):
            check(lied)
    barring = replace(good.earlier[0], rejected=[good.ballots[0].normal_form_sha256])
    assert not is_believed(replace(good, earlier=[barring, good.earlier[1]]))
    unsorted = replace(good.earlier[0], rejected=["b" * 64, "a" * 64])
    assert not is_believed(replace(good, earlier=[unsorted, good.earlier[1]]))
    for second, third in ((2, 2), (3, 2)):
        entry = replace(good.earlier[1], layer=replace(good.earlier[1].layer, index=second))
        with pytest.raises(IntegrityError, match="out of order"):
            check(replace(good, earlier=[good.earlier[0], entry], layer=replace(good.layer, index=third)))


@pytest.mark.parametrize(("deed", "older"), [(FAILS, "unavailable"), (LATE, "deadline")])
def test_silence_behind_a_disagreement_is_recorded_as_one_and_was_not_always(deed: str, older: Result) -> None:
    """Records that name the end of the last layer still verify; no other result does, nor a disagreement that nobody had."""
    does = {"a": "Paris", "b": "Rome", "c": deed, "d": deed}
    record = record_of(run(course(("a", "b"), ("c", "d"), does=does), "abcd"))
    assert (record.result, record.layer.tried[1].outcome) == ("no_consensus", older)
    check(record)
    check(replace(record, result=older))
    others: set[Result] = {"no_consensus", "screened_out", "unavailable", "deadline", "halted", "answered", "withheld"}
    assert [other for other in others - {"no_consensus", older} if is_believed(replace(record, result=other))] == []
    silent = record_of(run(course(("a", "b"), ("c", "d"), does={**does, "a": FAILS}), "abcd"))
    check(silent)
    assert not is_believed(replace(silent, result="no_consensus"))


@pytest.mark.parametrize(("seated", "standing_by"), [("cd", "e"), ("c", "e"), ("cd", "a")])
def test_those_who_stand_by_make_no_new_jury_of_a_layer(seated: str, standing_by: str) -> None:
    """Behind a disagreement as many as must agree are seated, and nobody who stands by is of a lineage that was asked before."""
    does = {"a": "Paris", "b": "Rome", "c": FAILS, "d": "Oslo", "e": "Oslo"}
    made = course(("a", "b"), tuple(seated), does={**does, f"{standing_by}2": "Oslo"})
    spare = Seat(f"{standing_by}2", "f", f"l-{standing_by}", 500_000)
    record = forced(Course(made.first, (replace(made.later[0], spares=(spare,)),)), ("a", "b", "c", "d", spare.voter))
    assert [ballot.voter for ballot in record.ballots] == [*seated, spare.voter]
    assert is_believed(record) is ((seated, standing_by) == ("cd", "e"))


def test_parts_that_nobody_vouched_for_in_one_layer_leave_by_another() -> None:
    """Two do the same in words of their own: nothing is served; a fresh jury decides, and no record calls them vouched for."""
    does = {"a": CODES[5], "b": CODES[6], "d": TWO, "e": TWO}
    made = course(("a", "b"), ("d", "e"), does=does, kind="code:python", compare_ms=100)
    record = record_of(run(made, "abde"))
    check(record)
    assert [(tried.outcome, tried.cause) for tried in record.layer.tried] == [
        ("disagreed", UNVOUCHED_CAUSE),
        ("agreed", ""),
    ]
    first = record.earlier[0]
    common = [replace(ballot, own_code=0, own_words=0) for ballot in first.ballots]
    with pytest.raises(IntegrityError, match="picks another candidate"):
        check(replace(record, earlier=[replace(first, ballots=common)]))


def test_a_rejected_answer_is_known_by_its_ballot_too() -> None:
    """Leaving its form out of what the layer rejected does not let its bytes count later."""
    does = {"a": ONE, "b": FAILS, "c": FAILS, "d": TWO, "e": TWO}
    made = course(("a", "b", "c"), ("d", "e"), does=does, kind="code:python")
    record = record_of(run(Course(_rejecting(made.first), made.later), "abcde"))
    check(record)
    first = replace(record.earlier[0], rejected=[])
    assert is_believed(replace(record, earlier=[first]))
    same = replace(first.ballots[0], received_sha256=record.ballots[0].candidate_sha256)
    assert not is_believed(replace(record, earlier=[replace(first, ballots=[same, *first.ballots[1:]])]))
