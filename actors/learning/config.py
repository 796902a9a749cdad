"""Configuration of learning: how far back it looks and how far one release may move."""

from pydantic import BaseModel, ConfigDict, Field


class LearningConfig(BaseModel):
    """Bounds of one release of weights."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    window_days: int = Field(default=30, ge=1, le=3660)
    """Spans older than this teach nothing unless everything is asked for."""
    shrink_n: int = Field(default=20, ge=1, le=1_000_000)
    """Observations that the prior stands for."""
    max_change: float = Field(default=0.1, gt=0.0, le=1.0)
    """Most that a weight, or the correlation, may move in one release."""
