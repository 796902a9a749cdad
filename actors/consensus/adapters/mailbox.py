"""Where a deliberation waits for its events: a queue for one reader whose every wait has a bound."""

import asyncio
from collections import deque
from typing import Generic, TypeVar

T = TypeVar("T")


class Mailbox(Generic[T]):
    """Events in the order they came, for one task of one event loop. A bounded wait costs a future and a timer."""

    def __init__(self) -> None:
        self._events: deque[T] = deque()
        self._waiter: asyncio.Future[None] | None = None

    def put(self, event: T) -> None:
        """Add an event and wake who waits."""
        self._events.append(event)
        _wake(self._waiter)

    def take(self) -> T | None:
        """Return the oldest event, or ``None`` if there is none."""
        return self._events.popleft() if self._events else None

    async def get(self, timeout_s: float) -> T | None:
        """Return the oldest event, waiting up to ``timeout_s`` for one; ``None`` if none came."""
        if not self._events:
            loop = asyncio.get_running_loop()
            self._waiter = loop.create_future()
            timer = loop.call_later(timeout_s, _wake, self._waiter)
            try:
                await self._waiter
            finally:
                timer.cancel()
                self._waiter = None
        return self.take()


def _wake(waiter: "asyncio.Future[None] | None") -> None:
    if waiter is not None and not waiter.done():
        waiter.set_result(None)
