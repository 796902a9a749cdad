"""The write-ahead log: durable before anybody is told, in order, without a gap, and honest when the disk fails."""

import asyncio
import errno
import threading
from collections.abc import Callable
from pathlib import Path

import pytest

from actors.base.canonical import canonical_json
from actors.base.errors import HomeError, StorageUnavailable
from actors.base.locks import is_free
from actors.spans.adapters.reader import WalReader
from actors.spans.adapters.segments import Disk, OpenSegment, SegmentReserve, create_segment
from actors.spans.adapters.wal import WalWriter
from actors.spans.config import KIB, MIB
from actors.spans.frames import FrameKind
from actors.spans.span import Span
from tests.shells.actors.spans.adapters.disks import Faults, opened, reads, rows, settled, until
from tests.unit.actors.spans.telemetry import SMALL, Recorder, builder, identity, seqs, span, spans_from, writer_id

BIG = bytes(12 * KIB)


async def test_what_is_acknowledged_is_durable_and_in_order(tmp_path: Path) -> None:
    """Every append gets its own numbers; after it returns the rows are synced and a reader finds exactly them."""
    async with opened(tmp_path) as wal:
        await wal.append(2, builder(2))
        assert wal.durable_seq == 2
        await asyncio.gather(*(wal.append(count, builder(count)) for count in (1, 3, 2)))
        assert rows(tmp_path) == spans_from(1, 8)
        assert not reads(tmp_path)[0].finished
    assert (wal.counters.emitted_spans, wal.counters.frames, wal.durable_seq) == (8, 4, 8)
    assert sum(wal.counters.fsync_buckets) == wal.counters.fsyncs > 1


async def test_a_segment_says_who_wrote_it(tmp_path: Path) -> None:
    """The header carries the writer's id and certificate, and checksums that differ from segment to segment."""
    async with opened(tmp_path) as wal:
        await wal.append(1, builder(1))
    header = reads(tmp_path)[0].header
    assert (header.writer_id, header.number) == (writer_id(1), 1)
    assert header.certificate == canonical_json(wal.identity.certificate)
    assert header.nonce != bytes(16)


async def test_nobody_is_told_before_the_sync(tmp_path: Path) -> None:
    """An append whose bytes are not yet synced is not done."""
    faults = Faults()
    async with opened(tmp_path, faults) as wal:
        faults.gate.clear()
        task = asyncio.ensure_future(wal.append(1, builder(1)))
        done, _ = await asyncio.wait({task}, timeout=0.05)
        assert not done
        assert wal.durable_seq == 0
        faults.gate.set()
        await task
        assert wal.durable_seq == 1


async def test_a_cancelled_waiter_takes_nothing_back(tmp_path: Path) -> None:
    """Cancelling one that waits neither loses nor reorders its rows or anybody's."""
    faults = Faults()
    async with opened(tmp_path, faults) as wal:
        faults.gate.clear()
        tasks = [asyncio.ensure_future(wal.append(1, builder(1))) for _ in range(6)]
        await asyncio.sleep(0)
        for task in tasks[1::2]:
            task.cancel()
        faults.gate.set()
        results = await asyncio.gather(*tasks, return_exceptions=True)
        await wal.append(1, builder(1))
    assert [isinstance(result, asyncio.CancelledError) for result in results] == [False, True] * 3
    assert rows(tmp_path) == spans_from(1, 7)


async def test_what_fails_before_it_is_queued_consumes_no_number(tmp_path: Path) -> None:
    """A builder that raises, breaks its word, or builds what no log takes leaves the sequence as it was."""

    def fails(first_seq: int) -> list[Span]:
        raise LookupError("no such thing")

    async with opened(tmp_path) as wal:
        with pytest.raises(LookupError):
            await wal.append(1, fails)
        with pytest.raises(ValueError, match="3 rows were announced and 2 built"):
            await wal.append(3, builder(2))
        with pytest.raises(ValueError, match="ids take"):
            await wal.append(1, lambda seq: [span(seq, span_id=b"short")])
        with pytest.raises(StorageUnavailable, match="max_frame_bytes"):
            await wal.append(1, builder(1, bytes(17 * KIB)))
        await wal.append(1, builder(1))
        assert (wal.durable_seq, wal.queued_bytes) == (1, 0)
    assert rows(tmp_path) == [span(1)]


