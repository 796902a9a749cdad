"""A log that counts what goes into it."""

import asyncio
from collections.abc import Callable

import pytest

from actors.base.errors import StorageUnavailable
from actors.spans import conventions as names
from actors.spans.counters import counted
from actors.spans.span import Span
from serve_apps.gateway.row_counts import CountedLog
from tests.unit.actors.spans.telemetry import builder


class Log:
    """A log that numbers rows, unless it refuses or hangs."""

    def __init__(self) -> None:
        self.rows: list[Span] = []
        self.refuses = self.hangs = False
        self.grew = asyncio.Event()
        """Set when counts were written."""

    async def append(self, rows: int, build: Callable[[int], list[Span]]) -> None:
        """Keep rows under the next numbers."""
        if self.hangs:
            await asyncio.Event().wait()
        spans = build(len(self.rows) + 1)
        if self.refuses:
            raise StorageUnavailable("full")
        assert len(spans) == rows
        self.rows += spans
        if spans[0].name == names.GATEWAY_COUNTERS:
            self.grew.set()


def counting(log: Log) -> CountedLog:
    """Return the log, counted."""
    return CountedLog(log, lambda: 5, 0.01, bytes)


async def test_what_was_written_is_told_once() -> None:
    """A row says how many rows are before it; a replica that wrote nothing since says nothing."""
    log = Log()
    rows = counting(log)
    await rows.tell()
    assert log.rows == []
    await rows.append(3, builder(3))
    for _ in range(2):
        await rows.tell()
    await rows.append(1, builder(1))
    await rows.tell()
    told = [(seq, counted(row).rows) for seq, row in enumerate(log.rows, 1) if row.name == names.GATEWAY_COUNTERS]
    assert told == [(4, 3), (6, 5)]


async def test_what_was_refused_does_not_count() -> None:
    """Neither rows nor counts; the next row of counts says what became durable."""
    log = Log()
    rows = counting(log)
    await rows.append(2, builder(2))
    log.refuses = True
    with pytest.raises(StorageUnavailable):
        await rows.append(5, builder(5))
    await rows.tell()
    log.refuses = False
    await rows.tell()
    assert [counted(row).rows for row in log.rows if row.name == names.GATEWAY_COUNTERS] == [2]


async def test_a_disk_that_hangs_holds_nobody_up(caplog: pytest.LogCaptureFixture) -> None:
    """A replica that ends waits so long and no longer."""
    log = Log()
    rows = counting(log)
    await rows.append(2, builder(2))
    log.hangs = True
    await rows.tell()
    assert "not written down" in caplog.text


async def test_who_is_ended_while_it_tells_tells_at_the_end() -> None:
    """Ending a replica cancels what follows its log, in whatever it is doing, and then writes the last counts."""
    log = Log()
    rows = CountedLog(log, lambda: 5, 60, bytes)
    await rows.append(2, builder(2))
    log.hangs = True
    task = asyncio.create_task(rows.tell())
    await asyncio.sleep(0)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    log.hangs = False
    await rows.tell()
    assert [counted(row).rows for row in log.rows if row.name == names.GATEWAY_COUNTERS] == [2]


async def test_it_is_told_again_and_again() -> None:
    """Every so often, until the task is ended."""
    log = Log()
    rows = counting(log)
    task = asyncio.create_task(rows.follow(0.001))
    for _ in range(2):
        log.grew.clear()
        await rows.append(1, builder(1))
        async with asyncio.timeout(10):
            await log.grew.wait()
    assert [row.name for row in log.rows].count(names.GATEWAY_COUNTERS) == 2
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
