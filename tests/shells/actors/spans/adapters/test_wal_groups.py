"""Which frames are made durable together."""

import asyncio
import threading
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from actors.spans.adapters.wal import WalWriter
from tests.shells.actors.spans.adapters.disks import Faults, opened, until
from tests.unit.actors.spans.telemetry import SMALL, builder, identity


async def test_appends_that_wait_together_share_one_sync(tmp_path: Path) -> None:
    """While the disk is busy everything queues, and the next sync covers it all."""
    faults = Faults()
    async with opened(tmp_path, faults) as wal:
        faults.gate.clear()
        tasks = [asyncio.ensure_future(wal.append(1, builder(1))) for _ in range(50)]
        await asyncio.sleep(0)
        faults.gate.set()
        await asyncio.gather(*tasks)
        assert wal.counters.fsyncs <= 2
        assert wal.counters.frames == 50


class Pause:
    """A pause that lasts until it is let end."""

    def __init__(self) -> None:
        self.taken: list[float] = []
        self.end = threading.Event()

    def __call__(self, seconds: float) -> None:
        """Take note, and wait."""
        self.taken.append(seconds)
        assert self.end.wait(60)


@asynccontextmanager
async def pausing(root: Path, pause: Pause, faults: Faults) -> AsyncIterator[WalWriter]:
    """Open a log that pauses so, and close it afterwards."""
    wal = WalWriter(root, identity(), SMALL, faults.disk, pause=pause)
    try:
        yield wal
    finally:
        await asyncio.to_thread(wal.close)


async def test_a_frame_is_given_the_company_of_those_on_their_way(tmp_path: Path) -> None:
    """Where five others are coming it waits a moment, once, and one sync covers them all."""
    pause = Pause()
    async with pausing(tmp_path, pause, Faults()) as wal:
        wal.coming = lambda: 6
        first = asyncio.ensure_future(wal.append(1, builder(1)))
        await until(lambda: pause.taken != [])
        others = [asyncio.ensure_future(wal.append(1, builder(1))) for _ in range(5)]
        await asyncio.sleep(0)
        assert not first.done()
        pause.end.set()
        await asyncio.gather(first, *others)
        assert (wal.counters.fsyncs, wal.counters.frames, wal.counters.group_waits) == (1, 6, 1)
    assert pause.taken == [SMALL.group_wait_us / 1e6]


async def test_a_frame_with_few_others_on_their_way_waits_for_nobody(tmp_path: Path) -> None:
    """Four are too few, and those that are there already are on their way no longer."""
    pause, faults = Pause(), Faults()
    pause.end.set()
    async with pausing(tmp_path, pause, faults) as wal:
        wal.coming = lambda: 5
        await wal.append(1, builder(1))
        faults.gate.clear()
        tasks = [asyncio.ensure_future(wal.append(1, builder(1)))]
        await until(lambda: wal._next_seq == 3 and wal._incoming.empty())
        tasks += [asyncio.ensure_future(wal.append(1, builder(1))) for _ in range(3)]
        await asyncio.sleep(0)
        wal.coming = lambda: 7
        faults.gate.set()
        await asyncio.gather(*tasks)
    assert pause.taken == []


async def test_a_batch_is_bounded(tmp_path: Path) -> None:
    """A group commit takes at most the configured number of frames."""
    faults = Faults()
    async with opened(tmp_path, faults, SMALL.model_copy(update={"batch_max_frames": 10})) as wal:
        faults.gate.clear()
        tasks = [asyncio.ensure_future(wal.append(1, builder(1))) for _ in range(50)]
        await asyncio.sleep(0)
        faults.gate.set()
        await asyncio.gather(*tasks)
        assert wal.counters.fsyncs >= 5
