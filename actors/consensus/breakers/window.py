"""The last calls of a voter, counted: by number or by time, each call in constant time. Pure.

Rules:
- Count window: the last N calls; what falls out is subtracted.
- Time window: N parts of equal length, the newest the part that ``now_s`` is in; a part falls out as a whole, so what is
  counted reaches back between N − 1 and N parts. A clock that stands still or goes back stays in the newest part.
"""

from typing import NamedTuple, Protocol

from actors.consensus.breakers.config import BreakerConfig


class Counts(NamedTuple):
    """Calls in a window."""

    calls: int = 0
    failed: int = 0
    slow: int = 0


class Window(Protocol):
    """Calls that are remembered."""

    def add(self, failed: bool, slow: bool, now_s: float) -> None:
        """Remember a call that ended at ``now_s``."""

    def counts(self, now_s: float) -> Counts:
        """Return what the window holds at ``now_s``."""


class CountWindow:
    """The last ``size`` calls."""

    def __init__(self, size: int) -> None:
        self._size = size
        self._ring: list[tuple[bool, bool]] = []
        self._next = 0
        self._failed = 0
        self._slow = 0

    def add(self, failed: bool, slow: bool, now_s: float) -> None:  # noqa: ARG002 - the port's signature
        """Remember a call in the place of the oldest."""
        if len(self._ring) < self._size:
            self._ring.append((failed, slow))
        else:
            gone_failed, gone_slow = self._ring[self._next]
            self._failed -= gone_failed
            self._slow -= gone_slow
            self._ring[self._next] = (failed, slow)
            self._next = (self._next + 1) % self._size
        self._failed += failed
        self._slow += slow

    def counts(self, now_s: float) -> Counts:  # noqa: ARG002 - the port's signature
        """Return what the window holds."""
        return Counts(len(self._ring), self._failed, self._slow)


class TimeWindow:
    """The calls of the last ``window_s``, in ``buckets`` parts."""

    def __init__(self, window_s: float, buckets: int) -> None:
        self._part_s = window_s / buckets
        self._parts = [[0, 0, 0] for _ in range(buckets)]
        self._total = [0, 0, 0]
        self._newest = -(2**63)

    def add(self, failed: bool, slow: bool, now_s: float) -> None:
        """Remember a call in the newest part."""
        self._advance(now_s)
        for counted in (self._parts[self._newest % len(self._parts)], self._total):
            counted[0] += 1
            counted[1] += failed
            counted[2] += slow

    def counts(self, now_s: float) -> Counts:
        """Return what the window holds at ``now_s``."""
        self._advance(now_s)
        return Counts(*self._total)

    def _advance(self, now_s: float) -> None:
        now = int(now_s // self._part_s)
        if now <= self._newest:
            return
        for number in range(max(self._newest, now - len(self._parts)) + 1, now + 1):
            part = self._parts[number % len(self._parts)]
            for place in range(3):
                self._total[place] -= part[place]
                part[place] = 0
        self._newest = now


def window_of(config: BreakerConfig) -> Window:
    """Return the empty window that the configuration describes."""
    if config.window == "count":
        return CountWindow(config.window_calls)
    return TimeWindow(config.window_s, config.window_buckets)
