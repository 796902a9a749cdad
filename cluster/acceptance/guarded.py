"""Runs a campaign in a child, and ends whatever is left of it, however it ends.

Rules:
- What is started below this process stays below it, whoever its own parent was: orphans are adopted (``prctl(2)``), so that a
  system whose supervisor has detached itself is found as well.
- The first SIGTERM, SIGINT or SIGHUP is the campaign's, once: it unwinds and brings down in order what it brought up. Any more
  change nothing: a second one used to end the ``down`` that the first had begun, and the system went on running.
- A campaign that has not unwound ``UNWIND_S`` later (whatever runs at that moment may swallow the exception) is killed. What
  then still runs below is ended by its id: asked to, and made to after ``GRACE_S``.
- If this process is killed the campaign is asked to end.

Left out: disks that a campaign mounted and was killed over; both processes killed at once.
"""

import contextlib
import os
import signal
import sys
import time
from collections.abc import Callable
from pathlib import Path
from types import FrameType
from typing import NoReturn

from cluster.acceptance.syscalls import die_with_parent
from cluster.processes import Process, adopt_orphans, end, lineage, process, send

ASKED = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)
UNWIND_S = 300.0
"""How long a campaign may take to bring down what it brought up, on a machine that is busy with it."""
GRACE_S = 10.0
_LOOK_S = 1.0


def guarded(work: Callable[[], int], unwind_s: float = UNWIND_S, grace_s: float = GRACE_S) -> int:
    """Do something in a child; return with what status it ended, once nothing that it started runs any more.

    To be called before this process has a second thread.
    """
    adopt_orphans()
    watched = {*ASKED, signal.SIGCHLD}
    signal.pthread_sigmask(signal.SIG_BLOCK, watched)
    sys.stdout.flush()
    sys.stderr.flush()
    own = os.getpid()
    pid = os.fork()
    if pid == 0:
        _live(work, own, watched)
    status = _Watch(pid, unwind_s).status(watched)
    left = end(lambda: below(own), grace_s)
    if left:
        sys.stderr.write(f"processes {', '.join(str(known.pid) for known in left)} do not end: end them by hand\n")
    return status if status >= 0 else 128 - status


def below(pid: int) -> list[Process]:
    """Return every running process that descends from one."""
    found = [process(int(entry.name)) for entry in Path("/proc").iterdir() if entry.name.isdigit()]
    return [known for known in found if known is not None and known.pid != pid and pid in lineage(known.pid)]


def _live(work: Callable[[], int], parent: int, watched: set[signal.Signals]) -> NoReturn:
    """Be the campaign: end with its status."""
    die_with_parent(signal.SIGTERM)
    unwind_once()
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, watched)
    if os.getppid() != parent:
        sys.exit(128 + signal.SIGTERM)
    sys.exit(work())


def unwind_once() -> None:
    """Have the first signal that asks this process to end unwind it, and later ones change nothing."""
    for number in ASKED:
        signal.signal(number, _unwind)


def _unwind(number: int, _frame: FrameType | None) -> NoReturn:
    for each in ASKED:
        signal.signal(each, lambda *_: None)  # not ignored: who is started from now on would inherit that
    sys.exit(128 + number)


class _Watch:
    """Waits for the campaign, and tells it to end."""

    def __init__(self, pid: int, unwind_s: float) -> None:
        self._pid, self._unwind_s = pid, unwind_s
        self._campaign = process(pid)
        self._ended: int | None = None

    def status(self, watched: set[signal.Signals]) -> int:
        """Return with what it ended, reaping whatever else ends below."""
        give_up = None
        while not self._is_over():
            said = signal.sigtimedwait(watched, _LOOK_S)
            if said is not None and said.si_signo in ASKED and give_up is None:
                self._send(signal.SIGTERM)
                give_up = time.monotonic() + self._unwind_s
            if give_up is not None and time.monotonic() > give_up:
                self._send(signal.SIGKILL)
        assert self._ended is not None  # noqa: S101 - it is over
        return self._ended

    def _send(self, number: signal.Signals) -> None:
        if self._campaign is not None:
            send(self._campaign, number)

    def _is_over(self) -> bool:
        with contextlib.suppress(ChildProcessError):
            while (ended := os.waitpid(-1, os.WNOHANG))[0]:
                if ended[0] == self._pid:
                    self._ended = os.waitstatus_to_exitcode(ended[1])
        return self._ended is not None
