"""Configuration of the sandbox: every bound of what a candidate may use, and how often its barriers are proven."""

from typing import Annotated, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

MIB = 2**20
Milliseconds = Annotated[int, Field(ge=10, le=60_000)]


class SandboxConfig(BaseModel):
    """Bounds of one job and of the sandbox itself."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    call_ms: Milliseconds = 1000
    """Wall clock of the code's top level, and of each call."""
    job_ms: Milliseconds = 5000
    """Wall clock of a whole job."""
    cpu_s: int = Field(default=5, ge=1, le=60)
    address_space_mib: int = Field(default=512, ge=128, le=8192)
    output_bytes: int = Field(default=MIB, ge=1024, le=16 * MIB)
    """All that one job may send out; a job that sends more ends as ``crash``."""
    value_bytes: int = Field(default=32_768, ge=64, le=MIB)
    """A value whose text is longer is told by its class alone."""
    value_depth: int = Field(default=32, ge=1, le=100)
    """A value nested deeper is told by its class alone."""
    printed_bytes: int = Field(default=4096, ge=0, le=MIB)
    """Characters of standard output kept of each call."""
    processes: int = Field(default=8, ge=4, le=64)
    """Processes inside the sandbox; a candidate itself may start none. The kernel does not count those of the root user."""
    file_bytes: int = Field(default=MIB, ge=0, le=64 * MIB)
    """Longest file, should one ever be writable."""
    tmp_mib: int = Field(default=8, ge=1, le=1024)
    open_files: int = Field(default=32, ge=16, le=1024)
    max_calls: int = Field(default=256, ge=1, le=10_000)
    max_code_bytes: int = Field(default=262_144, ge=1, le=4 * MIB)
    max_call_bytes: int = Field(default=16_384, ge=1, le=MIB)
    start_ms: Milliseconds = 20_000
    """A warm parent that is not ready by then is given up."""
    spare_ms: Milliseconds = 2000
    """What a job may take beyond ``job_ms`` to begin and to be ended inside, before everything is ended from outside."""
    workers: int = Field(default=1, ge=1, le=16)
    """Warm parents; each runs one job at a time."""
    max_queued: int = Field(default=256, ge=1, le=100_000)
    """Jobs waiting in one replica; those beyond are ``unavailable``."""
    self_test_period_s: float = Field(default=60.0, ge=1.0, le=3600.0)
    self_test_expiry_s: float = Field(default=120.0, ge=1.0, le=7200.0)
    """A proof older than this counts as none."""

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        if self.call_ms > self.job_ms:
            raise ValueError("call_ms is longer than job_ms: a call would never reach its own bound")
        if self.self_test_expiry_s <= self.self_test_period_s:
            raise ValueError("self_test_expiry_s must be longer than self_test_period_s, or nothing runs in between")
        return self
