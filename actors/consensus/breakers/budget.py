"""What may be asked again, when, and out of which budget. Pure.

Rules (botocore's quota; "Exponential backoff and jitter" for the wait):
- A retry takes tokens, fewer if the voter was only busy; without enough tokens there is none. An answer gives back what its
  last retry took, or a little if it took none. The budget never holds more than when it was full.
- Wait: a drawn share of a bound that doubles with each retry up to a cap (full jitter), but never less than what the voter
  asked for.
- A retry that would begin after the time for retries is none.

Left out: which failures are passing (``adapters/guarded.py``).
"""

from actors.consensus.breakers.config import RetryConfig

_MAX_DOUBLINGS = 32


class RetryBudget:
    """Tokens that everyone who may retry shares."""

    def __init__(self, config: RetryConfig) -> None:
        self._config = config
        self._tokens = config.tokens

    @property
    def tokens(self) -> int:
        """Return what is left."""
        return self._tokens

    def take(self, *, throttled: bool) -> int | None:
        """Take what a retry, or a hedge, costs; ``None`` if there is not enough."""
        cost = self._config.throttled_cost if throttled else self._config.retry_cost
        if cost > self._tokens:
            return None
        self._tokens -= cost
        return cost

    def give_back(self, tokens: int) -> None:
        """Put back what was taken for something that did not happen, or that ended well."""
        self._tokens = min(self._tokens + tokens, self._config.tokens)

    def answered(self, last_cost: int | None) -> None:
        """Take note of an ask that ended well; ``last_cost`` is what its last retry took, ``None`` if there was none."""
        self.give_back(self._config.success_refund if last_cost is None else last_cost)


def backoff_s(retry: int, drawn: float, config: RetryConfig, *, throttled: bool) -> float:
    """Return the wait before a retry, counted from 0; ``drawn`` is uniform in [0, 1)."""
    base_s = config.throttled_base_s if throttled else config.base_s
    return drawn * min(base_s * 2.0 ** min(retry, _MAX_DOUBLINGS), config.cap_s)


def retry_wait_s(
    retry: int, elapsed_s: float, drawn: float, config: RetryConfig, *, throttled: bool, asked_s: float | None
) -> float | None:
    """Return how long to wait before a retry, ``None`` if there is to be none.

    ``retry`` counts from 0, ``elapsed_s`` since the ask began, ``asked_s`` is what the voter asked for.
    """
    if retry >= config.max_retries:
        return None
    wait_s = max(backoff_s(retry, drawn, config, throttled=throttled), asked_s or 0.0)
    return wait_s if elapsed_s + wait_s <= config.within_s else None
