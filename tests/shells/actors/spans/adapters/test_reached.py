"""How far Delta's log says a writer is cuts no row that nobody committed: of an actor that runs or starts, of whoever is new."""

import json
from collections.abc import Callable, Mapping

import msgspec
import pyarrow as pa
import pytest

from actors.base.errors import StorageUnavailable
from actors.spans import conventions as names
from actors.spans.adapters.check import check_log
from actors.spans.adapters.log import LogFiles
from actors.spans.adapters.parquet import digest_in
from actors.spans.adapters.reached import told_of
from actors.spans.adapters.scrub import ProvenLeaves
from actors.spans.config import SpansConfig
from actors.spans.frames import FrameKind, encode_spans
from tests.unit.actors.spans.telemetry import SMALL, Home, SegmentBytes, at, flipped, span, writer_id

W = writer_id(1)
RAISED = 10**6


def say(home: Home, number: int, app_id: str = W) -> None:
    """Add a commit to Delta's log that says how far a writer is, and nothing else."""
    put(home, {"txn": {"appId": app_id, "version": number}})


def put(home: Home, action: Mapping[str, object]) -> None:
    """Add a commit to Delta's log."""
    log = home.path / "spans" / "_delta_log"
    version = int(max(log.glob("*.json")).stem) + 1
    actions = [{"commitInfo": {"timestamp": 0, "operation": "WRITE"}}, action]
    (log / f"{version:020d}.json").write_text("\n".join(map(json.dumps, actions)))


def damage(home: Home) -> list[str]:
    """Return what a check finds."""
    return [str(item) for item in check_log(home.path, home.authority.trust(), 10).damage]


def contradicted(home: Home) -> list[str]:
    """Return whose number was contradicted, each time that it was said."""
    return [each["writer_id"] for kind, each in home.incidents.opened if kind == "span_storage_contradicted"]


def ticked(home: Home, *at_s: float, config: SpansConfig = SMALL, flush: bool = True) -> int:
    """Start an actor, let it tick, and end it; return how many rows it accepted."""
    actor = home.actor(config)
    for each in at_s:
        actor.tick(at(each), flush=flush)
    actor.close()
    return actor.totals.rows_accepted


def begun(home: Home) -> SegmentBytes:
    """Have two rows of a writer in the table, and its segment still there; return that."""
    segment = SegmentBytes(1).batch((1, 2))
    segment.save(home.wal)
    return segment


def test_a_number_that_is_raised_beneath_a_running_actor_cuts_nothing(home: Home) -> None:
    """Rows come in, the number is set right, and it is said; also of a writer that has nothing in the table yet."""
    segment, actor = begun(home), home.actor()
    actor.tick(at(), flush=True)
    SegmentBytes(1, writer_id(2)).save(home.wal)
    actor.tick(at(0.5), flush=True)
    for app_id in (W, writer_id(2)):
        say(home, RAISED, app_id)
    segment.batch((3, 2)).save(home.wal)
    SegmentBytes(1, writer_id(2)).batch((1, 3)).save(home.wal)
    actor.tick(at(1), flush=True)
    assert (home.rows(), home.rows(2)) == ([1, 2, 3, 4], [1, 2, 3])
    assert sorted(contradicted(home)) == [W, writer_id(2)]
    assert [home.table().last_committed(each) for each in (W, writer_id(2))] == [4, 3]
    segment.batch((5, 1)).end(FrameKind.CLOSED, 6).save(home.wal)
    actor.tick(at(2), flush=True)
    assert home.rows() == [1, 2, 3, 4, 5]
    assert len(contradicted(home)) == 2
    actor.close()
    assert damage(home) == []


@pytest.mark.parametrize("before", [True, False])
def test_a_number_that_is_raised_before_the_actor_starts_passes_nothing_over(home: Home, *, before: bool) -> None:
    """Whether the rows lay there or came later: those that the table has are there once, the others come in."""
    segment = begun(home)
    ticked(home, 0)
    if before:
        segment.batch((3, 2), (5, 1)).save(home.wal)
    say(home, RAISED)
    actor = home.actor()
    actor.tick(at(1), flush=True)
    if not before:
        assert contradicted(home) == []
        segment.batch((3, 2), (5, 1)).save(home.wal)
        actor.tick(at(2), flush=True)
    assert (home.rows(), contradicted(home)) == ([1, 2, 3, 4, 5], [W])
    segment.batch((6, 1)).end(FrameKind.CLOSED, 7).save(home.wal)
    actor.tick(at(3), flush=True)
    actor.close()
    assert (home.rows(), contradicted(home), home.segments()) == ([1, 2, 3, 4, 5, 6], [W], [])
    assert damage(home) == []


