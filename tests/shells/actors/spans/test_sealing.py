"""SpanActor seals what it commits, and lets nothing into the table that is not its writer's word."""

import json
from dataclasses import replace
from pathlib import Path

from actors.base.certificates import TrustBundle
from actors.spans import conventions as names
from actors.spans.adapters.check import check_log
from actors.spans.adapters.segments import Disk
from actors.spans.frames import FrameKind, encode_spans
from tests.unit.actors.spans.signed import signed_row
from tests.unit.actors.spans.telemetry import Home, SegmentBytes, at, span, writer_id


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
    (home.path / "log" / "hashes").write_bytes(bytes(32))  # of one leaf: its hash is the root
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
    assert entry[names.WAL_NEXT_SEQ] == "2"
    (kept,) = (home.path / "quarantine" / "rows").glob("*.json")
    assert "certificate is" in json.loads(kept.read_bytes())["reason"]
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
