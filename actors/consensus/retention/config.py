"""Configuration of retention: whose content is kept, how much of it, and for how long. Nothing is, unless it is said here."""

from pydantic import BaseModel, ConfigDict, Field

EVERY_TENANT = "*"
MIB = 2**20


class ContentConfig(BaseModel):
    """Whose content is kept, and the bounds of it."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    tenants: tuple[str, ...] = Field(default=(), max_length=1024)
    """Tenants whose questions and answers are kept; ``*`` stands for all, and without one nothing is kept."""
    max_bytes: int = Field(default=256 * MIB, ge=MIB, le=2**44)
    """Disk space of all kept decisions, in blocks of 4 KiB; the oldest go first."""
    max_files: int = Field(default=50_000, ge=16, le=1_000_000)
    """Decisions kept; the oldest go first."""
    max_age_days: float = Field(default=30.0, gt=0, le=3650)
    """A decision that is older goes, whatever room there is."""
    max_queued: int = Field(default=256, ge=1, le=100_000)
    """Decisions that wait to be written in one replica; those beyond are not kept."""
    max_queued_bytes: int = Field(default=32 * MIB, ge=65_536, le=2**32)
    """Characters of these."""

    def keeps(self, tenant: str) -> bool:
        """Tell whether a tenant's content is kept."""
        return tenant in self.tenants or EVERY_TENANT in self.tenants

    @property
    def on(self) -> bool:
        """Whether any is kept at all."""
        return bool(self.tenants)
