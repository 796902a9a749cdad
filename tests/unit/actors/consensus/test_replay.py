"""Records against themselves: every honest one replays, every lie that something in the record contradicts is caught."""

import dataclasses
from collections.abc import Callable, Iterator
from itertools import pairwise
from typing import get_args

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import replace
from msgspec.structs import replace as changed

from actors.base.canonical import canonical_json, decode
from actors.base.digests import sha256_hex
from actors.base.errors import IntegrityError
from actors.base.ids import ulid
from actors.consensus.causes import NOT_COMPARED_CAUSE, SANDBOX_CAUSE, UNVOUCHED_CAUSE
from actors.consensus.choosing import choose_served
from actors.consensus.deliberation import begin, step
from actors.consensus.independence import MAX_NAMED, Pair
from actors.consensus.reading.examples import Example
from actors.consensus.records import Facts, build_record
from actors.consensus.replay import check_ballots, check_choice, check_form, check_result, replay_tally
from actors.consensus.tally import Rule
from actors.consensus.vocabulary import Answered, Event, Failed, PolicyChanged, Seat, State
from actors.policy.snapshot import Calibration
from actors.spans.record import (
    BallotEntry,
    CacheRef,
    Choice,
    DecisionRecord,
    LayerOutcome,
    Method,
    PairEntry,
    Result,
    WriterRef,
)
from tests.examples import examples
from tests.unit.actors.consensus.panels import CODES, FAILS, HANGS, LATE, Script, play, recounted, scripts
from tests.unit.actors.consensus.world import NOW_S, WRITER, candidate, plan, screened, snapshot

SALT = "07" * 16
FACTS = Facts(
    ulid(NOW_S * 1000, b"0123456789"), NOW_S * 1000, "tenant", "commitment", "c" * 64, snapshot("abc"), "d" * 64, SALT
)
pytestmark = pytest.mark.usefixtures("read_once")
DIRECT = Rule(1_000_000, 1, 1_000_000, 0)
Lies = Iterator[tuple[str, DecisionRecord]]


def check(record: DecisionRecord) -> None:
    """Take every step that concerns the record alone."""
    check_form(record, NOW_S)
    check_ballots(record)
    check_choice(record)
    check_result(record, replay_tally(record))


def record_of(state: State, *, withheld: bool = False) -> DecisionRecord:
    """Build the record of a deliberation, or the one that takes its answer back."""
    served = None if withheld else choose_served(state, SALT)
    record = build_record(state, served, FACTS, WriterRef(id=WRITER, seq=7))
    return replace(record, result="withheld") if withheld else record


@st.composite
def records(draw: st.DrawFn) -> DecisionRecord:
    """Draw records of every kind of end: consensus, direct, recounted, halted, withheld."""
    script = draw(scripts())
    if draw(st.integers(0, 5)) == 0:
        alone = changed(
            script.plan,
            policy="direct",
            seats=script.plan.seats[:1],
            spares=(),
            isolated=frozenset(),
            rule=DIRECT,
            compare_ms=0,
            examples=(),
        )
        script = dataclasses.replace(script, plan=alone)
    state = play(script, draw(st.permutations(script.voters)))
    end = draw(st.sampled_from(["as it is", "as it is", "isolation", "halt", "withheld"]))
    if end == "isolation":
        state = recounted(state, draw(st.frozensets(st.sampled_from(script.voters), min_size=1, max_size=2)))
    if end == "halt":
        state = recounted(state, frozenset(), halted=True)
    return record_of(state, withheld=end == "withheld" and choose_served(state, SALT) is not None)


@settings(max_examples=examples(150), deadline=None)
@given(records())
def test_every_record_that_is_built_replays(record: DecisionRecord) -> None:
    """Whatever the panel, failures, substitutes, isolation, halts, policy and kind: what is recorded verifies."""
    check(record)


@settings(max_examples=examples(60), deadline=None)
@given(records())
def test_every_lie_that_the_record_contradicts_is_caught(record: DecisionRecord) -> None:
    """Changing any one thing that follows from the rest fails."""
    for name, lied in lies(record):
        assert lied != record, name
        assert step_that_fails(lied), f"believed: {name}"


