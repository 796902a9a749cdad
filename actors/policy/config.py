"""Configuration of policy: how often snapshots are polled, what happens when they cannot be, and what error policy states."""

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

from actors.policy.wellformed import MAX_SOURCE

OnStale = Literal["serve", "halt"]


class PolicyConfig(BaseModel):
    """Bounds of following the policy in force."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    poll_ms: int = Field(default=250, ge=10, le=1000)
    """A halt reaches every replica within one poll; it is promised within a second."""
    policy_max_stale_s: int = Field(default=300, ge=2, le=86_400)
    """How long the last confirmed policy is good without its source confirming it again."""
    on_stale: OnStale = "serve"
    """What a replica does after that: go on under the last good policy, or answer nothing."""
    max_chain: int = Field(default=10_000, ge=1, le=1_000_000)
    """Most snapshots read back from the newest to the last one an operator signed."""
    max_snapshot_bytes: int = Field(default=1_048_576, ge=1024, le=16_777_216)
    """Larger files are refused unread."""


class CalibrationConfig(BaseModel):
    """The error that a policy's rules were set for, as policy states it and records repeat it."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    error: float = Field(ge=0, le=1)
    """Share of served answers that were wrong where that was measured."""
    source: str = Field(min_length=1, max_length=MAX_SOURCE)
    """Where the figure comes from."""
