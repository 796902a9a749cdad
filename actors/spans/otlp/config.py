"""Configuration of what other services may send: bounds of a request, of a span, of a key, and of the log that takes it."""

from typing import Self

from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator

KIB = 1024
MIB = 1024 * KIB
ROW_BYTES = 256
"""What a row takes in the log beside its message and its name, at most."""


class OtlpConfig(BaseModel):
    """Bounds of ``POST /v1/traces``. The defaults take what OpenTelemetry's SDKs and Collector send by default."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    max_body_bytes: int = Field(default=4 * MIB, ge=KIB, le=64 * MIB)
    """A request's body as it comes."""
    max_decompressed_bytes: int = Field(default=8 * MIB, ge=KIB, le=64 * MIB)
    """A request's body once it is decompressed."""
    max_ratio: int = Field(default=100, ge=1, le=1032)
    """How many times its size a compressed body may become, beyond the first 64 KiB."""
    max_spans: int = Field(default=8192, ge=1, le=100_000)
    """Spans of a request: a request with more is refused with 413."""
    max_scopes: int = Field(default=16_384, ge=2, le=200_000)
    """Resources and scopes of a request together, empty ones among them: a request with more is refused with 413."""
    max_attributes: int = Field(default=128, ge=1, le=10_000)
    """Attributes of one span, event, link, scope or resource."""
    max_attribute_bytes: int = Field(default=8 * KIB, ge=16, le=MIB)
    """Name and value of one attribute."""
    max_value_depth: int = Field(default=8, ge=1, le=32)
    """How deep lists and maps of an attribute may lie in one another."""
    max_events: int = Field(default=128, ge=0, le=10_000)
    max_links: int = Field(default=128, ge=0, le=10_000)
    """Events and links of one span."""
    max_name_bytes: int = Field(default=KIB, ge=16, le=64 * KIB)
    """Name of a span or event, and text of a status or trace state."""
    max_span_bytes: int = Field(default=64 * KIB, ge=KIB, le=16 * MIB)
    """What is kept of one span, its resource and scope among it. A frame of the log holds as much."""
    max_rows_bytes: int = Field(default=8 * MIB, ge=KIB, le=256 * MIB)
    """What is kept of all spans of a request together: each keeps its resource and scope, so a large one counts for each."""
    content_attributes: tuple[str, ...] = Field(default=(), max_length=256)
    """Names of attributes, beside those of OpenTelemetry's conventions, that hold questions or answers: where a tenant's content
    is not kept, a commitment stands in their place."""
    max_age_s: int = Field(default=7 * 86_400, ge=60, le=10 * 365 * 86_400)
    """How long ago a span may have begun: each day that rows are of is a file in each commit of the table."""
    max_ahead_s: int = Field(default=300, ge=0, le=86_400)
    """How far a sender's clock may be ahead."""
    spans_per_second: float = Field(default=1000.0, gt=0, le=1e7)
    """What one key may send in the long run, over all replicas together: each has its part of it."""
    burst_spans: int = Field(default=10_000, ge=1, le=10_000_000)
    """What it may send at once after a pause, over all replicas together. A request is never cut: what goes beyond is owed."""
    bytes_a_span: int = Field(default=4 * KIB, ge=64, le=MIB)
    """So much of a request, once it is decompressed, counts at least as one span of what its key may send, whatever it holds."""
    replica_spans_per_second: float = Field(default=5000.0, gt=0, le=1e7)
    """What one replica takes of all keys together in the long run, and its burst is two seconds of it."""
    max_keys: int = Field(default=1000, ge=1, le=1_000_000)
    """Keys whose rate is remembered."""
    max_under_way: int = Field(default=4, ge=1, le=256)
    """Requests of this kind in one replica at once, half of them one key's at most; more are refused with 429."""
    queue_max_bytes: int = Field(default=32 * MIB, ge=64 * KIB, le=1024 * MIB)
    """Rows on their way to the disk, in a queue of their own; above it requests are refused with 503."""
    max_backlog_bytes: int = Field(default=256 * MIB, ge=0, le=64 * 1024 * MIB)
    """What of a replica's log of such rows may wait for the table; above it requests are refused with 503."""
    min_free_bytes: int = Field(default=1024 * MIB, ge=0, le=1024 * 1024 * MIB)
    """Space on the disk of ``home`` that such rows leave free: decisions go on being recorded there."""
    retry_after_s: int = Field(default=5, ge=1, le=3600)
    """What a sender is told to wait where nobody knows how long it takes."""

    @field_validator("content_attributes")
    @classmethod
    def _in_any_case(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        return tuple(name.strip().casefold() for name in value)

    @model_validator(mode="after")
    def _fits(self) -> Self:
        if self.queue_max_bytes < 2 * self.max_rows_bytes:
            raise ValueError(
                "queue_max_bytes is at least twice max_rows_bytes, or a request alone could fill the queue"
            )
        if self.max_span_bytes > self.max_rows_bytes:
            raise ValueError("max_span_bytes is more than max_rows_bytes: no such span could come")
        return self

    @property
    def max_row_bytes(self) -> int:
        """Return what one row takes in the log at most: a frame has to hold it."""
        return self.max_span_bytes + self.max_name_bytes + ROW_BYTES