async def test_a_full_queue_refuses(tmp_path: Path) -> None:
    """When the disk is slower than the callers, appends are refused at the bound, and taken again after it."""
    faults = Faults()
    async with opened(tmp_path, faults, SMALL.model_copy(update={"queue_max_bytes": 20 * KIB})) as wal:
        faults.gate.clear()
        tasks = [asyncio.ensure_future(wal.append(1, builder(1, BIG))) for _ in range(4)]
        await asyncio.sleep(0)
        assert wal.unavailable_because
        faults.gate.set()
        results = await asyncio.gather(*tasks, return_exceptions=True)
        assert [str(result) for result in results] == ["None", "None", *["the log takes nothing: wal queue full"] * 2]
        assert not wal.unavailable_because
        await wal.append(1, builder(1, BIG))
        assert (wal.counters.refused, wal.durable_seq) == (2, 3)
    assert len(rows(tmp_path)) == 3


async def test_a_full_segment_is_followed_by_the_next(tmp_path: Path) -> None:
    """Rotation marks the old segment, goes on in the reserve, and never lets go of the last lock."""
    async with opened(tmp_path) as wal:
        for _ in range(20):
            await wal.append(1, builder(1, BIG))
        found = reads(tmp_path)
        assert len(found) >= 4
        assert all(read.scan.frames[-1].kind is FrameKind.ROTATED for read in found[:-1])
        assert [read.finished for read in found[-1:]] == [False]
    assert reads(tmp_path)[-1].scan.frames[-1].kind is FrameKind.CLOSED
    assert len(rows(tmp_path)) == 20
    assert wal.counters.emitted_spans == 20


async def test_a_batch_that_spans_two_segments_is_written_whole(tmp_path: Path) -> None:
    """What does not fit into a segment any more is written into the next at once, not with somebody's next append."""
    faults = Faults()
    async with opened(tmp_path, faults) as wal:
        faults.gate.clear()
        tasks = [asyncio.ensure_future(wal.append(1, builder(1, BIG))) for _ in range(8)]
        await asyncio.sleep(0)
        faults.gate.set()
        async with asyncio.timeout(60):
            await asyncio.gather(*tasks)
        assert len(reads(tmp_path)) == 2
    assert len(rows(tmp_path)) == 8


async def test_closing_leaves_only_finished_segments(tmp_path: Path) -> None:
    """A closed log holds no reserve, no half-made file, no lock; and takes no more."""
    async with opened(tmp_path) as wal:
        await wal.append(1, builder(1))
        await until(lambda: wal.reserve_depth == 1)
    assert [path.name for path in (tmp_path / writer_id(1)).iterdir()] == ["00000001.wal"]
    assert reads(tmp_path)[0].free
    assert reads(tmp_path)[0].scan.ended
    with pytest.raises(StorageUnavailable, match="closed"):
        await wal.append(1, builder(1))


async def test_closing_makes_the_queue_durable_first(tmp_path: Path) -> None:
    """What was queued when the log is closed is written before the trailer."""
    faults = Faults()
    wal = WalWriter(tmp_path, identity(), SMALL, faults.disk)
    faults.gate.clear()
    tasks = [asyncio.ensure_future(wal.append(1, builder(1))) for _ in range(5)]
    await asyncio.sleep(0)
    closing = asyncio.ensure_future(asyncio.to_thread(wal.close))
    faults.gate.set()
    await asyncio.gather(*tasks, closing)
    assert rows(tmp_path) == spans_from(1, 5)
    assert reads(tmp_path)[0].scan.ended


async def test_short_writes_are_gone_on_with(tmp_path: Path) -> None:
    """A disk that takes a few bytes at a time still gets all of them."""
    faults = Faults()
    async with opened(tmp_path, faults) as wal:
        faults.write_at_most = 7
        await asyncio.gather(wal.append(2, builder(2)), wal.append(1, builder(1)))
        faults.write_at_most = None
    assert rows(tmp_path) == spans_from(1, 3)


