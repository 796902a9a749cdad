"""SpanActor: every row once, every loss said, every segment removed only after its rows are in the table."""

import os
from pathlib import Path
from threading import Event

import pytest

from actors.base.errors import HomeError, StorageUnavailable
from actors.spans.actor import UNBORN_MAX_AGE_S, SpanActor
from actors.spans.adapters.gathered import Piece
from actors.spans.adapters.guard import Verdict
from actors.spans.adapters.progress import Instant, Progress
from actors.spans.adapters.table import SpanTable
from actors.spans.adapters.wal import WalWriter
from actors.spans.config import KIB
from actors.spans.frames import FrameKind
from tests.unit.actors.spans.telemetry import (
    NOW_S,
    SMALL,
    Home,
    SegmentBytes,
    at,
    builder,
    bulky,
    crash,
    flipped,
    held,
    identity,
    writer_id,
)

SLOW = SMALL.model_copy(update={"table_roll_age_s": 5.0})


def progress_of(actor: SpanActor) -> Progress:
    """Return how far the only writer was read."""
    return actor._ingest.writers[writer_id(1)]


def known(actor: SpanActor) -> set[int]:
    """Return the numbers of all segments of the only writer that anything is held about."""
    progress = progress_of(actor)
    return {*progress.offsets, *progress.finished, *progress.damaged}


async def test_rows_of_a_live_writer_arrive_once(home: Home) -> None:
    """Tick by tick the new rows of a writer appear in the table; its live segment stays."""
    actor, wal = home.actor(), WalWriter(home.wal, identity(), SMALL)
    await wal.append(2, builder(2))
    assert actor.tick(at()).rows_committed == 2
    assert actor.tick(at(1)).commits == 0
    await wal.append(3, builder(3))
    assert actor.tick(at(2)).rows_committed == 3
    assert home.rows() == [1, 2, 3, 4, 5]
    assert f"{writer_id(1)}/00000001.wal" in home.segments()
    wal.close()


async def test_a_closed_log_is_taken_in_and_removed(home: Home) -> None:
    """When a writer is done, its rows are in the table and nothing of its log is left; nothing was adopted."""
    actor, wal = home.actor(), WalWriter(home.wal, identity(), SMALL)
    for _ in range(20):
        await wal.append(1, bulky(1, 12 * KIB))
    wal.close()
    report = actor.tick(at())
    assert (report.rows_committed, report.adopted, report.damage) == (20, 0, 0)
    assert report.segments_removed >= 4
    assert home.rows() == list(range(1, 21))
    assert list(home.wal.iterdir()) == []
    assert home.incidents.opened == []


async def test_of_segments_that_are_gone_nothing_is_held(home: Home) -> None:
    """A writer may live for months: what is known of its log does not grow with what it ever wrote."""
    actor, wal = home.actor(), WalWriter(home.wal, identity(), SMALL)
    for _ in range(20):
        await wal.append(1, bulky(1, 12 * KIB))
    assert actor.tick(at()).segments_removed >= 3
    (live,) = [
        ref.number for ref in actor._ingest.reader.segments(writer_id(1)) if ref.number in progress_of(actor).offsets
    ]
    assert known(actor) == {live}
    wal.close()


def test_of_evidence_that_was_put_aside_nothing_is_held(home: Home) -> None:
    """A damaged segment is forgotten like any other once it lies in quarantine, and so is one that somebody else removed."""
    segment = SegmentBytes(1).batch((1, 2)).batch((3, 1))
    segment.data = flipped(segment.data, 8 * (len(segment.data) - 4))
    segment.end(FrameKind.ROTATED, 4).save(home.wal)
    live = SegmentBytes(2).batch((4, 1)).zeros(500).save(home.wal)
    fd, actor = held(live), home.actor()
    report = actor.tick(at())
    assert (report.damage, report.segments_removed) == (1, 1)
    assert known(actor) == {2}
    gone = actor._ingest.reader.segments(writer_id(1))[0]
    live.unlink()
    actor._ingest.take(Piece(gone, (), None), Verdict(), at(1))
    assert known(actor) == set()
    os.close(fd)


