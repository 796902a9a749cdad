"""How much a key may send in the long run and at once: a bucket for each key that fills at a rate. Pure.

Rules:
- Whoever has anything left may take as much as it likes, once: what goes beyond is owed, and nothing is given until it is paid.
  So no request is too large for a bucket, and what is taken in the long run is the rate.
- What was refused, or came to nothing, takes nothing.
- Of more keys than are remembered, the one that came longest ago is forgotten: its bucket has had most time to fill.

Left out: sharing a rate among replicas (each is given its part).
"""

from collections import OrderedDict


class Buckets:
    """What each key has left. Used from one event loop."""

    def __init__(self, rate: float, burst: float, max_keys: int) -> None:
        """``rate`` a second, ``burst`` at most at once."""
        self._rate, self._burst, self._max_keys = rate, burst, max_keys
        self._filled: OrderedDict[str, tuple[float, float]] = OrderedDict()
        """Key → what it had left, and when."""

    def wait_s(self, key: str, now_s: float) -> float:
        """Return in how many seconds a key may take again; 0 if it may now."""
        left = self._left(key, now_s)
        return 0.0 if left > 0 else -left / self._rate + 1 / self._rate

    def take(self, key: str, amount: float, now_s: float) -> float:
        """Take an amount if the key has anything left, and return 0; else return in how many seconds it may try again."""
        if wait_s := self.wait_s(key, now_s):
            return wait_s
        self._keep(key, self._left(key, now_s) - amount, now_s)
        return 0.0

    def give_back(self, key: str, amount: float, now_s: float) -> None:
        """Give back what came to nothing."""
        self._keep(key, min(self._burst, self._left(key, now_s) + amount), now_s)

    def _left(self, key: str, now_s: float) -> float:
        left, since_s = self._filled.get(key, (self._burst, now_s))
        return min(self._burst, left + max(0.0, now_s - since_s) * self._rate)

    def _keep(self, key: str, left: float, now_s: float) -> None:
        self._filled[key] = left, now_s
        self._filled.move_to_end(key)
        if len(self._filled) > self._max_keys:
            self._filled.popitem(last=False)
