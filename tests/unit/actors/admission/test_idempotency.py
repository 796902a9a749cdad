"""What becomes of a request with an idempotency key."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from actors.admission.idempotency import (
    MOST_OFFSETS,
    Binding,
    Held,
    Kept,
    LastChance,
    Passed,
    Rested,
    counted_voters,
    decode_kept,
    encode_kept,
    judge,
    key_of,
    lapsed,
    objection,
    require_bound,
    rested_on,
)
from actors.base.digests import sha256_hex
from actors.base.errors import IntegrityError, InvalidRequest
from actors.consensus.vocabulary import Answered, Failed
from actors.policy.snapshot import Epochs
from actors.spans.record import BallotEntry, DecisionRecord
from tests.unit.actors.consensus.test_records import finished, record
from tests.unit.actors.consensus.world import candidate, snapshot

NOW_MS = 1_000_000
SNAPSHOT = snapshot(["a", "b", "c"], screening_version="policy's")
RESTED = rested_on(SNAPSHOT)
TENANTS = ("acme", "pseudonym")


def answered() -> DecisionRecord:
    """Return the record of an answer in which two voters agree and one fails."""
    state = finished(
        Answered(0, candidate("Paris"), 4), Failed(1, "failed", "no", 6), Answered(2, candidate("Paris"), 4)
    )
    return record(state)


def held(**changes: object) -> Held:
    """Return a claim that stands."""
    return replace(Held("request", "claim", NOW_MS + 1), **changes)


@pytest.mark.parametrize(
    ("found", "verdict"),
    [
        (None, "claim"),
        (held(), "wait"),
        (held(expires_at_ms=NOW_MS), "wait"),
        (held(request="other"), "mismatch"),
        (held(request="other", expires_at_ms=NOW_MS), "wait"),
        (held(box=b"x"), "replay"),
        (held(box=b"x", request="other"), "mismatch"),
        (held(box=b"x", expires_at_ms=NOW_MS), "claim"),
    ],
)
def test_what_a_slot_holds_decides(found: Held | None, verdict: str) -> None:
    """An answer counts until its time is over, a claim even longer; what counts is another request's, worked on, or answered."""
    assert judge(found, "request", NOW_MS) == verdict


@pytest.mark.parametrize(
    ("found", "verdict"),
    [
        (held(expires_at_ms=NOW_MS), "claim"),
        (held(expires_at_ms=NOW_MS, request="other"), "wait"),
        (held(expires_at_ms=NOW_MS, claim_id="next"), "wait"),
        (held(expires_at_ms=NOW_MS - 1), "wait"),
        (held(), "wait"),
        (held(box=b"x"), "replay"),
    ],
)
def test_a_lapsed_claim_is_taken_over_only_as_it_was_seen(found: Held, verdict: str) -> None:
    """It had its last chance; one that was renewed since, however little, or is another's, begins anew."""
    assert judge(found, "request", NOW_MS, given_up=held(expires_at_ms=NOW_MS)) == verdict
    assert judge(found, found.request, NOW_MS, given_up=found) == ("claim" if lapsed(found, NOW_MS) else verdict)


def test_only_claims_lapse() -> None:
    """An answer's time passes, which is something else."""
    assert [lapsed(each, NOW_MS) for each in (None, held(), held(expires_at_ms=NOW_MS), held(box=b"x", expires_at_ms=1))] == [
        False, False, True, False,
    ]  # fmt: skip


def test_a_lapsed_claim_has_a_last_chance() -> None:
    """It is given up once it was seen lapsed, and the same, for so long; a renewal in between counts, as does another's claim."""
    dying, renewed = held(expires_at_ms=NOW_MS), held(expires_at_ms=NOW_MS + 5)
    chance = LastChance().looked(dying, NOW_MS, 10.0).looked(dying, NOW_MS + 1, 10.9)
    assert [chance.given_up(now_s, 1.0) for now_s in (10.9, 11.0)] == [None, dying]
    again = chance.looked(renewed, NOW_MS + 5, 11.0)
    assert [again.given_up(now_s, 1.0) for now_s in (11.9, 12.0)] == [None, renewed]
    for other in (None, held(expires_at_ms=NOW_MS + 9), held(box=b"x", expires_at_ms=NOW_MS)):
        assert chance.looked(other, NOW_MS + 5, 11.0).given_up(99.0, 1.0) is None


