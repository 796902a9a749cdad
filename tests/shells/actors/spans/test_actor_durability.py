"""SpanActor when disks and clocks misbehave: no row twice, evidence kept, nothing removed before it is durable elsewhere."""

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from actors.spans import frames
from actors.spans.actor import SpanActor
from actors.spans.adapters.progress import Instant
from actors.spans.adapters.table import SpanTable
from actors.spans.adapters.wal import WalWriter
from actors.spans.frames import FrameKind
from tests.unit.actors.spans.telemetry import (
    NOW_S,
    SMALL,
    Home,
    Recorder,
    SegmentBytes,
    at,
    builder,
    crash,
    flipped,
    held,
    identity,
    writer_id,
)

SLOW = SMALL.model_copy(update={"table_roll_age_s": 3.0})


def takes_effect_and_fails(step: str) -> Callable[..., None]:
    """Return a step of ``append`` that does its work and then reports a full disk."""
    honest = getattr(SpanTable, step)

    def failing(table: SpanTable, *args: object) -> None:
        honest(table, *args)
        raise OSError(28, "No space left on device")

    return failing


@pytest.mark.parametrize("step", ["_commit", "_sync_log"])
async def test_rows_that_arrive_before_the_retry_double_nothing(
    home: Home, monkeypatch: pytest.MonkeyPatch, step: str
) -> None:
    """A commit took effect and failed; the buffer grew since: what the table has is cut away, the rest is committed."""
    SegmentBytes(1, writer_id(2)).batch((1, 2)).zeros(50).save(home.wal)
    actor, wal = home.actor(), WalWriter(home.wal, identity(), SMALL)
    await wal.append(2, builder(2))
    with monkeypatch.context() as patch:
        patch.setattr(SpanTable, step, takes_effect_and_fails(step))
        assert actor.tick(at()).commits == 0
        await wal.append(1, builder(1))
        assert actor.tick(at(1)).commits == 0
    await wal.append(2, builder(2))
    assert actor.tick(at(2)).commits == 1
    assert (home.rows(1), home.rows(2)) == ([1, 2, 3, 4, 5], [1, 2])
    assert len(home.entries("weavergen.wal.adopted")) == 1, "the actor's own rows are not doubled either"
    wal.close()


