"""Threads for what blocks, in bounded numbers: what finds none free is refused, not queued."""

import asyncio
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any, TypeVar

from actors.base.errors import Overloaded

_Found = TypeVar("_Found")


class BoundedThreads:
    """Threads that take a bounded number of calls and refuse more, instead of letting them queue up."""

    def __init__(self, threads: int, limit: int, name: str) -> None:
        self._executor = ThreadPoolExecutor(threads, name)
        self._limit = limit
        self._busy = 0

    async def run(self, call: Callable[[], _Found]) -> _Found:
        """Return what ``call`` returns in a thread; raise ``Overloaded`` if too many are under way."""
        if self._busy >= self._limit:
            raise Overloaded("too many look-ups are under way; try again shortly")
        loop = asyncio.get_running_loop()
        self._busy += 1
        future = self._executor.submit(call)
        # Counted until the thread is done, not until its caller went away.
        future.add_done_callback(lambda done: loop.call_soon_threadsafe(self._done, done))
        return await asyncio.wrap_future(future)

    def close(self) -> None:
        """Let go of what waits and end the threads."""
        self._executor.shutdown(wait=False, cancel_futures=True)

    def _done(self, _: "Future[Any]") -> None:
        self._busy -= 1