async def test_rows_wait_no_longer_than_the_roll_age(home: Home) -> None:
    """Rows are committed when the oldest is old enough, or there are enough, or a flush is asked for."""
    actor, wal = home.actor(SLOW.model_copy(update={"table_roll_rows": 3})), WalWriter(home.wal, identity(), SMALL)
    await wal.append(1, builder(1))
    assert actor.tick(at()).commits == 0
    assert actor.health(at(2))["lag_rows"] == 1
    assert actor.health(at(2))["lag_s"] == 2
    assert actor.tick(at(4.9)).commits == 0
    assert actor.tick(at(5)).commits == 1
    await wal.append(3, builder(3))
    assert actor.tick(at(6)).commits == 1
    await wal.append(1, builder(1))
    assert actor.tick(at(7), flush=True).commits == 1
    assert actor.health(at(9))["lag_s"] == 0
    assert home.rows() == [1, 2, 3, 4, 5]
    wal.close()


def test_a_dead_writers_segment_is_adopted_once(home: Home) -> None:
    """A free lock without a trailer: rows are taken, the torn tail is cut and named, the reserve goes too."""
    torn = SegmentBytes(1).batch((1, 2)).batch((3, 1), (4, 1))
    torn.data = torn.data[:-10]
    torn.zeros(200).save(home.wal)
    SegmentBytes(2).zeros(200).save(home.wal)
    actor = home.actor()
    report = actor.tick(at())
    assert (report.rows_read, report.own_rows, report.rows_committed, report.adopted) == (3, 1, 4, 1)
    assert (report.damage, report.lost_rows, home.incidents.opened) == (0, 0, [])
    assert report.torn_bytes > 0
    (entry,) = home.entries("weavergen.wal.adopted")
    assert entry == {
        "weavergen.wal.writer_id": writer_id(1),
        "weavergen.wal.segment": "1",
        "weavergen.wal.next_seq": "4",
        "weavergen.wal.torn_bytes": str(report.torn_bytes),
        "weavergen.wal.reason": "frame payload does not check",
    }
    assert home.rows() == [1, 2, 3]
    assert list(home.wal.iterdir()) == []
    assert actor.tick(at(1)).adopted == 0


def test_a_writer_that_died_between_two_segments_is_adopted(home: Home) -> None:
    """Its last segment was complete and the next not begun: that it never closed is entered all the same, once."""
    SegmentBytes(1).batch((1, 2)).end(FrameKind.ROTATED, 3).save(home.wal)
    SegmentBytes(2).zeros(100).save(home.wal)
    SegmentBytes(3).zeros(100).save(home.wal)
    report = home.actor().tick(at())
    assert (report.adopted, report.rows_read, report.torn_bytes, home.rows()) == (1, 2, 0, [1, 2])
    assert [entry["weavergen.wal.segment"] for entry in home.entries("weavergen.wal.adopted")] == ["2"]


def test_nothing_is_read_behind_a_segment_that_may_grow(home: Home) -> None:
    """A writer rotated while we looked: the next segment waits until the one before is read to its end."""
    first = SegmentBytes(1).batch((1, 2)).zeros(500)
    path = first.save(home.wal)
    fd = held(path)
    SegmentBytes(2).batch((5, 1)).end(FrameKind.CLOSED, 6).save(home.wal)
    actor = home.actor()
    assert actor.tick(at()).rows_read == 2
    first.data = first.data[:-500]
    path.write_bytes(first.batch((3, 2)).end(FrameKind.ROTATED, 5).data)
    assert actor.tick(at(1)).rows_read == 3
    os.close(fd)
    assert (actor.totals.lost_rows, home.rows()) == (0, [1, 2, 3, 4, 5])


def test_nothing_is_removed_while_its_rows_wait(home: Home) -> None:
    """A finished segment whose rows are not committed yet stays, so that a crash now loses nothing."""
    SegmentBytes().batch((1, 2)).end(FrameKind.CLOSED, 3).save(home.wal)
    actor = home.actor(SLOW)
    assert (actor.tick(at()).rows_read, actor.tick(at(1)).segments_removed, len(home.segments())) == (2, 0, 1)
    actor.close()
    home.actor().tick(at(2))
    assert (home.rows(), home.segments()) == ([1, 2], [])


