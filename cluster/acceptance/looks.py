"""What processes hold, looked at again and again from a thread: resident memory, open file handles, threads, by role.

Rules:
- A role is all processes of one name; resident memory is summed, so that what processes share counts in each of them.
- A process that ends between two looks at it is left out of that look.
"""

import os
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import psutil

from cluster.acceptance.system import System, title
from cluster.bench.footprint import role
from cluster.status import processes, supervisor

_PAGE = os.sysconf("SC_PAGE_SIZE")
MIB = 1 << 20


@dataclass(frozen=True, slots=True)
class Held:
    """What the processes of one role hold."""

    pids: tuple[int, ...]
    rss_mib: float
    handles: int
    threads: int


@dataclass(frozen=True, slots=True)
class Look:
    """All roles at one moment (monotonic seconds)."""

    at_s: float
    roles: Mapping[str, Held]

    @property
    def rss_mib(self) -> float:
        """Of all processes."""
        return sum(held.rss_mib for held in self.roles.values())


@dataclass(slots=True)
class Looks:
    """What was seen so far."""

    seen: list[Look] = field(default_factory=list)

    def between(self, begin_s: float, end_s: float) -> list[Look]:
        """Return the looks of a stretch of time."""
        return [look for look in self.seen if begin_s <= look.at_s < end_s]


def of_system(system: System) -> dict[int, str]:
    """Return process → role of a running system."""
    spare = supervisor(system.home)
    pids = [known.pid for known in processes(system.home)]
    return {pid: role(title(pid), supervises=spare is not None and pid == spare.pid) for pid in pids}


def of_children(name: str, word: str) -> Callable[[], dict[int, str]]:
    """Return a function that finds this process's descendants with a word in their title, all in one role."""

    def found() -> dict[int, str]:
        return {child.pid: name for child in psutil.Process().children(recursive=True) if word in title(child.pid)}

    return found


def look(roles: Mapping[int, str]) -> Look:
    """Look at processes."""
    held: dict[str, list[Held]] = {}
    for pid, name in roles.items():
        if (one := _one(pid)) is not None:
            held.setdefault(name, []).append(one)
    return Look(time.monotonic(), {name: _sum(found) for name, found in sorted(held.items())})


def _one(pid: int) -> Held | None:
    folder = Path(f"/proc/{pid}")
    try:
        resident = int((folder / "statm").read_text().split()[1])
        threads = int((folder / "stat").read_text().rpartition(")")[2].split()[17])
        return Held((pid,), resident * _PAGE / MIB, len(os.listdir(folder / "fd")), threads)  # noqa: PTH208 - names only
    except OSError:
        return None  # it ended meanwhile


def _sum(found: Sequence[Held]) -> Held:
    pids = tuple(sorted(pid for one in found for pid in one.pids))
    rss_mib, handles = round(sum(one.rss_mib for one in found), 1), sum(one.handles for one in found)
    return Held(pids, rss_mib, handles, sum(one.threads for one in found))


@contextmanager
def watched(find: Callable[[], Mapping[int, str]], every_s: float) -> Iterator[Looks]:
    """Look every ``every_s`` until the block ends, the first time before it begins."""
    looks, over = Looks([look(find())]), threading.Event()

    def watch() -> None:
        while not over.wait(every_s):
            looks.seen.append(look(find()))

    watching = threading.Thread(target=watch, name="looks", daemon=True)
    watching.start()
    try:
        yield looks
    finally:
        over.set()
        watching.join()
