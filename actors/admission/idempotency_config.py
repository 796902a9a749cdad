"""Configuration of ``Idempotency-Key``: for how long an answer is kept for whoever asks again, and how much of it."""

from typing import Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

from actors.admission.sealing import BOX_BYTES

ENVELOPE_BYTES = 131_072
"""What a decision's record and the response's ``weavergen`` object may add to an answer that is kept."""

LEASE_TIMEOUTS = 3
"""A claim stands for two thirds of its lease, and making or renewing it takes twice ``timeout_s`` at most."""


class IdempotencyConfig(BaseModel):
    """Bounds of answers that are kept under a client's key."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    keep_s: float = Field(default=86_400, ge=1, le=604_800)
    """How long an answer is kept; afterwards its key is new again."""
    lease_s: float = Field(default=15, ge=1, le=300)
    """How long a claim lasts that nobody renews, the last chance of its holder included: a killed replica blocks its keys for no
    longer, to whoever waits."""
    poll_ms: int = Field(default=50, ge=10, le=1000)
    """First wait before a duplicate looks again whether the first is answered; the waits double."""
    max_poll_ms: int = Field(default=1000, ge=10, le=10_000)
    max_key_chars: int = Field(default=255, ge=16, le=255)
    """Printable ASCII characters of a key."""
    max_keys: int = Field(default=32_768, ge=1, le=1_000_000)
    """Idempotency keys that one API key may hold at once, 22 new ones a minute all day; more are refused with 429. Every claim
    counts them, which takes some 0.2 µs each."""
    max_answer_bytes: int = Field(default=1_048_576, ge=1024, le=16_777_216)
    """An answer that takes more with its record cannot be kept, so it does not leave: ask without a key, or for less."""
    max_kept_bytes: int = Field(default=536_870_912, ge=1024, le=1_099_511_627_776)
    """Bytes of answers that are kept for one API key at once; whoever works on one counts as if it were the largest. More are
    refused with 429."""
    max_waiting: int = Field(default=64, ge=1, le=10_000)
    """Duplicates that wait in one replica for their like, never more than half of what it may have under way; more are refused
    with 429."""
    max_waiting_by_key: int = Field(default=16, ge=1, le=10_000)
    """Of those, duplicates of one API key."""
    max_looks: int = Field(default=64, ge=1, le=10_000)
    """Looks into the database under way at once in one replica; more are refused as without a database (503)."""
    connections: int = Field(default=4, ge=2, le=64)
    """Connections of one replica to the state database beside ``store.pool_size``: half to look, half to keep."""
    timeout_s: float = Field(default=2.0, gt=0, le=60)
    """Longest wait for a connection, for a lock, and for one statement; a request waits twice as long at most, and never beyond
    its deadline."""
    sweep_s: float = Field(default=60, ge=0.05, le=3600)
    """How often what has expired is removed."""
    sweep_rows: int = Field(default=500, ge=1, le=100_000)
    """Most rows that are removed in one transaction."""

    @model_validator(mode="after")
    def _holds_together(self) -> Self:
        if self.lease_s < LEASE_TIMEOUTS * self.timeout_s:
            raise ValueError(
                f"lease_s ({self.lease_s:g}) is at least {LEASE_TIMEOUTS} times timeout_s ({self.timeout_s:g}): a claim would "
                "lapse while it is made or renewed"
            )
        if self.max_kept_bytes < self.max_answer_bytes + BOX_BYTES:
            raise ValueError(
                f"max_kept_bytes is at least {self.max_answer_bytes + BOX_BYTES}: max_answer_bytes, sealed"
            )
        return self
