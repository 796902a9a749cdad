"""Requests under an ``Idempotency-Key`` in the simulator: production gives one answer, and the judge knows when it does not."""

from collections import Counter
from collections.abc import Sequence
from pathlib import Path

import pytest
from msgspec.structs import replace

from actors.admission.idempotency_config import IdempotencyConfig
from cluster.simulation.plants import planted
from cluster.simulation.settings import SiteSettings
from cluster.simulation.storm import REPEATED_EVERY, REPEATED_KEYS, is_loaded, is_repeated, is_spell, schedule_of
from cluster.simulation.weather import Fault
from cluster.simulation.world import Arrival, World
from serve_apps.gateway.idempotency import Replayed
from tests.sim.test_world import WORD, site


def keeping() -> SiteSettings:
    """Return a site that keeps answers, whose claims lapse after three seconds."""
    return site(replicas=2, idempotency=IdempotencyConfig(lease_s=3, timeout_s=1))


def again(at_s: float, number: int, key: str = "k", question: int = WORD, leaves_after_s: float = 0.0) -> Arrival:
    """Return a request under a key: even numbers go to one replica, odd ones to the other."""
    return Arrival(at_s, number, question, answer_tokens=0, idempotency=key, leaves_after_s=leaves_after_s)


def played(folder: Path, faults: Sequence[Fault], *arrivals: Arrival) -> World:
    """Return a world that was asked."""
    world = World(keeping(), "replays", folder / "spend")
    world.play(faults, arrivals, max(one.at_s for one in arrivals))
    return world


def ends(world: World) -> list[tuple[str, str]]:
    """Return how requests ended: result and code."""
    found = sorted(world.outcomes, key=lambda outcome: outcome.arrival.number)
    return [(outcome.result, outcome.code) for outcome in found]


def rules(world: World) -> set[str]:
    """Return the rules that were broken."""
    return {breach.rule for breach in world.judge.breaches}


def test_one_key_is_worked_on_once_whoever_asks_again(tmp_path: Path) -> None:
    """Later, at the same time, at the other replica: one decision, and every client has its answer."""
    world = played(tmp_path, [], again(1.0, 0), again(1.2, 1), again(1.3, 2), again(5.0, 3), again(6.0, 4, "other"))
    assert ends(world) == [("answered", "")] * 5
    assert len(world.judge.decisions) == 2
    assert world.judge.replay.replays == 3
    assert world.judge.breaches == []


def test_what_was_kept_while_the_clock_was_ahead_is_served_again_once_it_is_right(tmp_path: Path) -> None:
    """Its record is issued ahead of the clock of now: at either replica the answer is the key's."""
    jumps = [Fault(0.5, "clock_jump", "", 0.0, 3600.0), Fault(5.0, "clock_jump", "", 0.0, -3600.0)]
    world = played(tmp_path, jumps, again(1.0, 0), again(7.0, 1), again(8.0, 2))
    assert ends(world) == [("answered", "")] * 3
    assert (len(world.judge.decisions), world.judge.replay.replays) == (1, 2)
    assert world.judge.breaches == []


def test_another_request_under_a_key_is_told_so(tmp_path: Path) -> None:
    """It is worked on under no key of somebody else's request."""
    world = played(tmp_path, [], again(1.0, 0), again(5.0, 1, question=WORD + 1))
    assert ends(world) == [("answered", ""), ("unavailable", "idempotency_mismatch")]


def test_nothing_is_served_again_that_may_leave_no_more(tmp_path: Path) -> None:
    """A voter that counts is isolated, or invalidated: refused, and again answered once it may, but for what was invalidated."""
    isolated = played(tmp_path / "a", [Fault(5.0, "isolate", "a", 5.0)], again(1.0, 0), again(7.0, 1), again(15.0, 2))
    assert ends(isolated) == [("answered", ""), ("undecided", "no_consensus"), ("answered", "")]
    invalid = played(tmp_path / "b", [Fault(5.0, "invalidate", "a")], again(1.0, 0), again(7.0, 1), again(15.0, 2))
    assert ends(invalid) == [("answered", ""), *[("undecided", "no_consensus")] * 2]
    halted = played(tmp_path / "c", [Fault(5.0, "halt", "", 5.0)], again(1.0, 0), again(7.0, 1), again(15.0, 2))
    assert ends(halted) == [("answered", ""), ("halted", "generation_halted"), ("answered", "")]
    for world in (isolated, invalid, halted):
        assert world.judge.breaches == []


