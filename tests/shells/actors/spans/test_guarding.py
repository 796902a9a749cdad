"""Only what is provably wrong is set aside; where nobody can tell, the writer waits and nothing of it is lost."""

import json
import logging
from collections.abc import Iterable

import msgspec
import pytest

from actors.base.certificates import Revocation, TrustBundle, revoke
from actors.base.signing import SigningKey
from actors.spans import conventions as names
from actors.spans.adapters.reader import SegmentRead, SegmentRef, WalReader
from actors.spans.adapters.sealer import Sealer
from actors.spans.checkers.finding import Arrivals, Finding
from actors.spans.frames import FrameKind, SegmentHeader, encode_header, encode_spans
from actors.spans.span import Span
from tests.unit.actors.spans.signed import CERTIFIED_S, signed_row, stranger_trust
from tests.unit.actors.spans.telemetry import (
    ISSUER,
    NOW_S,
    ROOT,
    SMALL,
    Home,
    Recorder,
    SegmentBytes,
    at,
    span,
    writer_id,
)

W = writer_id(1)
FORGER = SigningKey.from_seed(b"f" * 32)


def forged(*seqs: int) -> list[Span]:
    """Return rows that another key signed."""
    return [signed_row(W, seq, key=FORGER) for seq in seqs]


def segment(*frames: list[Span]) -> SegmentBytes:
    """Return a whole segment of these frames."""
    made, seq = SegmentBytes(1), 1
    for rows in frames:
        made.raw(seq, len(rows), encode_spans(rows))
        seq += len(rows)
    return made.end(FrameKind.CLOSED, seq)


def set_aside(home: Home) -> list[int]:
    """Return the numbers of the rows that were set aside."""
    files = sorted((home.path / "quarantine" / "rows").glob("*.json"))
    return [item["seq"] for path in files for item in json.loads(path.read_bytes())]


def test_a_bundle_without_the_issuer_blocks_and_sets_nothing_aside(home: Home) -> None:
    """An older or foreign trust.json: nothing is committed, removed or quarantined, and one incident says so."""
    segment([signed_row(W, 1)], [signed_row(W, 2)]).save(home.wal)
    SegmentBytes(1, writer_id(2)).batch((1, 1)).end(FrameKind.CLOSED, 2).save(home.wal)
    actor, known = home.actor(), home.authority.trust()
    home.authority._trust = msgspec.structs.replace(
        stranger_trust(), certificates=[*stranger_trust().certificates, *known.certificates[1:]]
    )
    for second in range(5):
        actor.tick(at(second), flush=True)
    assert (home.rows(), home.rows(2), actor.totals.rows_quarantined) == ([], [1], 0)
    assert home.segments() == [f"{W}/00000001.wal"]
    assert not (home.path / "quarantine").exists()
    ((kind, evidence),) = home.incidents.opened
    assert (kind, "no trusted issuer" in evidence["cause"]) == ("span_ingest_blocked", True)
    home.authority._trust = known
    actor.tick(at(9), flush=True)
    assert (home.rows(), home.segments(), actor.totals.duplicates) == ([1, 2], [], 0)
    actor.close()


