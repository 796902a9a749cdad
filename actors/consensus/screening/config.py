"""Configuration of screening: the ``screening`` section of consensus."""

from pydantic import BaseModel, ConfigDict, Field


class ScreeningConfig(BaseModel):
    """Bounds of the screener of one process."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    memo_entries: int = Field(default=4096, ge=0, le=1_000_000)
    """Screenings remembered, by digest of the code, language and version; the least recently used goes first."""
    threads: int = Field(default=2, ge=1, le=32)
    """Codes looked into at the same time."""
    max_waiting: int = Field(default=256, ge=1, le=100_000)
    """Different codes under way or waiting for a thread; more are rejected as ``scanner-busy``."""
    canary_max_age_s: float = Field(default=60.0, gt=0.0, le=3600.0)
    """How long a run of the canaries vouches for the rules; then they are run again before the next verdict."""