@pytest.mark.parametrize(
    "last", [(PolicyChanged(frozenset(), halted=True),), (Failed(1, "failed", "x", 1), Failed(2, "failed", "x", 1))]
)
def test_code_that_ends_unscreened_is_no_ballot(last: tuple[Event, ...]) -> None:
    """An answer that nobody has looked at when it is over leaves no digest in the record, which verifies."""
    state = begin(changed(script(*CODES[:1] * 3, kind="code:python").plan, hear_everyone=False))[0]
    for event in (Answered(0, candidate(CODES[0]), 7), *last):
        state = step(state, event)[0]
    record = record_of(state)
    check(record)
    assert (record.ballots[0].outcome, record.ballots[0].candidate_sha256) == ("cancelled", "")


def unscreened(record: DecisionRecord, version: str = "none") -> DecisionRecord:
    """Return a record as it was made before code was screened and run."""
    ballots = [replace(ballot, screening="none") for ballot in record.ballots]
    return replace(record, ballots=ballots, screening_version=version)


def test_records_from_before_screening_verify_as_they_did() -> None:
    """Neither field of what has run is in their bytes, no ballot was screened, and they say so; others may not say it."""
    asked = script(*CODES[:1] * 2, CODES[1], kind="code:python")
    record = unscreened(record_of(play(asked, asked.voters)))
    old = canonical_json(record)
    assert record.result == "answered"
    assert b"examples" not in old
    read = decode(old, DecisionRecord, "decision record")
    assert canonical_json(read) == old
    check(read)
    assert step_that_fails(unscreened(record, "rules-1")) == "ballots"
    assert step_that_fails(first(record, screening="pass")) == "ballots"


def test_records_from_before_pairs_and_gaps_verify_as_they_did() -> None:
    """Where the rule names no pair, no gap and no error, none of the three is in the bytes; such records count as ever."""
    asked = script("Paris", "Paris", "Rome")
    old = canonical_json(record_of(play(asked, asked.voters)))
    assert not [name for name in (b"correlations", b"min_gap", b"calibrated_error") if name in old]
    read = decode(old, DecisionRecord, "decision record")
    assert (canonical_json(read), read.tally.correlation, read.tally.n_eff) == (old, "0.500000", "1.333333")
    check(read)


def test_records_from_before_lineages_drew_lots_verify_as_they_did() -> None:
    """They name no rule of choice; then the least of all candidates' own lots is what was served, and nothing else."""
    code = CODES[0]
    asked = script(code, f"{code}\n# one", f"{code}\n# two", kind="code:python", policy="evidence")
    record = record_of(play(asked, asked.voters))
    assert record.tally.choice == "least"
    lots = sorted(b.candidate_sha256 for b in record.ballots)
    lots.sort(key=lambda digest: sha256_hex(f"{SALT}{digest}".encode()))

    def served(digest: str, choice: Choice) -> DecisionRecord:
        told = replace(record.tally, served_sha256=digest, choice=choice)
        plain = [replace(ballot, own_code=0, own_words=0) for ballot in record.ballots]
        return replace(record, tally=told, answer_sha256=digest, ballots=plain)

    assert [step_that_fails(served(digest, "")) for digest in lots] == ["", "choice", "choice"]
    assert b"choice" not in canonical_json(served(lots[0], ""))
    strict = replace(record, policy=replace(record.policy, name="strict"), tally=replace(record.tally, seconded=False))
    assert step_that_fails(strict) == "result"
    withheld = record_of(play(asked, asked.voters), withheld=True)
    assert withheld.tally.choice == ""
    assert step_that_fails(replace(withheld, tally=replace(withheld.tally, choice="own"))) == "result"


def test_records_from_before_guesses_were_told_verify_as_they_did() -> None:
    """One of three answers of a lineage that passed the examples was served; a record that says it would not be is refused."""
    asked = script(*CODES[:3], kind="code:python", policy="evidence", compare_ms=100, examples=TWO_EXAMPLES)
    one_lineage = [replace(seat, lineage="l") for seat in asked.plan.seats]
    asked = dataclasses.replace(asked, plan=replace(asked.plan, seats=tuple(one_lineage)))
    asked = dataclasses.replace(asked, passes={CODES[1]: 0, CODES[2]: 1})
    now = record_of(play(asked, asked.voters))
    assert (now.result, now.tally.seconded) == ("unavailable", True)
    assert step_that_fails(replace(now, tally=replace(now.tally, seconded=False))) == "tally"
    strict = record_of(play(script("Paris", "Paris"), ["v0", "v1"]))
    assert b"seconded" not in canonical_json(strict)
    assert step_that_fails(replace(strict, tally=replace(strict.tally, seconded=True))) == "record"


