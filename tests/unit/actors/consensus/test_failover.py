"""The coordinator over several layers: who is asked, what is recorded and told, and how long it may take."""

from collections.abc import Callable, Sequence

import pytest

from actors.admission.estimate import used_tokens
from actors.base.errors import (
    CriticalSystemFailure,
    GenerationHalted,
    HomeError,
    NoConsensus,
    NotReady,
    Overloaded,
    ScreenedOut,
    UnavailableError,
)
from actors.consensus import actor
from actors.consensus.request import GenerationRequest
from actors.consensus.verification import verify_envelope
from actors.consensus.vocabulary import Plan, State
from actors.policy.snapshot import LayerRule
from models.errors import CircuitBreakerBusyError, CircuitBreakerOpenError, SpendCapReached, VoterBusy, VoterFailed
from models.voter import Candidate, VoterRequest
from tests.unit.actors.consensus.world import (
    CALLER,
    NOW_S,
    FunctionVoter,
    World,
    candidate,
    hangs,
    raises,
    request,
    says,
    screened,
    voter,
)

MakeWorld = Callable[..., World]
DOWN = raises(VoterFailed("x", "cannot be connected to"))
FULL = raises(VoterBusy("x", "full", 30.0))
GONE = HomeError("weights file x.json cannot be read: gone")


def layer(name: str, members: str, quorum: str = "0.600000", share: str = "1.000000") -> LayerRule:
    """Return a layer of voters with one letter each."""
    return LayerRule(
        name=name, members=list(members), quorum=quorum, min_lineages=2, min_n_eff="1.300000", time_share=share
    )


def layered(make_world: MakeWorld, *layers: LayerRule, voters: list[FunctionVoter]) -> World:
    """Return a world whose policy has several layers."""
    world = make_world(*voters)
    world.policy.publish(layers=list(layers))
    return world


async def test_layers_that_cannot_be_heard_fail_over_until_one_agrees(make_world: MakeWorld) -> None:
    """The answer says which layer gave it and that it is degraded; the record replays every layer."""
    voters = [voter(name, DOWN) for name in "abcd"] + [voter(name, says("Paris")) for name in "ef"]
    world = layered(make_world, layer("primary", "ab"), layer("backup", "cd"), layer("emergency", "ef"), voters=voters)
    decision = await world.coordinator.generate(request(), CALLER)
    told = decision.summary()
    assert (told["degraded"], told["layer"]["name"], told["layer"]["failover_used"]) == (True, "emergency", True)
    assert [(t["name"], t["outcome"]) for t in told["layer"]["tried"]] == [
        ("primary", "unavailable"), ("backup", "unavailable"), ("emergency", "agreed"),
    ]  # fmt: skip
    assert told["layer"]["independence"] == "full"
    assert [(vote["layer"], vote["voter"]) for vote in told["votes"]] == [
        ("primary", "a"), ("primary", "b"), ("backup", "c"), ("backup", "d"), ("emergency", "e"), ("emergency", "f"),
    ]  # fmt: skip
    (committed,) = world.log.committed
    verified = verify_envelope(committed.data, world.trust, NOW_S)
    assert "primary unavailable, then backup unavailable, then emergency agreed" in [s.detail for s in verified.steps]


async def test_an_answer_of_the_first_layer_is_not_degraded_and_asks_nobody_else(make_world: MakeWorld) -> None:
    """Later layers cost nothing while the first one works."""
    voters = [voter(name, says("Paris")) for name in "abcd"]
    world = layered(make_world, layer("primary", "ab"), layer("backup", "cd"), voters=voters)
    told = (await world.coordinator.generate(request(), CALLER)).summary()
    assert (told["degraded"], told["layer"]["index"], told["layer"]["failover_used"]) == (False, 0, False)
    assert [v.asked for v in world.voters.values()] == [1, 1, 0, 0]


async def test_behind_an_answer_no_layer_is_even_planned(
    make_world: MakeWorld, monkeypatch: pytest.MonkeyPatch
) -> None:  # fmt: skip
    """Plans that nobody can follow would cost every answer; behind a layer that gave none they are made."""
    planned: list[str] = []

    def later(request: GenerationRequest, tried: Sequence[State], *more: object, **named: object) -> list[Plan]:
        planned.append(tried[-1].plan.layer)
        return []

    monkeypatch.setattr(actor, "later_plans", later)
    world = layered(
        make_world, layer("primary", "ab"), layer("backup", "ab"), voters=[voter(n, says("Paris")) for n in "ab"]
    )
    await world.coordinator.generate(request(), CALLER)
    assert planned == []
    world = layered(make_world, layer("primary", "ab"), layer("backup", "ab"), voters=[voter(n, DOWN) for n in "ab"])
    with pytest.raises(CriticalSystemFailure):
        await world.coordinator.generate(request(), CALLER)
    assert planned == ["primary"]


