"""The judge: what is planted in the deciding code it finds, and what is handed to it wrong it names."""

from collections.abc import Callable

import pytest

from actors.base.errors import GenerationHalted
from actors.consensus.actor import Decision
from cluster.simulation.hunt import hunt
from cluster.simulation.plants import PLANTS
from cluster.simulation.replica import Replica
from cluster.simulation.weather import Fault
from cluster.simulation.world import Arrival, World
from tests.sim.test_world import WORD, site

FIRST_SEEDS = {
    "drop the isolation check": 54, "isolation is not looked at last": 229, "leak a permit": 12, "forget the halt": 4,
    "weaker jury": 2, "unsigned record": 0, "lost lease": 0,
    "lease twice": 23, "forget a refund": 3, "refund twice": 3, "cut below policy": 19, "leak a door slot": 3,
    "forget the learnt limit": 15, "a limit that only falls": 15,
}  # fmt: skip
"""Of each plant a seed that shows it, so that this stays short; the campaign looks for them from the first."""


@pytest.mark.parametrize("plant", PLANTS)
def test_a_planted_bug_is_found_and_its_schedule_is_short(plant: str) -> None:
    """The storm that shows it is shrunk to a few readable lines; the same storm without the bug breaks nothing."""
    seed = [FIRST_SEEDS[plant]]
    found = hunt(seed, workers=1, plant=plant)
    assert found.first_seed == seed[0]
    assert 1 <= found.events < found.of
    lines = found.found.splitlines()
    assert f"{found.events} of {found.of} events are enough" in lines[0]
    assert " BREACH of " in lines[-1]
    assert all(" s  " in line for line in lines[1:])
    assert hunt(seed, workers=1).first_seed is None


def answered() -> tuple[World, Replica, Decision]:
    """Return a world that answered once, with its replica and what it answered."""
    world, kept = World(site(), "judge"), []
    judged = world.judge.delivered

    def keep(replica: Replica, deadline_ms: int, took_s: float, decision: Decision) -> None:
        judged(replica, deadline_ms, took_s, decision)
        kept.append((replica, decision))

    world.judge.delivered = keep  # type: ignore[method-assign]
    world.play([], [Arrival(1.0, 0, WORD)], 1.0)
    world.judge.delivered = judged  # type: ignore[method-assign]
    assert world.judge.breaches == []
    return world, *kept[0]


def rules(world: World) -> set[str]:
    """Return the rules that were broken."""
    return {breach.rule for breach in world.judge.breaches}


def test_an_answer_without_a_durable_record_is_a_breach() -> None:
    """A record counts for one answer: the second time it is not there."""
    world, replica, decision = answered()
    world.judge.delivered(replica, 60_000, 1.0, decision)
    assert rules(world) == {"record"}


def again(world: World, decision: Decision) -> None:
    """Put the answer's record back, so that only what is looked for is wrong."""
    world.judge._durable[decision.committed.data] = None


def late(world: World, replica: Replica, decision: Decision) -> None:
    """Answer after the deadline."""
    world.judge.delivered(replica, 60_000, 61.0, decision)


def dead(world: World, replica: Replica, decision: Decision) -> None:
    """Answer from a replica that was killed."""
    replica.is_dead = True
    world.judge.delivered(replica, 60_000, 1.0, decision)


def withdrawn(world: World, replica: Replica, decision: Decision) -> None:
    """Answer what is recorded as withheld."""
    world.judge._results[decision.committed.record.id].append("withheld")
    world.judge.delivered(replica, 60_000, 1.0, decision)


def halting(world: World, replica: Replica, decision: Decision) -> None:
    """Answer long after a halt."""
    world.strike(Fault(world.loop.now_s, "halt", "", 1e6))
    world.loop.run(world.loop.now_s + 5.0)
    world.judge.delivered(replica, 60_000, 1.0, decision)


def isolating(world: World, replica: Replica, decision: Decision) -> None:
    """Answer with the ballot of a voter that was isolated long before."""
    counted = next(ballot.voter for ballot in decision.committed.record.ballots if ballot.outcome == "agreed")
    world.strike(Fault(world.loop.now_s, "isolate", counted, 1e6))
    world.loop.run(world.loop.now_s + 5.0)
    world.judge.delivered(replica, 60_000, 1.0, decision)


@pytest.mark.parametrize(
    ("wrong", "rule"),
    [(late, "deadline"), (dead, "once"), (withdrawn, "once"), (halting, "halt"), (isolating, "isolation")],
)
def test_what_is_wrong_is_named(wrong: Callable[[World, Replica, Decision], None], rule: str) -> None:
    """Each way to break a rule breaks that one and no other."""
    world, replica, decision = answered()
    again(world, decision)
    wrong(world, replica, decision)
    assert rules(world) == {rule}


def test_a_refusal_that_names_a_decision_has_its_record() -> None:
    """A decision that nobody recorded is a breach; a refusal before any decision is none."""
    world, replica, _ = answered()
    world.judge.refused(replica, 60_000, 1.0, GenerationHalted("halted"))
    assert rules(world) == set()
    world.judge.refused(replica, 60_000, 1.0, GenerationHalted("halted", details={"decision_id": "x"}))
    assert rules(world) == {"record"}


def test_what_never_ends_is_a_breach() -> None:
    """At rest nothing may be under way."""
    world, _, _ = answered()
    world.judge.at_rest(world.replicas, 1, None)
    assert rules(world) == {"deadline"}
