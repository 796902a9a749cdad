"""A halt's figures come from what was received and from the disk."""

import itertools
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import pytest

from cluster.acceptance import halt
from cluster.acceptance.dead import HeldDead
from cluster.acceptance.halt import Ran, figures, refuse_unless_dead
from cluster.acceptance.load import Load, Outcome
from tests.shells.cluster.acceptance.decisions import decided
from tests.shells.cluster.acceptance.stubborn import Stubborn
from tests.unit.actors.consensus.world import NOW_S, WRITER, World


async def test_an_answer_after_the_halt_is_timed_and_one_too_late_is_counted(make_world: Callable[..., World]) -> None:
    """Times count from publication; what came more than a second later is a figure of its own."""
    one = await decided(make_world)
    seen = [
        one.received(9.0),
        one.received(10.25),
        one.received(11.5),
        Outcome(0, 12, 503, "", "503 generation_halted"),
    ]
    told = figures(Ran(Load(seen), 10.0, (0, 0)), one.records, one.world.trust, NOW_S)
    assert (told["answers_before"], told["answers_after"], told["answers_later_than_1_s"]) == (1, 2, 1)
    assert told["last_answer_after_halt_s"] == 1.5
    assert told["last_answer_after_halt_s_by_replica"] == {WRITER: 1.5}
    assert (told["refused"], told["failed_otherwise"], told["answers_without_verifiable_record"]) == (1, 0, 0)


async def test_withheld_and_half_recorded_answers_are_counted(make_world: Callable[..., World]) -> None:
    """A withheld answer that a client was refused is whole; the same answer received is a fault."""
    one = await decided(make_world, halted=True)
    refused = Outcome(0, 12, 503, one.decision_id, "503 generation_halted")
    told = figures(Ran(Load([refused]), 10.0, (0, 0)), one.records, one.world.trust, NOW_S)
    assert (told["withheld"], told["half_recorded"], told["answers_without_verifiable_record"]) == (1, 0, 0)
    told = figures(Ran(Load([one.received()]), 10.0, (0, 0)), one.records, one.world.trust, NOW_S)
    assert told["answers_without_verifiable_record"] == 1


async def test_no_control_process_lives_when_the_halt_is_published(
    stubborn: Stubborn, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One that was brought back during the load is dead before the halt is published, and none is found after it."""
    published: list[tuple[int, int]] = []

    class Directory:
        def __init__(self, _: object) -> None:
            pass

        def publish(self, version: int, _: bytes) -> None:
            published.append((version, len(stubborn.alive())))

    async def load(*_: object) -> None:
        stubborn.start()

    system: Any = SimpleNamespace(home=SimpleNamespace(policy=None))
    for name, value in {
        "LOAD_S": 0.0, "stream": load, "SnapshotDirectory": Directory,
        "_control": lambda _: stubborn.alive(), "_signed_halt": lambda _: (7, b""),
    }.items():  # fmt: skip
        monkeypatch.setattr(halt, name, value)
    ran = await halt._loaded(system, held := HeldDead(stubborn.alive))
    assert published == [(7, 0)]
    assert (len(held.gone_s), ran.alive) == (1, (0, 0))


@pytest.mark.parametrize(("alive", "commits"), [((1, 0), 0), ((0, 1), 0), ((0, 0), 1)])
def test_a_run_in_which_a_control_process_lived_has_no_result(alive: tuple[int, int], commits: int) -> None:
    """One that was seen beside the publication, or whose work shows in the table, makes the run void."""
    refuse_unless_dead((0, 0), 0)
    with pytest.raises(RuntimeError, match="a control process lived"):
        refuse_unless_dead(alive, commits)


@pytest.mark.parametrize(
    ("other", "kept"),
    [
        ({"version": 7, "halt": {"on": True}}, True),
        ({"version": 8, "halt": {"on": True}}, False),
        ({"version": 7, "halt": {"on": False}}, False),
    ],
)
def test_a_forgery_is_refused_only_if_every_replica_keeps_the_halt(other: dict[str, Any], kept: bool) -> None:
    """Looks reach the replicas in turn: one that has something else in force is enough."""
    replicas = itertools.cycle([{"version": 7, "halt": {"on": True}}, other])
    operators: Any = SimpleNamespace(get=lambda _: next(replicas))
    assert halt._is_kept(operators, 7) is kept