async def test_disagreement_never_reaches_a_weaker_jury(make_world: MakeWorld) -> None:
    """Two voters disagree: the layer behind asks for less, so nobody there is asked and nothing leaves."""
    voters = [voter("a", says("Paris")), voter("b", says("Rome"))] + [voter(n, says("Rome")) for n in "cd"]
    world = layered(make_world, layer("primary", "ab"), layer("backup", "cd", quorum="0.500000"), voters=voters)
    with pytest.raises(NoConsensus):
        await world.coordinator.generate(request(), CALLER)
    assert [v.asked for v in world.voters.values()] == [1, 1, 0, 0]


async def test_disagreement_may_go_to_a_jury_that_is_no_weaker_and_new(make_world: MakeWorld) -> None:
    """With the same rule and voters that were not asked the second layer decides."""
    voters = [voter("a", says("Paris")), voter("b", says("Rome"))] + [voter(n, says("Rome")) for n in "cd"]
    world = layered(make_world, layer("primary", "ab"), layer("backup", "cd"), voters=voters)
    decision = await world.coordinator.generate(request(), CALLER)
    assert decision.candidate.content == "Rome"
    assert verify_envelope(world.log.committed[0].data, world.trust, NOW_S).record.layer.index == 1


async def test_silence_behind_a_disagreement_is_told_as_the_disagreement(make_world: MakeWorld) -> None:
    """422 with each layer's cause, whether the further jury hangs to the deadline's end, is down or full; so says the record."""
    for later, why in ((hangs, "the deadline passed"), (DOWN, "too few voters"), (FULL, "too few voters")):
        voters = [voter("a", says("Paris")), voter("b", says("Rome")), voter("c", later), voter("d", later)]
        world = layered(make_world, layer("primary", "ab"), layer("backup", "cd"), voters=voters)
        world.clock.step_s = 0.25
        with pytest.raises(NoConsensus, match=f"layer primary: no group .*; layer backup: {why}"):
            await world.coordinator.generate(request(deadline_ms=5_000), CALLER)
        assert verify_envelope(world.log.committed[0].data, world.trust, NOW_S).record.result == "no_consensus"


async def test_silence_behind_what_was_screened_out_is_told_with_what_was_found(make_world: MakeWorld) -> None:
    """The notes are those of the layer that put the answers out, not of the one that was down."""
    code = "def f():\n    return 1"
    voters = [voter("a", says(code)), voter("b", says(code)), voter("c", DOWN), voter("d", DOWN)]
    world = layered(make_world, layer("primary", "ab"), layer("backup", "cd"), voters=voters)
    world.screener.says[code] = screened("reject")
    with pytest.raises(ScreenedOut, match=r"layer backup: too few voters.* \(a: .*; b: .*\); rephrase"):
        await world.coordinator.generate(request("Write a Python function f()."), CALLER)
    assert verify_envelope(world.log.committed[0].data, world.trust, NOW_S).record.result == "screened_out"


async def test_when_all_layers_fail_the_error_names_each_ones_cause(make_world: MakeWorld) -> None:
    """``CriticalSystemFailure`` says layer by layer and voter by voter why; the refusal is on record and verifies."""
    voters = [voter(name, DOWN) for name in "abcd"]
    world = layered(make_world, layer("primary", "ab"), layer("backup", "cd"), voters=voters)
    with pytest.raises(CriticalSystemFailure, match=r"layer primary: .*a: cannot.*; layer backup: .*c: cannot"):
        await world.coordinator.generate(request(), CALLER)
    assert verify_envelope(world.log.committed[0].data, world.trust, NOW_S).record.result == "unavailable"
    assert world.meter.votes == [("a", "failed"), ("b", "cancelled"), ("c", "failed"), ("d", "cancelled")]


async def test_a_voter_in_two_layers_is_asked_once(make_world: MakeWorld) -> None:
    """What it answered to the first layer counts in the second; its span, its tokens and its vote are counted once."""
    voters = [voter("a", says("Paris")), voter("b", DOWN), voter("c", DOWN), voter("d", says("Paris"))]
    world = layered(make_world, layer("primary", "abc"), layer("backup", "ad"), voters=voters)
    decision = await world.coordinator.generate(request(), CALLER)
    assert [v.asked for v in world.voters.values()] == [1, 1, 1, 1]
    assert (decision.prompt_tokens, decision.completion_tokens) == (6, 4)
    assert world.meter.votes == [("b", "failed"), ("c", "failed"), ("a", "agreed"), ("d", "agreed")]
    names = [(span.name, span.layer) for span in world.log.spans]
    assert names[1:] == [
        ("weavergen.layer", "primary"), ("weavergen.layer", "backup"),
        ("chat b", "primary"), ("chat c", "primary"), ("chat a", "backup"), ("chat d", "backup"),
    ]  # fmt: skip
    assert len({span.span_id for span in world.log.spans}) == len(names)