@pytest.mark.parametrize("fault", ["bad_syncs", "bad_writes"])
async def test_a_segment_that_failed_once_is_never_trusted_again(tmp_path: Path, fault: str) -> None:
    """After one failed write or sync the same rows go to another segment under the same numbers; nobody notices."""
    faults = Faults()
    async with opened(tmp_path, faults) as wal:
        await wal.append(1, builder(1))
        await until(lambda: wal.reserve_depth == 1)
        setattr(faults, fault, 1)
        await wal.append(2, builder(2))
        await wal.append(1, builder(1))
        assert (wal.counters.failed_segments, wal.counters.refused) == (1, 0)
        first, second = reads(tmp_path)
        assert 1 in seqs(first.scan.frames)
        assert seqs(second.scan.frames) == [2, 3, 4]
    assert rows(tmp_path) == spans_from(1, 4)


async def test_a_segment_without_anything_acknowledged_is_removed_when_it_fails(tmp_path: Path) -> None:
    """Segments that never held a durable row do not pile up on a failing disk."""
    faults = Faults()
    async with opened(tmp_path, faults) as wal:
        await until(lambda: wal.reserve_depth == 1)
        faults.bad_writes = 1
        await wal.append(1, builder(1))
        assert not (tmp_path / writer_id(1) / "00000001.wal").exists()
    assert rows(tmp_path) == [span(1)]


async def test_a_disk_that_keeps_failing_is_said_to_and_recovered_from(tmp_path: Path) -> None:
    """While storage fails every append is refused; when it works again the kept rows go first, and numbers go on."""
    faults = Faults()
    async with opened(tmp_path, faults) as wal:
        await wal.append(1, builder(1))
        await until(lambda: wal.reserve_depth == 1)
        faults.bad_writes = 10_000
        waiting = [asyncio.ensure_future(wal.append(1, builder(1))) for _ in range(3)]
        results = await asyncio.gather(*waiting, return_exceptions=True)
        assert {type(result) for result in results} == {StorageUnavailable}
        with pytest.raises(StorageUnavailable, match="Input/output error"):
            await wal.append(1, builder(1))
        assert wal.unavailable_because
        assert wal.durable_seq == 1
        faults.bad_writes = 0
        await until(lambda: not wal.unavailable_because)
        await wal.append(1, builder(1))
        assert (wal.durable_seq, wal.queued_bytes) == (5, 0)
    assert rows(tmp_path) == spans_from(1, 5)


async def test_no_space_refuses_and_recovers_by_itself(tmp_path: Path) -> None:
    """The reserve carries on while it lasts; then appends are refused, until space is there again."""
    faults = Faults()
    async with opened(tmp_path, faults) as wal:
        await until(lambda: wal.reserve_depth == 1)
        faults.full = True
        results = [await settled(wal.append(1, builder(1, BIG))) for _ in range(20)]
        taken = results.count("durable")
        assert results[taken:] == ["No space left on device" in result and result for result in results[taken:]]
        assert 8 <= taken <= 10, "two segments of five frames at most"
        assert wal.durable_seq == taken
        faults.full = False
        await until(lambda: not wal.unavailable_because)
        await wal.append(1, builder(1))
    assert len(rows(tmp_path)) == taken + 2, "the refused row was kept, and became durable when there was space"


async def test_a_backlog_goes_out_in_bounded_batches(tmp_path: Path) -> None:
    """More frames than one system call takes pile up while the disk fails; they are written all the same, in order."""
    faults = Faults()
    async with opened(tmp_path, faults, SMALL.model_copy(update={"segment_bytes": MIB})) as wal:
        await until(lambda: wal.reserve_depth == 1)
        faults.gate.clear()
        faults.bad_writes = 2
        tasks = [asyncio.ensure_future(wal.append(1, builder(1))) for _ in range(1500)]
        await asyncio.sleep(0)
        faults.gate.set()
        results = await asyncio.gather(*tasks, return_exceptions=True)
        await until(lambda: not wal.unavailable_because and wal.durable_seq == 1500)
        assert any(isinstance(result, StorageUnavailable) for result in results)
    assert rows(tmp_path) == spans_from(1, 1500)