def test_the_pairs_and_the_gap_that_were_counted_with_are_on_record() -> None:
    """A record of a rule with pairs and a gap says so and replays; without them, or with others, it counts otherwise."""
    rule = Rule(600_000, 2, 1_000_000, 500_000, 300_000, (Pair("l0", "l1", 900_000), Pair("l1", "l9", 800_000)))
    stated = snapshot("abc", calibration={"strict": Calibration("0.05", "measured")})
    asked = script("Paris", "Paris", "Rome", rule=rule)
    state = play(asked, asked.voters)
    record = build_record(
        state, choose_served(state, SALT), replace(FACTS, snapshot=stated), WriterRef(id=WRITER, seq=7)
    )
    assert record.tally.correlations == [PairEntry(a="l0", b="l1", rho="0.900000")]
    assert (record.tally.n_eff, record.layer.min_gap) == ("1.052631", "0.300000")
    assert record.policy.calibrated_error == "0.050000"
    check(record)
    for pairs in ([], [PairEntry(a="l0", b="l1", rho="0.800000")]):
        assert step_that_fails(replace(record, tally=replace(record.tally, correlations=pairs))) == "tally"
    assert step_that_fails(replace(record, layer=replace(record.layer, min_gap="0.400000"))) == "tally"


def test_more_pairs_than_can_be_counted_are_refused_unread() -> None:
    """A record that names more lineages than subsets can be counted of fails before anything is counted."""
    asked = script(*["Paris"] * (MAX_NAMED + 1))
    record = record_of(play(asked, asked.voters))
    pairs = [
        PairEntry(a=a.lineage, b=b.lineage, rho="0.100000") for a, b in pairwise(sorted(record.ballots, key=lineage))
    ]
    assert step_that_fails(replace(record, tally=replace(record.tally, correlations=pairs))) == "record"
    assert step_that_fails(replace(record, tally=replace(record.tally, correlations=pairs[:-1]))) == "tally"


def lineage(ballot: BallotEntry) -> str:
    """Return whose lineage's ballot it is."""
    return ballot.lineage


def step_that_fails(record: DecisionRecord) -> str:
    """Return the step at which a record fails, empty if it is believed."""
    try:
        check(record)
    except IntegrityError as error:
        return error.param or "?"
    return ""


def lies(r: DecisionRecord) -> Lies:
    """Every change of one field that something else in the record contradicts."""
    yield from _form_lies(r)
    yield from _rule_lies(r)
    yield from _end_lies(r)
    for number, ballot in enumerate(r.ballots):
        for name, lied in _ballot_lies(ballot):
            yield f"ballot {number}: {name}", replace(r, ballots=[*r.ballots[:number], lied, *r.ballots[number + 1 :]])


def _form_lies(r: DecisionRecord) -> Lies:
    layer, said = r.layer, r.tally
    yield "id", replace(r, id="x")
    yield "issued ahead", replace(r, issued_at=(NOW_S + 3600) * 1000)
    yield "salt", replace(r, tie_salt="")
    yield "config", replace(r, config_sha256="c")
    yield "examples", replace(r, examples=-1)
    yield "similarity", replace(r, similarity="1.000001" if r.answer_kind == "text" else "0.850000")
    if r.answer_kind != "code:python" or r.policy.name == "direct":
        yield "ran what is never run", replace(r, examples=1)
        yield "behaviour of what is never run", first(r, outcome_vector_sha256="f" * 64)
    yield "schema", replace(r, schema_sha256="x")
    if r.answer_kind != "json":
        yield "schema of what is no JSON", replace(r, schema_sha256="f" * 64)
    yield "cache", replace(r, cache=CacheRef(r.id))
    for name in ("whatever", "strict" if r.policy.name == "direct" else "direct"):
        yield f"policy {name}", replace(r, policy=replace(r.policy, name=name))
    yield "version", replace(r, policy=replace(r.policy, version=0))
    for quorum in ("0.000000", "1.000001", "0.6"):
        yield f"quorum {quorum}", replace(r, layer=replace(layer, quorum=quorum))
    yield "one lineage", replace(r, layer=replace(layer, min_lineages=2 if r.policy.name == "direct" else 1))
    for rho in ("-1.000000", "1.000001", "0.5"):
        yield f"rho {rho}", replace(r, tally=replace(said, correlation=rho))
    for panel in (0, layer.panel - 1, layer.panel + 1):
        yield f"panel {panel}", replace(r, layer=replace(layer, panel=panel))
    for members in (layer.members[1:], layer.members[:1] * 2 + layer.members[1:], ["x", *layer.members[1:]]):
        yield f"members {members}", replace(r, layer=replace(layer, members=members))
    for ballots in (r.ballots[1:], r.ballots[:-1], [*r.ballots, r.ballots[0]], [*r.ballots[1:], r.ballots[0]]):
        if ballots != r.ballots:
            yield "left out, doubled or out of order", replace(r, ballots=ballots)


