"""Spans: one row each, with OpenTelemetry GenAI names where they exist and ours under ``weavergen.*``.

Source: OpenTelemetry semantic conventions for generative AI (Development), span names ``invoke_workflow`` and
``chat {model}``. Content is never here: the record holds commitments.
"""

from typing import Literal

import msgspec

SpanKind = Literal["internal", "server", "client"]
SpanStatus = Literal["unset", "ok", "error"]


class Span(msgspec.Struct, frozen=True, array_like=True):
    """One span as its writer emits it; ``writer_id`` and ``writer_seq`` are added by the log it is written to.

    Ids are raw bytes (16 and 8, ``parent_span_id`` empty for a root); times are Unix nanoseconds. Typed fields that do
    not apply are empty strings or −1. ``record`` holds the decision envelope's canonical bytes on the root span only.
    """

    trace_id: bytes
    span_id: bytes
    parent_span_id: bytes
    name: str
    kind: SpanKind
    start_unix_nano: int
    end_unix_nano: int
    status: SpanStatus
    decision_id: str
    tenant: str
    attributes: dict[str, str]
    voter: str = ""
    family: str = ""
    layer: str = ""
    outcome: str = ""
    latency_ms: int = -1
    agreement: float = -1.0
    answer_kind: str = ""
    record: bytes = b""
