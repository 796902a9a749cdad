"""Configuration of what stands between a panel and its voters: every bound of breakers, retries, hedges and bulkheads.

The defaults are the seed's: five failures in a row open a breaker, for 60 s.
"""

from typing import Literal, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator


class _Section(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)


class OutlierConfig(_Section):
    """Ejection of a voter that fails while others do not, and panic, as Envoy has them."""

    enabled: bool = True
    consecutive_failures: int = Field(default=5, ge=1, le=10_000)
    base_s: float = Field(default=30.0, ge=0, le=3600)
    """Ejection lasts this times the number of ejections in a row."""
    max_s: float = Field(default=300.0, ge=0, le=3600)
    interval_s: float = Field(default=10.0, gt=0, le=3600)
    """Time in service that takes one from that number."""
    max_ejected_share: float = Field(default=0.1, ge=0, le=1)
    """Share of the voters ejected at a time, but at least one voter."""
    panic_below: float = Field(default=0.5, ge=0, le=1)
    """Health is ignored where a smaller share of a layer is available and all layers together lack room; 0 never panics."""

    @model_validator(mode="after")
    def _longest(self) -> Self:
        if self.max_s < self.base_s:
            raise ValueError(f"max_s ({self.max_s:g}) is below base_s ({self.base_s:g}): raise it, or lower base_s")
        return self


class RetryConfig(_Section):
    """The one retry layer: botocore's quota, full jitter."""

    max_retries: int = Field(default=2, ge=0, le=10)
    """Retries of one ask; 0 never retries."""
    within_s: float = Field(default=10.0, ge=0, le=600)
    """A retry begins within this time after the ask began, or not at all."""
    tokens: int = Field(default=500, ge=0, le=1_000_000)
    """What the budget holds when full."""
    retry_cost: int = Field(default=14, ge=0, le=1_000_000)
    throttled_cost: int = Field(default=5, ge=0, le=1_000_000)
    """What a retry costs after the voter said that it is busy."""
    success_refund: int = Field(default=1, ge=0, le=1_000_000)
    """What an answer that needed no retry gives back; one that did gives back what its last retry cost."""
    base_s: float = Field(default=0.05, ge=0, le=60)
    """Longest wait before the first retry; it doubles with each."""
    throttled_base_s: float = Field(default=1.0, ge=0, le=60)
    cap_s: float = Field(default=20.0, ge=0, le=600)


class HedgeConfig(_Section):
    """When a second voter is asked beside one that takes long."""

    quantile: float = Field(default=0.95, gt=0, le=1)
    """Share of the voter's recent answers that came sooner."""
    window: int = Field(default=128, ge=1, le=10_000)
    """Answers that are remembered."""
    min_samples: int = Field(default=20, ge=1, le=10_000)

    @model_validator(mode="after")
    def _reachable(self) -> Self:
        if self.min_samples > self.window:
            raise ValueError(
                f"min_samples ({self.min_samples}) never come together in a window of {self.window}: lower it"
            )
        return self


class BulkheadConfig(_Section):
    """What one voter may hold, so that a hung one does not hold everything."""

    max_calls: int = Field(default=256, ge=1, le=10_000)
    """Asks of one voter under way in one replica; more are turned away at once. As many as there are deliberations by default:
    one that hangs holds no more than its own asks."""


class BreakerConfig(_Section):
    """One voter's breaker, and the sections beside it. Shares are between 0 and 1."""

    window: Literal["count", "time"] = "count"
    """What the rates are of: the last ``window_calls`` calls, or those of the last ``window_s``."""
    window_calls: int = Field(default=5, ge=1, le=100_000)
    window_s: float = Field(default=300.0, gt=0, le=86_400)
    """At least the 99th percentile of a call's time: calls of language models last 30 to 120 s, and a window of 10 s lies."""
    window_buckets: int = Field(default=60, ge=1, le=3600)
    """Parts of a time window: what is forgotten is forgotten by the part."""
    minimum_calls: int = Field(default=5, ge=1, le=100_000)
    """With fewer calls in the window there is no rate."""
    failure_rate: float = Field(default=1.0, gt=0, le=1)
    """Open from this share of failures."""
    slow_call_s: float = Field(default=120.0, gt=0, le=3600)
    """A call that took longer is slow, whether it failed or not."""
    slow_call_rate: float = Field(default=1.0, gt=0, le=1)
    """Open from this share of slow calls."""
    patience_s: float = Field(default=30.0, gt=0, le=3600)
    """A voter that is still silent when its asker's time is up has failed if it had at least this long, and longer than any of
    its recent answers took: a caller that gives voters no time says nothing about them."""
    open_s: float = Field(default=60.0, ge=0, le=3600)
    """Cool-down. 0 is a cool-down of no time: the next call is already a probe."""
    half_open_permits: int = Field(default=1, ge=1, le=1000)
    """Probes after the cool-down; their results decide."""
    half_open_max_s: float = Field(default=600.0, gt=0, le=86_400)
    """Probes that all are silent for so long have failed."""
    outliers: OutlierConfig = OutlierConfig()
    retries: RetryConfig = RetryConfig()
    hedge: HedgeConfig = HedgeConfig()
    bulkhead: BulkheadConfig = BulkheadConfig()

    @model_validator(mode="after")
    def _can_open(self) -> Self:
        if self.window == "count" and self.minimum_calls > self.window_calls:
            raise ValueError(
                f"minimum_calls ({self.minimum_calls}) never come together in a window of {self.window_calls} calls, "
                "so the breaker could not open: lower it, or raise window_calls"
            )
        return self


def consecutive(failure_threshold: int = 5, recovery_timeout_s: float = 60.0) -> BreakerConfig:
    """Return the configuration of a breaker that so many failures in a row open for so long, and one success closes."""
    return BreakerConfig(
        window_calls=failure_threshold, minimum_calls=failure_threshold, failure_rate=1.0, open_s=recovery_timeout_s
    )