def _rule_lies(r: DecisionRecord) -> Lies:
    for gap in ("-0.100000", "1.000001", "0.1", "0.000000"):
        yield f"gap {gap}", replace(r, layer=replace(r.layer, min_gap=gap))
    for error in ("-0.100000", "1.000001", "0.05"):
        yield f"error {error}", replace(r, policy=replace(r.policy, calibrated_error=error))
    if r.policy.name == "direct":
        yield "direct with an error", replace(r, policy=replace(r.policy, calibrated_error="0.050000"))
        yield "direct with a gap", replace(r, layer=replace(r.layer, min_gap="0.100000"))
    for name, pairs in _pair_lies(r):
        yield name, replace(r, tally=replace(r.tally, correlations=pairs))


def _pair_lies(r: DecisionRecord) -> Iterator[tuple[str, list[PairEntry]]]:
    known, one = r.tally.correlations, r.ballots[0].lineage
    yield "pair of who did not vote", [*known, PairEntry(a=one, b=f"{one}~", rho="0.123456")]
    yield "pair of one", [PairEntry(a=one, b=one, rho="0.123456")]
    if other := next((ballot.lineage for ballot in r.ballots if ballot.lineage > one), ""):
        for rho in ("0.5", "-0.100000", "1.000001", r.tally.correlation):
            yield f"pair by {rho}", [PairEntry(a=one, b=other, rho=rho)]
        yield "pair turned round", [PairEntry(a=other, b=one, rho="0.123456")]
        yield "pair twice", [PairEntry(a=one, b=other, rho="0.123456")] * 2


def _end_lies(r: DecisionRecord) -> Lies:
    said, tried = r.tally, r.layer.tried[0]
    for result in set(get_args(Result)) - {r.result}:
        yield result, replace(r, result=result)
    for outcome in set(get_args(LayerOutcome)) - {tried.outcome}:
        yield f"layer {outcome}", replace(r, layer=replace(r.layer, tried=[replace(tried, outcome=outcome)]))
    yield "cause", replace(r, layer=replace(r.layer, tried=[replace(tried, cause="" if tried.cause else "x")]))
    yield "layer's name", replace(r, layer=replace(r.layer, tried=[replace(tried, name="other")]))
    for method in set(get_args(Method)) - {r.method}:
        yield f"method {method}", replace(r, method=method)
    yield "degraded", replace(r, degraded=not r.degraded)
    yield "answer", replace(r, answer_sha256="f" * 64)
    yield "served", replace(r, tally=replace(said, served_sha256="f" * 64))
    if r.answer_sha256:
        yield "no answer", replace(r, answer_sha256="")
        yield "nothing served", replace(r, tally=replace(said, served_sha256=""))
    yield "winner", replace(r, tally=replace(said, winner=said.winner + 1))
    yield "support", replace(r, tally=replace(said, support="0.999999"))
    yield "n_eff", replace(r, tally=replace(said, n_eff="9.000000"))
    yield "lineages", replace(r, tally=replace(said, lineages=said.lineages + 1))
    yield "eligible", replace(r, tally=replace(said, eligible_weight={**said.eligible_weight, "made up": "0.100000"}))
    yield "not eligible", replace(r, tally=replace(said, eligible_weight=dict([*said.eligible_weight.items()][1:])))