def test_who_is_new_is_not_believed_to_have_been_there(home: Home) -> None:
    """No row of it is in the table, whatever is said: it begins with its first."""
    begun(home)
    ticked(home, 0)
    say(home, RAISED, writer_id(2))
    SegmentBytes(1, writer_id(2)).batch((1, 3)).end(FrameKind.CLOSED, 4).save(home.wal)
    assert ticked(home, 1) == 3
    assert (home.rows(2), contradicted(home), damage(home)) == ([1, 2, 3], [writer_id(2)], [])


def _bad(segment: SegmentBytes) -> SegmentBytes:
    """End a segment with a row that is set aside."""
    row = msgspec.structs.replace(span(3), name=names.ROW_QUARANTINED)
    return segment.raw(3, 1, encode_spans([row]))


def _damaged(segment: SegmentBytes) -> SegmentBytes:
    """End a segment with a frame that does not decode."""
    return segment.raw(3, 1, b"nonsense")


@pytest.mark.parametrize("last", [lambda segment: segment, _bad, _damaged])
def test_what_the_table_has_or_accounts_for_is_passed_over(
    home: Home, last: Callable[[SegmentBytes], SegmentBytes]
) -> None:
    """After a restart, with the segment still there: rows that were committed, set aside or lost are so once."""
    segment = last(begun(home))
    segment.save(home.wal)
    ticked(home, 0)
    told = list(home.incidents.kinds)
    segment.save(home.wal)  # as a crash leaves it between the commit and its removal
    assert ticked(home, 1, 2) == 0
    assert (home.rows(), contradicted(home), home.incidents.kinds) == ([1, 2], [], told)
    say(home, RAISED)
    segment.batch((4, 1)).save(home.wal)
    assert ticked(home, 3) == 1
    assert (home.rows(), contradicted(home)) == ([1, 2, 4], [W])


def test_each_entry_says_which_rows_are_gone(home: Home) -> None:
    """Also where a frame behind rows that are missing does not read: the last of them is how far its writer is."""
    SegmentBytes(1).batch((1, 2)).raw(5, 2, b"nonsense").end(FrameKind.CLOSED, 7).save(home.wal)
    ticked(home, 0)
    assert list(told_of(home.table().read(["name", "attributes"]))) == [(W, 3, 4), (W, 5, 6)]
    assert (home.table().last_committed(W), damage(home)) == (6, [])


def test_a_file_that_does_not_read_tells_nothing(home: Home) -> None:
    """A check names it; nothing comes in twice for it, and nobody waits."""
    segment = begun(home)
    ticked(home, 0)
    (file,) = [path for path in (home.path / "spans").glob("date=*/*.parquet") if digest_in(path.name)]
    file.write_bytes(flipped(file.read_bytes(), 8 * 100))
    segment.batch((3, 1)).save(home.wal)
    assert ticked(home, 1) == 1
    assert contradicted(home) == []
    assert damage(home) != []


KEPT = SMALL.model_copy(update={"retention_days": 1, "compact_close_age_s": 86_400, "compact_min_files": 2})
DAY_S = 86_400


def expired(home: Home) -> SegmentBytes:
    """Have two rows of a writer expire, and return its segment of then."""
    segment = SegmentBytes(1).batch((1, 2))
    SegmentBytes(1).batch((1, 2)).end(FrameKind.CLOSED, 3).save(home.wal)
    ticked(home, 0, config=KEPT)
    ticked(home, *(3 * DAY_S + 61 * each for each in range(4)), config=KEPT, flush=False)
    assert (home.rows(), home.segments(), damage(home)) == ([], [], [])
    return segment


@pytest.mark.parametrize(("days", "at_s"), [(1, 4 * DAY_S), (0, 4 * DAY_S), (30, 4 * DAY_S), (1, 60)])
def test_rows_that_retention_let_go_were_there(home: Home, days: int, at_s: float) -> None:
    """A segment of long ago that is put back brings nothing back, whatever retention and the clock are by now."""
    expired(home).end(FrameKind.CLOSED, 3).save(home.wal)
    assert ticked(home, at_s, config=KEPT.model_copy(update={"retention_days": days})) == 0
    assert (home.rows(), home.incidents.kinds, home.segments(), damage(home)) == ([], [], [], [])


def test_rows_behind_what_has_expired_come_in_alone(home: Home) -> None:
    """The number that was raised over them is set right; what was sealed once is not sealed again."""
    segment = expired(home)
    say(home, RAISED)
    segment.batch((3, 2)).end(FrameKind.CLOSED, 5).save(home.wal)
    assert ticked(home, 60) == 2
    assert (home.rows(), contradicted(home), damage(home)) == ([3, 4], [W], [])


def cut_out(home: Home) -> None:
    """Have Delta's log say that the table's only file is gone."""
    table = home.table()
    (file,) = table.current_files()
    removed = {"path": str(file).removeprefix(f"{table.path}/"), "deletionTimestamp": 0, "dataChange": True}
    put(home, {"remove": removed})


