"""Reading segments: what is live, finished, left behind, damaged; and finding a decision in them."""

import asyncio
import os
from pathlib import Path

import pytest

from actors.base.errors import IntegrityError, StorageUnavailable
from actors.spans import frames
from actors.spans.adapters import reader as reading
from actors.spans.adapters.lookup import open_lookup
from actors.spans.adapters.reader import SegmentRef, WalReader
from actors.spans.adapters.table import SpanTable
from actors.spans.adapters.wal import WalWriter
from actors.spans.columns import Rows
from actors.spans.config import MIB
from actors.spans.frames import FrameKind, encode_spans
from tests.unit.actors.spans.telemetry import (
    SMALL,
    Authority,
    SegmentBytes,
    builder,
    decision,
    flipped,
    held,
    identity,
    seqs,
    span,
    writer_id,
)


def reader(root: Path) -> WalReader:
    """Open a reader with a generous bound."""
    return WalReader(root, 64 * MIB)


def test_no_log_is_no_writers(tmp_path: Path) -> None:
    """Before anybody writes there is nothing, and that is no error."""
    assert (reader(tmp_path / "none").writers(), reader(tmp_path).segments(writer_id(1))) == ([], [])
    assert reader(tmp_path).find("x") is None


def test_only_writers_and_segments_are_listed(tmp_path: Path) -> None:
    """Half-made directories and files are not there yet; segments come in the order of their numbers."""
    for number in (10, 2, 9):
        SegmentBytes(number).save(tmp_path)
    (tmp_path / writer_id(1) / ".00000011.new").touch()
    (tmp_path / writer_id(1) / "notes.wal").touch()
    (tmp_path / f".{writer_id(2)}.new").mkdir()
    (tmp_path / "README").touch()
    assert reader(tmp_path).writers() == [writer_id(1)]
    assert [ref.number for ref in reader(tmp_path).segments(writer_id(1))] == [2, 9, 10]


