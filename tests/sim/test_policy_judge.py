"""The judge of what policy allowed: what a replica names or says of policy is held against what was published, and when."""

from dataclasses import replace as with_changes

import pytest
from msgspec.structs import replace

from actors.base.errors import GenerationHalted, IntegrityError
from actors.policy.acceptance import LOOSENING, ROLLBACK, accept
from actors.policy.config import PolicyConfig
from actors.spans.record import DecisionRecord
from cluster.simulation import authority
from cluster.simulation.policy_judge import PolicyJudge
from cluster.simulation.settings import SiteSettings
from cluster.simulation.surroundings import loosened
from cluster.simulation.weather import Fault, Kind
from cluster.simulation.world import Arrival, World
from tests.sim.test_invariants import answered
from tests.sim.test_world import WORD, ends, site

HALTS = site(policy=PolicyConfig(on_stale="halt", policy_max_stale_s=5))


def judged(*faults: Fault, settings: SiteSettings = HALTS) -> tuple[World, PolicyJudge, list[str]]:
    """Return a world 30 s after it began, a judge who heard all that happened, and the rules that he finds broken."""
    world, found = World(settings, "policy"), list[str]()
    for fault in faults:
        world.loop.call_at(fault.at_s, world.strike, fault)
    world.loop.run(30.0)
    judge = world.judge.policy
    judge._breach = lambda rule, _: found.append(rule)
    return world, judge, found


def record_of(version: int, row: int, sha256: str, result: str = "answered") -> DecisionRecord:
    """Return a record that names a policy, at a row of its writer."""
    _, _, decision = answered()
    record = decision.committed.record
    named = replace(record.policy, version=version, sha256=sha256)
    return replace(record, policy=named, writer=replace(record.writer, seq=row), result=result)


def test_a_policy_that_nobody_published_is_named_as_such() -> None:
    """Another digest under a version that was, and a version that was not."""
    world, judge, found = judged()
    known = world.government.current.sha256
    assert judge.named(record_of(1, 1, known)) == world.government.current
    assert found == []
    judge.named(record_of(1, 2, "0" * 64))
    assert judge.named(record_of(2, 3, known)) is None
    assert found == ["published", "published"]


def test_a_writer_that_goes_back_is_seen_in_the_order_of_its_rows() -> None:
    """An answer that was judged late is none, and a withdrawal names what its answer named."""
    world, judge, found = judged(Fault(1.0, "isolate", "a", 5.0))
    first, second, third = (snapshot.sha256 for snapshot in world.government.snapshots)
    judge.named(record_of(2, 10, second))
    judge.named(record_of(1, 5, first))
    judge.named(record_of(1, 12, first, "withheld"))
    judge.named(record_of(3, 20, third))
    assert found == []
    judge.named(record_of(2, 30, second))
    assert found == ["epoch"]


@pytest.mark.parametrize(
    ("fault", "began_s", "rules"),
    [
        (Fault(10.0, "halt", "", 5.0), 12.0, []),
        (Fault(10.0, "halt", "", 5.0), 15.5, []),
        (Fault(10.0, "halt", "", 5.0), 17.0, ["serving"]),
        (Fault(10.0, "policy_away", "", 5.0), 12.0, []),
        (Fault(10.0, "policy_away", "", 3.0), 12.0, ["serving"]),
        (Fault(10.0, "policy_away", "", 8.0), 20.0, ["serving"]),
        (Fault(10.0, "isolate", "a", 5.0), 12.0, ["serving"]),
    ],
)
def test_a_refusal_by_a_halt_has_a_halt_behind_it(fault: Fault, began_s: float, rules: list[str]) -> None:
    """One that was published up to a poll before the request, or staleness that halts; nothing else."""
    _, judge, found = judged(fault)
    judge.halted(began_s)
    assert found == rules


def test_where_staleness_serves_it_is_no_reason_to_refuse() -> None:
    """``on_stale: serve``: whoever is refused then is refused by mistake."""
    settings = with_changes(HALTS, policy=PolicyConfig(on_stale="serve", policy_max_stale_s=5))
    _, judge, found = judged(Fault(10.0, "policy_away", "", 60.0), settings=settings)
    judge.halted(20.0)
    assert found == ["serving"]


def test_losing_the_source_twice_is_losing_it_from_the_first_time() -> None:
    """Back for less than a poll it may not have been read, and then a halt from before is all that a replica knows."""
    halt = Fault(1.0, "halt", "", 3.0)
    away, again = Fault(3.0, "policy_away", "", 2.0), Fault(5.4, "policy_away", "", 2.0)
    _, judge, found = judged(halt, away, again)
    judge.halted(7.0)
    assert found == []


@pytest.mark.parametrize("kind", ["loosened", "rolled_back"])
def test_a_policy_that_is_no_successor_changes_nothing(kind: Kind) -> None:
    """Whatever is put before a replica, a halt stays, and what is answered afterwards names what was published."""
    faults = [Fault(5.0, "halt", "", 20.0), Fault(8.0, kind, "", 10.0)]
    found = ends(faults, 1.0, 10.0, 15.0, 40.0)
    assert [result for result, _ in found] == ["answered", "halted", "halted", "answered"]


def test_what_is_forged_would_loosen_if_it_were_believed() -> None:
    """It is refused for what it is: a well-formed successor that a machine signed, or what was in force before."""
    first = SiteSettings.first_policy(HALTS)
    with pytest.raises(IntegrityError, match=LOOSENING):
        accept(first, loosened(first), authority.trust(), authority.EPOCH_S)
    world, _, _ = judged(Fault(1.0, "isolate", "a", 5.0))
    with pytest.raises(IntegrityError, match=ROLLBACK):
        accept(world.government.current, world.government.chain[0], authority.trust(), authority.EPOCH_S)


def test_the_judge_of_a_world_hears_of_refusals() -> None:
    """What a client is told counts, however it came about."""
    world = World(site(), "refused")
    world.play([], [Arrival(1.0, 0, WORD)], 1.0)
    world.judge.refused(world.replicas[0], 60_000, 1.0, GenerationHalted("halted"))
    assert [breach.rule for breach in world.judge.breaches] == ["serving"]