@pytest.mark.parametrize(
    "value", [b"k", b"x" * 255, b"8e03978e-40d5-43dd-bc93-6894a57f9324", b'"quoted"', b" k ", b"a b~!"]
)
def test_any_printable_key_is_taken(value: bytes) -> None:
    """As it is, without the blanks around it."""
    assert key_of([value], 255) == value.strip().decode()


@pytest.mark.parametrize("values", [[b""], [b"  "], [b"x" * 256], [b"a\x00"], [b"a\x7f"], [b"\xc3\xa9"], [b"a", b"a"]])
def test_anything_else_is_refused_by_name(values: list[bytes]) -> None:
    """Too short, too long, not printable, more than one: the complaint names the header."""
    with pytest.raises(InvalidRequest) as caught:
        key_of(values, 255)
    assert caught.value.param == "Idempotency-Key"


def test_a_kept_answer_comes_back() -> None:
    """Every field, whatever the text."""
    kept = Kept(b"e", "Paris é \x00 🦜", "length", 3, 4, b'{"a":1.5}', Rested("v", Epochs({"a": 1}, {}, {})))
    assert decode_kept(encode_kept(kept)) == kept


@given(st.binary(max_size=40))
def test_other_bytes_are_no_kept_answer(data: bytes) -> None:
    """They are refused as such."""
    with pytest.raises(IntegrityError):
        decode_kept(data)


def test_a_binding_names_everything() -> None:
    """No two differ in a field and have the same bytes."""
    binding = Binding("t", "k", "s", "r", "d", 1)
    others = [replace(binding, **{name: "x" if name != "expires_at_ms" else 2}) for name in Binding.__struct_fields__]
    assert len({each.data for each in (binding, *others)}) == 7


def test_the_record_vouches_for_exactly_this_answer() -> None:
    """The decision, the tenant, that it answers at all, and the text: each is held to the signed record."""
    text = "Paris"
    vouching = replace(answered(), answer_sha256=sha256_hex(text.encode()))
    kept = Kept(b"", text, "stop", 1, 1, b"{}", RESTED)
    require_bound(kept, vouching, vouching.id, vouching.tenant)
    for changed, decision_id, tenant in (
        (kept, "0" * 26, vouching.tenant),
        (kept, vouching.id, "somebody"),
        (replace(kept, content="Paris."), vouching.id, vouching.tenant),
    ):
        with pytest.raises(IntegrityError):
            require_bound(changed, vouching, decision_id, tenant)
    for result in ("withheld", "no_consensus"):
        with pytest.raises(IntegrityError, match="refusal"):
            require_bound(kept, replace(vouching, result=result), vouching.id, vouching.tenant)


def judged(changes: dict[str, Any], made: DecisionRecord | None = None, running: str = "running") -> str:
    """Return the objection under a changed policy."""
    return objection(made or answered(), RESTED, replace(SNAPSHOT, **changes), running, TENANTS)


def epochs(**raised: dict[str, int]) -> dict[str, Any]:
    """Return a policy's epochs with these raised."""
    return {"invalidation_epochs": replace(SNAPSHOT.invalidation_epochs, **raised)}


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({}, ""),
        ({"voter_state": {"a": "isolated", "b": "active", "c": "active"}}, "isolated by now, and counted: a"),
        ({"voter_state": {"a": "active", "b": "active"}}, "isolated by now, and counted: c"),
        ({"voter_state": {"a": "active", "b": "isolated", "c": "active"}}, ""),
        ({"screening_version": "next"}, "policy names other screening rules now"),
        (epochs(voter={"a": 1}), "answers of a voter that was counted were invalidated"),
        (epochs(voter={"b": 1}), ""),
        (epochs(rule={"r": 1}), "answers under a rule that has changed were invalidated"),
        (epochs(tenant={"acme": 1}), "this tenant's answers were invalidated"),
        (epochs(tenant={"pseudonym": 1}), "this tenant's answers were invalidated"),
        (epochs(tenant={"other": 1}), ""),
    ],
)
def test_what_an_answer_rested_on_must_still_hold(changes: dict[str, Any], said: str) -> None:
    """Voters that agreed, screening, epochs; the voter that failed is nothing to it."""
    assert judged(changes) == said


