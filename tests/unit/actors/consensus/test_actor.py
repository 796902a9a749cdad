"""The coordinator: what leaves, what is recorded, what is withheld."""

import asyncio
import dataclasses
from collections.abc import Callable

import msgspec
import pytest

from actors.base.errors import (
    CriticalSystemFailure,
    DeadlineExceeded,
    GenerationHalted,
    HomeError,
    NoConsensus,
    NotReady,
    Overloaded,
    PromptTooLarge,
    StorageUnavailable,
    VoterUnavailable,
    WeaverGenError,
)
from actors.consensus.config import ConsensusConfig
from actors.consensus.verification import verify_envelope
from actors.consensus.weights import Reliability
from actors.policy.snapshot import LayerRule
from models.errors import VoterBusy, VoterError, VoterFailed, VoterRefused, VoterTimeout, VoterTooLong
from models.voter import Candidate, VoterRequest
from tests.unit.actors.consensus.world import (
    CALLER,
    NOW_S,
    Answer,
    World,
    candidate,
    hangs,
    raises,
    request,
    says,
    until,
    voter,
)

MakeWorld = Callable[..., World]


async def test_an_agreed_answer_is_recorded_before_it_leaves(make_world: MakeWorld) -> None:
    """Two of three agree: the answer comes with a committed record that verifies offline."""
    world = make_world(voter("a", says("Paris")), voter("b", says("It is Paris.")), voter("c", says("London")))
    decision = await world.coordinator.generate(request(), CALLER)
    assert decision.candidate.content in ("Paris", "It is Paris.")
    (committed,) = world.log.committed
    assert committed.record.result == "answered"
    assert verify_envelope(committed.data, world.trust, NOW_S).inclusion == "none"
    assert world.coordinator.recent(committed.record.id) == committed.data
    assert world.meter.decisions == ["answered"]
    assert [round(support, 2) for support in world.meter.supports] == [0.67]


async def test_spans_tell_the_whole_story(make_world: MakeWorld) -> None:
    """Root, layer and one chat span a ballot, one trace, no content anywhere."""
    world = make_world(voter("a", says("Paris")), voter("b", says("Paris")), voter("c", raises(RuntimeError("secret"))))
    await world.coordinator.generate(request(end_user="jane"), CALLER)
    names = [span.name for span in world.log.spans]
    assert names == ["invoke_workflow", "weavergen.layer", "chat a", "chat b", "chat c"]
    assert len({span.trace_id for span in world.log.spans}) == 1
    assert len({span.span_id for span in world.log.spans}) == 5
    text = repr(world.log.spans)
    assert all(word not in text for word in ("Paris", "capital", "secret", "jane", "acme"))


async def test_no_consensus_is_an_answer_nobody_gets_but_everybody_can_check(make_world: MakeWorld) -> None:
    """Disagreement is recorded and refused, with votes in the details."""
    world = make_world(voter("a", says("Paris")), voter("b", says("Rome")), voter("c", says("London")))
    with pytest.raises(NoConsensus) as caught:
        await world.coordinator.generate(request(), CALLER)
    assert [vote["outcome"] for vote in caught.value.details["votes"]] == ["dissented"] * 3
    assert verify_envelope(world.log.committed[0].data, world.trust, NOW_S).record.result == "no_consensus"


async def test_a_voter_that_raises_refuses_or_lies_costs_its_ballot_only(make_world: MakeWorld) -> None:
    """Any one voter may break in any way; two others still answer."""
    for broken in (raises(ValueError("x")), raises(VoterRefused("c", "policy")), says(""), says("\ud800"), hangs):
        world = make_world(voter("a", says("Paris")), voter("b", says("Paris")), voter("c", broken))
        assert (await world.coordinator.generate(request(), CALLER)).candidate.content == "Paris"


