"""SpanActor seals what it commits, and lets nothing into the table that is not its writer's word."""

import json
from dataclasses import replace
from pathlib import Path

import pytest
from deltalake import DeltaTable
from deltalake.exceptions import DeltaError

from actors.base.certificates import TrustBundle
from actors.base.errors import StorageUnavailable
from actors.spans import conventions as names
from actors.spans.adapters.check import check_log
from actors.spans.adapters.sealer import Sealer
from actors.spans.adapters.segments import Disk
from actors.spans.adapters.table import SpanTable
from actors.spans.adapters.vouched import Vouched
from actors.spans.adapters.wal import WalWriter
from actors.spans.columns import Rows
from actors.spans.config import LogConfig
from actors.spans.frames import FrameKind, encode_spans
from tests.unit.actors.spans.signed import signed_row
from tests.unit.actors.spans.telemetry import SMALL, Home, SegmentBytes, at, builder, identity, span, writer_id


def test_what_was_committed_is_sealed_at_once(home: Home) -> None:
    """Its rows know their batch, the log holds a leaf a batch, and a check finds all of it whole."""
    SegmentBytes(1).batch((1, 3), (4, 2)).end(FrameKind.CLOSED, 6).save(home.wal)
    actor = home.actor()
    report = actor.tick(at(), flush=True)
    health = actor.health(at())
    assert (report.batches_sealed, health["log_size"], health["log_error"], health["merge_late"]) == (1, 1, "", False)
    checked = check_log(home.path, home.authority.trust(), 10)
    assert (checked.size, checked.rows, checked.damage) == (1, 5, ())
    actor.close()


async def test_small_files_are_merged_between_ticks(home: Home) -> None:
    """The entry is a row of the actor's own in the commit that swaps the files; rows, log and lag are as without it."""
    config = SMALL.model_copy(update={"compact_min_files": 4, "compact_step_ms": 60_000, "removed_files_keep_s": 60})
    actor, wal = home.actor(config), WalWriter(home.wal, identity(), SMALL)
    for tick in range(20):
        await wal.append(3, builder(3))
        assert actor.tick(at(tick)).commits == 1
    wal.close()
    actor.tick(at(21))
    entries = home.entries(names.TABLE_COMPACTED)
    assert len(entries) >= 4
    assert home.rows() == list(range(1, 61))
    health = actor.health(at(22))
    assert (health["merges"], health["files_refused"], health["lag_rows"]) == (len(entries), 0, 0)
    assert health["table_files"] < 12
    checked = check_log(home.path, home.authority.trust(), 10)
    assert (checked.damage, checked.rows, checked.waiting) == ((), 60 + actor.totals.own_rows, 0)
    actor.close()
    again = home.actor(config)
    for tick in (200, 300):
        again.tick(at(tick))
    files = set((home.path / "spans").glob("date=*/*"))
    assert files == set(SpanTable(home.path / "spans", 10).current_files())
    again.close()
    assert home.incidents.opened == []


