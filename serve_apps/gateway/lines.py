"""Requests of one replica that carry the same idempotency key: one looks for all, one works, and the others wait in bounds.

Rules:
- However many wait for a slot, one poll goes on for it, as long as anybody waits. Whoever comes while it is looked at shares that
  look.
- Where there is something to do, one is woken; where there is an answer, or none to be had, everybody is.
- Whoever waits holds a place among the replica's requests without having used anything of its key's limit: so many may in the
  replica, so many by API key, and more are refused at once.
- Nobody waits beyond its deadline, and a last look is taken just before it.

Left out: the table, and what is done with what is found there.
"""

import asyncio
import math
from collections import Counter
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from typing import Any, TypeVar

from actors.admission.idempotency import HEADER, Found, LastChance, Slot
from actors.base.errors import DeadlineExceeded, Overloaded
from serve_apps.gateway.problems import SAME_KEY

_Result = TypeVar("_Result")


class Line:
    """Those in one replica that ask the same under one key."""

    def __init__(self, slot: Slot) -> None:
        self.slot = slot
        self.chance = LastChance()
        self.at_work = False
        """Whether one of them claims the slot, or works on it."""
        self.members = 0
        self.waiting: dict[asyncio.Future[Found], float] = {}
        """Who waits → when the last look for it is due (monotonic seconds)."""
        self.joined = asyncio.Event()
        self.looked_s = -math.inf
        self.polling: asyncio.Task[None] | None = None
        self._shared: dict[str, asyncio.Task[Any]] = {}

    async def share(self, what: str, begin: Callable[[], Awaitable[_Result]]) -> _Result:
        """Return what one call finds, for all that ask for the same while it is under way."""
        if (task := self._shared.get(what)) is None:
            task = self._shared[what] = asyncio.ensure_future(_awaited(begin))
            task.add_done_callback(lambda done: self._ended(what, done))
        result: _Result = await asyncio.shield(task)
        return result

    def next_last_look_s(self) -> float:
        """Return when somebody's last look is due that was not taken yet."""
        return min((due_s for due_s in self.waiting.values() if due_s > self.looked_s), default=math.inf)

    def wake_one(self, found: Found) -> None:
        """Let go who has waited longest."""
        while self.waiting:
            waiting = next(iter(self.waiting))
            del self.waiting[waiting]
            if not waiting.done():  # it is when who waited has just left
                waiting.set_result(found)
                return

    def wake_all(self, found: Found) -> None:
        """Let everybody go."""
        while self.waiting:
            self.wake_one(found)

    def fail_all(self, error: BaseException) -> None:
        """Tell everybody what went wrong."""
        waiting, self.waiting = self.waiting, {}
        for each in waiting:
            if not each.done():
                each.set_exception(error)

    def poll_ended(self, done: "asyncio.Task[None]") -> None:
        """Let nobody wait for a poll that failed."""
        if not done.cancelled() and (error := done.exception()) is not None:
            self.fail_all(error)

    def _ended(self, what: str, done: "asyncio.Task[Any]") -> None:
        del self._shared[what]
        if not done.cancelled():
            done.exception()  # whoever still waits for it has it; nobody may


class Lines:
    """All lines of a replica. Used from one event loop."""

    def __init__(
        self, look: Callable[[Line], Awaitable[Found]], monotonic: Callable[[], float], *, pause_s: float, max_pause_s: float,
        max_waiting: int, max_waiting_by_key: int,
    ) -> None:  # fmt: skip
        self._look, self._monotonic = look, monotonic
        self._pause_s, self._max_pause_s = pause_s, max_pause_s
        self._max_waiting, self._max_waiting_by_key = max_waiting, max_waiting_by_key
        self._lines: dict[Slot, Line] = {}
        self._waiting: Counter[str] = Counter()

    @property
    def waiting(self) -> int:
        """Requests that wait."""
        return self._waiting.total()

    @contextmanager
    def member(self, slot: Slot) -> Iterator[Line]:
        """Be one of those that ask the same."""
        line = self._lines.setdefault(slot, Line(slot))
        line.members += 1
        try:
            yield line
        finally:
            line.members -= 1
            if not line.members:
                del self._lines[slot]

    async def look(self, line: Line) -> Found:
        """Look what is to be done, once for all that want to know at a time."""

        def begin() -> Awaitable[Found]:
            line.looked_s = self._monotonic()
            return self._look(line)

        return await line.share("look", begin)

    async def wait(self, line: Line, until_s: float) -> Found:
        """Return what is to be done once there is anything but to wait; raise ``DeadlineExceeded`` if that is too late."""
        api_key_id = line.slot.api_key_id
        self._require_room(api_key_id)
        waiting: asyncio.Future[Found] = asyncio.get_running_loop().create_future()
        self._waiting[api_key_id] += 1
        line.waiting[waiting] = until_s - self._pause_s
        try:
            self._poll(line)
            async with asyncio.timeout(max(0.0, until_s - self._monotonic())):
                return await waiting
        except TimeoutError as error:
            message = f"the first request with this {HEADER} is not answered yet; ask again with the same key"
            raise DeadlineExceeded(message, HEADER, SAME_KEY) from error
        finally:
            line.waiting.pop(waiting, None)
            self._waiting[api_key_id] -= 1
            self._waiting += Counter()  # whoever has none waiting is forgotten
            if not line.waiting and line.polling is not None:
                line.polling.cancel()  # it may look, but nobody wants to know

    def _require_room(self, api_key_id: str) -> None:
        if self._waiting[api_key_id] >= self._max_waiting_by_key or self.waiting >= self._max_waiting:
            raise Overloaded(
                f"as many requests wait for the first one with their {HEADER} as may; ask again with the same key, shortly",
                HEADER, SAME_KEY,
            )  # fmt: skip

    def _poll(self, line: Line) -> None:
        line.joined.set()
        if line.polling is None or line.polling.done() or line.polling.cancelling():
            line.polling = asyncio.create_task(self._look_again(line))
            line.polling.add_done_callback(line.poll_ended)

    async def _look_again(self, line: Line) -> None:
        pause_s = self._pause_s
        while line.waiting:
            await self._pause(line, pause_s)
            found = await self.look(line)
            verdict = "wait" if line.at_work and found[0] == "claim" else found[0]
            pause_s = min(2 * pause_s, self._max_pause_s) if verdict == "wait" else self._pause_s
            if verdict == "claim" and line.waiting:
                line.wake_one(found)
            elif verdict != "wait":
                line.wake_all(found)

    async def _pause(self, line: Line, pause_s: float) -> None:
        """Wait for so long, or until somebody's last look is due."""
        until_s = self._monotonic() + pause_s
        while (left_s := min(until_s, line.next_last_look_s()) - self._monotonic()) > 0:
            line.joined.clear()
            try:
                async with asyncio.timeout(left_s):
                    await line.joined.wait()
            except TimeoutError:
                return


async def _awaited(begin: Callable[[], Awaitable[_Result]]) -> _Result:
    return await begin()
