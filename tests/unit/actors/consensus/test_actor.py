"""The coordinator: what leaves, what is recorded, what is withheld."""

import asyncio
from collections.abc import Callable

import pytest

from actors.base.errors import (
    CriticalSystemFailure,
    DeadlineExceeded,
    GenerationHalted,
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
from models.errors import VoterBusy, VoterError, VoterFailed, VoterRefused, VoterTooLong
from tests.unit.actors.consensus.world import CALLER, NOW_S, World, hangs, raises, request, says, until, voter

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


async def test_the_deadline_holds_and_cancels(make_world: MakeWorld) -> None:
    """Voters that hang are cancelled when the deadline passes."""
    world = make_world(voter("a", hangs), voter("b", hangs))
    world.clock.step_s = 0.03
    with pytest.raises(DeadlineExceeded):
        await world.coordinator.generate(request(deadline_ms=50), CALLER)
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
