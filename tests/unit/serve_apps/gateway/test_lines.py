"""Those that wait in one replica for one slot: one look for all of them, and bounds."""

import asyncio
from collections.abc import Callable

import pytest

from actors.admission.idempotency import Found, Slot
from actors.base.errors import DeadlineExceeded, Overloaded, StorageUnavailable
from serve_apps.gateway.lines import Line, Lines
from serve_apps.gateway.problems import SAME_KEY
from tests.unit.actors.consensus.world import until

SLOT, FAR_S = Slot("s", "me", "r"), 60.0
WAIT: Found = ("wait", None)


class World:
    """Lines whose slots hold what they are told to."""

    def __init__(self, pause_s: float = 0.001, max_waiting: int = 100, by_key: int = 100) -> None:
        self.found: Found | Exception = WAIT
        self.looks = 0
        self.may_end = asyncio.Event()
        self.may_end.set()
        self.lines = Lines(
            self._look, self.now_s, pause_s=pause_s, max_pause_s=4 * pause_s, max_waiting=max_waiting,
            max_waiting_by_key=by_key,
        )  # fmt: skip

    async def _look(self, line: Line) -> Found:
        self.looks += 1
        await self.may_end.wait()
        if isinstance(self.found, Exception):
            raise self.found
        return self.found

    @staticmethod
    def now_s() -> float:
        """Return the loop's time."""
        return asyncio.get_running_loop().time()

    def wait(self, slot: Slot = SLOT, for_s: float = FAR_S) -> "asyncio.Task[Found]":
        """Let one more wait."""

        async def waiting() -> Found:
            with self.lines.member(slot) as line:
                return await self.lines.wait(line, self.now_s() + for_s)

        return asyncio.create_task(waiting())

    async def seen(self, more: int) -> None:
        """Wait until there were more looks."""
        at_least = self.looks + more
        await until(lambda: self.looks >= at_least)


async def all_wait(
    world: World, number: int, slot: Callable[[int], Slot] = lambda _: SLOT
) -> "list[asyncio.Task[Found]]":
    """Let many wait."""
    tasks = [world.wait(slot(each)) for each in range(number)]
    await until(lambda: world.lines.waiting == number)
    return tasks


async def test_one_poll_goes_on_for_all_that_wait() -> None:
    """A hundred wait, one look is under way, and what it finds goes to everybody."""
    world = World()
    world.may_end.clear()
    tasks = await all_wait(world, 100)
    await world.seen(1)
    assert world.looks == 1
    world.found = ("replay", None)
    world.may_end.set()
    assert await asyncio.gather(*tasks) == [world.found] * 100
    assert (world.looks, world.lines.waiting) == (1, 0)


async def test_where_there_is_work_one_is_woken() -> None:
    """The one that waited longest; while somebody works nobody is."""
    world = World()
    tasks = await all_wait(world, 3)
    with world.lines.member(SLOT) as line:
        line.at_work, world.found = True, ("claim", None)
        await world.seen(3)
        assert world.lines.waiting == 3
        line.at_work = False
        assert await tasks[0] == ("claim", None)
        line.at_work = True
        assert [task.done() for task in tasks] == [True, False, False]
        world.found = ("mismatch", None)
        assert await asyncio.gather(*tasks[1:]) == [("mismatch", None)] * 2


async def test_so_many_wait_and_no_more() -> None:
    """By API key, and in all; who is refused is told to ask again, and who leaves makes room."""
    world = World(max_waiting=3, by_key=2)
    tasks = await all_wait(world, 2)
    with pytest.raises(Overloaded) as caught:
        await world.wait(Slot("t", "me", "r"))
    assert caught.value.details == SAME_KEY
    tasks.append(world.wait(Slot("s", "you", "r")))
    await until(lambda: world.lines.waiting == 3)
    with pytest.raises(Overloaded):
        await world.wait(Slot("s", "third", "r"))
    tasks[0].cancel()
    await until(lambda: world.lines.waiting == 2)
    tasks.append(world.wait())
    await until(lambda: world.lines.waiting == 3)
    world.found = ("replay", None)
    assert await asyncio.gather(*tasks[1:]) == [("replay", None)] * 3


async def test_nobody_waits_beyond_its_deadline() -> None:
    """A last look is taken just before, however long the poll pauses, and others wait on."""
    world = World(pause_s=0.05)
    patient = world.wait()
    await world.seen(2)  # by now it pauses longer than the other one waits
    before = world.looks
    with pytest.raises(DeadlineExceeded, match="ask again with the same key") as caught:
        await world.wait(for_s=0.06)
    assert caught.value.details == SAME_KEY
    assert world.looks > before
    assert not patient.done()
    world.found = ("replay", None)
    assert await patient == ("replay", None)


async def test_a_poll_that_fails_fails_for_all_that_wait() -> None:
    """Nobody is left waiting for it; the next one begins anew."""
    world = World()
    tasks = await all_wait(world, 5)
    world.found = StorageUnavailable("away")
    told = await asyncio.gather(*tasks, return_exceptions=True)
    assert [str(each) for each in told] == ["away"] * 5
    world.found = ("replay", None)
    assert await world.wait() == ("replay", None)


async def test_nothing_is_polled_for_nobody() -> None:
    """Who waited last ends the poll, and takes the line along."""
    world = World()
    (task,) = await all_wait(world, 1)
    with world.lines.member(SLOT) as line:
        polling = line.polling
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        assert polling is not None
        await asyncio.gather(polling, return_exceptions=True)
        assert polling.cancelled()
    with world.lines.member(SLOT) as another:
        assert another is not line


async def test_who_left_is_not_woken_in_anothers_place() -> None:
    """One that was cancelled at this very moment is passed over."""
    world = World()
    tasks = await all_wait(world, 2)
    with world.lines.member(SLOT) as line:
        tasks[0].cancel()
        next(iter(line.waiting)).cancel()
        line.wake_one(("claim", None))
        assert await tasks[1] == ("claim", None)


async def test_whoever_looks_at_the_same_time_shares_the_look() -> None:
    """One for all, also its error; the next one is another."""
    world = World()
    world.may_end.clear()
    with world.lines.member(SLOT) as line:
        looking = [asyncio.create_task(world.lines.look(line)) for _ in range(10)]
        await world.seen(1)
        looking.pop().cancel()
        world.found = StorageUnavailable("away")
        world.may_end.set()
        told = await asyncio.gather(*looking, return_exceptions=True)
        assert ([str(each) for each in told], world.looks) == (["away"] * 9, 1)
        world.found = WAIT
        assert (await world.lines.look(line), world.looks) == (WAIT, 2)
