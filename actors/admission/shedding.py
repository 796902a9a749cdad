"""How many requests a replica takes at a time, by how long a turn of its event loop takes. Pure.

Rules:
- What saturates first is the loop: voters are waited for, the loop computes. A request takes some ten turns of it.
- Too long is a turn that would make a request take notably longer than it usually does: a share of that time, within bounds. What
  is usual is learnt only while turns are short, or overload would teach it.
- A queue that stands is told from one that passes by its least delay (CoDel): if the shortest turn of a while was too long, the
  limit falls below the number of requests under way. If it was well below, the limit grows by a share, whether it is reached or
  not: a pause does not make the next burst be refused.
- Between two looks the loop cannot say that it is late, but the timer is overdue: then nobody is let in directly either. So a
  burst costs no more than about the delay that is allowed, however many come in one turn of the loop.

Left out: who waits and who is refused (``door``).
"""

from math import inf

from actors.admission.config import SheddingConfig

_LEAST_TURNS = 2
_LEAST_LEFT = 0.3
_USUAL = 0.02
_WELL_BELOW = 0.5
_OVERDUE = 2.0


class LoadLimit:
    """One replica's limit. Used from one event loop, or by a simulator."""

    __slots__ = (
        "_config",
        "_due_s",
        "_limit",
        "_max",
        "_next_s",
        "_shortest_s",
        "_turns",
        "delay_s",
        "is_calm",
        "usual_s",
    )

    def __init__(self, config: SheddingConfig, max_limit: int, now_s: float) -> None:
        self._config, self._max = config, max_limit
        self._limit = float(max_limit)
        self.delay_s = 0.0
        """The shortest turn of the last while."""
        self.usual_s = 0.0
        """How long a request usually takes; 0 before the first."""
        self.is_calm = True
        """Whether turns are well below what is too long."""
        self._due_s = self._next_s = now_s
        self._shortest_s, self._turns = inf, 0

    @property
    def limit(self) -> int:
        """Return how many requests the replica takes now."""
        return int(self._limit)

    @property
    def least(self) -> int:
        """Return how many requests the replica always takes."""
        return min(self._config.min_limit, self._max)

    @property
    def allowed_s(self) -> float:
        """Return the delay that is not too long yet."""
        config = self._config
        return min(max(config.delay_share * self.usual_s, config.min_delay_ms / 1000), config.max_delay_ms / 1000)

    def is_overdue(self, now_s: float) -> bool:
        """Tell whether this turn of the loop already takes too long."""
        return now_s - self._due_s > _OVERDUE * self.allowed_s

    def look(self, now_s: float) -> None:
        """Take note that the timer fired; it is due again after ``look_ms``."""
        self._due_s = now_s + self._config.look_ms / 1000

    def turned(self, turn_s: float, now_s: float, under_way: int) -> None:
        """Take how long a turn of the loop took, and change the limit if it is time."""
        self._shortest_s, self._turns = min(self._shortest_s, turn_s), self._turns + 1
        if now_s < self._next_s or self._turns < _LEAST_TURNS:
            return
        self.delay_s, self._shortest_s, self._turns = self._shortest_s, inf, 0
        self._next_s = now_s + self._config.step_ms / 1000
        allowed_s = self.allowed_s
        self.is_calm = self.delay_s <= allowed_s * _WELL_BELOW
        if self.delay_s > allowed_s:
            left = max(_LEAST_LEFT, min(self._config.backoff, allowed_s / self.delay_s))
            self._limit = max(float(self.least), min(self._limit, under_way * left))
        elif self.is_calm:
            self._limit = min(float(self._max), self._limit * (1 + self._config.growth) + 1)

    def took(self, seconds: float) -> None:
        """Take the time that a request took from its beginning to its end, waiting left out."""
        if self.is_calm:
            self.usual_s += (seconds - self.usual_s) * (_USUAL if self.usual_s else 1.0)
