"""When a second voter is to be asked beside one that takes long. Pure.

Rules ("The Tail at Scale"; gRPC's A6):
- Due once the voter has taken longer than most of its recent answers did; too few of them say nothing.
- Not due where the time that is left then is less than a usual answer takes: it would come too late.

Left out: whom to ask (a distinct backend, chosen where the panel is planned), and paying for it (``budget``).
"""

from bisect import bisect_left, insort
from collections import deque
from math import ceil

from actors.consensus.breakers.config import HedgeConfig


class Latencies:
    """How long a voter's last answers took, in order of arrival and of length."""

    def __init__(self, config: HedgeConfig) -> None:
        self._config = config
        self._recent: deque[float] = deque()
        self._sorted: list[float] = []

    def add(self, took_s: float) -> None:
        """Remember an answer, and forget the oldest beyond the window."""
        if len(self._recent) == self._config.window:
            del self._sorted[bisect_left(self._sorted, self._recent.popleft())]
        self._recent.append(took_s)
        insort(self._sorted, took_s)

    def quantile_s(self, share: float) -> float | None:
        """Return the least time that so large a share of the answers kept within; ``None`` without enough answers."""
        if len(self._sorted) < self._config.min_samples:
            return None
        return self._sorted[max(ceil(share * len(self._sorted)) - 1, 0)]

    def longest_s(self) -> float:
        """Return how long the slowest of the recent answers took; 0 without any."""
        return self._sorted[-1] if self._sorted else 0.0

    def hedge_due_s(self, left_s: float) -> float | None:
        """Return how long after its ask the voter is late, ``left_s`` being left then until the deadline; ``None`` if never."""
        due_s, usual_s = self.quantile_s(self._config.quantile), self.quantile_s(0.5)
        if due_s is None or usual_s is None or due_s + usual_s > left_s:
            return None
        return due_s
