"""Threads in bounded numbers."""

import asyncio
import threading

import pytest

from actors.base.errors import Overloaded
from serve_apps.gateway.threads import BoundedThreads


async def test_what_finds_no_place_is_refused_until_one_is_free() -> None:
    """Calls under way count until their thread is done, also when whoever asked went away."""
    threads, go = BoundedThreads(1, 2, "t"), threading.Event()
    try:
        asked = [asyncio.ensure_future(threads.run(go.wait)) for _ in range(2)]
        await asyncio.sleep(0)
        with pytest.raises(Overloaded):
            await threads.run(int)
        asked[0].cancel()
        await asyncio.gather(asked[0], return_exceptions=True)
        with pytest.raises(Overloaded):
            await threads.run(int)
        go.set()
        assert await asked[1]
        assert await threads.run(int) == 0
    finally:
        go.set()
        threads.close()
