"""A simulated site: production's code answers, fails over, withholds and recovers as it does outside."""

import subprocess
import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import pytest

from cluster.simulation.ills import ASSUMED, _targets
from cluster.simulation.settings import SiteSettings, layer
from cluster.simulation.stacks import LOCAL
from cluster.simulation.storm import SITE, play, schedule_of
from cluster.simulation.voters import Character, SimulatedVoter
from cluster.simulation.weather import Fault, Kind, Weather
from cluster.simulation.world import NO_REPLICA, Arrival, World
from models.voter import VoterInfo

WORD = 8
"""A question for words."""
SHOW = (
    "from cluster.simulation.storm import play, schedule_of\n"
    "for seed in (5, 7):\n"
    "    world = play(seed, schedule_of(seed))\n"
    "    print([(o.arrival.number, o.result, o.took_s, o.layer, o.code) for o in world.outcomes])\n"
    "    print(world.government.current.sha256, sorted(world.judge._results))\n"
    "    print(world.judge.admission and sorted(world.judge.admission._used.items()))"
)


def sure(name: str) -> Character:
    """Return a voter that is always right and takes a second."""
    return Character(VoterInfo(name, name, name), f"cloud {name}", 1.0, 1.0, 0.0)


def site(**changes: object) -> SiteSettings:
    """Return a site of two layers."""
    fields: dict[str, object] = {
        "characters": tuple(map(sure, "abcdef")),
        "layers": (layer("primary", ("a", "b", "c"), time_share=0.5), layer("backup", ("d", "e", "f"), time_share=0.5)),
    }
    return SiteSettings(**(fields | changes))  # type: ignore[arg-type]


def ends(faults: Sequence[Fault], *times_s: float, settings: SiteSettings | None = None) -> list[tuple[str, str]]:
    """Return how requests that begin at these times end: result and layer, or code."""
    world = World(settings or site(), "test")
    arrivals = [Arrival(at_s, number, WORD, answer_tokens=0) for number, at_s in enumerate(times_s)]
    world.play(faults, arrivals, max(times_s))
    assert [str(breach) for breach in world.judge.breaches] == []
    found = sorted(world.outcomes, key=lambda outcome: outcome.arrival.number)
    return [(outcome.result, outcome.layer or outcome.code) for outcome in found]


def test_in_fair_weather_the_first_layer_answers() -> None:
    """Three that agree: answered, by the primary layer, and right."""
    assert ends([], 1.0, 2.0) == [("answered", "primary")] * 2


def test_a_provider_that_is_down_is_done_without_and_two_bring_the_backup() -> None:
    """One of three down: the others agree. Two down: the next layer answers. When they are back, so is the first layer."""
    one, other = Fault(10.0, "down", "cloud a", 50.0), Fault(20.0, "down", "cloud b", 20.0)
    found = ends([one, other], 12.0, 25.0, 500.0)
    assert found == [("answered", "primary"), ("answered", "backup"), ("answered", "primary")]


def test_silence_costs_a_layer_its_time_and_no_more() -> None:
    """Two that hang: the backup answers within the deadline."""
    hang = [Fault(0.0, "hung", voter, 900.0) for voter in "ab"]
    assert ends(hang, 1.0) == [("answered", "backup")]


def test_everybody_down_is_said() -> None:
    """No layer answers: refused with the word for it."""
    assert ends([Fault(0.0, "down", "", 100.0)], 1.0) == [("unavailable", "all_layers_failed")]


@pytest.mark.parametrize("kind", ["machine_off", "node_gone"])
def test_where_the_machine_is_gone_so_is_every_replica(kind: Kind) -> None:
    """Nothing listens until it is back, also not a replica that was killed before; what was under way is lost."""
    gone = [Fault(9.0, "killed", "1", 2.0), Fault(10.0, kind, LOCAL, 100.0)]
    found = ends(gone, 8.0, 9.8, 11.5, 50.0, 109.0, 111.0)
    assert found == [("answered", "primary"), ("lost", ""), *[("unavailable", NO_REPLICA)] * 3, ("answered", "primary")]


def test_where_the_machine_is_gone_so_are_its_voters() -> None:
    """Who runs there answers nobody; who runs elsewhere does."""
    weather = Weather()
    voter = SimulatedVoter(replace(sure("a"), provider=LOCAL), weather, float, lambda *_: None)
    weather.begin(Fault(0.0, "machine_off", LOCAL, 1.0))
    assert [str(voter._failure(fault.kind, "a", 0.0)) for fault in weather.of("a", LOCAL)] == ["a: 503"]
    assert weather.of("b", "cloud b") == []


def test_a_fault_that_follows_another_lets_nothing_through_between() -> None:
    """Policy that is away twice without a pause is away since the first time, whoever looked meanwhile."""
    weather = Weather()
    first, second = Fault(1.0, "policy_away", "", 3.0), Fault(2.0, "policy_away", "", 9.0)
    assert weather.since_s("policy_away") is None
    weather.begin(first)
    weather.begin(second)
    weather.end(first)
    assert weather.since_s("policy_away") == 1.0
    weather.end(second)
    assert weather.since_s("policy_away") is None
    weather.begin(Fault(20.0, "policy_away", "", 1.0))
    assert weather.since_s("policy_away") == 20.0