async def test_a_disk_that_recovers_while_the_log_closes_gets_everything(tmp_path: Path) -> None:
    """Closing waits for storage up to its timeout: kept rows and the trailer are written if it comes back."""
    faults = Faults()
    wal = WalWriter(tmp_path, identity(), SMALL, faults.disk)
    await wal.append(1, builder(1))
    await until(lambda: wal.reserve_depth == 1)
    faults.bad_writes = 10**9
    with pytest.raises(StorageUnavailable):
        await wal.append(1, builder(1))
    closing = asyncio.ensure_future(asyncio.to_thread(wal.close))
    left = faults.bad_writes
    await until(lambda: faults.bad_writes < left - 4)
    faults.bad_writes = 0
    await closing
    assert rows(tmp_path) == spans_from(1, 2)
    assert reads(tmp_path)[-1].scan.ended


async def test_closing_while_storage_fails_ends(tmp_path: Path) -> None:
    """A log that cannot write is closed within its timeout, without a trailer that would claim that all is there."""
    faults = Faults()
    wal = WalWriter(tmp_path, identity(), SMALL.model_copy(update={"close_timeout_s": 0.1}), faults.disk)
    await wal.append(1, builder(1))
    faults.bad_writes = 10**9
    with pytest.raises(StorageUnavailable):
        await wal.append(1, builder(1))
    await asyncio.to_thread(wal.close)
    read = reads(tmp_path)[0]
    assert read.abandoned
    assert seqs(read.scan.frames) == [1]


def test_a_log_that_cannot_be_opened_says_so(tmp_path: Path) -> None:
    """No space for the first segment is an error of storage, and leaves nothing that looks like a log."""
    faults = Faults()
    faults.full = True
    with pytest.raises(StorageUnavailable, match="No space left"):
        WalWriter(tmp_path, identity(), SMALL, faults.disk)
    assert list(tmp_path.iterdir()) == []
    faults.full = False
    WalWriter(tmp_path, identity(), SMALL, faults.disk).close()


def test_a_writer_id_is_used_once(tmp_path: Path) -> None:
    """Two incarnations never share a directory."""
    WalWriter(tmp_path, identity(), SMALL).close()
    with pytest.raises(HomeError, match="used by one process once"):
        WalWriter(tmp_path, identity(), SMALL)


async def test_a_hanging_disk_is_noticed_by_its_silence(tmp_path: Path) -> None:
    """No error comes from a disk that hangs: the age of what waits tells, appends are refused, and taken again after."""
    now, faults = [100.0], Faults()
    wal = WalWriter(tmp_path, identity(), SMALL, faults.disk, lambda: now[0])
    faults.gate.clear()
    waiting = asyncio.ensure_future(wal.append(1, builder(1)))
    await asyncio.sleep(0)
    now[0] += SMALL.stall_after_ms / 1000
    assert wal.unavailable_because == ""
    now[0] += 0.1
    assert wal.unavailable_because == "the disk has not answered for 2.1 s"
    with pytest.raises(StorageUnavailable, match="has not answered"):
        await wal.append(1, builder(1))
    faults.gate.set()
    await waiting
    assert wal.unavailable_because == ""
    await wal.append(1, builder(1))
    now[0] += 3600
    assert wal.unavailable_because == "", "nothing waits: silence means nothing"
    await asyncio.to_thread(wal.close)
    assert rows(tmp_path) == spans_from(1, 2)