def test_what_an_answer_was_not_held_to_then_does_not_withhold_it() -> None:
    """A layer that asks for more by now, or a voter that left it and is still active: raising an epoch does."""
    layer = SNAPSHOT.layers[0]
    stricter = replace(layer, quorum="1.000000", min_lineages=3, min_n_eff="3.000000")
    assert judged({"layers": [stricter], "thresholds": {"min_gap": "0.500000"}}) == ""
    assert judged({"layers": [replace(layer, members=["b", "c"])]}) == ""
    assert judged({"layers": [stricter], **epochs(rule={"quorum": 1})}) != ""


def test_epochs_are_compared_with_those_at_the_beginning() -> None:
    """One that was as high then has risen no more."""
    rested = Rested("policy's", Epochs({"a": 3}, {"r": 2}, {"acme": 1}))
    now = replace(SNAPSHOT, invalidation_epochs=rested.epochs)
    assert objection(answered(), rested, now, "running", TENANTS) == ""
    raised = replace(now, invalidation_epochs=replace(rested.epochs, voter={"a": 4}))
    assert "voter" in objection(answered(), rested, raised, "running", TENANTS)


def entries(made: DecisionRecord, **changes: object) -> list[BallotEntry]:
    """Return a record's ballots, the first one changed."""
    return [replace(made.ballots[0], **changes), *made.ballots[1:]]


def test_code_is_held_to_the_running_screener() -> None:
    """Where a candidate was screened, the version on record has to be the one that runs; elsewhere none was asked."""
    made = replace(answered(), screening_version="running")
    looked_at = replace(made, ballots=entries(made, screening="pass"))
    assert judged({}, looked_at) == ""
    assert judged({}, looked_at, "next") == "code was screened by other rules than those in force"
    assert judged({}, made, "next") == ""


def test_whoever_may_have_vouched_for_a_part_is_counted() -> None:
    """Where parts are vouched for, everybody whose answer was in a group; elsewhere who agreed."""
    made = answered()
    assert counted_voters(made) == {"a", "c"}
    dissent = replace(made, ballots=entries(made, outcome="dissented", group=1))
    assert counted_voters(dissent) == {"c"}
    vouched = replace(dissent, tally=replace(dissent.tally, choice="vouched"))
    assert counted_voters(vouched) == {"a", "c"}


DAY_MS = 86_400_000


@given(
    st.lists(st.tuples(st.integers(1, DAY_MS), st.integers(-3 * DAY_MS, 3 * DAY_MS)), min_size=1, max_size=30),
    st.integers(0, 29),
)
def test_no_step_of_a_clock_ends_an_answer_before_it_was_kept_for_its_time(
    steps: list[tuple[int, int]], kept_at: int
) -> None:
    """Whatever it was set to before, at and after; and in the end time passes, a day after the clock was set for good."""
    passed, steady_ms, kept = Passed(DAY_MS), 0, None
    for number, (after_ms, off_ms) in enumerate(steps):
        steady_ms += after_ms
        now_ms = passed.at(steady_ms + off_ms, steady_ms)
        assert now_ms <= steady_ms + off_ms
        if number == kept_at:
            kept = steady_ms, steady_ms + off_ms + DAY_MS
        if kept is not None and steady_ms < kept[0] + DAY_MS:
            assert now_ms < kept[1]
    for _ in range(2):
        steady_ms += DAY_MS
        now_ms = passed.at(steady_ms + steps[-1][1], steady_ms)
    assert steady_ms + steps[-1][1] - now_ms < 1000


def test_a_clock_that_is_never_the_same_is_held_within_bounds() -> None:
    """So many steps are told apart; what is forgotten makes time pass later, never sooner."""
    passed = Passed(DAY_MS)
    for second in range(2 * MOST_OFFSETS):
        assert passed.at(second * 2000, second * 1000) <= second * 1000
    assert len(passed._offsets) == MOST_OFFSETS


def test_an_answer_ends_by_the_time_that_passed_and_a_claim_by_the_clock() -> None:
    """A clock that is ahead takes no answer away, and leaves no claim of a killed replica there."""
    kept = Held("r", "c", 1000, "d", b"sealed")
    assert judge(kept, "r", 5000) == judge(kept, "r", 5000, passed_ms=1000) == "claim"
    assert judge(kept, "r", 5000, passed_ms=999) == "replay"
    claim = Held("r", "c", 1000)
    assert judge(claim, "r", 5000, claim, passed_ms=0) == "claim"
