"""A spike of fifty times the usual, five times what a replica can do, on an event loop under a virtual clock."""

from collections.abc import Callable
from random import Random

import pytest

from tests.unit.actors.admission.loop import SATURATION, Crowd, gateway, p99_s

USUAL, SPIKE = 0.1 * SATURATION, 5 * SATURATION


def about(median_s: float, spread: float) -> Callable[[Random], float]:
    """Return latencies of voters."""
    return lambda random: median_s * random.lognormvariate(0, spread)


@pytest.mark.parametrize("latency_s", [about(0.2, 0.3), about(0.5, 0.5), about(2.0, 0.5)], ids=["200ms", "500ms", "2s"])
def test_who_is_let_in_is_answered_as_ever_and_the_rest_is_told_at_once(latency_s: Callable[[Random], float]) -> None:
    """p99 within twice the normal, work goes on at what refusing leaves of the core, and nobody waits for his 429."""
    replica = gateway(latency_s)
    replica.run(USUAL, 15)
    normal = replica.run(USUAL, 20)
    spike = replica.run(SPIKE, 25)
    assert all(each.answered for each in normal)
    assert p99_s(spike) <= 2 * p99_s(normal)
    assert sum(each.answered for each in spike) / 25 >= 0.15 * SATURATION
    refused = [each for each in spike if not each.answered]
    assert all(each.retry_after_s >= 1 for each in refused)
    assert p99_s(spike, answered=False) <= 0.25
    assert replica.most_under_way <= 256
    replica.run(USUAL, 5)
    after = replica.run(USUAL, 10)
    assert all(each.answered for each in after)
    assert p99_s(after) <= 1.5 * p99_s(normal)


def test_without_a_door_everybody_is_late() -> None:
    """What the door is there for."""
    replica = gateway(about(0.1, 0.3), guarded=False)
    normal = replica.run(USUAL, 20)
    assert p99_s(replica.run(SPIKE, 3)) > 5 * p99_s(normal)


@pytest.mark.parametrize("latency_s", [0.005, 0.1, 0.5])
def test_sixteen_who_ask_again_at_once_are_all_answered(latency_s: float) -> None:
    """However quick the voters are: keeping a replica busy is no overload."""
    crowd = Crowd(gateway(lambda _: latency_s), 16)
    told = crowd.run(10)
    assert all(each.answered for each in told)
    assert len(told) / 10 >= 0.95 * min(SATURATION, 16 / (latency_s + 0.005))


@pytest.mark.parametrize("latency_s", [about(0.2, 0.3), about(0.5, 0.5), about(2.0, 0.5)], ids=["200ms", "500ms", "2s"])
@pytest.mark.parametrize(
    ("flood", "quiet", "share"),
    [(5.0, 0.05, 0.985), (5.0, 0.1, 0.985), (2.0, 0.1, 0.99)],
    ids=["5+0.05", "5+0.1", "2+0.1"],
)
def test_a_key_that_floods_takes_nothing_from_those_that_do_not(
    latency_s: Callable[[Random], float], flood: float, quiet: float, share: float
) -> None:
    """Nine quiet keys are served as ever beside one that asks for many times what the replica can do; it has the rest."""
    replica = gateway(latency_s)
    keys = {f"quiet {number}": quiet * SATURATION / 9 for number in range(9)}
    replica.run(keys, 15)
    normal = replica.run(keys, 20)
    told = replica.run({**keys, "flood": flood * SATURATION}, 25)
    of_quiet = [each for each in told if each.key != "flood"]
    assert sum(each.answered for each in of_quiet) / len(of_quiet) >= share
    assert p99_s(of_quiet) <= 2 * p99_s(normal)
    assert sum(each.answered for each in told if each.key == "flood") / 25 >= 0.1 * SATURATION
    assert replica.most_under_way <= 256


@pytest.mark.parametrize(("flood", "quiet"), [(2.0, 0.3), (1.2, 0.45)])
def test_quiet_keys_may_come_to_nearly_half_of_what_the_replica_can_do(flood: float, quiet: float) -> None:
    """Beside one that asks for all of it and more."""
    replica = gateway(about(0.5, 0.5))
    keys = {f"quiet {number}": quiet * SATURATION / 9 for number in range(9)}
    replica.run(keys, 15)
    told = replica.run({**keys, "flood": flood * SATURATION}, 25)
    of_quiet = [each for each in told if each.key != "flood"]
    assert sum(each.answered for each in of_quiet) / len(of_quiet) >= 0.99