def test_without_the_table_nobody_who_asked_for_protection_goes_without(tmp_path: Path) -> None:
    """503 for the key, an answer for the others, and an answer for the key when the table is back."""
    away = [Fault(1.0, "table_away", "", 5.0)]
    world = played(tmp_path, away, again(2.0, 0), again(3.0, 1, key=""), again(8.0, 2))
    assert ends(world) == [("unavailable", "storage_unavailable"), ("answered", ""), ("answered", "")]


def test_a_replica_that_is_killed_gives_nothing_back(tmp_path: Path) -> None:
    """Its claim lapses within a lease, and whoever waits is worked on; one that leaves gives its claim back at once."""
    killed = [Fault(1.5, "killed", "0", 60.0)]
    world = played(tmp_path / "a", killed, again(1.0, 0), again(1.2, 1))
    assert ends(world) == [("lost", ""), ("answered", "")]
    (took_s,) = (outcome.took_s for outcome in world.outcomes if outcome.result == "answered")
    assert 3.0 < took_s < 8.0
    gone = played(tmp_path / "b", [], again(1.0, 0, leaves_after_s=0.3), again(1.2, 1))
    assert ends(gone) == [("cancelled", ""), ("answered", "")]
    assert [outcome.took_s < 3.0 for outcome in gone.outcomes if outcome.result == "answered"] == [True]


@pytest.mark.parametrize(
    ("plant", "fault", "rule"),
    [
        ("replay without objection", Fault(5.0, "isolate", "a", 50.0), "isolation"),
        ("replay without objection", Fault(5.0, "invalidate", "a"), "replay"),
        ("a kept answer is worked on again", Fault(5.0, "clock_jump", "", 0.0, 1.0), "one"),
        ("what was kept never opens", Fault(5.0, "clock_jump", "", 0.0, 1.0), "replay"),
    ],
)
def test_what_is_served_again_wrongly_is_seen(tmp_path: Path, plant: str, fault: Fault, rule: str) -> None:
    """Without its check an answer leaves that may not, and a key that is worked on twice gives two."""
    with planted(plant):
        assert rules(played(tmp_path, [fault], again(1.0, 0), again(7.0, 1))) == {rule}


def replayed(folder: Path) -> tuple[World, Replayed]:
    """Return a world that served an answer again, and what it served."""
    world, kept = World(keeping(), "replays", folder / "spend"), list[Replayed]()
    judged = world.judge.replay.again
    world.judge.replay.again = lambda one, now_s: kept.append(one) or judged(one, now_s)  # type: ignore[method-assign, func-returns-value]
    world.play([], [again(1.0, 0), again(5.0, 1)], 5.0)
    world.judge.replay.again = judged  # type: ignore[method-assign]
    assert world.judge.breaches == []
    return world, kept[0]


def test_what_was_never_durable_or_is_another_text_is_seen(tmp_path: Path) -> None:
    """A record that is not on disk, one that does not verify, and a text that the record does not name."""
    world, one = replayed(tmp_path)
    now_s = int(world.clock.time())
    for wrong in (
        replace(one, committed=replace(one.committed, data=one.committed.data + b" ")),
        replace(one, candidate=replace(one.candidate, content="another")),
    ):
        world.judge.breaches.clear()
        world.judge.replay.again(wrong, now_s)
        assert rules(world) == {"replay"}
    world.judge.breaches.clear()
    record = one.committed.record
    world.judge.replay.durable(b"withheld", replace(record, result="withheld"))
    world.judge.replay.again(one, now_s)
    assert world.judge.breaches == []
    world.loop.run(world.loop.now_s + 5.0)
    world.judge.replay.again(one, now_s)
    assert rules(world) == {"replay"}


def test_storms_in_which_clients_ask_again_are_an_eighth() -> None:
    """Most of their requests carry one of a few keys, and the same is asked under each but now and then."""
    assert [seed for seed in range(20) if is_repeated(seed)] == [1, 9, 17]
    seeds = range(1, 400, REPEATED_EVERY)
    assert not any(is_loaded(seed) or is_spell(seed) for seed in seeds)
    kinds, others = Counter[str](), 0
    for seed in seeds:
        events = schedule_of(seed)
        keyed = [one for one in events if isinstance(one, Arrival) and one.idempotency]
        assert 15 < len(keyed) <= 36
        assert len({one.idempotency for one in keyed}) <= REPEATED_KEYS
        for key in {one.idempotency for one in keyed}:
            asked = Counter((one.question, one.policy, one.deadline_ms) for one in keyed if one.idempotency == key)
            others += sum(asked.values()) - max(asked.values())
        kinds.update(one.kind for one in events if isinstance(one, Fault))
    assert {"invalidate", "table_away"} <= kinds.keys()
    assert 0 < others < 20 * len(seeds)
    assert not any(one.idempotency for one in schedule_of(2) if isinstance(one, Arrival))
