"""The queue a deliberation waits at."""

import asyncio

import pytest

from actors.consensus.adapters.mailbox import Mailbox


async def test_events_come_in_the_order_they_were_put() -> None:
    """What is there is taken without waiting, oldest first."""
    box: Mailbox[int] = Mailbox()
    for number in range(3):
        box.put(number)
    assert [await box.get(60.0) for _ in range(3)] == [0, 1, 2]
    assert box.take() is None


async def test_an_event_wakes_who_waits() -> None:
    """A waiting task gets the event that comes."""
    box: Mailbox[str] = Mailbox()
    waiting = asyncio.create_task(box.get(60.0))
    await asyncio.sleep(0)
    box.put("a")
    box.put("b")
    assert await waiting == "a"
    assert box.take() == "b"


async def test_a_wait_ends_without_an_event() -> None:
    """When the time is over there is nothing, and what comes later is not lost."""
    box: Mailbox[str] = Mailbox()
    assert await box.get(0.0) is None
    box.put("late")
    assert await box.get(0.0) == "late"


async def test_a_cancelled_wait_loses_nothing() -> None:
    """The event that woke a task which was cancelled in the same moment stays for the next to ask."""
    box: Mailbox[str] = Mailbox()
    waiting = asyncio.create_task(box.get(60.0))
    await asyncio.sleep(0)
    box.put("kept")
    waiting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await waiting
    assert box.take() == "kept"