def _ballot_lies(b: BallotEntry) -> Iterator[tuple[str, BallotEntry]]:
    counted = b.group >= 0
    yield "voter", replace(b, voter="x")
    yield "group", replace(b, group=-1 if counted else 0)
    yield "another group", replace(b, group=b.group + 7 if counted else 7)
    yield "replaced", replace(b, replaced=not b.replaced)
    for outcome in {"screened_out", "breaker_open" if counted else "agreed"} - {b.outcome}:
        yield outcome, replace(b, outcome=outcome)
    if counted:
        yield "the other side", replace(b, outcome="agreed" if b.outcome == "dissented" else "dissented")
    for weight in ("0.5", "abc", "0.000000", "1.500000"):
        yield f"weight {weight}", replace(b, weight=weight)
    yield "digest", replace(b, candidate_sha256="" if counted else "f" * 64)
    yield "more of its own than there is", replace(b, own_code=3)
    yield "less of its own than none", replace(b, own_words=-1)
    if not counted:
        yield "something of its own and no answer", replace(b, own_words=1)
    yield "form", replace(b, normal_form_sha256="" if counted else "f" * 64)
    yield "behaviour", replace(b, outcome_vector_sha256="f")
    yield "screening", replace(b, screening="reject" if b.screening != "reject" else "pass")
    yield "examples", replace(b, examples_passed=99)
    yield "sample", replace(b, sample=1)
    yield "latency", replace(b, latency_ms=-1)
    yield "received", replace(b, received_sha256="f" * 64 if counted else "f")


def script(*does: str, **changes: object) -> Script:
    """Return a panel of independent voters with equal weight that do the given things."""
    seats = [Seat(f"v{n}", "f", f"l{n}", 500_000) for n in range(len(does))]
    standing_by = int(changes.pop("standing_by", 0))  # type: ignore[call-overload]
    seated = seats[: len(seats) - standing_by]
    made = plan(seated, spares=tuple(seats[len(seated) :]), deadline_ms=1_000, hear_everyone=True, **changes)
    return Script(made, {seat.voter: deed for seat, deed in zip(seats, does, strict=True)})


def first(record: DecisionRecord, **changes: object) -> DecisionRecord:
    """Change the first ballot."""
    return replace(record, ballots=[replace(record.ballots[0], **changes), *record.ballots[1:]])


def ended(record: DecisionRecord, result: Result, outcome: LayerOutcome, cause: str = "told") -> DecisionRecord:
    """Tell of another end, without an answer."""
    layer = replace(record.layer, tried=[replace(record.layer.tried[0], outcome=outcome, cause=cause)])
    tally = replace(record.tally, served_sha256="", choice="vouched" if cause == UNVOUCHED_CAUSE else "")
    return replace(record, result=result, layer=layer, answer_sha256="", tally=tally)


def answered(record: DecisionRecord, place: int = 0, choice: Choice = "vouched") -> DecisionRecord:
    """Tell that a candidate was served."""
    digest = record.ballots[place].candidate_sha256
    layer = replace(record.layer, tried=[replace(record.layer.tried[0], outcome="agreed", cause="")])
    tally = replace(record.tally, served_sha256=digest, choice=choice)
    return replace(record, result="answered", layer=layer, answer_sha256=digest, tally=tally)


def renumbered(record: DecisionRecord) -> DecisionRecord:
    """Swap the numbers of groups 0 and 1 wherever they stand."""
    ballots = [replace(ballot, group=1 - ballot.group) for ballot in record.ballots]
    return replace(record, ballots=ballots, tally=replace(record.tally, winner=1 - record.tally.winner))


def last(record: DecisionRecord, **changes: object) -> DecisionRecord:
    """Change the last ballot."""
    return replace(record, ballots=[*record.ballots[:-1], replace(record.ballots[-1], **changes)])


def without_last(record: DecisionRecord) -> DecisionRecord:
    """Leave the last voter out of ballots, members and weights."""
    gone = record.ballots[-1]
    eligible = {lineage: w for lineage, w in record.tally.eligible_weight.items() if lineage != gone.lineage}
    return replace(
        record,
        ballots=record.ballots[:-1],
        layer=replace(record.layer, members=record.layer.members[:-1]),
        tally=replace(record.tally, eligible_weight=eligible, support="1.000000"),
    )


UNVOUCHED = (CODES[5], CODES[6])
"""They do the same, and each has a part that the other lacks."""
TWO_EXAMPLES = (Example("f(1)", "2"), Example("f(2)", "3"))

EXAMPLED = script(*CODES[:1] * 3, kind="code:python", compare_ms=100, examples=TWO_EXAMPLES)


def replace_passes(asked: Script, code: str, passed: int) -> Script:
    """Let a code pass so many examples."""
    return dataclasses.replace(asked, passes={code: passed})


def rejecting(asked: Script, code: str) -> Script:
    """Let screening reject a code."""
    return dataclasses.replace(asked, screenings={code: screened("reject")})