async def test_all_voters_down_names_each_cause(make_world: MakeWorld) -> None:
    """When no quorum can be formed any more, the error says why, voter by voter, and the refusal is recorded."""
    world = make_world(voter("a", raises(OSError("x"))), voter("b", raises(VoterRefused("b", "no"))))
    with pytest.raises(CriticalSystemFailure, match=r"a: raised OSError"):
        await world.coordinator.generate(request(), CALLER)
    assert world.log.committed[0].record.result == "unavailable"


async def test_answers_after_the_deadline_are_late_and_do_not_count(make_world: MakeWorld) -> None:
    """An answer that is in the queue when time has run out is on record as ``late``; nobody is served with it."""
    world = make_world(voter("a", says("Paris")), voter("b", says("Paris")))

    async def slow(_: object) -> object:
        world.clock.step_s = 100.0
        return candidate("Paris")

    world.voters["b"].answer = slow  # type: ignore[assignment]
    with pytest.raises(DeadlineExceeded):
        await world.coordinator.generate(request(deadline_ms=1_000), CALLER)
    (committed,) = world.log.committed
    assert [ballot.outcome for ballot in committed.record.ballots] == ["dissented", "late"]
    assert verify_envelope(committed.data, world.trust, NOW_S).record.result == "deadline"


async def test_a_voter_that_used_up_its_own_time_timed_out(make_world: MakeWorld) -> None:
    """``VoterTimeout`` is a timeout on record, with what the voter's side said of it."""
    world = make_world(voter("a", says("Paris")), voter("b", raises(VoterTimeout("b", "no answer in 3 s"))))
    with pytest.raises(CriticalSystemFailure, match="b: no answer in 3 s"):
        await world.coordinator.generate(request(), CALLER)
    assert [ballot.outcome for ballot in world.log.committed[0].record.ballots] == ["dissented", "timeout"]


@pytest.mark.parametrize("policy", ["strict", "evidence"])
async def test_one_lineage_is_never_a_consensus(make_world: MakeWorld, policy: str) -> None:
    """Even where the layer asks for one lineage, voters of one lineage that agree are refused; one may be asked alone."""
    world = make_world(voter("a", says("Paris"), "kin"), voter("b", says("Paris"), "kin"))
    world.policy.publish(layers=[one_lineage_layer("a", "b")])
    with pytest.raises(CriticalSystemFailure):
        await world.coordinator.generate(request(policy=policy), CALLER)
    assert (await world.coordinator.generate(request(model="a"), CALLER)).candidate.content == "Paris"


async def test_weights_that_cannot_be_used_are_not_ready(make_world: MakeWorld) -> None:
    """Missing or damaged weights refuse every request as ``not_ready`` before a voter is asked, and say so to readiness."""
    world = make_world(voter("a", says("Paris")), voter("b", says("Paris")))
    assert world.coordinator.weights_problem() == ""
    world.weights.error = HomeError("weights file x.json cannot be read: gone")
    assert "cannot be read" in world.coordinator.weights_problem()
    with pytest.raises(NotReady, match="readyz"):
        await world.coordinator.generate(request(), CALLER)
    assert sum(v.asked for v in world.voters.values()) == 0


async def test_a_newer_policy_weighs_with_its_own_weights(make_world: MakeWorld) -> None:
    """What came during deliberation is recounted with the newest weights and threshold, and the record replays."""
    world = make_world(voter("a", says("Paris")), voter("b", says("Paris")), voter("c", says("Rome")))

    async def slow(_: object) -> object:
        counts = {
            name: {"value": Reliability(alpha, "1.000000", 9)} for name, alpha in (("a", "1.000000"), ("c", "9.000000"))
        }
        world.weights.value = msgspec.structs.replace(world.weights.value, voters={**counts, "b": counts["a"]})
        world.policy.publish()
        return candidate("Rome")

    world.voters["c"].answer = slow  # type: ignore[assignment]
    with pytest.raises(NoConsensus):
        await world.coordinator.generate(request(explain=True), CALLER)
    (committed,) = world.log.committed
    assert [ballot.weight for ballot in committed.record.ballots] == ["0.500000", "0.500000", "0.900000"]
    assert verify_envelope(committed.data, world.trust, NOW_S).record.policy.version == 2