def test_a_successor_with_a_longer_buffer_doubles_nothing(home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    """The commit of an instance that died took effect; the next one reads more rows and adds only those."""
    segment = SegmentBytes().batch((1, 2))
    segment.save(home.wal)
    actor = home.actor()
    with monkeypatch.context() as patch:
        patch.setattr(SpanTable, "_sync_log", takes_effect_and_fails("_sync_log"))
        assert actor.tick(at()).commits == 0
    actor.close()
    segment.batch((3, 3)).save(home.wal)
    home.actor().tick(at(1))
    assert home.rows() == [1, 2, 3, 4, 5]


def test_what_a_crash_left_unsynced_is_durable_before_its_log_goes(home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    """A successor believes the numbers of a commit only after it synced it: the log is removed by them."""
    SegmentBytes().batch((1, 2)).end(FrameKind.CLOSED, 3).save(home.wal)
    actor = home.actor()
    with monkeypatch.context() as patch:
        patch.setattr(SpanTable, "_sync_log", crash)
        with pytest.raises(KeyboardInterrupt):
            actor.tick(at())
    actor.close()
    recorder = Recorder(home.path)
    home.actor(disk=recorder.disk).tick(at(1))
    removed = recorder.index("remove", f"wal/{writer_id(1)}/00000001.wal")
    for version in (0, 1):
        assert recorder.index("file", f"spans/_delta_log/{version:020d}.json") < removed
    assert recorder.index("directory", "spans/_delta_log") < removed


def test_a_segment_goes_only_after_all_its_commit_is_durable(home: Home) -> None:
    """Data, the names of data, the log entry, the names of log entries; then the segment."""
    SegmentBytes().batch((1, 2)).end(FrameKind.CLOSED, 3).save(home.wal)
    recorder = Recorder(home.path)
    home.actor(disk=recorder.disk).tick(at())
    entry = recorder.index("file", f"spans/_delta_log/{1:020d}.json")
    order = [
        recorder.index("file", "spans/date=*"), recorder.index("directory", "spans/date=*"), entry,
        recorder.calls.index(("directory", "spans/_delta_log"), entry),
        recorder.index("remove", f"wal/{writer_id(1)}/00000001.wal"),
    ]  # fmt: skip
    assert order == sorted(order)


def test_a_damaged_segment_is_moved_durably(home: Home) -> None:
    """Its new name is synced, and so is the directory that holds it."""
    bad = SegmentBytes().batch((1, 2))
    bad.data = flipped(bad.data, 8 * 30)
    bad.save(home.wal)
    recorder = Recorder(home.path)
    home.actor(disk=recorder.disk).tick(at())
    order = [
        recorder.index("directory", "quarantine"),
        recorder.index("rename", f"quarantine/wal/{writer_id(1)}-00000001.wal"),
        recorder.index("directory", "quarantine/wal"),
    ]
    assert order == sorted(order)


@pytest.mark.parametrize("kind", ["checksum", "payload"])
def test_evidence_of_damage_survives_a_restart(home: Home, monkeypatch: pytest.MonkeyPatch, kind: str) -> None:
    """The damage is in the table, the instance died: its successor keeps the segment all the same, and reports nothing."""
    segment = SegmentBytes().batch((1, 2))
    segment = segment.batch((3, 3)) if kind == "checksum" else segment.raw(3, 3, b"\xc1")
    segment.batch((6, 1)).end(FrameKind.CLOSED, 7)
    if kind == "checksum":
        segment.data = flipped(segment.data, (segment.spots[1] + 60) * 8)
    segment.save(home.wal)
    actor = home.actor()
    with monkeypatch.context() as patch:
        patch.setattr(SpanActor, "_remove_finished", crash)
        with pytest.raises(KeyboardInterrupt):
            actor.tick(at())
    actor.close()
    report = home.actor().tick(at(1))
    assert (report.damage, report.segments_removed, home.segments()) == (0, 1, [])
    kept = home.path / "quarantine" / "wal" / f"{writer_id(1)}-00000001.wal"
    assert kept.read_bytes() == segment.data
    assert len(home.entries("weavergen.wal.damaged")) == 1


def test_without_room_for_it_a_damaged_segment_stays_in_the_log(home: Home) -> None:
    """Through a restart, too; what is whole of its writer goes, it is said why, and it is kept once there is room."""
    bad = SegmentBytes(1).batch((1, 2)).batch((3, 1)).end(FrameKind.ROTATED, 4)
    bad.data = flipped(bad.data, (bad.spots[1] + 60) * 8)
    bad.save(home.wal)
    SegmentBytes(2).batch((4, 1)).end(FrameKind.CLOSED, 5).save(home.wal)
    for _ in range(2):
        health = home.health_without_room()
        assert [(home.wal / name).read_bytes() for name in home.segments()] == [bad.data]
        assert "quarantine_max_bytes" in health["quarantine_full_why"]
    assert home.rows() == [1, 2, 4]
    assert home.incidents.kinds == ["wal_damaged", "span_ingest_blocked"] * 2
    folder, most = home.path / "quarantine" / "wal", len(bad.data) + 60_000
    (folder / "earlier").write_bytes(bytes(60_001))
    actor = home.actor(SMALL.model_copy(update={"quarantine_max_bytes": most}))
    actor.tick(at(9), flush=True)
    assert "no room" in actor.health(at(9))["quarantine_full_why"]
    (folder / "earlier").unlink()
    actor.tick(at(10), flush=True)
    health = actor.health(at(10))
    (kept,) = folder.iterdir()
    assert (kept.read_bytes(), home.segments(), health["quarantine_full_why"]) == (bad.data, [], "")
    assert health["quarantine_used"] == len(bad.data) / most
    actor.close()


def test_while_rows_wait_for_their_commit_it_is_still_said_that_there_is_no_room(home: Home) -> None:
    """Nothing is removed in such ticks, so nobody knows better."""
    bad = SegmentBytes(1).batch((1, 2)).batch((3, 1)).end(FrameKind.CLOSED, 4)
    bad.data = flipped(bad.data, (bad.spots[1] + 60) * 8)
    bad.save(home.wal)
    actor = home.actor(SMALL.model_copy(update={"quarantine_max_bytes": 100, "table_roll_age_s": 60}))
    actor.tick(at(), flush=True)
    why = actor.health(at())["quarantine_full_why"]
    assert "no room" in why
    SegmentBytes(1, writer_id(2)).batch((1, 1)).save(home.wal)
    actor.tick(at(1))
    assert (home.rows(2), actor.health(at(1))["quarantine_full_why"]) == ([], why)
    (home.path / "wal" / writer_id(1) / "00000001.wal").unlink()
    actor.tick(at(2), flush=True)
    assert (home.rows(2), actor.health(at(2))["quarantine_full_why"]) == ([1], "")
    actor.close()


def test_a_wall_clock_that_steps_back_stops_no_commit(home: Home) -> None:
    """How long rows have waited is told by the steady clock."""
    SegmentBytes().batch((1, 1)).end(FrameKind.CLOSED, 2).save(home.wal)
    actor = home.actor(SLOW)
    assert actor.tick(at()).commits == 0
    assert actor.health(Instant(NOW_S - 3600, 1002.0))["lag_s"] == 2
    assert actor.tick(Instant(NOW_S - 3600, 1003.0)).commits == 1


def test_a_writer_that_went_on_behind_a_failed_write_is_not_adopted(home: Home) -> None:
    """A later segment is locked, so it lives; once it is gone, what it left last is entered."""
    SegmentBytes(1).batch((1, 1)).zeros(50).save(home.wal)
    fd = held(SegmentBytes(2).batch((2, 1)).zeros(50).save(home.wal))
    actor = home.actor()
    assert actor.tick(at()).adopted == 0
    os.close(fd)
    assert actor.tick(at(1)).adopted == 1
    assert [entry["weavergen.wal.segment"] for entry in home.entries("weavergen.wal.adopted")] == ["2"]
    assert home.rows() == [1, 2]


def test_a_segment_of_another_format_waits_for_its_version(home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is no damage: it stays where it is, its writer waits, an incident says what to do, other writers go on."""
    SegmentBytes(1).batch((1, 1)).end(FrameKind.ROTATED, 2).save(home.wal)
    with monkeypatch.context() as newer:
        newer.setattr(frames, "FORMAT_VERSION", 2)
        SegmentBytes(2).zeros(100).save(home.wal)
    SegmentBytes(3).batch((5, 1)).zeros(9).save(home.wal)
    SegmentBytes(1, writer_id(2)).batch((1, 1)).end(FrameKind.CLOSED, 2).save(home.wal)
    report = home.actor().tick(at())
    assert (report.damage, report.lost_rows, home.rows(1), home.rows(2)) == (0, 0, [1], [1])
    assert not (home.path / "quarantine").exists()
    assert home.segments() == [f"{writer_id(1)}/00000002.wal", f"{writer_id(1)}/00000003.wal"]
    ((kind, evidence),) = home.incidents.opened
    assert (kind, evidence["writer_id"]) == ("span_ingest_blocked", writer_id(1))
    assert "use the version that wrote it" in evidence["cause"]


def test_a_leftover_that_cannot_be_removed_stops_nobody_else(home: Home) -> None:
    """One writer's directory refuses to go: the logs of those behind it are removed all the same."""
    for number in (1, 2):
        SegmentBytes(1, writer_id(number)).batch((1, 1)).end(FrameKind.CLOSED, 2).save(home.wal)
    (home.wal / writer_id(1) / "lost+found").mkdir()
    home.actor().tick(at())
    assert [path.name for path in home.wal.iterdir()] == [writer_id(1)]
    assert [(kind, said["writer_id"]) for kind, said in home.incidents.opened] == [
        ("span_ingest_blocked", writer_id(1))
    ]


def test_a_log_that_cannot_be_listed_ends_nothing(home: Home) -> None:
    """A disk that does not list the logs is said to, and asked again."""
    home.wal.write_bytes(b"no directory")
    actor = home.actor()
    actor.tick(at())
    assert home.incidents.kinds == ["span_ingest_blocked"]
    Path(home.wal).unlink()
    SegmentBytes().batch((1, 1)).end(FrameKind.CLOSED, 2).save(home.wal)
    assert actor.tick(at(1)).commits == 1
