"""Configuration of admission: quotas by tier, the line in front of a replica, what is shed and what is saved."""

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator

Cut = Literal["hedges", "voters"]
_REDIS_URL = re.compile(
    r"rediss?://([A-Za-z0-9._-]{1,253}|\[[0-9A-Fa-f:.]{2,45}\])(:(?P<port>[0-9]{1,5}))?(/[0-9]{0,5})?|unix:///[^\s@?#]+"
)
Tier = Annotated[int, Field(ge=0, le=9)]


class _Section(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)


class TierConfig(_Section):
    """What each key of a tier may ask for within a minute of the clock (UTC), over all replicas."""

    requests_per_minute: int | None = Field(default=None, ge=1, le=1_000_000_000)
    tokens_per_minute: int | None = Field(default=None, ge=1, le=1_000_000_000_000)
    """Prompt and completion, summed over the voters that were asked: an answer's ``usage``, and the prompt for each that was
    asked and did not answer."""
    priority: Literal["interactive", "batch"] = "interactive"
    """The best that the tier's keys can have: requests of a ``batch`` tier are batch, whatever they say."""

    @model_validator(mode="after")
    def _says_something(self) -> Self:
        if not self.model_fields_set:
            raise ValueError("a tier that limits nothing would mean nothing: leave it out")
        return self


class RedisConfig(_Section):
    """A Redis in which gateways of several homes share keys' limits."""

    url: str = Field(max_length=1024)
    """``redis://HOST:PORT/DB``, ``rediss://…`` with TLS, or ``unix:///SOCKET``; never with a user or a password in it."""
    username: str | None = Field(default=None, min_length=1, max_length=256)
    password_env: str | None = Field(default=None, min_length=1, max_length=256)
    password_file: Path | None = None
    """Where the password is, one of the two; replicas inherit the environment of ``up``."""
    ca_file: Path | None = None
    """Certificates that a server's is believed by, with TLS; without it the system's."""
    slots: int = Field(ge=1, le=1024)
    """Replicas that there may be, in all homes together; every home says the same number."""
    first_slot: int = Field(ge=0, le=1023)
    """The first slot of this home's replicas; no other home has any of them."""
    prefix: str = Field(default="weavergen", pattern="^[A-Za-z0-9_.-]{1,64}$")
    """What keys in the Redis begin with; the same in every home."""
    timeout_ms: int = Field(default=100, ge=10, le=1000)
    """Longest wait for an address, for a connection to it, and for each answer."""
    attempts: int = Field(default=8, ge=1, le=100)
    """How often a note is read anew because another replica changed it first."""
    max_wants: int = Field(default=1000, ge=1, le=10_000)
    """Keys that are leased for at a time."""

    @field_validator("url")
    @classmethod
    def _is_address(cls, value: str) -> str:
        require_redis_url(value)
        return value

    @model_validator(mode="after")
    def _means_something(self) -> Self:
        if self.password_env is not None and self.password_file is not None:
            raise ValueError("password_env and password_file: one of them holds the password")
        if self.username is not None and self.password_env is None and self.password_file is None:
            raise ValueError("username: would mean nothing without a password: set password_env or password_file")
        if self.ca_file is not None and not self.url.startswith("rediss://"):
            raise ValueError("ca_file: would mean nothing without TLS: write rediss://… or leave it out")
        if self.first_slot >= self.slots:
            raise ValueError(f"first_slot: slots are numbered from 0 to {self.slots - 1}")
        return self


def require_redis_url(value: str) -> None:
    """Raise ``ValueError`` unless this is the address of a Redis, and nothing else; what it holds is not repeated."""
    if "@" in value or "?" in value or "#" in value:
        raise ValueError("no user, password, query or fragment belongs into it: set username and password_file")
    found = _REDIS_URL.fullmatch(value)
    if found is None or not 0 < int(found["port"] or 6379) < 65_536:
        raise ValueError("it is no address; write redis://HOST:PORT/DB, rediss://… or unix:///SOCKET")


class QuotaConfig(_Section):
    """How replicas share a key's limit."""

    look_s: float = Field(default=0.1, ge=0.01, le=10)
    """How often more is leased where it is needed, at least; a key that runs short is seen to at once."""
    max_backoff_s: float = Field(default=2.0, ge=0.01, le=10)
    """Longest pause after the store could not be asked; pauses begin at ``look_s`` and double."""
    ahead_s: float = Field(default=20.0, ge=1, le=50)
    """How long before a minute begins a replica says that it will lease in it. One that cannot say so has its share alone."""
    lock_wait_s: float = Field(default=1.0, gt=0, le=10)
    """Longest wait for the other replicas' turn."""
    max_keys: int = Field(default=10_000, ge=1, le=1_000_000)
    """Keys whose leases one minute's note holds; further ones have their share, and lease nothing."""
    ahead_keys: int = Field(default=1000, ge=0, le=100_000)
    """Keys, of those that were seen lately, for whose first request in a minute a replica leases before it begins."""
    redis: RedisConfig | None = None
    """Where gateways of several homes share limits; without it, replicas of one home share them in ``home/run/admission``."""


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