def test_what_strikes_the_home_strikes_all_that_lies_there() -> None:
    """A machine that is off takes voters and replicas, a disk that is full every replica's log, a kill one replica."""
    settings = replace(site(), replicas=2)
    of = {ill.kind: _targets(ill, settings) for ill in ASSUMED}
    assert of["machine_off"] == of["node_gone"] == [LOCAL]
    assert of["log_away"] == of["log_slow"] == [""]
    assert of["killed"] == ["0", "1"]


def test_a_halt_ends_what_is_under_way_and_is_taken_back() -> None:
    """Nothing is answered from a poll after the halt until it is resumed."""
    halt = Fault(10.0, "halt", "", 100.0)
    assert [result for result, _ in ends([halt], 9.5, 50.0, 200.0)] == ["halted", "halted", "answered"]


def test_a_policy_that_cannot_be_read_goes_on_serving_or_not_as_it_is_set() -> None:
    """``on_stale: serve`` answers on; a storm's site halts once it is stale."""
    away = Fault(5.0, "policy_away", "", 100.0)
    assert ends([away], 1.0, 90.0) == [("answered", "primary")] * 2
    strict = site(policy=SITE.policy)
    assert [result for result, _ in ends([away], 1.0, 90.0, 120.0, settings=strict)] == [
        "answered",
        "halted",
        "answered",
    ]


def test_a_killed_replica_loses_what_it_was_doing_and_nothing_else() -> None:
    """Its request is lost, the other replica answers meanwhile, and it comes back."""
    found = ends([Fault(10.2, "killed", "0", 30.0)], 10.0, 12.0, 100.0)
    assert found == [("lost", ""), ("answered", "primary"), ("answered", "primary")]


def test_a_log_that_takes_nothing_answers_nothing() -> None:
    """Without a record there is no answer; a slow disk only delays it."""
    away = [Fault(0.0, "log_away", f"replica {number}", 50.0) for number in (0, 1)]
    assert ends(away, 1.0, 100.0) == [("unavailable", "storage_unavailable"), ("answered", "primary")]
    slow = [Fault(0.0, "log_slow", f"replica {number}", 50.0, 2.0) for number in (0, 1)]
    assert ends(slow, 1.0) == [("answered", "primary")]


def test_clocks_that_jump_renew_certificates() -> None:
    """A day forward and an hour back: requests begun afterwards are answered and their records verify."""
    jumps = [Fault(10.0, "clock_jump", "", 0.0, 86_400.0), Fault(20.0, "clock_jump", "", 0.0, -3600.0)]
    assert ends(jumps, 1.0, 15.0, 25.0) == [("answered", "primary")] * 3


def test_a_poisoned_voter_is_screened_and_outvoted() -> None:
    """What one voter adds is never what is served."""
    world = World(site(), "poison")
    world.play(
        [Fault(0.0, "poisoned", "a", 50.0)], [Arrival(float(n), n, n % 4, answer_tokens=0) for n in range(12)], 12.0
    )
    served = [outcome for outcome in world.outcomes if outcome.result == "answered"]
    assert len(served) == 12
    assert all(outcome.is_right for outcome in served)


def test_the_same_seed_is_the_same_world_in_every_process() -> None:
    """Outcomes, times, policies, decision ids and what keys used are equal, whatever order hashing gives, under load too."""
    shown = {
        subprocess.run(  # noqa: S603 - this interpreter
            [sys.executable, "-c", SHOW], env={"PYTHONHASHSEED": seed, "PYTHONPATH": "."}, capture_output=True, check=True,
            cwd=Path(__file__).parents[2],
        ).stdout
        for seed in ("1", "2")
    }  # fmt: skip
    assert len(shown) == 1
    told = shown.pop()
    assert b"answered" in told
    assert b"'limited'" in told


def test_taking_a_fault_away_changes_no_other_draw() -> None:
    """Requests that end before the fault begins end the same without it."""
    schedule = schedule_of(5)
    last = max((event for event in schedule if isinstance(event, Fault)), key=lambda fault: fault.at_s)
    whole, less = play(5, schedule), play(5, [event for event in schedule if event is not last])

    def before(world: World) -> list[object]:
        return [o for o in world.outcomes if o.arrival.at_s + o.took_s < last.at_s]

    assert before(whole)
    assert before(whole) == before(less)


def test_weather_knows_what_is_under_way() -> None:
    """Faults strike their target or everybody, the worst of a kind is told, and what is over is gone."""
    weather, mild, bad = Weather(), Fault(0.0, "slow", "a", 1.0, 2.0), Fault(0.0, "slow", "", 1.0, 5.0)
    weather.begin(mild)
    weather.begin(bad)
    assert weather.worst("slow", "a") == weather.worst("slow", "b") == bad
    weather.end(bad)
    assert (weather.worst("slow", "a"), weather.worst("slow", "b")) == (mild, None)
    assert weather.names == ("a: slow",)