async def test_a_merge_whose_commit_fails_waits_with_the_rows(home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    """Entry and swap stay together in what the next commit holds, and take effect once."""
    config = SMALL.model_copy(update={"compact_min_files": 4, "compact_step_ms": 60_000})
    actor, wal = home.actor(config), WalWriter(home.wal, identity(), SMALL)
    for tick in range(4):
        await wal.append(3, builder(3))
        actor.tick(at(tick))
    for tick, broken in ((5, "_write_files"), (6, "_sync_log")):
        await wal.append(3, builder(3))
        with monkeypatch.context() as patch:
            patch.setattr(SpanTable, broken, lambda *_: (_ for _ in ()).throw(OSError(5, "Input/output error")))
            actor.tick(at(tick))
        assert "Input/output error" in actor.health(at(tick))["table_error"]
    assert actor.health(at(7))["merges"] == 0
    actor.tick(at(7))
    assert actor.health(at(8))["merges"] == 1
    assert (home.rows(), len(home.entries(names.TABLE_COMPACTED))) == (list(range(1, 19)), 1)
    assert check_log(home.path, home.authority.trust(), 10).damage == ()
    wal.close()
    actor.close()


def test_a_log_that_cannot_be_sealed_is_said_and_caught_up(home: Home) -> None:
    """Rows go on into the table, the delay grows and is told as late; when the disk is back nothing is missing."""
    full = False

    def sync_file(path: Path) -> None:
        if full and "log" in path.parts and "_delta_log" not in path.parts:
            raise OSError(28, "No space left on device")
        Disk().sync_file(path)

    actor = home.actor(disk=replace(Disk(), sync_file=sync_file))
    actor.tick(at())
    full = True
    for number, first in ((1, 1), (2, 3)):
        SegmentBytes(number).batch((first, 2)).end(FrameKind.ROTATED, first + 2).save(home.wal)
        actor.tick(at(number), flush=True)
    assert home.rows() == [1, 2, 3, 4]
    health = actor.health(at(60))
    assert "No space" in health["log_error"]
    assert (health["merge_late"], health["merge_delay_s"]) == (True, 59.0)
    assert "log_unavailable" in home.incidents.kinds
    full = False
    assert actor.tick(at(61)).batches_sealed == 2
    assert actor.health(at(62))["merge_delay_s"] == 0.0
    assert check_log(home.path, home.authority.trust(), 10).damage == ()
    actor.close()


def test_no_batch_is_numbered_before_there_is_a_checkpoint(home: Home) -> None:
    """Else a first checkpoint that the disk refused would look like one that somebody took away."""

    def full(path: Path) -> None:
        if path.name == ".checkpoint":
            raise OSError(28, "No space left on device")
        Disk().sync_file(path)

    SegmentBytes(1).batch((1, 2)).end(FrameKind.CLOSED, 3).save(home.wal)
    actor = home.actor(disk=replace(Disk(), sync_file=full))
    actor.tick(at(), flush=True)
    assert (home.rows(), len(home.segments())) == ([], 1)
    assert "No space" in actor.health(at())["log_error"]
    actor.close()
    actor = home.actor()
    actor.tick(at(1), flush=True)
    assert home.rows() == [1, 2]
    assert check_log(home.path, home.authority.trust(), 10).damage == ()
    actor.close()


def test_a_log_that_was_changed_is_an_incident_and_stops_no_ingest(home: Home) -> None:
    """What was sealed and then changed gets no new signature, by this actor or the next."""
    SegmentBytes(1).batch((1, 2)).end(FrameKind.ROTATED, 3).save(home.wal)
    actor = home.actor()
    actor.tick(at(), flush=True)
    actor.close()
    checkpoint = home.path / "log" / "checkpoint"
    before = checkpoint.read_bytes()
    (home.path / "log" / "tile" / "0" / "000.p" / "1").write_bytes(bytes(32))  # of one leaf: its hash is the root
    SegmentBytes(2).batch((3, 2)).end(FrameKind.CLOSED, 5).save(home.wal)
    actor = home.actor()
    actor.tick(at(1), flush=True)
    assert (home.rows(), checkpoint.read_bytes()) == ([1, 2, 3, 4], before)
    assert set(home.incidents.kinds) == {"log_damaged"}
    actor.close()


def test_a_row_that_is_not_its_writer_s_word_is_set_aside(home: Home) -> None:
    """With the reason, once, beside the table; what is left is in the table and sealed, and the counts come out even."""
    rows = [signed_row(writer_id(1), 1), signed_row(writer_id(2), 2), span(3), signed_row(writer_id(1), 4)]
    SegmentBytes(1).raw(1, 4, encode_spans(rows)).end(FrameKind.CLOSED, 5).save(home.wal)
    actor = home.actor()
    report = actor.tick(at(), flush=True)
    assert (report.rows_read, report.rows_quarantined, home.rows()) == (4, 1, [1, 3, 4])
    assert home.incidents.kinds == ["span_quarantined"]
    (entry,) = home.entries(names.ROW_QUARANTINED)
    assert (entry[names.ROW_WRITER], entry[names.ROW_FIRST], entry[names.ROW_LAST]) == (writer_id(1), "2", "2")
    (kept,) = (home.path / "quarantine" / "rows").glob("*.json")
    ((row, reason),) = [(item["seq"], item["reason"]) for item in json.loads(kept.read_bytes())]
    assert (row, "certificate is" in reason) == (2, True)
    assert check_log(home.path, home.authority.trust(), 10).rows == 4
    actor.close()


def test_rows_wait_while_nobody_can_tell_whose_word_they_are(home: Home) -> None:
    """A trust bundle that cannot be read lets nothing into the table, and takes nothing from the log."""
    SegmentBytes(1).raw(1, 1, encode_spans([signed_row(writer_id(1), 1)])).end(FrameKind.CLOSED, 2).save(home.wal)
    actor = home.actor()
    trust = home.authority.trust

    def away() -> TrustBundle:
        raise FileNotFoundError(2, "No such file", "trust.json")

    home.authority.trust = away  # type: ignore[method-assign]
    actor.tick(at(), flush=True)
    assert (home.rows(), home.segments()) == ([], [f"{writer_id(1)}/00000001.wal"])
    assert "span_ingest_blocked" in home.incidents.kinds
    home.authority.trust = trust  # type: ignore[method-assign]
    actor.tick(at(1), flush=True)
    actor.tick(at(2), flush=True)
    assert (home.rows(), home.segments()) == ([1], [])
    actor.close()


def test_batches_that_wait_since_before_a_restart_are_late(home: Home) -> None:
    """Nobody remembers since when they wait, so it counts from the restart; what is sealed then waits no more."""
    refused = True

    def sync_file(path: Path) -> None:
        if refused and "log" in path.parts and "_delta_log" not in path.parts:
            raise OSError(28, "No space left on device")
        Disk().sync_file(path)

    actor = home.actor()
    actor.tick(at())
    actor.close()
    actor = home.actor(disk=replace(Disk(), sync_file=sync_file))
    SegmentBytes(1).batch((1, 2)).end(FrameKind.CLOSED, 3).save(home.wal)
    actor.tick(at(), flush=True)
    actor.close()
    actor = home.actor(disk=replace(Disk(), sync_file=sync_file))
    actor.tick(at(100))
    assert actor.health(at(160))["merge_delay_s"] == 60.0
    assert actor.health(at(160))["merge_late"]
    refused = False
    assert actor.tick(at(161)).batches_sealed == 1
    assert actor.health(at(170))["merge_delay_s"] == 0.0
    actor.close()


def test_what_is_sealed_a_part_at_a_time_is_late_until_all_of_it_is(home: Home) -> None:
    """After a restart as well: batches that are left for the next tick have waited since this one."""
    table = SpanTable(home.path / "spans", 10)
    table.vouch = Vouched(table, home.authority).say
    home.actor().close()
    actor = home.actor()
    actor.tick(at())
    actor.close()
    for seq in (1, 2, 3):
        table.append([Rows(writer_id(1), seq, 1, [span(seq)])], {writer_id(1): seq}, int(at().wall_s * 1000))
    home.log = LogConfig(catch_up_batches=2)
    actor = home.actor()
    assert actor.tick(at(100)).batches_sealed == 2
    assert actor.health(at(107))["merge_delay_s"] == 7.0
    assert actor.tick(at(108)).batches_sealed == 1
    assert actor.health(at(109))["merge_delay_s"] == 0.0
    actor.close()


def test_a_gap_is_counted_once_however_often_its_rows_cannot_be_judged(home: Home) -> None:
    """What is behind it is judged before it is reported: a tick that fails leaves all of it to the next."""
    rows = [signed_row(writer_id(1), 3)]
    SegmentBytes(1).batch((1, 1)).raw(3, 1, encode_spans(rows)).end(FrameKind.CLOSED, 4).save(home.wal)
    actor = home.actor()
    trust = home.authority.trust

    def away() -> TrustBundle:
        raise FileNotFoundError(2, "No such file", "trust.json")

    home.authority.trust = away  # type: ignore[method-assign]
    for second in range(3):
        actor.tick(at(second))
    assert (actor.totals.damage, actor.totals.lost_rows, home.incidents.kinds.count("wal_damaged")) == (0, 0, 0)
    home.authority.trust = trust  # type: ignore[method-assign]
    actor.tick(at(3), flush=True)
    assert (actor.totals.damage, actor.totals.lost_rows, home.rows()) == (1, 1, [1, 3])
    assert (len(home.entries(names.WAL_DAMAGED)), home.incidents.kinds.count("wal_damaged")) == (1, 1)
    actor.close()


def test_a_table_that_cannot_be_asked_stops_no_tick(home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nor does one whose log says a number that nobody ever committed: rows wait, and it is said."""
    SegmentBytes(1).batch((1, 2)).end(FrameKind.CLOSED, 3).save(home.wal)
    actor = home.actor()
    with monkeypatch.context() as patch:
        patch.setattr(DeltaTable, "is_deltatable", staticmethod(_not_a_log))
        actor.tick(at(), flush=True)
        assert "span_ingest_blocked" in home.incidents.kinds
    actor.tick(at(1), flush=True)
    assert home.rows() == [1, 2]
    SegmentBytes(1, writer_id(2)).batch((1, 2)).end(FrameKind.CLOSED, 3).save(home.wal)
    with monkeypatch.context() as patch:
        patch.setattr(DeltaTable, "transaction_version", lambda *_: 2**62)
        actor.tick(at(2), flush=True)
    kind, evidence = home.incidents.opened[-1]
    assert (kind, "reached" in evidence["cause"]) == ("span_ingest_blocked", True)
    actor.tick(at(3), flush=True)
    assert (home.rows(2), actor.health(at(3))["merge_delay_s"]) == ([1, 2], 0.0)
    actor.close()


def test_a_sealer_that_cannot_ask_the_table_stops_no_tick(home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whether batches may be numbered is a question to the table like any other."""
    SegmentBytes(1).batch((1, 2)).end(FrameKind.CLOSED, 3).save(home.wal)
    actor = home.actor()
    with monkeypatch.context() as patch:
        patch.setattr(Sealer, "may_number", property(_away))
        actor.tick(at(), flush=True)
    assert "away" in actor.health(at())["table_error"]
    actor.tick(at(1), flush=True)
    assert home.rows() == [1, 2]
    actor.close()


def _not_a_log(_: str) -> bool:
    raise DeltaError("not a log")


def _away(_: Sealer) -> bool:
    raise StorageUnavailable("the table is away")
