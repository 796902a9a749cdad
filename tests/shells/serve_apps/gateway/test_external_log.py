"""The log of other services' rows on a real disk: beside that of decisions, with room of its own."""

import asyncio
import gc
import threading
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from msgspec.structs import replace as replace_row

from actors.base.canonical import canonical_json
from actors.base.errors import NotReady, StorageUnavailable
from actors.spans.adapters.reader import WalReader
from actors.spans.adapters.segments import Disk
from actors.spans.adapters.wal import WalWriter
from actors.spans.config import KIB, SpansConfig
from actors.spans.frames import encode_spans
from actors.spans.otlp.config import OtlpConfig
from actors.spans.otlp.mapping import frame_of, row_of
from actors.spans.span import Span
from serve_apps.gateway.external_log import ExternalLog, in_frames, row_bytes
from tests.shells.actors.spans.adapters.disks import Faults, opened, rows, until
from tests.unit.actors.spans.otlp.sent import pair, request, sent
from tests.unit.actors.spans.telemetry import SMALL, builder, identity

BOUNDS = OtlpConfig(max_span_bytes=8 * KIB, max_rows_bytes=64 * KIB, queue_max_bytes=128 * KIB, min_free_bytes=0)


def external(count: int, size: int = 0) -> list[Span]:
    """Return rows of another service."""
    message = request(*(sent(number=n + 1, attributes=[pair("a", "x" * size)]) for n in range(count))).resource_spans[0]
    around = frame_of(message, message.scope_spans[0])
    return [row_of(around, span, "key-1", "t-1") for span in message.scope_spans[0].spans]


def kept(home: Path, faults: Faults | None = None, spans: SpansConfig = SMALL, **more: Any) -> ExternalLog:
    """Return a log over a home."""
    disk: Disk = (faults or Faults()).disk

    def open_writer() -> WalWriter:
        return WalWriter(home / "wal", identity(2), spans, disk)

    made: dict[str, Any] = {"config": BOUNDS, "open_writer": open_writer} | more
    return ExternalLog(home, spans=spans, **made)


async def refused(log: ExternalLog, spans: list[Span]) -> str:
    """Append rows that are refused; return why."""
    with pytest.raises(StorageUnavailable) as why:
        await log.append(spans)
    return str(why.value)


async def test_rows_are_durable_in_a_log_of_their_own(tmp_path: Path) -> None:
    """Opened when the first come; they are there when the call returns."""
    log = kept(tmp_path)
    assert (log.alive, log.writer_id, log.queued_bytes, (tmp_path / "wal").exists()) == (True, "", 0, False)
    await asyncio.gather(log.append(external(2)), log.append(external(3)))
    assert len(rows(tmp_path / "wal")) == 5
    assert [path.name for path in (tmp_path / "wal").iterdir()] == [log.writer_id]
    await log.close()


async def test_a_disk_that_hangs_under_spans_holds_up_no_decision(tmp_path: Path) -> None:
    """Their queue fills and refuses; decisions are durable all the while, in the log beside it."""
    faults = Faults()
    log = kept(tmp_path, faults, SMALL.model_copy(update={"stall_after_ms": 60_000}))
    await log.append(external(1))
    faults.gate.clear()
    async with opened(tmp_path / "wal") as decisions:
        waiting = [asyncio.create_task(log.append(external(10, 4000))) for _ in range(2)]
        await until(lambda: log.queued_bytes > 70 * KIB)
        assert "queue" in await refused(log, external(14, 4000))
        for _ in range(20):
            await decisions.append(1, builder(1))
        assert decisions.counters.emitted_spans == 20
        assert not any(task.done() for task in waiting)
        faults.gate.set()
        await asyncio.gather(*waiting)
        await log.append(external(10, 4000))
    await log.close()


async def test_what_does_not_become_durable_in_time_is_refused(tmp_path: Path) -> None:
    """The sender keeps its spans; its rows may still come."""
    faults = Faults()
    log = kept(tmp_path, faults, SMALL.model_copy(update={"stall_after_ms": 50}))
    await log.append(external(1))
    faults.gate.clear()
    assert "in time" in await refused(log, external(1))
    faults.gate.set()
    await until(lambda: log.queued_bytes == 0)
    await log.append(external(1))
    await log.close()
    assert len(rows(tmp_path / "wal")) == 3


async def test_space_that_decisions_need_is_not_taken(tmp_path: Path) -> None:
    """Looked at once a second: rows are refused while too little is free, and taken when there is again."""
    now, free = [0.0], [10]
    log = kept(
        tmp_path, config=BOUNDS.model_copy(update={"min_free_bytes": 11}), monotonic=lambda: now[0],
        free_bytes=lambda _: free[0],
    )  # fmt: skip
    assert "are for decisions" in await refused(log, external(1))
    assert "are for decisions" in log.unavailable_because
    free[0] = 11
    await refused(log, external(1))
    now[0] = 1.0
    await log.append(external(1))
    assert log.unavailable_because == ""
    await log.close()


