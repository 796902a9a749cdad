"""A disk whose process is killed at a given step, and processes that are."""

import os
import signal
import traceback
from collections.abc import Callable
from typing import Any

from actors.spans.adapters.segments import Disk

CALLS = ("sync_file", "rename", "sync_directory", "remove")
EVERY = 3
"""One step in so many is killed: no multiple of two, for each call is two steps. All of them, and every other change of a file,
are the campaign's (``cluster.acceptance.span_kills``)."""


class Killer:
    """A disk whose process ends for good at a given step once it is armed: one before each call, and one after."""

    def __init__(self, at: int, *, armed: bool = True) -> None:
        self.armed, self._left = armed, at
        real = Disk()
        self.disk = Disk(**{name: self._killing(getattr(real, name)) for name in CALLS})

    def _killing(self, call: Callable[..., None]) -> Callable[..., None]:
        def step(*given: Any) -> None:
            self._tick()
            call(*given)
            self._tick()

        return step

    def _tick(self) -> None:
        if self.armed and self._left == 0:
            os.kill(os.getpid(), signal.SIGKILL)
        self._left -= self.armed


def forked(work: Callable[[], None]) -> int:
    """Do something in a process of its own; return how that ended."""
    pid = os.fork()
    if pid == 0:
        try:
            work()
        except BaseException:  # noqa: BLE001 - a forked child must not return into its parent's work
            traceback.print_exc()
            os._exit(1)
        os._exit(0)
    return os.waitpid(pid, 0)[1]
