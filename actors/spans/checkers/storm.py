"""Span data corruption storm: whether so many of the latest rows were set aside that nothing may be learned any more. Pure.

Rules:
- The window holds what came in the last ``window_s``; a storm is when at least ``min_bad`` of its rows are bad, and they are at
  least ``share`` of all. A row is bad that was set aside, or that its writer numbered and that is damaged or not there: what is
  left of a log that rots is no fair sample of what was written.
- The last clean point is how long the log was before the first bad row of the window was found: of batches up to there none was
  read beside a bad row of this storm.
- Time does not run backwards here: a clock that is set back empties nothing and keeps nothing longer.
- It holds one entry a second, however often it is told.

Left out: what is done about it (``adapters.storm``).
"""

from collections import deque
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Seen:
    """What came in one look at the logs."""

    rows: int
    """All that were read or are missing, those set aside among them."""
    bad: int
    """Of these, those that were set aside, are damaged or are missing."""
    first_bad: str
    """Writer and number of the first of these; empty if there is none."""
    log_size: int
    """How many batches were sealed before any of it was read."""


@dataclass(frozen=True, slots=True)
class Storm:
    """How it stands with the window while there is a storm."""

    rows: int
    bad: int
    clean_size: int
    """How many batches were sealed before its first bad row was read."""
    first_bad: str

    @property
    def share(self) -> float:
        """Return the share that is bad."""
        return self.bad / self.rows


@dataclass(slots=True)
class _Second:
    at_s: int
    rows: int = 0
    bad: int = 0
    log_size: int = 0
    first_bad: str = ""


class StormWindow:
    """Adds up the last rows."""

    def __init__(self, window_s: float, min_bad: int, share: float) -> None:
        self.window_s, self._min_bad, self._share = window_s, min_bad, share
        self._seconds: deque[_Second] = deque()
        self._rows = self._bad = 0

    def add(self, seen: Seen, now_s: float) -> Storm | None:
        """Take in what came; return the storm there is, if any. ``now_s`` is steady."""
        self._forget(now_s)
        if seen.rows:
            self._take(seen, now_s)
        if self._bad < self._min_bad or self._bad < self._share * self._rows:
            return None
        first = next(second for second in self._seconds if second.bad)
        return Storm(self._rows, self._bad, first.log_size, first.first_bad)

    def clear(self) -> None:
        """Begin anew: what came so far was judged by somebody."""
        self._seconds.clear()
        self._rows = self._bad = 0

    def _take(self, seen: Seen, now_s: float) -> None:
        last = self._seconds[-1] if self._seconds else None
        if last is None or int(now_s) > last.at_s:
            last = _Second(int(now_s))
            self._seconds.append(last)
        if seen.bad and not last.bad:
            last.log_size, last.first_bad = seen.log_size, seen.first_bad
        last.rows += seen.rows
        last.bad += seen.bad
        self._rows += seen.rows
        self._bad += seen.bad

    def _forget(self, now_s: float) -> None:
        while self._seconds and now_s - self._seconds[0].at_s >= self.window_s:
            old = self._seconds.popleft()
            self._rows -= old.rows
            self._bad -= old.bad
