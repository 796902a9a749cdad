"""What was received is held against what is on disk."""

from collections.abc import Callable
from dataclasses import replace

import pytest

from actors.base.errors import NoConsensus
from actors.consensus.audit import Recorded
from cluster.acceptance.accounts import by_decision, half_recorded, last_answers, unproven, withheld
from cluster.acceptance.load import Outcome
from tests.shells.cluster.acceptance.decisions import decided
from tests.unit.actors.consensus.world import CALLER, NOW_S, WRITER, World, request, says, voter

MakeWorld = Callable[..., World]


async def test_a_received_answer_with_its_record_on_disk_is_proven(make_world: MakeWorld) -> None:
    """The record verifies and says answered; the log and the table both holding it, there with its batch, is no contradiction."""
    one = await decided(make_world)
    sealed = [replace(row, batch=3) for row in one.rows]
    records = by_decision([*one.rows, *one.rows, *sealed])
    assert len(records[one.decision_id]) == 1
    assert unproven([one.received()], records, one.world.trust, NOW_S) == []
    assert half_recorded([one.received()], records) == []


async def test_a_received_answer_that_no_disk_holds_is_not_proven(make_world: MakeWorld) -> None:
    """Whatever a process remembers, without a record on disk an answer is unproven; so is one that names no decision."""
    one = await decided(make_world)
    assert unproven([one.received()], {}, one.world.trust, NOW_S) == [f"{one.decision_id}: no record on disk"]
    assert unproven([Outcome(0, 1, 200, "")], one.records, one.world.trust, NOW_S) == [
        "no decision id: no record on disk"
    ]


async def test_a_record_that_does_not_verify_proves_nothing(make_world: MakeWorld) -> None:
    """A changed byte, or another decision's record in the row, is told."""
    one = await decided(make_world)
    (row,) = one.rows
    changed = bytearray(row.envelope)
    changed[len(changed) // 2] ^= 1
    bad = [type(row)(row.writer_id, row.seq, row.decision_id, bytes(changed))]
    assert len(unproven([one.received()], by_decision(bad), one.world.trust, NOW_S)) == 1
    other = by_decision([type(row)(row.writer_id, row.seq, "another", row.envelope)])
    assert unproven([Outcome(0, 1, 200, "another")], other, one.world.trust, NOW_S) == [
        "another: the row's record is another decision's"
    ]


async def test_an_answer_that_left_though_it_was_withheld_is_told(make_world: MakeWorld) -> None:
    """Both records verify, and yet nobody may have received that answer."""
    one = await decided(make_world, halted=True)
    assert withheld(one.records) == [one.decision_id]
    assert unproven([one.received()], one.records, one.world.trust, NOW_S) == [
        f"{one.decision_id}: recorded as answered, withheld"
    ]


async def test_an_answer_that_left_though_none_was_agreed_on_is_told(make_world: MakeWorld) -> None:
    """A record that verifies and says something else than answered proves no answer."""
    world = make_world(voter("a", says("Paris")), voter("b", says("Rome")))
    with pytest.raises(NoConsensus):
        await world.coordinator.generate(request(), CALLER)
    (made,) = world.log.committed
    records = by_decision([Recorded(WRITER, made.record.writer.seq, made.record.id, made.data)])
    assert unproven([Outcome(0, 1, 200, made.record.id)], records, world.trust, NOW_S) == [
        f"{made.record.id}: recorded as no_consensus"
    ]
    assert half_recorded([], records) == []


async def test_a_decision_is_half_recorded_without_its_other_half(make_world: MakeWorld) -> None:
    """Answered needs a client or a withdrawal, and a withdrawal needs the answer it withdraws."""
    one = await decided(make_world, halted=True)
    assert half_recorded([], one.records) == []
    assert half_recorded([], by_decision(one.rows[:1])) == [one.decision_id]
    assert half_recorded([one.received()], by_decision(one.rows[:1])) == []
    assert half_recorded([], by_decision(one.rows[1:])) == [one.decision_id]


async def test_the_last_answer_is_told_for_each_replica(make_world: MakeWorld) -> None:
    """Who wrote the record is who answered: each replica has a last answer of its own, counted from the halt."""
    one = await decided(make_world)
    (row,) = one.rows
    records = {"a": [row], "b": [row], "c": [type(row)("another", 1, "c", b"")]}
    seen = [Outcome(0, 5.5, 200, "a"), Outcome(0, 5.2, 200, "b"), Outcome(0, 4.0, 200, "c"), Outcome(0, 9.0, 200, "d")]
    assert last_answers(seen, records, 5.0) == {WRITER: 0.5, "another": -1.0}
