"""``within``: bounds how long the current task waits, as ``asyncio.timeout`` does, at half its cost.

Rules:
- When the time is up the task is cancelled once, and that cancellation leaves the block as ``TimeoutError``.
- A cancellation that somebody else asked for stays one, also where both come together.

Left out: moving the end of the time, and asking whether it is over: ``asyncio.timeout`` does these.
"""

import asyncio
from types import TracebackType


class within:  # noqa: N801 - used as a word, like ``suppress`` and ``closing``
    """``with within(seconds):`` inside a task; raises ``TimeoutError`` where the block took longer."""

    __slots__ = ("_before", "_is_over", "_seconds", "_task", "_timer")

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds
        self._is_over = False

    def __enter__(self) -> None:
        task = asyncio.current_task()
        if task is None:
            raise RuntimeError("only a task can be bounded in time")
        self._task, self._before = task, task.cancelling()
        self._timer = asyncio.get_running_loop().call_later(self._seconds, self._give_up)

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, _: TracebackType | None
    ) -> None:  # fmt: skip
        self._timer.cancel()
        if self._is_over and self._task.uncancel() <= self._before and kind is asyncio.CancelledError:
            raise TimeoutError from error

    def _give_up(self) -> None:
        self._is_over = True
        self._task.cancel()