async def test_a_dead_writer_thread_is_said_to(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever ends the thread, those who wait are told, appends are refused with the cause, and ``alive`` is false."""
    async with opened(tmp_path) as wal:
        await wal.append(1, builder(1))
        assert wal.alive
        monkeypatch.setattr(wal, "_group_commit", lambda: (_ for _ in ()).throw(MemoryError("no memory")))
        async with asyncio.timeout(60):
            with pytest.raises(StorageUnavailable, match="MemoryError"):
                await wal.append(1, builder(1))
        await until(lambda: not wal.alive)
        assert "MemoryError" in wal.unavailable_because
        with pytest.raises(StorageUnavailable, match="MemoryError"):
            await wal.append(1, builder(1))
    assert rows(tmp_path) == [span(1)]
    assert reads(tmp_path)[0].abandoned, "it does not claim that all is there"


async def test_a_dead_reserve_thread_is_said_to(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What the reserve still holds is used; then appends are refused with what ended its thread."""
    async with opened(tmp_path, config=SMALL.model_copy(update={"close_timeout_s": 0.05})) as wal:
        await until(lambda: wal.reserve_depth == 1)
        monkeypatch.setattr(wal._reserve, "_create", lambda: (_ for _ in ()).throw(MemoryError("no memory")))
        results = [await settled(wal.append(1, builder(1, BIG))) for _ in range(12)]
        assert results[5:8] == ["durable"] * 3
        assert "MemoryError" in results[-1]
        assert not wal.alive


def test_waiting_for_a_segment_is_bounded() -> None:
    """A disk that hangs while it preallocates does not hold the writer's thread for ever."""
    gate = threading.Event()

    def create() -> OpenSegment:
        gate.wait()
        raise OSError(errno.EIO, "Input/output error")

    reserve = SegmentReserve(create, 1, retry_s=0.001, wait_s=0.01)
    with pytest.raises(OSError, match=r"no segment was ready within 0.01 s"):
        reserve.take()
    gate.set()
    reserve.close()


async def test_a_segment_is_named_only_after_it_is_durable(tmp_path: Path) -> None:
    """Its bytes, then its name, then the directory; the writer's directory likewise, before anything is acknowledged."""
    recorder = Recorder(tmp_path)
    wal = WalWriter(tmp_path / "wal", identity(), SMALL, recorder.disk)
    await until(lambda: wal.reserve_depth == 1)
    await asyncio.to_thread(wal.close)
    me, unborn = f"wal/{writer_id(1)}", f"wal/.{writer_id(1)}.new"
    first = [("data", f"{unborn}/.00000001.new"), ("rename", f"{unborn}/00000001.wal"), ("directory", unborn)]
    second = [("data", f"{me}/.00000002.new"), ("rename", f"{me}/00000002.wal"), ("directory", me)]
    opened_last = [("rename", me), ("directory", "wal"), ("directory", ".")]
    assert recorder.calls[:9] == [*first, *opened_last, *second]


@pytest.mark.parametrize("call", ["rename", "sync_directory"])
async def test_a_log_that_could_not_be_opened_leaves_nothing(tmp_path: Path, call: str) -> None:
    """Neither a directory nor a lock: the same writer may open it once the disk is well again."""
    honest, left = getattr(Disk(), call), [1]

    def fails_late(*given: Path) -> None:
        if tmp_path in {given[0], *(path.parent for path in given[1:])} and left.pop():
            raise OSError(errno.EROFS, "Read-only file system")
        honest(*given)

    root = tmp_path / "wal" if call == "sync_directory" else tmp_path
    with pytest.raises(StorageUnavailable, match="Read-only"):
        WalWriter(root, identity(), SMALL, Disk(**{call: fails_late}))
    assert list(root.iterdir()) == []
    wal = WalWriter(root, identity(), SMALL)
    await wal.append(1, builder(1))
    await asyncio.to_thread(wal.close)


async def test_a_reserve_that_cannot_be_removed_keeps_no_log_from_being_closed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """On a read-only disk it stays, unused, and nobody holds a lock any more."""
    wal = WalWriter(tmp_path, identity(), SMALL)
    await wal.append(1, builder(1))
    await until(lambda: wal.reserve_depth == 1)
    with monkeypatch.context() as patch:
        patch.setattr(Path, "unlink", raising(errno.EROFS))
        await asyncio.to_thread(wal.close)
    reader = WalReader(tmp_path, 1 << 20)
    assert [reader.is_free(ref) for ref in reader.segments(writer_id(1))] == [True, True]


def test_a_segment_whose_making_failed_is_nobody_s_though_it_cannot_be_removed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A lock that nobody lets go of would keep the writer's log for as long as its process lives."""
    disk = Disk(sync_directory=raising(errno.EROFS))
    with monkeypatch.context() as patch:
        patch.setattr(Path, "unlink", raising(errno.EROFS))
        with pytest.raises(OSError, match="refused"):
            create_segment(tmp_path, 2, b"header", 1, 4096, disk)
    (left,) = tmp_path.iterdir()
    with left.open("rb") as file:
        assert is_free(file.fileno())


def raising(error: int) -> Callable[..., None]:
    """Return a call that the disk refuses."""

    def refused(*_: object, **__: object) -> None:
        raise OSError(error, "refused")

    return refused