def test_a_live_segment_is_not_adopted(home: Home) -> None:
    """While its lock is held a segment without a trailer is simply not finished."""
    fd = held(SegmentBytes().batch((1, 1)).zeros(100).save(home.wal))
    actor = home.actor()
    assert actor.tick(at()).adopted == 0
    os.close(fd)
    assert actor.tick(at(1)).adopted == 1
    assert home.rows() == [1]


@pytest.mark.parametrize("step", ["_note", "_write_files", "_commit", "_sync_log"])
def test_a_crash_at_any_step_of_a_commit_loses_and_doubles_nothing(
    home: Home, monkeypatch: pytest.MonkeyPatch, step: str
) -> None:
    """Whatever step the actor dies at, its successor leaves each row and the adoption in the table exactly once."""
    SegmentBytes(1).batch((1, 2)).end(FrameKind.ROTATED, 3).save(home.wal)
    SegmentBytes(2).batch((3, 2)).zeros(50).save(home.wal)
    actor = home.actor()
    with monkeypatch.context() as patch:
        patch.setattr(SpanTable, step, crash)
        with pytest.raises(KeyboardInterrupt):
            actor.tick(at())
    assert len(home.segments()) == 2, "nothing is removed before the commit is durable"
    actor.close()
    home.actor().tick(at(1))
    assert home.rows() == [1, 2, 3, 4]
    assert len(home.entries("weavergen.wal.adopted")) == 1
    assert list(home.wal.iterdir()) == []
    table = SpanTable(home.path / "spans", 10)
    assert set((home.path / "spans").glob("date=*/*")) == set(table.current_files())


@pytest.mark.parametrize("removed", [0, 1, 2])
def test_a_crash_between_commit_and_removal_doubles_nothing(
    home: Home, monkeypatch: pytest.MonkeyPatch, removed: int
) -> None:
    """Rows that are in the table and still in the log are skipped; the log is removed."""
    SegmentBytes(1).batch((1, 2)).end(FrameKind.ROTATED, 3).save(home.wal)
    SegmentBytes(2).batch((3, 2)).zeros(50).save(home.wal)
    actor, original, calls = home.actor(), Path.unlink, []

    def unlink(path: Path, *, missing_ok: bool = False) -> None:
        if path.suffix == ".wal":
            if len(calls) == removed:
                raise KeyboardInterrupt
            calls.append(path)
        original(path, missing_ok=missing_ok)

    with monkeypatch.context() as patch:
        patch.setattr(Path, "unlink", unlink)
        if removed < 2:
            with pytest.raises(KeyboardInterrupt):
                actor.tick(at())
        else:
            patch.setattr(SpanActor, "_remove_directory", crash)
            with pytest.raises(KeyboardInterrupt):
                actor.tick(at())
    actor.close()
    successor = home.actor()
    report = successor.tick(at(1))
    assert (report.rows_committed, report.adopted, report.duplicates) == (0, 0, [4, 2, 0][removed])
    assert home.rows() == [1, 2, 3, 4]
    assert len(home.entries("weavergen.wal.adopted")) == 1
    assert home.segments() == []


def test_frames_written_twice_are_taken_once(home: Home) -> None:
    """A writer whose segment failed writes the same rows into the next: the second time they are skipped."""
    SegmentBytes(1).batch((1, 1)).batch((2, 2)).zeros(50).save(home.wal)
    SegmentBytes(2).batch((2, 2)).batch((4, 1)).end(FrameKind.CLOSED, 5).save(home.wal)
    report = home.actor().tick(at())
    assert (report.rows_read, report.duplicates, report.lost_rows) == (4, 2, 0)
    assert home.rows() == [1, 2, 3, 4]


