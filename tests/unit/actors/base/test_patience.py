"""Bounding how long a task waits."""

import asyncio

import pytest

from actors.base.patience import within

LONG_S = 30.0


async def test_what_is_quick_is_left_alone() -> None:
    """Nothing is raised, and no timer is left behind."""
    with within(LONG_S):
        await asyncio.sleep(0)
    task = asyncio.current_task()
    assert task is not None
    assert task.cancelling() == 0


@pytest.mark.parametrize("seconds", [0.0, -1.0, 0.001])
async def test_what_takes_longer_ends_in_a_timeout_and_the_task_goes_on(seconds: float) -> None:
    """The cancellation does not outlive the block."""
    with pytest.raises(TimeoutError), within(seconds):
        await asyncio.get_running_loop().create_future()
    await asyncio.sleep(0)


async def test_another_error_stays_what_it_is_though_the_time_is_up() -> None:
    """Only a cancellation becomes a timeout, and the one asked for does not come later."""

    async def fails() -> None:
        try:
            await asyncio.get_running_loop().create_future()
        except asyncio.CancelledError:
            raise KeyError from None

    with pytest.raises(KeyError), within(0.0):
        await fails()
    await asyncio.sleep(0)


async def test_the_time_of_a_block_within_a_block_is_its_own() -> None:
    """The inner end is a timeout inside, the outer one a timeout outside."""
    with within(LONG_S):
        with pytest.raises(TimeoutError), within(0.0):
            await asyncio.get_running_loop().create_future()
        await asyncio.sleep(0)
    with pytest.raises(TimeoutError), within(0.0), within(LONG_S):
        await asyncio.get_running_loop().create_future()


@pytest.mark.parametrize("seconds", [LONG_S, 0.0])
async def test_somebody_elses_cancellation_stays_one(seconds: float) -> None:
    """Whoever cancels a task finds it cancelled, also where its time is up at that very moment."""
    begun = asyncio.Event()

    async def bounded() -> None:
        with within(seconds):
            begun.set()
            await asyncio.get_running_loop().create_future()

    task = asyncio.ensure_future(bounded())
    await begun.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert task.cancelled()


async def test_outside_a_task_nothing_is_bounded() -> None:
    """There is nobody to cancel, and that is said."""
    told: list[BaseException] = []

    def call() -> None:
        try:
            with within(LONG_S):
                pass
        except RuntimeError as error:
            told.append(error)

    loop = asyncio.get_running_loop()
    loop.call_soon(call)
    await asyncio.sleep(0)
    assert "only a task" in str(told)
