"""An event loop whose time is virtual: a heap of what is due. Coroutines of production run on it as they are.

Rules:
- Time stands still while anything is ready, then jumps to the next timer: a year costs what happens in it.
- What is due at the same time runs in the order in which it was asked for; no clock, thread, signal or file is looked at. So
  the same program runs the same way in every process.
- What production hands to a thread runs at once, in place; of a ``LateThread`` the answer comes later.
- An exception that no task took stops the run: nothing is lost silently.

Left out: transports, signals, subprocesses. What asks for them fails.
"""

import asyncio
import contextvars
import heapq
from collections import deque
from collections.abc import Callable, Coroutine
from concurrent.futures import ThreadPoolExecutor
from typing import Any, TypeVar

T = TypeVar("T")
TICK_S = 1e-6
"""The least that a timer waits: so small a rest of a deadline that adding it to the time changes nothing would never pass."""


class LateThread(ThreadPoolExecutor):
    """A thread that is none: what is handed to it is done at once, and the answer comes ``takes_s`` later."""

    def __init__(self, takes_s: Callable[[], float]) -> None:
        super().__init__(1)
        self.takes_s = takes_s


class VirtualLoop(asyncio.AbstractEventLoop):
    """asyncio's loop without a clock. ``now_s`` begins at 0."""

    def __init__(self) -> None:
        self.now_s = 0.0
        self._ready: deque[asyncio.Handle] = deque()
        self._timers: list[tuple[float, int, asyncio.TimerHandle]] = []
        self._asked_for = 0
        self._unhandled: BaseException | None = None
        self.at_each_step: Callable[[], None] = _nothing
        """Called when all that was due at a time is done, before time goes on."""

    def run(self, until_s: float) -> None:
        """Let everything happen that is due up to ``until_s``, and end there."""
        asyncio._set_running_loop(self)  # noqa: SLF001 - asyncio's own hook for makers of event loops
        try:
            while self._step(until_s) and self._unhandled is None:
                pass
        finally:
            asyncio._set_running_loop(None)  # noqa: SLF001
        if self._unhandled is not None:
            raise self._unhandled
        self.now_s = max(self.now_s, until_s)

    def _step(self, until_s: float) -> bool:
        ready = self._ready
        while ready:
            handle = ready.popleft()
            if not handle.cancelled():
                handle._run()  # noqa: SLF001
        self.at_each_step()
        timers = self._timers
        while timers and timers[0][2].cancelled():
            heapq.heappop(timers)
        if not timers or timers[0][0] > until_s:
            return False
        self.now_s = max(self.now_s, timers[0][0])
        while timers and timers[0][0] <= self.now_s:
            ready.append(heapq.heappop(timers)[2])
        return True

    @property
    def is_idle(self) -> bool:
        """Whether nothing is left to happen."""
        return not self._ready and all(handle.cancelled() for _, _, handle in self._timers)

    def time(self) -> float:
        """Return virtual seconds."""
        return self.now_s

    def call_soon(  # type: ignore[override]
        self, callback: Callable[..., Any], *args: Any, context: contextvars.Context | None = None  # noqa: ANN401
    ) -> asyncio.Handle:  # fmt: skip
        """Run a callback next."""
        handle = asyncio.Handle(callback, args, self, context)
        self._ready.append(handle)
        return handle

    def call_later(  # type: ignore[override]
        self, delay: float, callback: Callable[..., Any], *args: Any, context: contextvars.Context | None = None  # noqa: ANN401
    ) -> asyncio.TimerHandle:  # fmt: skip
        """Run a callback after so many seconds."""
        return self.call_at(self.now_s + delay, callback, *args, context=context)

    def call_at(  # type: ignore[override]
        self, when: float, callback: Callable[..., Any], *args: Any, context: contextvars.Context | None = None  # noqa: ANN401
    ) -> asyncio.TimerHandle:  # fmt: skip
        """Run a callback at a time."""
        when = max(when, self.now_s + TICK_S)
        handle = asyncio.TimerHandle(when, callback, args, self, context)
        self._asked_for += 1
        heapq.heappush(self._timers, (when, self._asked_for, handle))
        return handle

    def create_future(self) -> asyncio.Future[Any]:
        """Return a future of this loop."""
        return asyncio.Future(loop=self)

    def create_task(  # type: ignore[override]
        self, coro: Coroutine[Any, Any, T], *, name: str | None = None, context: contextvars.Context | None = None
    ) -> asyncio.Task[T]:  # fmt: skip
        """Begin a coroutine."""
        return asyncio.Task(coro, loop=self, name=name or "task", context=context)

    def run_in_executor(self, executor: object, func: Callable[..., T], *args: Any) -> asyncio.Future[T]:  # type: ignore[override]  # noqa: ANN401
        """Run what production gives to a thread, here and now."""
        done: asyncio.Future[T] = self.create_future()
        try:
            done.set_result(func(*args))
        except Exception as error:  # noqa: BLE001 - it is raised where the thread's result is awaited
            done.set_exception(error)
        takes_s = executor.takes_s() if isinstance(executor, LateThread) else 0.0
        return self._later(done, takes_s) if takes_s else done

    def _later(self, done: asyncio.Future[T], takes_s: float) -> asyncio.Future[T]:
        """Return what is done as it will be known so much later; whoever has gone meanwhile does not hear of it."""
        known: asyncio.Future[T] = self.create_future()
        error = done.exception()

        def tell() -> None:
            if known.done():
                return
            if error is None:
                known.set_result(done.result())
            else:
                known.set_exception(error)

        self.call_later(takes_s, tell)
        return known

    def call_exception_handler(self, context: dict[str, Any]) -> None:
        """Keep what nobody took, for ``run`` to raise."""
        error = context.get("exception") or RuntimeError(str(context.get("message")))
        self._unhandled = self._unhandled or error

    def _timer_handle_cancelled(self, handle: asyncio.TimerHandle) -> None:
        """Hear that a timer is off; it is passed over when its time comes."""

    def get_debug(self) -> bool:
        """Say that nothing is debugged."""
        return False

    def is_running(self) -> bool:
        """Say that the loop runs, as its tasks see it."""
        return True

    def is_closed(self) -> bool:
        """Say that it never closes."""
        return False


def _nothing() -> None:
    """Do nothing."""