def test_a_damaged_frame_is_reported_counted_and_kept_as_evidence(home: Home) -> None:
    """Durable bytes that no longer check: how many rows are gone is said, the rest is taken, the file is kept."""
    segment = SegmentBytes().batch((1, 2)).batch((3, 3)).batch((6, 1)).end(FrameKind.CLOSED, 7)
    segment.data = flipped(segment.data, (segment.spots[1] + 60) * 8)
    segment.save(home.wal)
    actor = home.actor()
    report = actor.tick(at())
    assert (report.rows_read, report.damage, report.lost_rows) == (3, 1, 3)
    assert home.rows() == [1, 2, 6]
    assert home.incidents.kinds == ["wal_damaged"]
    assert home.incidents.opened[0][1]["weavergen.wal.lost_rows"] == "3"
    (entry,) = home.entries("weavergen.wal.damaged")
    assert entry["weavergen.wal.reason"].startswith("frame payload does not check at ")
    kept = home.path / "quarantine" / "wal" / f"{writer_id(1)}-00000001.wal"
    assert kept.read_bytes() == segment.data
    assert home.segments() == []


def test_a_gap_between_segments_is_reported(home: Home) -> None:
    """A segment that is missing shows as rows missing before the next, also at the very beginning and the end."""
    SegmentBytes(2).batch((5, 1)).end(FrameKind.ROTATED, 6).save(home.wal)
    SegmentBytes(4).batch((8, 1)).end(FrameKind.CLOSED, 11).save(home.wal)
    report = home.actor().tick(at())
    assert (report.damage, report.lost_rows, home.rows()) == (3, 4 + 2 + 2, [5, 8])
    assert [dict(e)["weavergen.wal.lost_rows"] for e in home.entries("weavergen.wal.damaged")] == ["4", "2", "2"]


def test_a_damaged_header_is_reported(home: Home) -> None:
    """Nothing behind a bad header is believed: it is said, kept, and the next segment goes on with the gap counted."""
    bad = SegmentBytes(1).batch((1, 2)).end(FrameKind.ROTATED, 3)
    bad.data = flipped(bad.data, 8 * 30)
    bad.save(home.wal)
    SegmentBytes(2).batch((3, 1)).end(FrameKind.CLOSED, 4).save(home.wal)
    report = home.actor().tick(at())
    assert (report.damage, report.lost_rows, home.rows()) == (2, 2, [3])
    assert sorted(path.name[-12:] for path in (home.path / "quarantine" / "wal").iterdir()) == [
        "00000001.wal", "00000002.wal",
    ]  # fmt: skip


def test_a_frame_that_holds_no_rows_is_damage(home: Home) -> None:
    """Good checksum, no spans: the rows count as lost and the writer's sequence goes on."""
    SegmentBytes().batch((1, 1)).raw(2, 2, b"\xc1").batch((4, 1)).end(FrameKind.CLOSED, 5).save(home.wal)
    report = home.actor().tick(at())
    assert (report.damage, report.lost_rows, home.rows()) == (1, 2, [1, 4])