async def test_a_layer_that_hangs_has_only_its_share_of_the_time(make_world: MakeWorld) -> None:
    """The first layer may use half of the deadline; then the second is asked, with time to answer."""
    world = layered(
        make_world, layer("primary", "ab", share="0.500000"), layer("backup", "cd", share="0.500000"),
        voters=[voter("a", hangs), voter("b", hangs)],
    )  # fmt: skip
    seen: list[float] = []

    async def answer(_: VoterRequest) -> Candidate:
        seen.append(world.clock.monotonic())
        return candidate("Paris")

    more = {name: voter(name, answer) for name in "cd"}
    world = layered(
        make_world, layer("primary", "ab", share="0.500000"), layer("backup", "cd", share="0.500000"),
        voters=[*world.voters.values(), *more.values()],
    )  # fmt: skip
    world.clock.step_s = 0.25
    decision = await world.coordinator.generate(request(deadline_ms=10_000), CALLER)
    assert decision.summary()["layer"]["tried"][0]["outcome"] == "deadline"
    assert [v.cancelled for v in world.voters.values()] == [1, 1, 0, 0]
    assert len(seen) == 2


async def test_a_halt_between_two_layers_ends_the_request(make_world: MakeWorld) -> None:
    """Nobody behind it is asked, and the record says that it was halted."""
    voters = [voter("a", DOWN), voter("b", DOWN), voter("c", says("Paris")), voter("d", says("Paris"))]
    world = layered(make_world, layer("primary", "ab"), layer("backup", "cd"), voters=voters)

    async def halting(_: VoterRequest) -> Candidate:
        world.policy.halt()
        raise VoterFailed("b", "gone")

    world.voters["b"].answer = halting
    with pytest.raises(GenerationHalted):
        await world.coordinator.generate(request(), CALLER)
    assert [v.asked for v in world.voters.values()] == [1, 1, 0, 0]
    assert verify_envelope(world.log.committed[0].data, world.trust, NOW_S).record.result == "halted"


async def test_a_layer_that_cannot_be_planned_hides_nobody_who_was_asked_before_it(make_world: MakeWorld) -> None:
    """The policy names weights by now that cannot be read: not ready, and what the first layer was asked is told and counts."""
    voters = [voter("a", DOWN), voter("b", DOWN), voter("c", says("Paris")), voter("d", says("Paris"))]
    world = layered(make_world, layer("primary", "ab"), layer("backup", "cd"), voters=voters)

    async def naming_others(asked: VoterRequest) -> Candidate:
        world.policy.publish(layers=[layer("primary", "ab"), layer("backup", "cd")])
        world.weights.error = GONE
        return await DOWN(asked)

    world.voters["a"].answer = naming_others
    heard: list[State] = []
    with pytest.raises(NotReady, match="weights"):
        await world.coordinator.generate(request(), CALLER, heard.append)
    assert [(state.plan.layer, state.sent) for state in heard] == [("primary", {0, 1})]
    assert used_tokens(heard[0], request()) > 0
    assert ([v.asked for v in world.voters.values()], world.log.committed) == ([1, 1, 0, 0], [])


async def test_behind_a_layer_that_nobody_can_follow_its_end_is_the_end(make_world: MakeWorld) -> None:
    """Without the weights to plan another the first one's disagreement is the decision; it is on record, and verifies."""
    voters = [voter("a", says("Paris")), voter("b", says("Rome")), voter("c", says("Rome")), voter("d", says("Rome"))]
    world = layered(make_world, layer("primary", "ab"), layer("backup", "cd"), voters=voters)

    async def losing(_: VoterRequest) -> Candidate:
        world.weights.error = GONE
        return candidate("Rome")

    world.voters["b"].answer = losing
    with pytest.raises(NoConsensus):
        await world.coordinator.generate(request(), CALLER)
    assert [v.asked for v in world.voters.values()] == [1, 1, 0, 0]
    assert verify_envelope(world.log.committed[0].data, world.trust, NOW_S).record.result == "no_consensus"