async def test_a_voter_that_left_the_layer_no_longer_counts(make_world: MakeWorld) -> None:
    """A newer policy without a member takes its ballot out, while waiting and at the last look."""
    world = make_world(voter("a", says("Paris")), voter("b", says("Paris")), voter("c", hangs))
    assert world.policy.current is not None
    smaller = [msgspec.structs.replace(world.policy.current.snapshot.layers[0], members=["a", "c"])]
    world.log.on_commit = lambda r: world.policy.publish(layers=smaller) if r.result == "answered" else None
    with pytest.raises(NoConsensus, match="removed"):
        await world.coordinator.generate(request(), CALLER)
    assert [c.record.result for c in world.log.committed] == ["answered", "withheld"]
    world.voters["c"].answer = says("Paris")
    await world.coordinator.generate(request(explain=True), CALLER)
    assert {b.voter for b in world.log.committed[-1].record.ballots if b.outcome == "agreed"} == {"a", "c"}


async def test_the_salt_is_drawn_when_the_last_ballot_is_in(make_world: MakeWorld) -> None:
    """While any voter may still answer, no tie salt exists that could be guessed or steered."""
    world = make_world(voter("a", says("Paris")), voter("b", says("Paris")))
    order: list[str] = []
    for named in world.voters.values():
        named.answer = tells(order, named.answer)
    drawn = lambda n: order.append("salt") or b"7" * n  # type: ignore[func-returns-value]  # noqa: E731
    world.coordinator._bench = dataclasses.replace(world.coordinator._bench, randomness=drawn)
    await world.coordinator.generate(request(trace_id=b"t" * 16), CALLER)
    assert order == ["answer", "answer", "salt"]


def tells(order: list[str], answer: Answer) -> Answer:
    """Note when a voter answers."""

    async def noted(asked: VoterRequest) -> Candidate:
        order.append("answer")
        return await answer(asked)

    return noted


def one_lineage_layer(*members: str) -> LayerRule:
    """Return a layer that would be content with one lineage."""
    return LayerRule("primary", list(members), "0.600000", 1, "1.000000", "1.000000")


async def test_the_deadline_holds_and_cancels(make_world: MakeWorld) -> None:
    """Voters that hang are cancelled when the deadline passes."""
    world = make_world(voter("a", hangs), voter("b", hangs))
    world.clock.step_s = 0.03
    with pytest.raises(DeadlineExceeded):
        await world.coordinator.generate(request(deadline_ms=500), CALLER)
    await asyncio.sleep(0)
    assert [v.cancelled for v in world.voters.values()] == [1, 1]
    assert world.coordinator.under_way == 0


async def test_a_client_that_goes_away_cancels_its_voters(make_world: MakeWorld) -> None:
    """Cancelling the request cancels the asks; nothing is recorded and nothing counted."""
    world = make_world(voter("a", hangs), voter("b", hangs))
    task = asyncio.create_task(world.coordinator.generate(request(), CALLER))
    await until(lambda: all(v.asked for v in world.voters.values()))
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    await asyncio.sleep(0)
    assert [v.cancelled for v in world.voters.values()] == [1, 1]
    assert (world.log.committed, world.meter.decisions, world.coordinator.under_way) == ([], [], 0)


async def test_nothing_is_asked_while_halted_or_unready(make_world: MakeWorld) -> None:
    """A halt, or a missing snapshot, refuses before any voter is asked."""
    world = make_world(voter("a", says("x")), voter("b", says("x")))
    world.policy.halt()
    with pytest.raises(GenerationHalted):
        await world.coordinator.generate(request(), CALLER)
    world.policy.current = None
    with pytest.raises(NotReady):
        await world.coordinator.generate(request(), CALLER)
    assert sum(v.asked for v in world.voters.values()) == 0


