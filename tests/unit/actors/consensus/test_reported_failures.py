"""What users of other gateways reported of failover, each by its name: here it does not happen."""

from collections.abc import Callable

import pytest

from actors.base.errors import CriticalSystemFailure
from actors.consensus.config import ConsensusConfig
from actors.policy.snapshot import LayerRule
from models.errors import VoterEmpty, VoterError, VoterFailed, VoterInvalid, VoterTimeout
from tests.unit.actors.consensus.world import CALLER, FunctionVoter, World, hangs, raises, request, says, until, voter

MakeWorld = Callable[..., World]
LAYERS = [
    LayerRule(
        name=name, members=list(members), quorum="0.600000", min_lineages=2, min_n_eff="1.000000", time_share="0.500000"
    )
    for name, members in (("primary", "abc"), ("backup", "de"))
]
CUT = VoterFailed("x", "the stream ended before the answer was whole")
ENDS: list[VoterError] = [
    CUT,
    VoterFailed("x", "reported an error in the middle of its answer"),
    VoterTimeout("x", "silent for 30 s in the middle of its answer"),
    VoterInvalid("x", "answered something that is no stream of events"),
    VoterEmpty("x", "answered nothing"),
]


def layered(make_world: MakeWorld, *voters: FunctionVoter) -> World:
    """Return a world of two layers: ``abc``, then ``de``."""
    world = make_world(*voters)
    world.policy.publish(layers=LAYERS)
    return world


@pytest.mark.parametrize("end", ENDS, ids=lambda end: str(end)[:30])
async def test_1_a_cut_stalled_or_malformed_stream_gets_no_fallback(make_world: MakeWorld, end: VoterError) -> None:
    """However the streams of a whole layer end early, the next one answers."""
    broken = [voter(name, raises(end)) for name in "abc"]
    world = layered(make_world, *broken, *(voter(name, says("Paris")) for name in "de"))
    decision = await world.coordinator.generate(request(), CALLER)
    assert (decision.candidate.content, decision.summary()["layer"]["name"]) == ("Paris", "backup")


async def test_2_state_of_the_failed_attempt_leaks_into_the_fallback(make_world: MakeWorld) -> None:
    """Text, end and usage are those of the voters that answered; a failed layer adds nothing but what is told of it."""
    broken = [voter(name, raises(CUT)) for name in "abc"]
    world = layered(make_world, *broken, *(voter(name, says("Paris", "length")) for name in "de"))
    decision = await world.coordinator.generate(request(), CALLER)
    assert (decision.candidate.finish_reason, decision.prompt_tokens, decision.completion_tokens) == ("length", 6, 4)
    told = decision.summary()["votes"]
    assert [vote["voter"] for vote in told if vote["candidate_sha256"]] == ["d", "e"]


async def test_14_hedge_losers_run_on(make_world: MakeWorld) -> None:
    """A voter that was slow is cancelled as soon as those asked beside it have decided, and its ask is over."""
    slow, *well = voter("a", hangs), voter("b", says("Paris")), voter("c", says("Paris"))
    world = make_world(slow, *well, config=ConsensusConfig(panel_size=2), hedges=Eager())
    decision = await world.coordinator.generate(request(), CALLER)
    await until(lambda: slow.cancelled == 1)
    assert (decision.candidate.content, slow.asked) == ("Paris", 1)
    assert decision.summary()["votes"][0]["outcome"] == "cancelled"


async def test_17_one_success_of_n_goes_out_as_consensus(make_world: MakeWorld) -> None:
    """A single voter that answers in all layers is no consensus: nobody gets its answer, and the caller is told why."""
    down = [voter(name, raises(CUT)) for name in "bcde"]
    world = layered(make_world, voter("a", says("Paris")), *down)
    with pytest.raises(CriticalSystemFailure, match="layer backup"):
        await world.coordinator.generate(request(), CALLER)


class Eager:
    """Finds everybody slow at once, and has the money."""

    def due_s(self, voter: str, left_s: float) -> float:
        """Return at once."""
        return 0.0

    def pay(self) -> bool:
        """Pay."""
        return True