def test_keys_that_are_rotated_while_rows_are_read_set_nothing_aside(
    home: Home, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whom to believe is asked after the rows were read, once for all of them: a new issuer's rows are believed in this tick."""
    actor, trust = home.actor(), home.authority.trust()
    actor.tick(at(-1))  # the log has begun: only rows ask now
    revocation = revoke(ROOT, Revocation(ISSUER.public.key_id, int(NOW_S) - 60, "a word that is taken back"))
    home.authority._trust = msgspec.structs.replace(trust, revocations=[revocation])
    segment([span(1)], [signed_row(W, 2)]).save(home.wal)
    segment_of_two = SegmentBytes(1, writer_id(2)).raw(1, 1, encode_spans([signed_row(writer_id(2), 1)]))
    segment_of_two.end(FrameKind.CLOSED, 2).save(home.wal)
    read, asked = WalReader.read, list[int]()

    def rotating(reader: WalReader, ref: SegmentRef, offset: int = 0) -> SegmentRead | None:
        found = read(reader, ref, offset)
        home.authority._trust = trust
        return found

    def counted() -> TrustBundle:
        asked.append(1)
        return home.authority._trust

    monkeypatch.setattr(WalReader, "read", rotating)
    monkeypatch.setattr(home.authority, "trust", counted)
    actor._ingest.run(at(), lambda: True)
    assert asked == [1]
    actor.tick(at(), flush=True)
    assert (home.rows(), home.rows(2), set_aside(home)) == ([1, 2], [1], [])
    actor.close()


def test_a_frame_s_rows_are_set_aside_with_one_file_and_one_sync(home: Home) -> None:
    """And one incident a writer, that says how many they are; each of them is entered all the same."""
    segment([*forged(1, 2), signed_row(W, 3), *forged(4)]).save(home.wal)
    recorder = Recorder(home.path)
    actor = home.actor(disk=recorder.disk)
    actor.tick(at(), flush=True)
    assert (home.rows(), set_aside(home), len(home.entries(names.ROW_QUARANTINED))) == ([3], [1, 2, 4], 3)
    assert [kind for kind, said in recorder.calls if said.startswith("quarantine/rows/.")] == ["file"]
    ((kind, evidence),) = home.incidents.opened
    assert (kind, evidence["rows"], evidence[names.WAL_WRITER]) == ("span_quarantined", "3", W)
    actor.close()


def test_a_writer_of_forgeries_waits_beyond_the_bound(home: Home) -> None:
    """A tick sets so many rows aside and no more; none is dropped, the others and what is good come with the next ticks."""
    segment(forged(1, 2), forged(3), forged(4), [signed_row(W, 5)]).save(home.wal)
    actor = home.actor(SMALL.model_copy(update={"quarantine_max_rows": 3}))
    actor.tick(at(), flush=True)
    assert (set_aside(home), home.rows(), len(home.segments())) == ([1, 2, 3], [], 1)
    assert home.incidents.kinds == ["span_ingest_blocked", "span_quarantined"]
    actor.tick(at(1), flush=True)
    assert (set_aside(home), home.rows(), home.segments()) == ([1, 2, 3, 4], [5], [])
    assert (actor.totals.rows_read, actor.totals.rows_quarantined, actor.totals.duplicates) == (5, 4, 0)
    actor.close()


class Yields:
    """Finds nothing, and notes of which rows it is told that they were set aside."""

    name = "Yields"

    def __init__(self) -> None:
        self.told: list[int] = []

    def check(self, _: Arrivals) -> list[Finding]:
        """Find nothing."""
        return []

    def learn(self, accepted: Arrivals) -> None:
        """Learn nothing."""

    def set_aside(self, findings: Iterable[Finding]) -> None:
        """Note rows."""
        self.told += [finding.seq for finding in findings]


def test_checkers_are_told_of_rows_as_they_are_set_aside(home: Home) -> None:
    """Not of those that were judged and have to wait: each is told of once, in the tick that sets it aside."""
    yields = Yields()
    actor = home.actor(SMALL.model_copy(update={"quarantine_max_rows": 3}))
    actor.tick(at())
    actor._guard._checkers = [*actor._guard._checkers, yields]
    segment(forged(1, 2), forged(3), forged(4), [signed_row(W, 5)]).save(home.wal)
    told = []
    for second in range(1, 4):
        actor.tick(at(second), flush=True)
        told.append(list(yields.told))
    assert told == [[1, 2, 3], [1, 2, 3, 4], [1, 2, 3, 4]]
    actor.close()


def test_without_room_to_set_aside_a_writer_waits_and_nothing_is_dropped(home: Home) -> None:
    """Its rows stay in the log, through a restart as well; others go on, it is said why, and all come once there is room."""
    segment(forged(1, 2), forged(3), [signed_row(W, 4)]).save(home.wal)
    SegmentBytes(1, writer_id(2)).batch((1, 1)).end(FrameKind.CLOSED, 2).save(home.wal)
    for _ in range(2):
        health = home.health_without_room()
        assert (set_aside(home), home.rows(), home.rows(2), len(home.segments())) == ([], [], [1], 1)
        assert "quarantine_max_bytes" in health["quarantine_full_why"]
    assert home.incidents.kinds == ["span_ingest_blocked"] * 2
    assert list((home.path / "quarantine").rglob("*.json")) == [], "no investigation of what was not set aside"
    actor = home.actor()
    actor.tick(at(9), flush=True)
    assert (set_aside(home), home.rows(), home.segments()) == ([1, 2, 3], [4], [])
    assert (actor.health(at(9))["quarantine_full_why"], actor.totals.rows_quarantined) == ("", 3)
    actor.close()


def test_a_backlog_gets_in_and_a_key_that_ended_long_ago_does_not(home: Home) -> None:
    """A day without the actor is no reason to wait; a row that comes beyond promise and bound waits in the log."""
    late_s = CERTIFIED_S + home.log.merge_promise_s + SMALL.wal_max_age_s
    actor = home.actor()
    segment([signed_row(W, 1)]).save(home.wal)
    actor.tick(at(late_s - 1), flush=True)
    assert home.rows() == [1]
    other = writer_id(2)
    SegmentBytes(1, other).raw(1, 1, encode_spans([signed_row(other, 1)])).end(FrameKind.CLOSED, 2).save(home.wal)
    actor.tick(at(late_s), flush=True)
    assert (home.rows(2), home.segments(), set_aside(home)) == ([], [f"{other}/00000001.wal"], [])
    assert "wal_max_age_s" in home.incidents.opened[-1][1]["cause"]
    actor.close()


def test_a_segment_of_a_newer_schema_waits_for_its_version(home: Home) -> None:
    """Read with the fields that this version knows, the others would be lost for good."""
    made = SegmentBytes(1)
    made.data = encode_header(SegmentHeader(W, 1, names.SPAN_SCHEMA_VERSION + 1, b"n" * 16, b"{}"))
    made.save(home.wal)
    actor = home.actor()
    actor.tick(at(), flush=True)
    assert (home.rows(), home.segments(), actor.totals.damage) == ([], [f"{W}/00000001.wal"], 0)
    assert "use the version that wrote them" in home.incidents.opened[0][1]["cause"]
    actor.close()


def test_a_row_that_nobody_foresaw_ends_no_process(
    home: Home, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """Whatever sealing raises is the log's fault; it is said once a minute, rows go on, and it ends when it is over."""
    actor = home.actor()
    actor.tick(at())

    def poisoned(*_: object) -> int:
        raise UnicodeEncodeError("utf-8", "\ud800", 0, 1, "surrogates not allowed")

    SegmentBytes(1).batch((1, 2)).end(FrameKind.CLOSED, 3).save(home.wal)
    with monkeypatch.context() as patch, caplog.at_level(logging.ERROR, "weavergen.spans"):
        patch.setattr(Sealer, "seal", poisoned)
        for second in (1, 2, 30, 59, 62, 63):
            actor.tick(at(second), flush=True)
    assert home.rows() == [1, 2]
    assert "surrogates" in actor.health(at(63))["log_error"]
    assert home.incidents.kinds == ["log_damaged"] * 2
    assert len(caplog.records) == 2
    actor.tick(at(64))
    assert actor.health(at(64))["log_error"] == ""
    actor.close()