async def test_rows_that_nobody_takes_into_the_table_are_bounded(tmp_path: Path) -> None:
    """While the span actor is behind, the log grows up to its bound and no further."""
    now = [0.0]
    log = kept(
        tmp_path, config=BOUNDS.model_copy(update={"max_backlog_bytes": 2 * SMALL.segment_bytes}), monotonic=lambda: now[0]
    )  # fmt: skip
    written = 0

    async def write_on() -> None:
        nonlocal written
        while written < 100:
            now[0] += 1.0
            await log.append(external(10, 4000))
            written += 1

    with pytest.raises(StorageUnavailable, match="span actor is behind"):
        await write_on()
    assert 4 <= written <= 8
    directory = tmp_path / "wal" / log.writer_id
    assert sum(path.stat().st_size for path in directory.iterdir()) <= 6 * SMALL.segment_bytes
    oldest = sorted(directory.iterdir())[:2]
    for segment in oldest:  # as the span actor does once their rows are in the table
        segment.unlink()
    now[0] += 1.0
    await log.append(external(1))
    await log.close()


async def test_a_log_that_cannot_be_opened_is_tried_again(tmp_path: Path) -> None:
    """Whoever waits is told why; a caller that goes away while it is opened leaves it open for the next."""
    gate, tries = threading.Event(), list[int]()

    def open_writer() -> WalWriter:
        tries.append(1)
        if len(tries) == 1:
            raise NotReady("no issuer answered")
        gate.wait()
        return WalWriter(tmp_path / "wal", identity(2), SMALL)

    log = kept(tmp_path, open_writer=open_writer)
    with pytest.raises(NotReady, match="no issuer"):
        await log.append(external(1))
    leaving = asyncio.create_task(log.append(external(1)))
    await until(lambda: len(tries) == 2)
    leaving.cancel()
    await asyncio.gather(leaving, return_exceptions=True)
    gate.set()
    await log.append(external(1))
    assert len(tries) == 2
    await log.close()
    assert len(rows(tmp_path / "wal")) == 1


async def test_a_renewed_certificate_is_in_the_segments_that_follow(tmp_path: Path) -> None:
    """There is none to renew before there is a writer."""
    log = kept(tmp_path)
    log.identity = identity(2)
    assert (log.identity, log.seconds_left(0.0)) == (None, float("inf"))
    await log.append(external(1))
    first = log.identity
    assert first is not None
    assert log.seconds_left(600.0) == 3000.0
    renewed = replace(first, certificate=identity(3).certificate)
    log.identity = renewed
    for _ in range(6):
        await log.append(external(10, 4000))
    await log.close()
    reader = WalReader(tmp_path / "wal", 1 << 30)
    found = [read.header.certificate for ref in reader.segments(log.writer_id) if (read := reader.read(ref))]
    assert (found[0], found[-1]) == (canonical_json(first.certificate), canonical_json(renewed.certificate))


async def test_a_dead_writer_is_said_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The process is to be replaced: it takes no more spans."""
    log = kept(tmp_path)
    await log.append(external(1))
    writer: Any = log._writer
    monkeypatch.setattr(writer, "_group_commit", lambda: 1 / 0)
    assert "thread ended" in await refused(log, external(1))
    await until(lambda: not log.alive)
    assert "thread ended" in log.unavailable_because
    writer._reserve.close()
    writer._segment.close()
    log._thread.shutdown(wait=False)


async def test_what_fails_after_its_sender_is_gone_is_heard(tmp_path: Path) -> None:
    """A request that is cancelled between two frames leaves one on its way: its failure is no error that nobody retrieved."""
    log, unheard = kept(tmp_path), list[str]()
    await log.append(external(1))
    asyncio.get_running_loop().set_exception_handler(lambda _, context: unheard.append(context["message"]))
    reached = asyncio.Event()

    async def failing(*_: object) -> None:
        reached.set()
        await asyncio.sleep(0)
        raise StorageUnavailable("no space")

    assert log._writer is not None
    log._writer.append = failing  # type: ignore[method-assign]
    call = asyncio.create_task(log._write(log._writer, [external(1)] * 50, 1))
    await reached.wait()
    call.cancel()
    await asyncio.wait([call])
    for _ in range(4):
        await asyncio.sleep(0)
    assert call.cancelled()
    del call
    gc.collect()
    assert unheard == []
    del log._writer.append
    await log.close()


def test_rows_are_parted_into_frames_in_their_order() -> None:
    """None is larger than it may be, but a row that is so alone; what is said of a row's size is the most that it takes."""
    small, large = external(1)[0], external(1, 4000)[0]
    frames = in_frames([small, large, *[small] * 100], 4000)
    assert [len(frame) for frame in frames[:2]] == [1, 1]
    assert sum(map(len, frames)) == 102
    assert all(sum(map(row_bytes, frame)) <= 4000 for frame in frames if len(frame) > 1)
    assert all(len(encode_spans(frame)) <= sum(map(row_bytes, frame)) for frame in frames)
    named = replace_row(small, name="\U0001f600" * 1000, parent_span_id=b"p" * 8, sender="0" * 26, tenant="t" * 32)
    assert len(encode_spans([named])) <= row_bytes(named)
    assert in_frames([], 1) == []
