"""Configuration of admission: quotas by tier, the line in front of a replica, what is shed and what is saved."""

from collections.abc import Mapping
from typing import Annotated, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

Cut = Literal["hedges", "voters"]
Tier = Annotated[int, Field(ge=0, le=9)]


class _Section(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)


class TierConfig(_Section):
    """What each key of a tier may ask for within a minute of the clock (UTC), over all replicas."""

    requests_per_minute: int | None = Field(default=None, ge=1, le=1_000_000_000)
    tokens_per_minute: int | None = Field(default=None, ge=1, le=1_000_000_000_000)
    """Tokens as an answer's ``usage`` counts them: prompt and completion, summed over the voters that were asked."""
    priority: Literal["interactive", "batch"] = "interactive"
    """The best that the tier's keys can have: requests of a ``batch`` tier are batch, whatever they say."""

    @model_validator(mode="after")
    def _says_something(self) -> Self:
        if not self.model_fields_set:
            raise ValueError("a tier that limits nothing would mean nothing: leave it out")
        return self


class QuotaConfig(_Section):
    """How replicas share a key's limit."""

    look_s: float = Field(default=0.1, ge=0.01, le=10)
    """How often more is leased where it is needed, at least; a key that runs short is seen to at once."""
    ahead_s: float = Field(default=20.0, ge=1, le=50)
    """How long before a minute begins a replica says that it will lease in it. One that cannot say so has its share alone."""
    lock_wait_s: float = Field(default=1.0, gt=0, le=10)
    """Longest wait for the other replicas' turn."""
    max_keys: int = Field(default=10_000, ge=1, le=1_000_000)
    """Keys whose leases one minute's note holds; further ones have their share, and lease nothing."""


class LineConfig(_Section):
    """The line in front of a replica."""

    max_waiting: int = Field(default=128, ge=0, le=10_000)
    """Requests that wait in one replica; more are refused."""
    min_wait_ms: int = Field(default=100, ge=0, le=60_000)
    max_wait_ms: int = Field(default=250, ge=0, le=60_000)
    """Bounds of the longest wait of an interactive request, which is ..."""
    wait_share: float = Field(default=0.5, ge=0, le=10)
    """... this share of what a request usually takes. In a line that has not been empty for ``max_wait_ms`` it is the least."""
    batch_max_wait_ms: int = Field(default=10_000, ge=0, le=600_000)
    batch_share: float = Field(default=0.8, gt=0, le=1)
    """Share of the limit that batch requests may fill: the rest is kept for people."""
    max_retry_after_s: int = Field(default=30, ge=1, le=3600)

    @model_validator(mode="after")
    def _ordered(self) -> Self:
        if self.max_wait_ms < self.min_wait_ms:
            raise ValueError(f"max_wait_ms ({self.max_wait_ms}) is below min_wait_ms ({self.min_wait_ms}): raise it")
        return self


class SheddingConfig(_Section):
    """When a replica takes less: turns of its event loop are held to a share of what a request usually takes."""

    look_ms: int = Field(default=10, ge=5, le=1000)
    """How often a turn is measured."""
    min_limit: int = Field(default=16, ge=1, le=10_000)
    """Requests that a replica always takes at a time; ``consensus.max_concurrent`` is the most."""
    delay_share: float = Field(default=0.05, gt=0, le=1)
    """The turn that is too long, as a share of what a request usually takes: it takes some ten of them."""
    min_delay_ms: float = Field(default=5.0, gt=0, le=1000)
    max_delay_ms: float = Field(default=50.0, gt=0, le=10_000)
    """Bounds of that."""
    step_ms: int = Field(default=50, ge=5, le=10_000)
    """How often the limit changes."""
    backoff: float = Field(default=0.8, gt=0, lt=1)
    """What is left of the requests under way when turns are too long."""
    growth: float = Field(default=0.1, gt=0, le=1)
    """What is added to the limit while they are well below."""

    @model_validator(mode="after")
    def _ordered(self) -> Self:
        if self.max_delay_ms < self.min_delay_ms:
            raise ValueError(
                f"max_delay_ms ({self.max_delay_ms:g}) is below min_delay_ms ({self.min_delay_ms:g}): raise it"
            )
        return self


class ConcurrencyConfig(_Section):
    """How many asks one voter takes at a time: Netflix's Gradient2 on the time to its first token."""

    enabled: bool = True
    min_limit: int = Field(default=4, ge=1, le=10_000)
    tolerance: float = Field(default=2.0, ge=1, le=10)
    """How much longer than usual a first token may take before the limit falls."""
    slack_ms: float = Field(default=50.0, ge=0, le=60_000)
    """And how much longer than that: quick voters are not held to milliseconds of the network's."""
    smoothing: float = Field(default=0.2, gt=0, le=1)
    queue_size: int = Field(default=4, ge=0, le=1000)
    """What is tried beyond the limit each time."""
    long_window: int = Field(default=600, ge=10, le=100_000)
    """First tokens that make up what is usual."""


class BrownoutLevel(_Section):
    """From which pressure on what is saved."""

    pressure: float = Field(gt=0, le=1)
    """Share of the recent requests that could not be let in at once."""
    cut: tuple[Cut, ...] = Field(min_length=1, max_length=2)


class BrownoutConfig(_Section):
    """What is saved before more is refused. A cut never takes an answer below its policy."""

    levels: tuple[BrownoutLevel, ...] = Field(
        default=(
            BrownoutLevel(pressure=0.05, cut=("hedges",)),
            BrownoutLevel(pressure=0.2, cut=("hedges", "voters")),
        ),
        max_length=8,
    )
    """By rising pressure; none saves nothing."""
    window_s: float = Field(default=2.0, ge=0.1, le=600)
    """Time over which pressure is measured."""

    @model_validator(mode="after")
    def _rises(self) -> Self:
        for before, after in zip(self.levels, self.levels[1:], strict=False):
            if after.pressure <= before.pressure or not set(before.cut) <= set(after.cut):
                raise ValueError("levels: each has more pressure than the one before it and cuts what that one does")
        return self


class AdmissionConfig(_Section):
    """Who is let in."""

    tiers: Mapping[Tier, TierConfig] = {}
    """Limits by a key's tier (``weavergen keys create --tier``); a tier that is not named is not limited."""
    quotas: QuotaConfig = QuotaConfig()
    line: LineConfig = LineConfig()
    shedding: SheddingConfig = SheddingConfig()
    concurrency: ConcurrencyConfig = ConcurrencyConfig()
    brownout: BrownoutConfig = BrownoutConfig()