async def test_a_policy_that_loosens_meanwhile_loosens_no_layer_under_way(make_world: MakeWorld) -> None:
    """Behind a disagreement the second layer is held to what it was chosen for, and its record verifies."""
    voters = [voter("a", says("Paris")), voter("b", says("Rome")), voter("c", says("Rome")), voter("d", says("Rome"))]
    first, second = layer("primary", "ab"), layer("backup", "cd")
    world = layered(make_world, first, second, voters=voters)

    async def loosening(_: VoterRequest) -> Candidate:
        world.policy.publish(layers=[first, layer("backup", "cd", quorum="0.300000")])
        return candidate("Rome")

    world.voters["d"].answer = loosening
    await world.coordinator.generate(request(), CALLER)
    record = verify_envelope(world.log.committed[0].data, world.trust, NOW_S).record
    assert (record.layer.quorum, record.policy.version) == ("0.600000", 3)


async def test_an_earlier_layer_that_was_only_busy_lets_the_client_come_back(make_world: MakeWorld) -> None:
    """Had the first layer had room, it might have answered: 429, not 503, and whose room it was is said."""
    voters = [
        voter("a", raises(VoterBusy("a", "full", 1.0))),
        voter("b", says("Paris")),
        voter("c", DOWN),
        voter("d", DOWN),
    ]
    world = layered(make_world, layer("primary", "ab"), layer("backup", "cd"), voters=voters)
    with pytest.raises(Overloaded, match="a: full"):
        await world.coordinator.generate(request(), CALLER)


async def told_to_wait(world: World, **changes: object) -> tuple[str, int | None, str]:
    """Ask in vain; return the error's code, the seconds it says, and its message."""
    with pytest.raises(UnavailableError) as caught:
        await world.coordinator.generate(request(**changes), CALLER)
    return caught.value.code, caught.value.retry_after_s, caught.value.message


async def test_the_caller_is_told_when_a_layer_may_have_a_quorum_again(make_world: MakeWorld) -> None:
    """Providers that said when to come back, breakers that are open, money: whichever layer has two voters again first.

    Whoever was not heard out, because one was lost and nobody could win any more, is taken to be there.
    """
    busy = {name: raises(VoterBusy(name, "status 429", wait_s)) for name, wait_s in (("a", 30.0), ("b", 40.0))}
    denied = {name: raises(CircuitBreakerOpenError(name, "open", wait_s)) for name, wait_s in (("c", 9.0), ("d", 12.0))}
    spent = {name: raises(SpendCapReached(name, "no money", 30_000.0)) for name in "ab"}
    layers = (layer("primary", "ab"), layer("backup", "cd"))
    for answers, heard_out, told in (
        ({**busy, "c": DOWN, "d": DOWN}, True, ("overloaded", 40)),
        ({**busy, "c": DOWN, "d": DOWN}, False, ("overloaded", 30)),
        ({**busy, **denied}, True, ("overloaded", 12)),
        ({"a": DOWN, "b": DOWN, **denied}, True, ("all_layers_failed", 12)),
        ({"a": DOWN, "b": DOWN, **denied}, False, ("all_layers_failed", 9)),
        ({"a": DOWN, "b": DOWN, "c": DOWN, "d": DOWN}, True, ("all_layers_failed", None)),
        ({**spent, "c": DOWN, "d": DOWN}, True, ("overloaded", 30_000)),
        ({**spent, **denied}, True, ("overloaded", 12)),
        ({**spent, "c": raises(VoterBusy("c", "status 429", 2.0)), "d": says("Paris")}, True, ("overloaded", 2)),
    ):
        world = layered(make_world, *layers, voters=[voter(name, answers[name]) for name in "abcd"])
        code, wait_s, message = await told_to_wait(world, explain=heard_out)
        assert (code, wait_s) == told
        assert (f"try again in {wait_s} s" in message) is (code == "overloaded")


async def test_whoever_asks_one_voter_is_told_what_that_one_said(make_world: MakeWorld) -> None:
    """Its own word while it is busy, its breaker's rest while that is open, nothing where nobody knows."""
    for error, told in (
        (VoterBusy("a", "status 429", 30.0), ("overloaded", 30)),
        (VoterBusy("a", "its queue is full"), ("overloaded", 1)),
        (SpendCapReached("a", "no money", 30_000.5), ("overloaded", 30_001)),
        (SpendCapReached("a", "no money"), ("overloaded", 1)),
        (CircuitBreakerBusyError("a", "open (retry_after)", 28.2), ("overloaded", 29)),
        (CircuitBreakerOpenError("a", "open (failure_rate)", 57.5), ("voter_unavailable", 58)),
        (CircuitBreakerOpenError("a", "half_open", None), ("voter_unavailable", None)),
        (VoterFailed("a", "status 503", 15.0), ("voter_unavailable", 15)),
        (VoterFailed("a", "status 500"), ("voter_unavailable", None)),
    ):
        world = make_world(voter("a", raises(error)), voter("b", says("x")))
        assert (await told_to_wait(world, model="a"))[:2] == told
