"""Rows are let go, or set apart, by an operator's signed word, once, in the commit that says so."""

from dataclasses import replace
from pathlib import Path

import msgspec
import pytest

from actors.base.canonical import b64
from actors.base.files import sync_folder
from actors.base.ids import ulid
from actors.base.signing import SigningKey
from actors.spans import conventions as names
from actors.spans.adapters.check import check_log
from actors.spans.adapters.quarantined import entries
from actors.spans.adapters.requests import put_request, refused, why_refused
from actors.spans.adapters.segments import Disk
from actors.spans.adapters.table import SpanTable
from actors.spans.frames import FrameKind, encode_spans
from actors.spans.quarantined import Quarantined, in_force
from actors.spans.request import QuarantineRequest, sign_request
from actors.spans.span import Span
from tests.unit.actors.spans.asked import OPERATOR, with_operator
from tests.unit.actors.spans.signed import signed_row
from tests.unit.actors.spans.telemetry import (
    NOW_S,
    Home,
    SegmentBytes,
    at,
    span,
    writer_id,
)  # fmt: skip

W = writer_id(1)
LATE = int((NOW_S + 400) * 1e9)


@pytest.fixture(autouse=True)
def _operator(home: Home) -> None:
    """Have root know an operator."""
    home.authority._trust = with_operator(home.authority.trust())


def asked(
    home: Home, action: str, first: int, last: int, key: SigningKey = OPERATOR, number: int = 1, writer: str = W
) -> Path:
    """Lay a request down."""
    made = ulid(int(NOW_S * 1000), number.to_bytes(10, "big"))
    request = QuarantineRequest(
        "weavergen.quarantine-request/1", made, action, writer, first, last, "looked at", "operator a",  # type: ignore[arg-type]
        int(NOW_S * 1000),
    )  # fmt: skip
    return put_request(home.path, made, sign_request(request, key))


def quarantined(home: Home) -> Quarantined:
    """Return what the table says."""
    return in_force(entries(SpanTable(home.path / "spans", 10), home.authority.trust()))


def log(*rows: Span) -> SegmentBytes:
    """Return a closed segment of one frame."""
    return SegmentBytes(1).raw(1, len(rows), encode_spans(list(rows))).end(FrameKind.CLOSED, 1 + len(rows))


def test_a_row_that_was_set_aside_is_put_back_whole_and_sealed(home: Home) -> None:
    """Under its own writer and number, as it was, record and all, in the commit that says so; twice asked is once done."""
    future = msgspec.structs.replace(signed_row(W, 2), end_unix_nano=LATE)
    log(span(1), future, span(3)).save(home.wal)
    actor = home.actor()
    actor.tick(at(), flush=True)
    assert (home.rows(), quarantined(home).aside) == ([1, 3], {W: [(2, 2)]})
    path = asked(home, "release", 2, 2)
    actor.tick(at(1), flush=True)
    assert (home.rows(), quarantined(home)) == ([1, 2, 3], Quarantined())
    actor.tick(at(2), flush=True)
    assert (path.exists(), refused(path).exists()) == (False, False)
    asked(home, "release", 2, 2)
    actor.tick(at(3), flush=True)
    actor.tick(at(4), flush=True)
    assert (home.rows(), len(home.entries(names.ROW_RELEASED))) == ([1, 2, 3], 1)
    table = SpanTable(home.path / "spans", 10)
    row = table.row_of(W, 2, future.decision_id)
    assert row is not None
    assert (row.spans[0], row.log_index is not None) == (future, True)
    assert check_log(home.path, home.authority.trust(), 10).damage == ()
    assert (home.path / "quarantine" / "rows" / f"{W}-000000000002.json").exists()
    (entry,) = home.entries(names.ROW_RELEASED)
    assert (entry[names.ROW_BY], entry[names.ROW_REASON]) == ("operator a", "looked at")
    actor.close()