async def test_a_halt_during_deliberation_ends_it(make_world: MakeWorld) -> None:
    """A waiting request notices the halt without any voter answering; the refusal is recorded as halted."""
    world = make_world(voter("a", hangs), voter("b", hangs))
    task = asyncio.create_task(world.coordinator.generate(request(), CALLER))
    await until(lambda: all(v.asked for v in world.voters.values()))
    world.policy.halt()
    with pytest.raises(GenerationHalted):
        await task
    assert [c.record.result for c in world.log.committed] == ["halted"]


async def test_a_halt_while_the_record_is_written_withholds_the_answer(make_world: MakeWorld) -> None:
    """Between durable and first byte the policy is looked at once more: a withheld record with the same id, no answer."""
    world = make_world(voter("a", says("Paris")), voter("b", says("Paris")))
    world.log.on_commit = lambda record: world.policy.halt() if record.result == "answered" else None
    with pytest.raises(GenerationHalted):
        await world.coordinator.generate(request(), CALLER)
    answered, withheld = world.log.committed
    assert (answered.record.result, withheld.record.result) == ("answered", "withheld")
    assert answered.record.id == withheld.record.id
    assert withheld.record.answer_sha256 == ""
    assert verify_envelope(withheld.data, world.trust, NOW_S).record.result == "withheld"


async def test_whoever_finds_that_an_answer_may_not_leave_has_it_withheld(make_world: MakeWorld) -> None:
    """After the coordinator let it go: the same record with the same id as at its own last look, and a span."""
    world = make_world(voter("a", says("Paris")), voter("b", says("Paris")))
    decision = await world.coordinator.generate(request(), CALLER)
    await world.coordinator.withhold(decision)
    answered, withheld = world.log.committed
    assert (answered.record.result, withheld.record.result) == ("answered", "withheld")
    assert answered.record.id == withheld.record.id
    assert withheld.record.answer_sha256 == ""
    assert verify_envelope(withheld.data, world.trust, NOW_S).record.result == "withheld"
    assert world.coordinator.recent(withheld.record.id) == withheld.data


async def test_a_policy_that_grows_stale_halts_under_the_same_version(make_world: MakeWorld) -> None:
    """Where a stale policy halts, nothing leaves that was agreed before, though no newer version ever came."""
    world = make_world(voter("a", says("Paris")), voter("b", says("Paris")))
    world.log.on_commit = lambda record: world.policy.grow_stale() if record.result == "answered" else None
    with pytest.raises(GenerationHalted):
        await world.coordinator.generate(request(), CALLER)
    assert [c.record.result for c in world.log.committed] == ["answered", "withheld"]
    world = make_world(voter("a", says("Paris")), voter("b", says("Paris")))

    async def slow(_: object) -> Candidate:
        world.policy.grow_stale()
        return candidate("Paris")

    world.voters["b"].answer = slow
    with pytest.raises(GenerationHalted):
        await world.coordinator.generate(request(), CALLER)
    assert [c.record.result for c in world.log.committed] == ["halted"]


async def test_isolating_a_counted_voter_while_recording_withholds(make_world: MakeWorld) -> None:
    """The same for a voter that was counted; isolating one that was not changes nothing."""
    world = make_world(voter("a", says("Paris")), voter("b", says("Paris")), voter("c", says("Rome")))
    world.log.on_commit = lambda record: world.policy.isolate("a") if record.result == "answered" else None
    with pytest.raises(NoConsensus, match="isolated"):
        await world.coordinator.generate(request(), CALLER)
    assert world.log.committed[-1].record.result == "withheld"
    world = make_world(voter("a", says("Paris")), voter("b", says("Paris")), voter("c", says("Rome")))
    world.log.on_commit = lambda _: world.policy.isolate("c")
    assert (await world.coordinator.generate(request(), CALLER)).candidate.content == "Paris"


