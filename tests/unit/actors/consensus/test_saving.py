"""What is saved while too much comes, from the plan to the answer."""

import pytest
from msgspec.structs import replace

from actors.admission.brownout import thrifty
from actors.base.errors import DeadlineExceeded
from actors.consensus.config import ConsensusConfig
from actors.consensus.verification import verify_envelope
from actors.consensus.vocabulary import Plan
from tests.unit.actors.consensus.test_hedges import Impatient, MakeWorld
from tests.unit.actors.consensus.world import CALLER, NOW_S, hangs, request, says, voter


class Saving:
    """Saves what it is told to."""

    def __init__(self, *saved: str) -> None:
        self._saved = saved

    def saved(self, plan: Plan) -> Plan:
        """Save it."""
        return replace(thrifty(plan) if "voters" in self._saved else plan, saved=self._saved)


async def test_no_hedge_is_asked_where_hedges_are_saved(make_world: MakeWorld) -> None:
    """Whoever stands by stays there, and the answer says so."""
    voters = [voter("a", hangs), voter("b", says("Paris")), voter("c", says("Paris"))]
    config = ConsensusConfig(panel_size=2)
    world = make_world(*voters, config=config, hedges=Impatient(), saving=Saving("hedges"))
    with pytest.raises(DeadlineExceeded) as told:
        await world.coordinator.generate(request(deadline_ms=50), CALLER)
    assert told.value.details["saved"] == ["hedges"]
    assert [v.asked for v in world.voters.values()] == [1, 1, 0]


async def test_fewer_are_asked_where_voters_are_saved_and_the_record_verifies(make_world: MakeWorld) -> None:
    """Seven of nine: enough to outvote a dissenter by the whole panel's quorum."""
    world = make_world(*[voter(name, says("Paris")) for name in "abcdefghi"], saving=Saving("voters"))
    decision = await world.coordinator.generate(request(), CALLER)
    assert sum(v.asked for v in world.voters.values()) == 7
    record = verify_envelope(world.log.committed[0].data, world.trust, NOW_S).record
    assert (record.layer.panel, len(record.layer.members)) == (7, 9)
    assert decision.summary()["saved"] == ["voters"]


async def test_nothing_is_saved_in_calm(make_world: MakeWorld) -> None:
    """Everybody is asked."""
    world = make_world(*[voter(name, says("Paris")) for name in "abcdefghi"])
    decision = await world.coordinator.generate(request(explain=True), CALLER)
    assert sum(v.asked for v in world.voters.values()) == 9
    assert decision.summary()["saved"] == []
