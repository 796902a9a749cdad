"""Figures of a fault come from what was received, what providers counted and what is on disk."""

from collections.abc import Callable
from pathlib import Path

import pytest

from cluster.acceptance.failover import is_locked, locked
from cluster.acceptance.failover_figures import (
    Held,
    Looked,
    Mark,
    Ran,
    database_figures,
    fault_figures,
    jury_figures,
)
from cluster.acceptance.load import Load, Outcome
from tests.shells.cluster.acceptance.decisions import Decided, decided
from tests.unit.actors.consensus.world import NOW_S, World


def answer(one: Decided, began_s: float, *, degraded: bool = False, took_s: float = 0.1) -> Outcome:
    """Return an answer that began then."""
    layer = "backup" if degraded else "primary"
    return Outcome(began_s, began_s + took_s, 200, one.decision_id, layer=layer, degraded=degraded)


def ran(outcomes: list[Outcome], looked: tuple[Looked, ...]) -> Ran:
    """Return a stage: normal from 0, the fault from 10, settled from 12, its end at 20."""
    calls = (0, 20, 30, 50)
    marks = tuple(Mark(at_s, {"a": count}) for at_s, count in zip((0.0, 10.0, 12.0, 20.0), calls, strict=True))
    return Ran(Load(outcomes), Load(), marks, 20.0, looked, 1.0)


def looks(*states: str) -> tuple[Looked, ...]:
    """Return one look a second at one breaker, from 20 s on."""
    return tuple(Looked(20.0 + number, {"a": state}) for number, state in enumerate(states))


async def test_calls_are_held_against_normal_ones(make_world: Callable[..., World]) -> None:
    """20 calls for 10 requests are normal; 30 for 10 under the fault are half as many again, and of these 20 for 8 later."""
    one = await decided(make_world)
    outcomes = [answer(one, float(second)) for second in range(21)]
    told = fault_figures(ran(outcomes, looks("closed")), ["a"], one.records, one.world.trust, NOW_S)
    assert told["calls_a_request_normal"] == 2.0
    assert told["calls_beside_normal_fault"] == 1.5
    assert told["calls_beside_normal_fault_after_2_s"] == 1.25
    assert told["calls_of_the_failing"] == {"a": 30}
    assert told["ballots_of_the_failing_on_record"] == {"agreed": 10}
    assert (told["checked_on_disk"], told["answers_without_verifiable_record"]) == (21, 0)


async def test_failures_of_the_first_seconds_are_told_apart(make_world: Callable[..., World]) -> None:
    """What failed while breakers had not opened yet counts in the whole fault, not after it."""
    one = await decided(make_world)
    outcomes = [Outcome(11.0, 11.5, 503, "", "503 x"), answer(one, 13.0, degraded=True)]
    told = fault_figures(ran(outcomes, looks("closed")), ["a"], one.records, one.world.trust, NOW_S)
    assert (told["requests_fault"], told["answered_fault"], told["failures_fault"]) == (2, 1, {"503 x": 1})
    assert (told["requests_fault_after_2_s"], told["answered_share_fault_after_2_s"]) == (1, 1.0)
    assert told["answered_by"] == {"backup": 1}


@pytest.mark.parametrize(
    ("last_degraded_s", "states", "recovered"),
    [
        (29.0, ("open", "half_open", "closed", "closed"), True),
        (31.0, ("closed",), False),
        (21.0, ("closed", "open"), False),
        (21.0, ("open",) * 11 + ("closed",), False),
    ],
)
async def test_recovery_takes_every_request_and_every_breaker(
    make_world: Callable[..., World], last_degraded_s: float, states: tuple[str, ...], recovered: bool
) -> None:
    """The last request that was not well, and a breaker that opens again, count: the first good answer is not enough."""
    one = await decided(make_world)
    outcomes = [answer(one, 20.5), answer(one, last_degraded_s, degraded=True), answer(one, 32.0)]
    told = fault_figures(ran(outcomes, looks(*states)), ["a"], one.records, one.world.trust, NOW_S)
    assert told["recovered_within_10_s"] is recovered
    assert told["first_answer_of_the_first_layer_after_s"] == 0.6


async def test_a_missing_record_is_found(make_world: Callable[..., World]) -> None:
    """Answers under the fault, in the burst, and while the database was locked are looked for on disk."""
    one = await decided(make_world)
    stage = Ran(Load(), Load([answer(one, 20.1)]), ran([], ()).marks, 20.0, (), 1.0)
    assert fault_figures(stage, [], {}, one.world.trust, NOW_S)["answers_without_verifiable_record"] == 1
    held = Held(Load([answer(one, 5.0), answer(one, 15.0)]), 0.0, 10.0, True, 2)
    told = database_figures(held, {}, one.world.trust, NOW_S)
    assert (told["requests_locked"], told["checked_on_disk"], told["answers_without_verifiable_record"]) == (1, 2, 2)


async def test_an_answer_of_a_weaker_layer_is_counted(make_world: Callable[..., World]) -> None:
    """A refusal must be recorded as one, by the first layer alone; an answer of another layer is what must not be."""
    one = await decided(make_world)
    load = Load([answer(one, 1.0, degraded=True), Outcome(2.0, 2.1, 422, one.decision_id, "422 no_consensus")])
    told = jury_figures(load, one.records, one.world.trust, NOW_S)
    assert told["answers_of_a_weaker_layer"] == 1
    assert told["refusals_without_verifiable_record"] == 1
    assert told["refusal_examples"] == [f"{one.decision_id}: recorded as answered by primary"]


def test_a_locked_database_turns_writers_away(tmp_path: Path) -> None:
    """While it is held no other writer begins, and as soon as it is given back one does."""
    path = tmp_path / "state.db"
    with locked(path):
        assert is_locked(path)
    assert not is_locked(path)