async def test_isolating_who_vouched_for_a_part_withholds_too(make_world: MakeWorld) -> None:
    """One whose answer differs is the second of three that wrote a word of what is served; ``evidence`` has no such rule."""
    codes = ("x + 1  # see gist", "x + 1  # presumably", "x - 2  # see gist")
    asked = request("Write a Python function f(x).", answer_kind="code", explain=True)
    world = make_world(*(voter(n, says(f"def f(x):\n    return {c}")) for n, c in zip("abc", codes, strict=True)))
    world.log.on_commit = lambda record: world.policy.isolate("c") if record.result == "answered" else None
    with pytest.raises(NoConsensus, match="isolated"):
        await world.coordinator.generate(asked, CALLER)
    assert [c.record.result for c in world.log.committed] == ["answered", "withheld"]
    assert [b.outcome for b in world.log.committed[0].record.ballots] == ["agreed", "agreed", "dissented"]
    world = make_world(*world.voters.values())
    world.log.on_commit = lambda _: world.policy.isolate("c")
    await world.coordinator.generate(msgspec.structs.replace(asked, policy="evidence"), CALLER)


async def test_a_policy_that_came_during_deliberation_is_the_one_named(make_world: MakeWorld) -> None:
    """The ballots are recounted under the newest policy, and the record names that version."""
    world = make_world(voter("a", says("Paris")), voter("b", says("Paris")), voter("c", hangs))
    original = world.voters["b"].answer

    async def slow(asked: object) -> object:
        world.policy.isolate("c")
        return await original(asked)  # type: ignore[arg-type]

    world.voters["b"].answer = slow  # type: ignore[assignment]
    await world.coordinator.generate(request(), CALLER)
    record = world.log.committed[0].record
    assert record.policy.version == 2
    assert [ballot.outcome for ballot in record.ballots] == ["agreed", "agreed", "isolated"]


async def test_an_answer_that_cannot_be_recorded_does_not_leave(make_world: MakeWorld) -> None:
    """A log that refuses means no answer."""
    world = make_world(voter("a", says("Paris")), voter("b", says("Paris")))

    def full(_: object) -> None:
        raise StorageUnavailable("no space")

    world.log.on_commit = full
    with pytest.raises(StorageUnavailable):
        await world.coordinator.generate(request(), CALLER)


async def test_direct_is_one_voter_and_says_so(make_world: MakeWorld) -> None:
    """Asking one voter by name is signed, marked single and degraded, and refused when that voter fails."""
    world = make_world(voter("a", says("Anything at all, really")), voter("b", raises(OSError("down"))))
    decision = await world.coordinator.generate(request(model="a"), CALLER)
    told = decision.summary()
    assert (told["policy"], told["degraded"], told["agreement"]["method"]) == ("direct", True, "single")
    verify_envelope(decision.committed.data, world.trust, NOW_S)
    with pytest.raises(VoterUnavailable, match="raised OSError"):
        await world.coordinator.generate(request(model="b"), CALLER)


async def test_deliberations_are_bounded(make_world: MakeWorld) -> None:
    """More than the configured number under way are refused at once."""
    world = make_world(voter("a", hangs), voter("b", hangs), config=ConsensusConfig(max_concurrent=1))
    task = asyncio.create_task(world.coordinator.generate(request(), CALLER))
    await until(lambda: world.coordinator.under_way > 0)
    world.weights.error = HomeError("planning costs; a full replica must not even begin")
    with pytest.raises(Overloaded):
        await world.coordinator.generate(request(), CALLER)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task


async def test_recent_decisions_are_bounded(make_world: MakeWorld) -> None:
    """The memory of envelopes forgets the oldest."""
    world = make_world(voter("a", says("x")), voter("b", says("x")), config=ConsensusConfig(recent_decisions=1))
    first = await world.coordinator.generate(request(), CALLER)
    second = await world.coordinator.generate(request(), CALLER)
    assert world.coordinator.recent(first.committed.record.id) is None
    assert world.coordinator.recent(second.committed.record.id) is not None