def test_damage_is_entered_once_across_a_restart(home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    """Having been committed, a loss is not reported again by a successor that reads the segment once more."""
    SegmentBytes(1).batch((3, 1)).end(FrameKind.CLOSED, 4).save(home.wal)
    actor = home.actor()
    with monkeypatch.context() as patch:
        patch.setattr(SpanActor, "_remove_finished", crash)
        with pytest.raises(KeyboardInterrupt):
            actor.tick(at())
    actor.close()
    assert home.actor().tick(at(1)).damage == 0
    assert len(home.entries("weavergen.wal.damaged")) == 1


async def test_a_table_that_cannot_be_written_is_waited_for(home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    """Rows wait here and then in the log, an incident is open, nothing is removed; then all goes on by itself."""
    config = SMALL.model_copy(update={"table_roll_rows": 5})
    actor, wal = home.actor(config), WalWriter(home.wal, identity(), SMALL)

    def refuse(*_: object) -> None:
        raise StorageUnavailable("the span table cannot be written: No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(SpanTable, "append", refuse)
        for second in range(12):
            await wal.append(3, bulky(3, 8 * KIB // 3))
            assert actor.tick(at(second)).commits == 0
        health = actor.health(at(12))
        assert health["lag_rows"] <= 5 + 3 * 8, "one roll and one segment at most are held in memory"
        assert "No space left" in health["table_error"]
        assert set(home.incidents.kinds) == {"span_table_unavailable"}
        assert (actor.totals.segments_removed, home.rows()) == (0, [])
    wal.close()
    actor.tick(at(20))
    actor.tick(at(21))
    assert home.rows() == list(range(1, 37))
    assert actor.health(at(21))["table_error"] == ""
    assert home.segments() == []


def test_only_one_actor_a_home(home: Home) -> None:
    """A second instance is refused until the first is gone."""
    actor = home.actor()
    with pytest.raises(HomeError, match="another SpanActor"):
        home.actor()
    actor.close()
    home.actor().close()


def test_writers_do_not_disturb_each_other(home: Home) -> None:
    """Each writer has its own sequence; one that is damaged does not stop the others."""
    SegmentBytes(1, writer_id(1)).batch((1, 2)).end(FrameKind.CLOSED, 3).save(home.wal)
    bad = SegmentBytes(1, writer_id(2)).batch((1, 2))
    bad.data = flipped(bad.data, 100)
    bad.save(home.wal)
    SegmentBytes(1, writer_id(3)).batch((1, 1)).end(FrameKind.CLOSED, 2).save(home.wal)
    report = home.actor().tick(at())
    assert (home.rows(1), home.rows(2), home.rows(3), report.damage) == ([1, 2], [], [1], 1)


def test_a_writer_that_died_while_opening_leaves_nothing(home: Home) -> None:
    """Directories that never became a log are removed when they have been seen for long, and only then."""
    unborn = home.wal / f".{writer_id(0)}.new"
    unborn.mkdir(parents=True)
    (unborn / ".00000001.new").touch()
    (home.wal / ".other.new").mkdir()
    actor = home.actor()
    actor.tick(at())
    actor.tick(at(UNBORN_MAX_AGE_S))
    assert unborn.exists()
    actor.tick(at(UNBORN_MAX_AGE_S + 1))
    assert not unborn.exists()
    assert (home.wal / ".other.new").exists()


def test_a_writer_that_is_still_opening_is_left_alone(home: Home) -> None:
    """Neither a wall clock that jumps ahead nor a long start takes the directory from under a writer that lives."""
    unborn = home.wal / f".{writer_id(0)}.new"
    unborn.mkdir(parents=True)
    actor = home.actor()
    actor.tick(Instant(NOW_S + 10**6, 1000.0))
    assert unborn.exists(), "a step of the wall clock ages nothing"
    (unborn / ".00000001.new").touch()
    fd = held(unborn / ".00000001.new")
    actor.tick(at(UNBORN_MAX_AGE_S + 1))
    assert unborn.exists(), "its lock is held"
    os.close(fd)
    actor.tick(at(UNBORN_MAX_AGE_S + 2))
    assert not unborn.exists()


def test_the_loop_ticks_until_it_is_stopped_and_flushes(home: Home) -> None:
    """The loop ends when told to, with everything read in the table and the lock released."""
    SegmentBytes().batch((1, 2)).end(FrameKind.CLOSED, 3).save(home.wal)
    actor, stop = home.actor(SLOW.model_copy(update={"ingest_poll_ms": 1})), Event()
    now = iter(range(100))

    def clock() -> Instant:
        step = next(now)
        if step == 2:
            stop.set()
        return at(step * 0.001)

    actor.run(stop, clock)
    assert home.rows() == [1, 2]
    home.actor().close()


def test_counts_reconcile(home: Home) -> None:
    """Rows read, the actor's own and those in the table are the same number, whatever happened to the logs."""
    SegmentBytes(1, writer_id(1)).batch((1, 2)).batch((5, 2)).zeros(9).save(home.wal)
    SegmentBytes(1, writer_id(2)).batch((1, 3), (4, 1)).end(FrameKind.CLOSED, 5).save(home.wal)
    actor = home.actor()
    actor.tick(at())
    totals = actor.totals
    table = SpanTable(home.path / "spans", 10).read(["writer_seq"])
    assert totals.rows_read + totals.own_rows == totals.rows_committed == table.num_rows
    assert (totals.rows_read, totals.lost_rows, totals.adopted, totals.damage) == (8, 2, 1, 1)
