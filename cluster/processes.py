"""What we started, and how to end exactly that.

A process is ours if one of two things says so; both are inherited, however it was started and whoever its parent is now:

- it carries ``WEAVERGEN_RUN=<marker>`` in its environment, or
- it is in the session (``setsid``) that this home's supervisor leads or led. Ray's agents write their title over their
  environment, so that the marker alone would miss them; a session's number is not given out again while it has members.

It is the *same* process as one seen before if its start time (clock ticks since boot) is the same too. Nothing is ever
ended by name.
"""

import contextlib
import ctypes
import json
import os
import signal
import time
from collections.abc import Callable, Collection
from dataclasses import asdict, dataclass
from pathlib import Path

from actors.base.files import write_atomic

MARKER = "WEAVERGEN_RUN"
_PROC = Path("/proc")
_POLL_S = 0.05
_KILL_WAIT_S = 15.0
_PR_SET_CHILD_SUBREAPER = 36


@dataclass(frozen=True, slots=True)
class Process:
    """One process of this machine, safe against a reused process id."""

    pid: int
    start_ticks: int
    """Clock ticks since boot (field 22 of ``/proc/PID/stat``)."""
    session: int


@dataclass(frozen=True, slots=True)
class Led:
    """The session of a supervisor, as it was written down."""

    pid: int
    start_ticks: int
    boot_id: str


def process(pid: int) -> Process | None:
    """Return the process that has this id now; ``None`` if there is none or it has ended."""
    try:
        fields = (_PROC / str(pid) / "stat").read_text().rpartition(")")[2].split()
    except OSError:
        return None
    return None if fields[0] in "ZX" else Process(pid, int(fields[19]), int(fields[3]))


def alive(known: Process) -> bool:
    """Tell whether this very process still runs."""
    return process(known.pid) == known


def lead(path: Path) -> None:
    """Make this process the leader of a session of its own and write that down."""
    if os.getsid(0) != os.getpid():
        os.setsid()
    own = process(os.getpid())
    if own is not None:
        write_atomic(path, json.dumps(asdict(Led(own.pid, own.start_ticks, _boot_id()))).encode())


def led(path: Path) -> Led | None:
    """Return the session written down for a home, ``None`` if there is none since the machine started."""
    try:
        known = Led(**json.loads(path.read_text()))
    except (OSError, ValueError, TypeError):
        return None
    return known if known.boot_id == _boot_id() else None


def leader(known: Led | None) -> Process | None:
    """Return a session's leader if it still runs."""
    found = process(known.pid) if known is not None else None
    return found if found is not None and known is not None and found.start_ticks == known.start_ticks else None


def ours(marker: str, known: Led | None) -> list[Process]:
    """Return every running process of this user that carries the marker or is in the session."""
    wanted = f"{MARKER}={marker}".encode()
    session = known if known is not None and (leader(known) or process(known.pid) is None) else None
    found = (process(int(entry.name)) for entry in _PROC.iterdir() if entry.name.isdigit())
    return [item for item in found if item and (_in_session(item, session) or _carries(item.pid, wanted))]


def lineage(pid: int) -> set[int]:
    """Return a process id and those of its ancestors."""
    line: set[int] = set()
    while pid > 1 and pid not in line:
        line.add(pid)
        try:
            pid = int((_PROC / str(pid) / "stat").read_text().rpartition(")")[2].split()[1])
        except OSError:
            break
    return line


def adopt_orphans() -> None:
    """Become the parent of descendants whose own parent ends (``prctl(2)``), so that they can be reaped."""
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.prctl(_PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0) != 0:
        raise OSError(ctypes.get_errno(), "prctl(PR_SET_CHILD_SUBREAPER)")


def reap(spare: Collection[int]) -> int:
    """Take leave of adopted children that have ended, ``spare``d ids excepted; return how many."""
    own = os.getpid()
    ended = [
        int(entry.name)
        for entry in _PROC.iterdir()
        if entry.name.isdigit() and int(entry.name) not in spare and _ended_child(entry, own)
    ]
    for pid in ended:
        with contextlib.suppress(ChildProcessError):
            os.waitpid(pid, os.WNOHANG)
    return len(ended)


def end(find: Callable[[], list[Process]], grace_s: float, spare: Collection[int] = ()) -> list[Process]:
    """End what ``find`` finds, ``spare``d ids excepted: first asked to, after ``grace_s`` made to. Return who remains."""

    def remaining() -> list[Process]:
        return [known for known in find() if known.pid not in spare]

    for known in remaining():
        send(known, signal.SIGTERM)
    _wait(lambda: not remaining(), grace_s)
    give_up = time.monotonic() + _KILL_WAIT_S
    while (left := remaining()) and time.monotonic() < give_up:
        for known in left:
            send(known, signal.SIGKILL)
        _wait(lambda: not remaining(), 1.0)
    return remaining()


def send(known: Process, number: signal.Signals) -> None:
    """Signal this very process; one that has just ended is no error."""
    with contextlib.suppress(ProcessLookupError):
        if alive(known):
            os.kill(known.pid, number)


def _ended_child(entry: Path, parent: int) -> bool:
    try:
        fields = (entry / "stat").read_text().rpartition(")")[2].split()
    except OSError:
        return False
    return fields[0] == "Z" and int(fields[1]) == parent


def _in_session(item: Process, known: Led | None) -> bool:
    return known is not None and item.session == known.pid and item.start_ticks >= known.start_ticks


def _boot_id() -> str:
    return (_PROC / "sys" / "kernel" / "random" / "boot_id").read_text().strip()


def _carries(pid: int, wanted: bytes) -> bool:
    try:
        return wanted in (_PROC / str(pid) / "environ").read_bytes().split(b"\0")
    except OSError:
        return False


def _wait(done: Callable[[], bool], timeout_s: float) -> None:
    give_up = time.monotonic() + timeout_s
    while not done() and time.monotonic() < give_up:
        time.sleep(_POLL_S)


def processes_sent(known: Collection[Process], number: signal.Signals) -> None:
    """Signal several processes, each only if it is still itself."""
    for item in known:
        send(item, number)
