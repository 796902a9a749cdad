"""The judge: what is planted in the deciding code it finds, and what is handed to it wrong it names."""

from collections.abc import Callable
from pathlib import Path

import pytest

from actors.base.errors import NoConsensus
from actors.consensus.actor import Decision
from cluster.simulation.hunt import hunt
from cluster.simulation.plants import PLANTS
from cluster.simulation.replica import Replica
from cluster.simulation.weather import Fault
from cluster.simulation.world import Arrival, World
from models.providers.spend import SpendLedger
from tests.sim.test_world import WORD, site

FOUND = {
    "drop the isolation check": (54, "isolation"), "isolation is not looked at last": (229, "halt"),
    "leak a permit": (12, "permits"), "forget the halt": (4, "halt"), "weaker jury": (2, "jury"),
    "unsigned record": (0, "record"), "lost lease": (0, "spend"),
    "lease twice": (23, "quota"), "word never left": (395, "word"),
    "forget a refund": (3, "refund"), "refund twice": (3, "refund"),
    "who did not answer read nothing": (3, "refund"), "a word that is never waited out": (31, "locked"),
    "lose a lease": (3, "refund"),
    "cut below policy": (19, "jury"), "leak a door slot": (3, "door"),
    "let in what is refused": (3, "screened"), "screening passes everything": (3, "screened"),
    "a blind screener passes": (6, "blind"), "run without a sandbox": (13, "sandbox"),
    "answers in a span": (0, "secret"), "answers in a refusal": (1, "secret"),
    "machines may loosen": (8, "published"), "go back to an old policy": (2, "epoch"), "stale for ever": (0, "serving"),
    "retry without end": (8, "asks"),
    "replay without objection": (1, "isolation"), "a kept answer is worked on again": (1, "one"),
    "what was kept never opens": (1, "replay"),
    "forget the learnt limit": (15, "bulkhead"), "a limit that only falls": (15, "recovery"),
}  # fmt: skip
"""Of each plant a seed that shows it, so that this stays short, and the rule it breaks; the campaign looks from the first."""


@pytest.mark.parametrize("plant", PLANTS)
def test_a_planted_bug_is_found_and_its_schedule_is_short(plant: str) -> None:
    """The storm that shows it is shrunk to a few readable lines; the same storm without the bug breaks nothing."""
    first, rule = FOUND[plant]
    found = hunt([first], workers=1, plant=plant)
    assert found.first_seed == first
    assert 1 <= found.events < found.of
    lines = found.found.splitlines()
    assert f"{found.events} of {found.of} events are enough" in lines[0]
    assert f" BREACH of {rule}: " in lines[-1]
    assert all(" s  " in line for line in lines[1:])
    assert hunt([first], workers=1).first_seed is None


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
    world.judge.refused(replica, 60_000, 1.0, NoConsensus("no quorum"))
    assert rules(world) == set()
    world.judge.refused(replica, 60_000, 1.0, NoConsensus("no quorum", details={"decision_id": "x"}))
    assert rules(world) == {"record"}


def test_a_voter_that_is_asked_too_often_is_seen() -> None:
    """Once in each of its layers, and as often again as may be retried."""
    world, _, _ = answered()
    world.judge.asked({"a": 3, "f": 3, "nobody": 9})
    assert rules(world) == set()
    world.judge.asked({"a": 4})
    assert rules(world) == {"asks"}


def test_what_never_ends_is_a_breach() -> None:
    """At rest nothing may be under way."""
    world, _, _ = answered()
    world.judge.at_rest(world.replicas, 1, None)
    assert rules(world) == {"deadline"}


def one_permit(replica: Replica) -> Callable[[], None]:
    """Let a permit be out for which nobody asks."""
    gate = replica.guards.gates["a"]
    permit, _ = gate.admit(0.0)
    return lambda: gate.open.clear() if permit else None


def many_asks(replica: Replica) -> Callable[[], None]:
    """Let more asks be under way than the bulkhead holds."""
    voter = replica.guards.voters["a"]
    voter._under_way += 1000
    return lambda: setattr(voter, "_under_way", 0)


def many_requests(replica: Replica) -> Callable[[], None]:
    """Let more be deliberated on than there are places."""
    coordinator = replica.coordinator
    coordinator._under_way += 10_000
    return lambda: setattr(coordinator, "_under_way", 0)


@pytest.mark.parametrize(
    ("broken", "rule"), [(one_permit, "permits"), (many_asks, "bulkhead"), (many_requests, "door")]
)
def test_what_is_broken_for_a_moment_is_seen(broken: Callable[[Replica], Callable[[], None]], rule: str) -> None:
    """It is as it must be when a client has its answer and when all is at rest, and was not in between; it is told once."""
    world = World(site(), "step")

    def strike() -> None:
        world.loop.call_at(2.5, broken(world.replicas[0]))

    world.loop.call_at(2.0, strike)
    for at_s in (2.1, 2.2):
        world.loop.call_at(at_s, lambda: None)
    world.play([], [Arrival(5.0, 0, WORD)], 5.0)
    assert [(breach.rule, breach.at_s) for breach in world.judge.breaches] == [(rule, 2.0)]


def test_more_leased_than_the_cap_for_a_moment_is_seen(tmp_path: Path) -> None:
    """What replicas hold of a day's money together is looked at whenever time goes on."""
    world = World(site(spend_per_day_usd=1.0), "step", tmp_path / "spend")
    wallet = world.replicas[0].wallet
    assert wallet is not None
    before = wallet.ledger

    def lease() -> None:
        wallet.ledger = SpendLedger(2_000_000, before.day)
        world.loop.call_at(2.5, setattr, wallet, "ledger", before)

    world.loop.call_at(2.0, lease)
    world.loop.run(5.0)
    assert [(breach.rule, breach.at_s) for breach in world.judge.breaches] == [("spend", 2.0)]