def test_a_release_that_a_crash_cut_is_done_by_the_next(home: Home) -> None:
    """Whoever died between the word and the commit, or between the commit and the request's end: once."""
    log(span(1), span(2, latency_ms=9999)).save(home.wal)
    actor = home.actor()
    actor.tick(at(), flush=True)
    path = asked(home, "release", 1, 9)
    actor._requests.work_off(at(1))  # nothing of it is committed
    actor.close()
    actor = home.actor()
    actor.tick(at(2), flush=True)
    actor.close()
    assert path.exists()
    actor = home.actor()
    actor.tick(at(3), flush=True)
    assert (home.rows(), path.exists(), len(home.entries(names.ROW_RELEASED))) == ([1, 2], False, 1)
    actor.close()


def test_rows_of_the_table_are_set_apart_and_let_go(home: Home) -> None:
    """They stay where they are; what is said is in the log."""
    log(span(1), span(2), span(3)).save(home.wal)
    actor = home.actor()
    actor.tick(at(), flush=True)
    asked(home, "quarantine", 2, 3)
    actor.tick(at(1), flush=True)
    assert (home.rows(), quarantined(home).in_table) == ([1, 2, 3], {W: [(2, 3)]})
    asked(home, "release", 3, 3, number=2)
    actor.tick(at(2), flush=True)
    assert (home.rows(), quarantined(home).in_table) == ([1, 2, 3], {W: [(2, 2)]})
    assert home.incidents.opened == []
    actor.close()


def test_a_writer_that_nobody_knows_is_not_set_apart(home: Home) -> None:
    """Somebody mistyped its id: to be told that it is done would leave the rows that were meant."""
    log(span(1)).save(home.wal)
    actor = home.actor()
    actor.tick(at(), flush=True)
    path = asked(home, "quarantine", 1, 1, writer=writer_id(7))
    actor.tick(at(1), flush=True)
    assert (quarantined(home), why_refused(path)) == (Quarantined(), "no row of this writer is in the table")
    actor.close()


@pytest.mark.parametrize("wrong", ["stranger", "nothing", "garbage", "renamed"])
def test_what_does_not_count_is_put_aside_and_said(home: Home, wrong: str) -> None:
    """A stranger's word, one about rows that nobody quarantined, no request at all, one under another's name."""
    log(span(1), span(2, latency_ms=9999)).save(home.wal)
    actor = home.actor()
    actor.tick(at(), flush=True)
    key = SigningKey.from_seed(b"x" * 32) if wrong == "stranger" else OPERATOR
    path = asked(home, "release", *((1, 1) if wrong == "nothing" else (2, 2)), key=key)
    if wrong == "garbage":
        path.write_bytes(b"{")
    if wrong == "renamed":
        path = path.rename(path.with_name(f"{ulid(1, bytes(10))}.json"))
    actor.tick(at(1), flush=True)
    assert (home.rows(), path.exists(), refused(path).exists()) == ([1], False, True)
    assert home.incidents.kinds == ["span_quarantined", "quarantine_request_refused"]
    actor.close()


def test_a_release_of_what_is_gone_is_refused(home: Home) -> None:
    """Evidence that somebody took away cannot be put back."""
    log(span(1), span(2, latency_ms=9999)).save(home.wal)
    actor = home.actor()
    actor.tick(at(), flush=True)
    (home.path / "quarantine" / "rows" / f"{W}-000000000002.json").unlink()
    path = asked(home, "release", 2, 2)
    actor.tick(at(1), flush=True)
    assert (home.rows(), refused(path).exists()) == ([1], True)
    assert "not in quarantine/rows" in home.incidents.opened[-1][1]["cause"]
    actor.close()


