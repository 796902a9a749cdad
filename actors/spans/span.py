"""Spans: one row each, with OpenTelemetry GenAI names where they exist and ours under ``weavergen.*``.

Source: OpenTelemetry semantic conventions for generative AI (Development), span names ``invoke_workflow`` and
``chat {model}``. Content is never here: the record holds commitments.

Rules:
- A span that another service sent (``sender``) says nothing in the fields that are only ours: no decision, no vote, no record.
  What it says beside ids, times, kind and status is its message, kept as it was sent (``otlp``).
- A row of a version has no fields of a later one: its digest would not cover them.
"""

from collections.abc import Iterable
from typing import Literal

import msgspec

from actors.spans.otlp.message import read_rest

SpanKind = Literal["internal", "server", "client", "producer", "consumer", "unspecified"]
SpanStatus = Literal["unset", "ok", "error"]
EXTERNAL_SINCE = 2
"""Version from which on rows may be other services'."""
_INT64_MAX = 2**63 - 1


class Span(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """One span as its writer emits it; ``writer_id`` and ``writer_seq`` are added by the log it is written to.

    Ids are raw bytes (16 and 8, ``parent_span_id`` empty for a root); times are Unix nanoseconds. Typed fields that do
    not apply are empty strings or −1. ``record`` holds the decision envelope's canonical bytes on the root span only. It
    holds nothing that could hold it, so the collector of cycles need not look at the many there are.
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
    sender: str = ""
    """Since version 2: id of the API key that another service's span came with; empty for rows of our own."""
    otlp: bytes = b""
    """Since version 2: of such a span, a ``ResourceSpans`` of it alone, without what the other fields say."""


def moment(trace_id: bytes, span_id: bytes, name: str, kind: SpanKind, now_ns: int, attributes: dict[str, str]) -> Span:
    """Build the row of what has no length, in a trace of its own and of no decision."""
    return Span(trace_id, span_id, b"", name, kind, now_ns, now_ns, "ok", "", "", attributes)


_OURS = {"decision_id": "", "voter": "", "family": "", "layer": "", "outcome": "", "latency_ms": -1, "agreement": -1.0,
         "answer_kind": "", "record": b"", "attributes": {}}  # fmt: skip
"""What of a span only this system says, and its value where it says nothing."""


def check_span(span: Span) -> None:
    """Raise ``ValueError`` for ids and numbers outside the table's types."""
    if len(span.trace_id) != 16 or len(span.span_id) != 8 or len(span.parent_span_id) not in {0, 8}:
        raise ValueError(f"span {span.name!r}: ids take 16, 8 and 8 bytes")
    if not (
        0 <= span.start_unix_nano <= _INT64_MAX
        and 0 <= span.end_unix_nano <= _INT64_MAX
        and -1 <= span.latency_ms <= _INT64_MAX
    ):
        raise ValueError(f"span {span.name!r}: times are non-negative 64-bit integers")
    if not (span.agreement == -1.0 or span.agreement >= 0.0):
        raise ValueError(f"span {span.name!r}: agreement is at least 0, or −1 where there is none")
    if span.sender or span.otlp:
        _check_external(span)


def check_version(spans: Iterable[Span], version: int) -> None:
    """Raise ``ValueError`` if one of the rows of this version of ``Span`` says what only a later one has."""
    if version >= EXTERNAL_SINCE:
        return
    for span in spans:
        if span.sender or span.otlp:
            raise ValueError(f"span {span.name!r}: a row of version {version} has no sender and no message")


def _check_external(span: Span) -> None:
    if not span.sender or not span.otlp:
        raise ValueError(f"span {span.name!r}: a sender has a message, and a message a sender")
    if claimed := [name for name, nothing in _OURS.items() if getattr(span, name) != nothing]:
        raise ValueError(f"span {span.name!r} of a sender says what only rows of ours do: {', '.join(claimed)}")
    read_rest(span.otlp)
