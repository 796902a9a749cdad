"""The virtual loop: time jumps, order is kept, nothing is lost."""

import asyncio

import pytest

from cluster.simulation.loop import TICK_S, LateThread, VirtualLoop


def loop() -> VirtualLoop:
    """Return a loop at time 0."""
    return VirtualLoop()  # type: ignore[abstract]


def test_a_year_passes_at_once_and_in_order() -> None:
    """Timers run by their time, those of one time in the order they were asked for, and the clock says when."""
    told: list[tuple[str, float]] = []
    world = loop()
    for name, when in (("late", 3e7), ("first", 5.0), ("second", 5.0)):
        world.call_at(when, lambda name=name: told.append((name, world.time())))
    world.run(3.2e7)
    assert told == [("first", 5.0), ("second", 5.0), ("late", 3e7)]
    assert world.now_s == 3.2e7


def test_coroutines_of_production_sleep_time_out_and_are_cancelled() -> None:
    """``asyncio``'s own sleep, timeout, shield and cancellation mean what they mean."""
    told: list[str] = []

    async def work() -> None:
        try:
            async with asyncio.timeout(2.0):
                await asyncio.sleep(5.0)
        except TimeoutError:
            told.append("timed out")
        told.append(await asyncio.to_thread(lambda: "in place"))
        await asyncio.sleep(100.0)

    world = loop()
    task = world.create_task(work())
    world.call_at(10.0, task.cancel)
    world.run(20.0)
    assert told == ["timed out", "in place"]
    assert task.cancelled()


def test_a_cancelled_timer_never_fires_and_leaves_nothing() -> None:
    """What was called off is passed over."""
    world, told = loop(), []
    world.call_later(1.0, told.append, 1).cancel()
    assert world.is_idle
    world.run(5.0)
    assert told == []


def test_the_smallest_rest_of_a_deadline_passes() -> None:
    """A wait too short to change the time on the clock takes a tick, or who waits until it is over would wait for ever."""
    world = loop()
    world.now_s = 6e7
    world.call_later(1e-12, lambda: None)
    world.run(6e7 + 1)
    late: list[float] = []
    world.call_later(1e-12, lambda: late.append(world.now_s))
    world.run(7e7)
    assert late[0] >= 6e7 + 1 + TICK_S / 2


def test_each_step_is_told_when_all_that_was_due_then_is_done() -> None:
    """Once for each time at which anything happens, before time goes on."""
    world, told = loop(), list[tuple[float, int]]()
    done: list[float] = []
    world.at_each_step = lambda: told.append((world.now_s, len(done)))
    for at_s in (1.0, 1.0, 2.0):
        world.call_at(at_s, lambda: done.append(world.now_s))
    world.run(3.0)
    assert told == [(0.0, 0), (1.0, 2), (2.0, 3)]


def test_what_nobody_took_stops_the_run() -> None:
    """An error in a callback is raised by ``run``."""
    world = loop()

    def broken() -> None:
        raise ArithmeticError("x")

    world.call_at(1.0, broken)
    with pytest.raises(ArithmeticError):
        world.run(2.0)


def test_what_a_thread_would_raise_is_raised_where_it_is_awaited() -> None:
    """An error of work that production hands to a thread reaches who waits for it."""
    told: list[str] = []

    def failing() -> None:
        raise OSError("disk")

    async def work() -> None:
        try:
            await asyncio.to_thread(failing)
        except OSError as error:
            told.append(str(error))

    world = loop()
    world.create_task(work())
    world.run(1.0)
    assert told == ["disk"]


def test_a_late_thread_is_answered_later() -> None:
    """The work is done at once; its result or error comes after the time that it takes, and who has gone does not hear it."""
    world, told = loop(), list[tuple[float, str]]()
    thread = LateThread(lambda: 2.0)

    def work(says: str) -> str:
        told.append((world.now_s, "done"))
        if says == "disk":
            raise OSError(says)
        return says

    async def ask(says: str) -> None:
        try:
            came = await asyncio.get_running_loop().run_in_executor(thread, work, says)
        except OSError as error:
            came = f"no {error}"
        told.append((world.now_s, came))

    for says in ("yes", "disk"):
        world.create_task(ask(says))
    gone = world.create_task(ask("gone"))
    world.call_at(1.0, gone.cancel)
    world.run(5.0)
    assert [what for _, what in told] == ["done", "done", "done", "yes", "no disk"]
    assert [round(at_s, 3) for at_s, _ in told] == [0.0, 0.0, 0.0, 2.0, 2.0]
