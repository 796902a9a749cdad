"""An audit's findings: each way in which records on a disk can be wrong is one, and what is right is none."""

import asyncio
import contextlib
from collections.abc import Callable
from dataclasses import replace

import msgspec
import pytest

from actors.base.canonical import canonical_json
from actors.base.errors import GenerationHalted
from actors.consensus.audit import Audit, Recorded
from actors.spans.record import Promise, read_envelope, seal
from tests.unit.actors.consensus.world import CALLER, NOW_S, World, request, says, voter

MakeWorld = Callable[..., World]


def decided(world: World, *, halted: bool = False) -> list[Recorded]:
    """Make one decision, withheld at the last look if ``halted``, and return its rows."""
    before = len(world.log.committed)
    if halted:
        world.log.on_commit = lambda record: world.policy.halt() if record.result == "answered" else None
    with contextlib.suppress(GenerationHalted):
        asyncio.run(world.coordinator.generate(request(), CALLER))
    made = world.log.committed[before:]
    return [Recorded(item.record.writer.id, item.record.writer.seq, item.record.id, item.data) for item in made]


@pytest.fixture
def world(make_world: MakeWorld) -> World:
    """Two voters that agree."""
    return make_world(voter("a", says("Paris")), voter("b", says("Paris")))


def audited(world: World, *rows: Recorded) -> Audit:
    """Return an audit that took these rows."""
    made = Audit(world.trust, NOW_S)
    for row in rows:
        made.take(row)
    return made


def test_records_that_stand_where_they_belong_are_no_finding(world: World) -> None:
    """Read from the log and from the table, they count once; a withheld answer has two records and is one decision."""
    first, withheld = decided(world), decided(world, halted=True)
    audit = audited(world, *first, *withheld, *first)
    assert audit.conclude() == []
    assert (audit.decisions, audit.rows) == (2, 3)
    assert audit.results == {"answered": 1, "withheld": 1}
    assert audit.inclusion == {"none": 3}


def test_a_changed_byte_is_found_and_its_step_named(world: World) -> None:
    """The decision is counted as one that cannot be read."""
    (row,) = decided(world)
    changed = bytearray(row.envelope)
    changed[changed.rindex(b'"sig":"') + 10] ^= 1
    audit = audited(world, replace(row, envelope=bytes(changed)))
    (finding,) = audit.conclude()
    assert (finding.decision_id, finding.writer_id, finding.seq) == (row.decision_id, row.writer_id, row.seq)
    assert finding.step in {"envelope", "signature"}
    assert audit.results == {"unreadable": 1}


@pytest.mark.parametrize(
    ("moved", "why"),
    [({"seq": 900}, "row"), ({"writer_id": "0" * 26}, "row"), ({"decision_id": "1" * 26}, "the record is decision")],
)
def test_a_record_that_was_moved_is_found(world: World, moved: dict[str, object], why: str) -> None:
    """It verifies, and lies where another belongs."""
    (row,) = decided(world)
    (finding,) = audited(world, replace(row, **moved)).conclude()  # type: ignore[arg-type]
    assert finding.step == "place"
    assert why in finding.why


def test_two_records_of_one_number_are_found(world: World) -> None:
    """Log and table must hold the same bytes; the first is believed and the second told."""
    (row,), (other,) = decided(world), decided(world)
    audit = audited(world, row, replace(other, writer_id=row.writer_id, seq=row.seq))
    assert [finding.step for finding in audit.conclude()] == ["row"]
    assert audit.rows == 1


def test_a_decision_recorded_twice_is_found(world: World) -> None:
    """Two answers of one decision, each of which verifies, cannot both have been given."""
    (row,), (other,) = decided(world), decided(world)
    findings = audited(world, row, replace(other, decision_id=row.decision_id)).conclude()
    assert {finding.step for finding in findings} == {"place", "decision"}
    assert any(finding.why == "recorded as answered, answered" for finding in findings)


def test_a_promise_that_was_not_kept_is_found(world: World) -> None:
    """Past its time, in no batch that is what was sealed; before it, or once it was sealed, it is none."""
    (row,) = decided(world)
    record = read_envelope(row.envelope).read()
    promise = Promise(log_id="log", merge_by=NOW_S)
    envelope = seal(msgspec.structs.replace(record, promise=promise), world.log.key, world.log.certificate)  # type: ignore[arg-type]
    promised = replace(row, envelope=canonical_json(envelope), batch=4)

    def found(now_s: int, sealed: set[int], *rows: Recorded) -> tuple[list[str], dict[str, int]]:
        made = Audit(world.trust, now_s, sealed)
        for one in rows:
            made.take(one)
        return [finding.step for finding in made.conclude()], made.inclusion

    assert found(NOW_S, set(), promised) == ([], {"promised": 1})
    assert found(NOW_S + 1, set(), promised) == (["inclusion"], {"no proof in this file": 1})
    assert found(NOW_S + 1, {4}, promised) == ([], {"included": 1})
    assert found(NOW_S + 1, {4}, replace(promised, batch=None), promised) == ([], {"included": 1})