def test_sealed_rows_that_were_cut_out_of_the_table_are_named_and_do_not_come_in_again(home: Home) -> None:
    """They could only be sealed twice, and the log would be damaged for ever."""
    segment = begun(home)
    ticked(home, 0)
    cut_out(home)
    segment.batch((3, 1)).save(home.wal)
    actor = home.actor()
    for each in (1, 2):
        actor.tick(at(each), flush=True)
    actor.close()
    assert (home.rows(), contradicted(home)) == ([3], [W])
    assert {item.kind for item in check_log(home.path, home.authority.trust(), 10).damage} == {"missing"}


def test_while_the_log_cannot_tell_the_writer_waits(home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is said, others go on, and the log is not read at every tick for it."""
    expired(home).end(FrameKind.CLOSED, 3).save(home.wal)
    SegmentBytes(1, writer_id(2)).batch((1, 3)).save(home.wal)
    told, asked = ProvenLeaves.last_of, list[str]()

    def away(_leaves: ProvenLeaves, writer: str, _last: int) -> tuple[int, int]:
        asked.append(writer)
        raise StorageUnavailable("the disk is away")

    monkeypatch.setattr(ProvenLeaves, "last_of", away)
    actor = home.actor()
    for each in range(3):
        actor.tick(at(60 + each), flush=True)
    assert (home.rows(2), home.rows(), len(home.segments()), asked) == ([1, 2, 3], [], 1, [W])
    assert home.incidents.opened == [("span_ingest_blocked", {"writer_id": W, "cause": "the disk is away"})]
    monkeypatch.setattr(ProvenLeaves, "last_of", told)
    actor.tick(at(150), flush=True)
    actor.close()
    assert (home.rows(), home.segments(), len(home.incidents.opened), damage(home)) == ([], [], 1, [])


def test_a_leaf_that_was_not_sealed_accounts_for_no_row(home: Home) -> None:
    """Who raises a number and writes a leaf for it has no row passed over, and the writer's log stays."""
    segment = begun(home)
    ticked(home, 0)
    say(home, RAISED)
    (bundle,) = (home.path / "log" / "tile" / "entries").rglob("000.p/*")
    bundle.write_bytes(bundle.read_bytes().replace(b'"last_seq":2', b'"last_seq":3'))
    segment.batch((3, 1)).end(FrameKind.CLOSED, 4).save(home.wal)
    assert ticked(home, 1, 2) == 0
    assert (home.incidents.kinds, len(home.segments())) == (["span_ingest_blocked"], 1)


def test_the_log_tells_how_far_a_writer_was_sealed(home: Home) -> None:
    """Up to a number, and in which batch; of one that has none nothing."""
    actor, segment = home.actor(), SegmentBytes(1)
    for at_s, first in enumerate((1, 3, 5)):
        segment.batch((first, 2)).save(home.wal)
        SegmentBytes(1, writer_id(2 + at_s)).batch((1, 1)).save(home.wal)
        actor.tick(at(at_s), flush=True)
    actor.close()
    files = LogFiles(home.path / "log")
    signed = files.checkpoint()
    assert signed is not None
    leaves = ProvenLeaves(files, signed.head.size, signed.head.root)
    found = [leaves.last_of(W, last) for last in (0, 1, 2, 4, 5, 6, 9)]
    assert [number for number, _ in found] == [0, 1, 2, 4, 5, 6, 6]
    for (number, batch), last in zip(found[1:], (1, 2, 4, 5, 6, 9), strict=True):
        manifest = leaves.manifest(batch)
        assert (manifest.writer_id, manifest.last_seq in (number, number + 1)) == (W, True), last
    assert (found[0], leaves.last_of(writer_id(77), 9)) == ((0, -1), (0, -1))


def test_entries_tell_which_rows_were_set_aside_or_lost() -> None:
    """By number; one that tells no number accounts for nothing, and one of rows in the table for none that is not."""
    lost = {names.WAL_WRITER: W, names.WAL_NEXT_SEQ: "4", names.WAL_LOST_ROWS: "3"}
    aside = {names.ROW_WRITER: W, names.ROW_FIRST: "9", names.ROW_LAST: "9", names.ROW_PLACE: "aside"}
    rows = [
        (names.WAL_DAMAGED, lost), (names.ROW_QUARANTINED, aside),
        (names.ROW_QUARANTINED, aside | {names.ROW_PLACE: "table"}), (names.WAL_DAMAGED, {names.WAL_WRITER: W}),
        (names.ROW_QUARANTINED, aside | {names.ROW_LAST: "x"}),
    ]  # fmt: skip
    table = pa.table({"name": [name for name, _ in rows], "attributes": [list(said.items()) for _, said in rows]})
    assert list(told_of(table)) == [(W, 4, 6), (W, 9, 9)]
