"""Configuration of deliberation: every bound of a request is here."""

from pydantic import BaseModel, ConfigDict, Field


class ConsensusConfig(BaseModel):
    """Bounds and defaults of one deliberation."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    deadline_ms: int = Field(default=60_000, ge=50, le=600_000)
    """Deadline of a request that names none."""
    max_deadline_ms: int = Field(default=300_000, ge=50, le=600_000)
    record_grace_ms: int = Field(default=1000, ge=0, le=60_000)
    """What the record of a refusal may take beyond the deadline; that of an answer may take nothing beyond it."""
    panel_size: int = Field(default=0, ge=0, le=16)
    """Voters asked at first; 0 asks every active member of the layer. The others stand by as substitutes."""
    max_substitutes: int = Field(default=2, ge=0, le=16)
    max_prompt_bytes: int = Field(default=65_536, ge=1, le=4_194_304)
    max_messages: int = Field(default=256, ge=1, le=4096)
    max_answer_bytes: int = Field(default=262_144, ge=256, le=4_194_304)
    """A longer answer costs its ballot."""
    compare_ms: int = Field(default=5_000, ge=100, le=120_000)
    """Time kept behind the voting for comparing what code does; never more than a quarter of the deadline."""
    default_max_tokens: int = Field(default=512, ge=1, le=131_072)
    max_tokens: int = Field(default=4096, ge=1, le=131_072)
    default_temperature: float = Field(default=0.0, ge=0.0, le=2.0)
    """Sampling temperature where the request gives none: agreement of greedy answers is what voters are compared by."""
    max_concurrent: int = Field(default=256, ge=1, le=10_000)
    """Deliberations under way in one replica; more are refused as ``overloaded`` (429)."""
    recent_decisions: int = Field(default=4096, ge=0, le=1_000_000)
    """Envelopes a replica keeps in memory for look-ups."""
