"""How many requests a replica takes at a time, by how late its event loop is. Pure.

Rules:
- What saturates first is the loop: voters are waited for, the loop computes. Its delay is how much later than due a timer fires.
- Too long is a delay that, met some ten times on a request's way, would make it take notably longer than it usually does: a share
  of that time, within bounds. What is usual is learnt only while the delay is short, or overload would teach it.
- Too long, on average over some looks: the limit falls below the number of requests under way, at once. Well below: it grows by a
  share, whether it is reached or not, so that one pause does not make the next burst be refused.
- Between two looks the loop cannot say that it is late, but the timer is overdue: then nobody is let in directly either. So a
  burst costs no more than about the delay that is allowed, however many come in one turn of the loop.

Left out: who waits and who is refused (``door``).
"""

from actors.admission.config import SheddingConfig

_SMOOTHING = 0.3
_USUAL = 0.02
_WELL_BELOW = 0.5
_OVERDUE = 2.0


class LoadLimit:
    """One replica's limit. Used from one event loop, or by a simulator."""

    __slots__ = ("_config", "_due_s", "_limit", "_max", "_next_s", "delay_s", "is_calm", "usual_s")

    def __init__(self, config: SheddingConfig, max_limit: int, now_s: float) -> None:
        self._config, self._max = config, max_limit
        self._limit = float(max_limit)
        self.delay_s = 0.0
        """How late the loop is, on average over the last looks."""
        self.usual_s = 0.0
        """How long a request usually takes; 0 before the first."""
        self.is_calm = True
        """Whether the loop is well on time."""
        self._due_s = self._next_s = now_s

    @property
    def limit(self) -> int:
        """Return how many requests the replica takes now."""
        return int(self._limit)

    @property
    def allowed_s(self) -> float:
        """Return the delay that is not too long yet."""
        config = self._config
        return min(max(config.delay_share * self.usual_s, config.min_delay_ms / 1000), config.max_delay_ms / 1000)

    def is_overdue(self, now_s: float) -> bool:
        """Tell whether this turn of the loop already takes too long."""
        return now_s - self._due_s > _OVERDUE * self.allowed_s

    def look(self, now_s: float, under_way: int) -> None:
        """Take note that the timer fired, and say when it is due next."""
        late_s = max(0.0, now_s - self._due_s)
        self._due_s = now_s + self._config.look_ms / 1000
        self.delay_s += (late_s - self.delay_s) * _SMOOTHING
        allowed_s = self.allowed_s
        self.is_calm = self.delay_s <= allowed_s * _WELL_BELOW
        if now_s < self._next_s:
            return
        if self.delay_s > allowed_s:
            least = min(self._config.min_limit, self._max)
            self._limit = max(float(least), min(self._limit, under_way * self._config.backoff))
        elif self.is_calm:
            self._limit = min(float(self._max), self._limit * (1 + self._config.growth) + 1)
        else:
            return
        self._next_s = now_s + self._config.step_ms / 1000

    def took(self, seconds: float) -> None:
        """Take the time that a request took from its beginning to its end, waiting left out."""
        if self.is_calm:
            self.usual_s += (seconds - self.usual_s) * (_USUAL if self.usual_s else 1.0)
