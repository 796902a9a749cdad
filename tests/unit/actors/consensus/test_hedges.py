"""Asking another beside a slow voter: who is asked, and that every such ask, and nothing else, is paid for."""

import asyncio
from collections.abc import Callable

import pytest

from actors.base.errors import GenerationHalted
from actors.consensus.config import ConsensusConfig
from actors.consensus.verification import verify_envelope
from actors.policy.snapshot import LayerRule
from actors.spans.record import DecisionRecord
from models.errors import VoterFailed
from models.voter import Candidate, VoterRequest
from tests.unit.actors.consensus.world import CALLER, NOW_S, World, candidate, hangs, raises, request, says, voter

MakeWorld = Callable[..., World]
TWO_SEATS = ConsensusConfig(panel_size=2)
PARIS = says("Paris")


class Impatient:
    """Finds every voter slow at once, and has money for so many more asks."""

    def __init__(self, money: int = 5) -> None:
        self.money, self.paid = money, 0

    def due_s(self, voter: str, left_s: float) -> float | None:
        """Return no time."""
        return 0.0

    def pay(self) -> bool:
        """Take a coin, if there is one."""
        affordable = self.paid < self.money
        self.paid += affordable
        return affordable


async def hesitates(_: VoterRequest) -> Candidate:
    """Answer long after having been told as slow."""
    for _turn in range(100):
        await asyncio.sleep(0)
    return candidate("Paris")


def recorded(world: World) -> DecisionRecord:
    """Return the only record, which verifies."""
    (committed,) = world.log.committed
    return verify_envelope(committed.data, world.trust, NOW_S).record


async def test_a_slow_voter_is_hedged_by_whoever_stands_by(make_world: MakeWorld) -> None:
    """One of two never answers: the third is asked beside it, inside the budget, and the record tells and verifies."""
    hedges = Impatient(1)
    world = make_world(voter("a", hangs), voter("b", PARIS), voter("c", PARIS), config=TWO_SEATS, hedges=hedges)
    decision = await world.coordinator.generate(request(), CALLER)
    assert decision.candidate.content == "Paris"
    assert [v.asked for v in world.voters.values()] == [1, 1, 1]
    assert hedges.paid == 1
    ballots = recorded(world).ballots
    assert [ballot.hedged for ballot in ballots].count(True) == 1
    assert not any(ballot.replaced for ballot in ballots)


@pytest.mark.parametrize(("standing_by", "money", "asked"), [(1, 5, 1), (2, 5, 2), (2, 1, 1), (2, 0, 0)])
async def test_voters_that_are_slow_in_one_moment_pay_for_as_many_as_are_asked(
    make_world: MakeWorld, standing_by: int, money: int, asked: int
) -> None:
    """Two are slow: with one standing by only one pays, and with one coin only one is asked."""
    hedges = Impatient(money)
    voters = [voter(name, hesitates) for name in "ab"] + [voter(name, hesitates) for name in "cd"[:standing_by]]
    world = make_world(*voters, config=TWO_SEATS, hedges=hedges)
    assert (await world.coordinator.generate(request(), CALLER)).candidate.content == "Paris"
    assert [v.asked for v in voters[2:]] == [1] * asked + [0] * (standing_by - asked)
    assert hedges.paid == asked
    assert [ballot.hedged for ballot in recorded(world).ballots].count(True) == asked


async def test_whom_an_earlier_layer_asked_costs_nothing(make_world: MakeWorld) -> None:
    """What he said stands, as soon as the voter whose place he stands by for is slow: nobody is asked, so nobody pays."""
    hedges = Impatient()
    down = raises(VoterFailed("a", "cannot be connected to"))
    voters = [voter("a", down), voter("c", PARIS), voter("d", hangs), voter("e", PARIS)]
    world = make_world(*voters, config=TWO_SEATS, hedges=hedges)
    layers = [
        LayerRule(
            name=name, members=list(members), quorum="0.600000", min_lineages=2, min_n_eff="1.3", time_share="1.0"
        )
        for name, members in (("primary", "ca"), ("backup", "dec"))
    ]
    world.policy.publish(layers=layers)
    told = (await world.coordinator.generate(request(), CALLER)).summary()
    assert (told["layer"]["name"], [v.asked for v in voters]) == ("backup", [1, 1, 1, 1])
    assert hedges.paid == 0
    assert [ballot.hedged for ballot in recorded(world).ballots].count(True) == 1


async def test_whom_policy_isolates_meanwhile_is_neither_asked_nor_paid_for(make_world: MakeWorld) -> None:
    """The policy is looked at before anybody is asked beside a slow voter, not only when nothing happens; the next is asked."""

    async def isolates(asked: VoterRequest) -> Candidate:
        world.policy.isolate("c")
        return await hesitates(asked)

    for standing_by, asked in (("c", [1, 1, 0]), ("cd", [1, 1, 0, 1])):
        hedges = Impatient()
        voters = [voter("a", isolates), voter("b", PARIS), *(voter(name, PARIS) for name in standing_by)]
        world = make_world(*voters, config=TWO_SEATS, hedges=hedges)
        assert (await world.coordinator.generate(request(), CALLER)).candidate.content == "Paris"
        assert ([v.asked for v in voters], hedges.paid) == (asked, len(standing_by) - 1)


async def test_a_halt_is_seen_before_anybody_is_asked_beside_a_slow_voter(make_world: MakeWorld) -> None:
    """It ends the request, and nothing is paid."""
    hedges = Impatient()
    ends: list[Callable[[], None]] = []

    async def halts(_: VoterRequest) -> Candidate:
        ends[0]()
        return await hangs(_)

    voters = [voter("a", halts), voter("b", hangs), voter("c", PARIS)]
    world = make_world(*voters, config=TWO_SEATS, hedges=hedges)
    ends.append(world.policy.halt)
    with pytest.raises(GenerationHalted):
        await world.coordinator.generate(request(), CALLER)
    assert (voters[2].asked, hedges.paid) == (0, 0)
