"""How many asks a voter takes at a time, learnt from the time to its first token. Pure.

Rules (Netflix's Gradient2):
- The limit follows the ratio of what a first token usually takes (a long mean) to what it takes now: a voter that queues falls
  back, one that does not may be asked a little more.
- Only the first token tells: how long a whole answer takes depends on what was asked. A voter that does not tell of it keeps the
  limit that is configured.
- A voter that was not kept busy says nothing about its limit: nothing changes below half of it.
- What is usual comes down by itself once it is twice what is now, so that a bad hour is forgotten.

Left out: what becomes of an ask beyond the limit (``consensus.adapters.guarded`` turns it away).
"""

from actors.admission.config import ConcurrencyConfig

LEAST_GRADIENT = 0.5
_DRIFT = 0.95
_WARM_UP = 10


class Gradient:
    """One voter's limit. Used from one event loop."""

    __slots__ = ("_config", "_estimate", "_long_ms", "_max", "_seen")

    def __init__(self, config: ConcurrencyConfig, max_limit: int) -> None:
        self._config, self._max = config, max_limit
        self._estimate = float(max_limit)
        self._long_ms, self._seen = 0.0, 0

    @property
    def limit(self) -> int:
        """Return how many asks the voter takes now."""
        return int(self._estimate)

    def observe(self, first_token_ms: float, under_way: int) -> None:
        """Take the time that a first token took, ``under_way`` asks being under way when it was asked for."""
        now_ms = max(first_token_ms, 0.001)
        self._seen += 1
        if self._seen <= _WARM_UP:
            self._long_ms += (now_ms - self._long_ms) / self._seen
        else:
            self._long_ms += (now_ms - self._long_ms) * 2 / (self._config.long_window + 1)
        if self._long_ms > 2 * now_ms:
            self._long_ms *= _DRIFT
        if self._seen > _WARM_UP and 2 * under_way >= self._estimate:
            self._follow((self._config.tolerance * self._long_ms + self._config.slack_ms) / now_ms)

    def _follow(self, ratio: float) -> None:
        gradient, smoothing = max(LEAST_GRADIENT, min(1.0, ratio)), self._config.smoothing
        wanted = self._estimate * gradient + self._config.queue_size
        least = min(self._config.min_limit, self._max)
        self._estimate = min(float(self._max), max(least, self._estimate * (1 - smoothing) + wanted * smoothing))
