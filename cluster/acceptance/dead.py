"""Keeps processes dead: ends them again as often as something brings them back, and says how long each one lived."""

import signal
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field

from cluster.processes import Process, alive, processes_sent

LOOK_EVERY_S = 0.1
"""A look takes some 20 ms of a core that the system under test needs."""
DEATH_S = 10.0


@dataclass(slots=True)
class HeldDead:
    """``find`` names what must not live."""

    find: Callable[[], Sequence[Process]]
    seen_s: dict[Process, float] = field(default_factory=dict)
    """When each was first found alive (monotonic)."""
    gone_s: dict[Process, float] = field(default_factory=dict)
    """When each was first found to have ended."""
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def strike(self) -> int:
        """Kill whatever is alive; return how many that were."""
        with self._lock:
            found = list(self.find())
            for known in found:
                self.seen_s.setdefault(known, time.monotonic())
            processes_sent(found, signal.SIGKILL)
            for known in [known for known in self.seen_s if known not in self.gone_s and not alive(known)]:
                self.gone_s[known] = time.monotonic()
            return len(found)

    def strike_all(self) -> None:
        """Kill until nothing is left; raise ``RuntimeError`` if something does not end."""
        give_up = time.monotonic() + DEATH_S
        while self.strike():
            if time.monotonic() > give_up:
                raise RuntimeError(f"{len(self.find())} processes do not end")
            time.sleep(LOOK_EVERY_S / 20)

    def longest_life_s(self) -> float:
        """Return the longest time from the first sight of a process to its end."""
        return max((ended - self.seen_s[known] for known, ended in self.gone_s.items()), default=0.0)


@contextmanager
def held_dead(find: Callable[[], Sequence[Process]]) -> Iterator[HeldDead]:
    """Kill what ``find`` names now, and again and again until the block ends; it is dead when the block begins."""
    held, over = HeldDead(find), threading.Event()
    held.strike_all()

    def watch() -> None:
        while not over.wait(LOOK_EVERY_S):
            held.strike()

    watching = threading.Thread(target=watch, name="held-dead", daemon=True)
    watching.start()
    try:
        yield held
    finally:
        over.set()
        watching.join()