@pytest.mark.parametrize(
    ("asked", "lie", "step"),
    [
        # A dissenter left out of ballots and members alike still has a seat on the panel.
        (script("Paris", "Paris", "Rome"), without_last, "ballots"),
        # A dissenter called failed and replaced, and nobody asked instead.
        (script("Paris", "Paris", "Rome"), lambda r: last(r, outcome="failed", group=-1, replaced=True), "ballots"),
        # A substitute that never stood by.
        (script("Paris", FAILS, "Paris", standing_by=1), lambda r: last(r, voter="v9"), "ballots"),
        # Prose alike only by measure, called agreement of meaning.
        (script("the sky is blue", "the sky is blue", kind="text"), lambda r: replace(r, degraded=False), "result"),
        # Two that said different things, put in one group; two that said the same, put in two; groups renumbered.
        (script("Paris", "Paris", "Rome"), lambda r: first(r, normal_form_sha256="f" * 64), "ballots"),
        (
            script("Paris", "Paris", "Rome"),
            lambda r: last(r, normal_form_sha256=r.ballots[0].normal_form_sha256),
            "ballots",
        ),
        (script("Paris", "Paris", "Rome"), renumbered, "ballots"),
        # The mark of a failed seat that was replaced, moved to a voter that answered.
        (
            script(FAILS, "Paris", "Paris", standing_by=1),
            lambda r: replace(r, ballots=[replace(b, replaced=number == 1) for number, b in enumerate(r.ballots)]),
            "ballots",
        ),
        # Two whose code did different things, said to have done the same; one of a group that fails an example, said to pass.
        (
            script(*CODES[:2], CODES[3], kind="code:python", compare_ms=100),
            lambda r: replace(r, ballots=[replace(b, outcome_vector_sha256="e" * 64) for b in r.ballots]),
            "ballots",
        ),
        (
            replace_passes(EXAMPLED, CODES[0], 1),
            lambda r: replace(r, ballots=[replace(b, examples_passed=2) for b in r.ballots]),
            "tally",
        ),
        # An answer that a scanner rejected, let through.
        (
            rejecting(script(*CODES[:1] * 3, kind="code:python"), CODES[0]),
            lambda r: first(r, outcome="dissented"),
            "ballots",
        ),
        # Candidates that did run, said to have met a broken sandbox.
        (
            EXAMPLED,
            lambda r: ended(r, "unavailable", "unavailable", SANDBOX_CAUSE),
            "result",
        ),
        # A broken sandbox, told as time that ran out.
        (
            dataclasses.replace(EXAMPLED, breaks=True),
            lambda r: ended(r, "unavailable", "unavailable", NOT_COMPARED_CAUSE),
            "result",
        ),
        # A broken sandbox where nothing is ever run.
        (script("Paris", "Paris"), lambda r: ended(r, "unavailable", "unavailable", SANDBOX_CAUSE), "result"),
        # Code that has parts of its own, served; code that is vouched for, not served; the same of what is no code.
        (script(*UNVOUCHED, kind="code:python", compare_ms=100), answered, "choice"),
        (
            script(*CODES[:1] * 3, kind="code:python"),
            lambda r: ended(r, "no_consensus", "disagreed", UNVOUCHED_CAUSE),
            "choice",
        ),
        (script("Paris", "Paris"), lambda r: ended(r, "no_consensus", "disagreed", UNVOUCHED_CAUSE), "choice"),
        (script("Paris", "Rome"), lambda r: ended(r, "no_consensus", "disagreed", UNVOUCHED_CAUSE), "result"),
        (script(*CODES[:1] * 3, kind="code:python", policy="evidence"), answered, "result"),
        (
            script(*UNVOUCHED, kind="code:python", compare_ms=100),
            lambda r: ended(r, "no_consensus", "disagreed"),
            "result",
        ),
        # Another end told by result and layer alike.
        (script("Paris", "Rome", "London"), lambda r: ended(r, "unavailable", "unavailable"), "result"),
        (script("Paris", "Rome", "London"), lambda r: ended(r, "deadline", "deadline"), "result"),
        (script("Paris", "Paris"), lambda r: ended(r, "no_consensus", "disagreed"), "result"),
        (script("Paris", LATE, HANGS), lambda r: replace(r, result="no_consensus"), "result"),
    ],
)
def test_lies_of_a_few_fields_are_caught(
    asked: Script, lie: Callable[[DecisionRecord], DecisionRecord], step: str
) -> None:
    """Lies that change several fields at once to fit each other fail at the step they belong to."""
    record = record_of(play(asked, asked.voters))
    check(record)
    assert step_that_fails(lie(record)) == step