async def test_explain_shows_answers_and_readings(make_world: MakeWorld) -> None:
    """Only ``explain`` shows what each voter said and how it was read."""
    world = make_world(voter("a", says("Paris")), voter("b", says("It is Paris.")), voter("c", says("Rome")))
    decision = await world.coordinator.generate(request(), CALLER)
    assert all("answer" not in vote for vote in decision.summary()["votes"])
    explained = decision.summary(explain=True)["votes"]
    assert explained[0]["reading"] == explained[1]["reading"] == "paris"


async def test_explaining_hears_everyone_out(make_world: MakeWorld) -> None:
    """Asked to explain, nobody is cancelled although the end is certain, and a refusal shows what was said, too."""
    world = make_world(voter("a", says("Paris")), voter("b", says("Paris")), voter("c", says("Rome")))
    decision = await world.coordinator.generate(request(explain=True), CALLER)
    assert [vote["outcome"] for vote in decision.summary()["votes"]] == ["agreed", "agreed", "dissented"]
    world = make_world(voter("a", says("Paris")), voter("b", says("Lyon")), voter("c", says("Rome")))
    with pytest.raises(NoConsensus) as refused:
        await world.coordinator.generate(request(explain=True), CALLER)
    assert [vote["answer"]["content"] for vote in refused.value.details["votes"]] == ["Paris", "Lyon", "Rome"]


BUSY, TOO_LONG, BROKEN = VoterBusy("v", "its queue is full", 1.0), VoterTooLong("v", "too long"), VoterFailed("v", "no")


@pytest.mark.parametrize(
    ("errors", "expected"),
    [
        ((BUSY, BUSY, BUSY), Overloaded),
        ((BROKEN, BUSY, BUSY), Overloaded),
        ((BROKEN, BROKEN, BUSY), CriticalSystemFailure),
        ((TOO_LONG, TOO_LONG, TOO_LONG), PromptTooLarge),
        ((BROKEN, TOO_LONG, TOO_LONG), PromptTooLarge),
        ((BROKEN, BROKEN, TOO_LONG), CriticalSystemFailure),
        ((BROKEN, BROKEN, BROKEN), CriticalSystemFailure),
    ],
)
async def test_a_quorum_lost_to_full_queues_or_a_long_prompt_says_so(
    make_world: MakeWorld, errors: tuple[VoterError, ...], expected: type[WeaverGenError]
) -> None:
    """Where voters with room, or a shorter prompt, could have made a quorum, the caller learns that; it is on record."""
    world = make_world(*(voter(name, raises(error)) for name, error in zip("abc", errors, strict=True)))
    with pytest.raises(expected) as caught:
        await world.coordinator.generate(request(explain=True), CALLER)
    assert type(caught.value) is expected
    (committed,) = world.log.committed
    assert committed.record.result == "unavailable"
    assert caught.value.details["decision_id"] == committed.record.id


@pytest.mark.parametrize(
    ("error", "expected"), [(BUSY, Overloaded), (TOO_LONG, PromptTooLarge), (BROKEN, VoterUnavailable)]
)
async def test_one_voter_asked_by_name_says_the_same(
    make_world: MakeWorld, error: VoterError, expected: type[WeaverGenError]
) -> None:
    """A single voter without room or with too little context is no unavailable voter."""
    world = make_world(voter("a", raises(error)), voter("b", says("x")))
    with pytest.raises(expected):
        await world.coordinator.generate(request(model="a"), CALLER)


async def test_a_busy_voter_costs_a_ballot_and_says_nothing_of_its_health(make_world: MakeWorld) -> None:
    """The others answer; the record says failed, the meter that it was busy."""
    world = make_world(voter("a", says("Paris")), voter("b", says("Paris")), voter("c", raises(BUSY)))
    assert (await world.coordinator.generate(request(explain=True), CALLER)).candidate.content == "Paris"
    assert [ballot.outcome for ballot in world.log.committed[0].record.ballots] == ["agreed", "agreed", "failed"]
    assert world.meter.votes[-1] == ("c", "busy")