def test_a_read_that_raced_with_the_writer_is_no_damage(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A read that passed a place before its frame came and then saw the next commit is repeated, not reported."""
    path = SegmentBytes().batch((1, 2)).batch((3, 2)).batch((5, 2)).zeros(4096).save(tmp_path)
    fd = held(path)
    (ref,) = reader(tmp_path).segments(writer_id(1))
    whole = reader(tmp_path).read(ref)
    assert whole is not None
    middle = whole.scan.frames[1]
    honest, calls = reading._read_from, []

    def racing(handle: int, offset: int) -> bytes:
        data = honest(handle, offset)
        calls.append(offset)
        if len(calls) > 1:
            return data
        return data[: middle.offset - offset] + bytes(middle.end - middle.offset) + data[middle.end - offset :]

    monkeypatch.setattr(reading, "_read_from", racing)
    raced = reader(tmp_path).read(ref)
    os.close(fd)
    assert raced is not None
    assert len(calls) == 2
    assert (raced.scan.damage, seqs(raced.scan.frames)) == ((), seqs(whole.scan.frames))


def test_a_live_segment_is_followed(tmp_path: Path) -> None:
    """Reading on from the last offset yields only what is new; while the lock is held the segment is not finished."""
    segment = SegmentBytes().batch((1, 2)).zeros(4096)
    path = segment.save(tmp_path)
    fd = held(path)
    (ref,) = reader(tmp_path).segments(writer_id(1))
    first = reader(tmp_path).read(ref)
    assert first is not None
    nothing = reader(tmp_path).read(ref, first.scan.valid_bytes)
    segment.data = segment.data[:-4096]
    os.pwrite(fd, segment.batch((3, 1)).data, 0)
    second = reader(tmp_path).read(ref, first.scan.valid_bytes)
    os.close(fd)
    third = reader(tmp_path).read(ref, first.scan.valid_bytes)
    assert nothing is not None
    assert second is not None
    assert third is not None
    assert [seqs(read.scan.frames) for read in (first, nothing, second, third)] == [[1, 2], [], [3], [3]]
    assert [read.finished for read in (first, nothing, second, third)] == [False, False, False, True]
    assert third.abandoned


def test_a_trailer_finishes_a_segment_whoever_holds_its_lock(tmp_path: Path) -> None:
    """A segment that says that it is complete is finished, and not left behind."""
    path = SegmentBytes().batch((1, 1)).end(FrameKind.ROTATED, 2).save(tmp_path)
    fd = held(path)
    (ref,) = reader(tmp_path).segments(writer_id(1))
    read = reader(tmp_path).read(ref)
    os.close(fd)
    assert read is not None
    assert (read.free, read.finished, read.abandoned) == (False, True, False)


def test_asking_for_a_lock_does_not_keep_a_writer_out(tmp_path: Path) -> None:
    """Looking at a segment leaves its lock as it was."""
    path = SegmentBytes().save(tmp_path)
    (ref,) = reader(tmp_path).segments(writer_id(1))
    assert reader(tmp_path).is_free(ref)
    fd = held(path)
    assert not reader(tmp_path).is_free(ref)
    os.close(fd)


def test_a_segment_that_vanished_is_no_error(tmp_path: Path) -> None:
    """It was removed after its rows were committed."""
    gone = SegmentRef(writer_id(1), 1, tmp_path / "gone.wal")
    assert reader(tmp_path).read(gone) is None
    assert reader(tmp_path).is_free(gone)


def test_a_segment_under_another_name_is_refused(tmp_path: Path) -> None:
    """A file says which segment of whom it is; one that was moved or swapped is not believed."""
    path = SegmentBytes(3).batch((1, 1)).save(tmp_path)
    path.rename(path.with_name("00000004.wal"))
    (ref,) = reader(tmp_path).segments(writer_id(1))
    with pytest.raises(IntegrityError, match="another segment"):
        reader(tmp_path).read(ref)


def test_a_disk_that_does_not_read_is_said_to(tmp_path: Path) -> None:
    """An error of the disk is an error of storage, not an empty segment."""
    ref = SegmentRef(writer_id(1), 1, tmp_path)
    with pytest.raises(StorageUnavailable, match="cannot be read"):
        reader(tmp_path).read(ref)


def test_the_newest_record_of_a_decision_is_found(tmp_path: Path) -> None:
    """Among several records of one decision the last written one counts, and rows without a record do not."""
    rows = [span(1, b"answered"), span(2, b""), span(3, b"withheld", decision_id=decision(1))]
    SegmentBytes().raw(1, 3, encode_spans(rows)).zeros(100).save(tmp_path)
    assert reader(tmp_path).find(decision(1)) == b"withheld"
    assert reader(tmp_path).find(decision(2)) is None


def test_damage_does_not_stop_a_search(tmp_path: Path) -> None:
    """Segments and frames that cannot be read are passed over: the others are still searched."""
    SegmentBytes(1).raw(1, 1, encode_spans([span(1, b"envelope")])).save(tmp_path)
    bad = SegmentBytes(2).raw(2, 1, encode_spans([span(1, b"newer")]))
    bad.data = flipped(bad.data, 8 * 20)
    bad.save(tmp_path)
    SegmentBytes(3).raw(3, 7, encode_spans([span(1, b"count is wrong")])).save(tmp_path)
    assert reader(tmp_path).find(decision(1)) == b"envelope"


def test_a_search_that_may_not_look_everywhere_says_so(tmp_path: Path) -> None:
    """Newest segments first, no more bytes than the configuration allows; what is behind that is not said to be missing."""
    for number in (1, 2, 3):
        SegmentBytes(number).raw(number, 1, encode_spans([span(number, b"r")])).zeros(MIB).save(tmp_path)
    bounded = WalReader(tmp_path, 2 * MIB)
    assert [bounded.find(decision(number)) for number in (2, 3)] == [b"r", b"r"]
    with pytest.raises(StorageUnavailable, match="lookup_max_bytes"):
        bounded.find(decision(1))


async def test_a_search_spends_nothing_on_preallocated_space(tmp_path: Path) -> None:
    """Empty reserves of many writers are not read: a decision behind them is found within a bound they would exceed."""
    config = SMALL.model_copy(update={"segment_bytes": MIB})
    wals = [WalWriter(tmp_path, identity(number), config) for number in range(1, 5)]
    await wals[0].append(1, builder(1, b"envelope"))
    assert WalReader(tmp_path, MIB).find(decision(1)) == b"envelope"
    assert WalReader(tmp_path, MIB).find(decision(99)) is None
    for wal in wals:
        await asyncio.to_thread(wal.close)


def test_writers_younger_than_the_decision_are_searched_last(tmp_path: Path) -> None:
    """They are not likely to have it; yet a clock that stepped back does not make a decision unfindable."""
    for number in (1, 5, 9):
        segment = SegmentBytes(1, writer_id(number))
        segment.raw(1, 1, encode_spans([span(number, b"r", decision_id=decision(6 if number < 9 else 2))]))
        segment.zeros(MIB).save(tmp_path)
    assert WalReader(tmp_path, 1).find(decision(6)) == b"r", "found in the first segment that was looked at"
    assert reader(tmp_path).find(decision(2)) == b"r", "made under a clock that had been stepped back"


@pytest.mark.parametrize("broken", ["segment", "writer", "root"])
def test_a_search_on_a_bad_disk_is_no_answer(tmp_path: Path, broken: str) -> None:
    """What cannot be read is an error of storage, never a raw one and never "there is none"."""
    SegmentBytes(1, writer_id(1)).save(tmp_path)
    if broken == "segment":
        (tmp_path / writer_id(1) / "00000002.wal").mkdir()
    if broken == "writer":
        (tmp_path / writer_id(1)).rename(tmp_path / "moved")
        (tmp_path / writer_id(1)).symlink_to(tmp_path / writer_id(1))
    root = tmp_path / writer_id(1) / "00000001.wal" if broken == "root" else tmp_path
    with pytest.raises(StorageUnavailable):
        reader(root).find(decision(1))


def test_a_segment_of_another_format_is_not_searched_in_silence(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whether a decision is in there nobody here can tell."""
    with monkeypatch.context() as newer:
        newer.setattr(frames, "FORMAT_VERSION", 2)
        SegmentBytes(1).save(tmp_path)
    with pytest.raises(StorageUnavailable, match="use the version that wrote it"):
        reader(tmp_path).find(decision(1))


async def test_a_gateway_finds_decisions_in_log_and_table(tmp_path: Path) -> None:
    """A decision is found from the moment it is durable, while it is in the log and after it moved to the table."""
    wal = WalWriter(tmp_path / "wal", identity(), SMALL)
    lookup, _ = open_lookup(tmp_path, SMALL, Authority().trust)
    await wal.append(1, builder(1, b"in the log"))
    assert lookup.find(decision(1)) == b"in the log"
    await asyncio.to_thread(wal.close)
    SpanTable(tmp_path / "spans", 10).append([Rows("W", 1, 1, [span(9, b"in the table")])], {"W": 1}, 0)
    assert lookup.find(decision(9)) == b"in the table"
    assert lookup.find(decision(5)) is None