def test_a_release_that_is_refused_lets_nothing_go(home: Home) -> None:
    """Of the rows that it names the second cannot be read any more: the first stays where it is as well."""
    log(span(1), span(2, latency_ms=9999), span(3, latency_ms=9999)).save(home.wal)
    actor = home.actor()
    actor.tick(at(), flush=True)
    kept = home.path / "quarantine" / "rows" / f"{W}-000000000002.json"
    rows = msgspec.json.decode(kept.read_bytes())
    rows[1]["span"] = "kA=="
    kept.write_bytes(msgspec.json.encode(rows))
    path = asked(home, "release", 2, 3)
    actor.tick(at(1), flush=True)
    assert (home.rows(), quarantined(home).aside, refused(path).exists()) == ([1], {W: [(2, 3)]}, True)
    asked(home, "release", 2, 2, number=2)
    actor.tick(at(2), flush=True)
    assert (home.rows(), quarantined(home).aside) == ([1, 2], {W: [(3, 3)]})
    actor.close()


def test_another_row_in_the_place_of_one_that_was_set_aside_is_not_let_go(home: Home) -> None:
    """Whoever can write ``quarantine/rows`` would have it sealed as the writer's, by the operator's word for the one that was."""
    bad = span(2, latency_ms=9999)
    log(span(1), bad).save(home.wal)
    actor = home.actor()
    actor.tick(at(), flush=True)
    kept = home.path / "quarantine" / "rows" / f"{W}-000000000002.json"
    before = kept.read_bytes()
    (row,) = msgspec.json.decode(before)
    row["span"] = b64(msgspec.msgpack.encode(msgspec.structs.replace(bad, voter="m1", outcome="agreed")))
    kept.write_bytes(msgspec.json.encode([row]))
    path = asked(home, "release", 2, 2)
    actor.tick(at(1), flush=True)
    assert (home.rows(), "as they were set aside" in why_refused(path)) == ([1], True)
    kept.write_bytes(before)
    asked(home, "release", 2, 2, number=2)
    actor.tick(at(2), flush=True)
    assert home.rows() == [1, 2]
    actor.close()


@pytest.mark.parametrize("name", [names.ROW_RELEASED, names.ROW_QUARANTINED, names.WAL_DAMAGED])
def test_a_row_of_the_actor_s_names_is_never_let_go(home: Home, name: str) -> None:
    """In the table it would pass for the actor's word, or keep everybody from reading what is quarantined; others are let go."""
    forged = span(2, name=name, attributes={names.ROW_WRITER: W, names.ROW_PLACE: "aside"})
    log(span(1), forged, span(3, latency_ms=9999)).save(home.wal)
    actor = home.actor()
    actor.tick(at(), flush=True)
    path = asked(home, "release", 2, 3)
    actor.tick(at(1), flush=True)
    assert (home.rows(), quarantined(home).aside, refused(path).exists()) == ([1], {W: [(2, 3)]}, True)
    assert "row 2" in why_refused(path)
    assert name in why_refused(path)
    asked(home, "release", 3, 3, number=2)
    actor.tick(at(2), flush=True)
    assert (home.rows(), quarantined(home).aside) == ([1, 3], {W: [(2, 2)]})
    actor.close()


def test_a_damaged_file_of_one_writer_keeps_no_other_s_rows(home: Home) -> None:
    """Whose rows are let go is whose files are looked at."""
    log(span(1), span(2, latency_ms=9999)).save(home.wal)
    actor = home.actor()
    actor.tick(at(), flush=True)
    (home.path / "quarantine" / "rows" / f"{writer_id(0)}-000000000001.json").write_bytes(b"[")
    asked(home, "release", 2, 2)
    actor.tick(at(1), flush=True)
    assert home.rows() == [1, 2]
    actor.close()


def test_a_request_that_was_refused_outlives_a_loss_of_power(home: Home) -> None:
    """The folder that it is moved into has a durable name before it is in it: what an operator asked is never nowhere."""
    synced = list[Path]()
    disk = replace(Disk(), sync_directory=lambda path: (synced.append(path), sync_folder(path))[1])
    log(span(1)).save(home.wal)
    actor = home.actor(disk=disk)
    actor.tick(at(), flush=True)
    path = asked(home, "release", 1, 1)
    actor.tick(at(1), flush=True)
    assert refused(path).exists()
    assert path.parent in synced
    actor.close()
