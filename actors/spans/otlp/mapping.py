"""From a span as it was sent to a row, and back to the very same message. Pure.

Rules:
- A row is marked by who sent it (the id of an API key) and filed under that key's tenant, whatever the message says.
- ``whole`` is the inverse of ``row_of``: to the last field, known here or not.

Left out: which spans may come in (``intake``).
"""

from typing import Final, get_args

from opentelemetry.proto.trace.v1.trace_pb2 import ResourceSpans, ScopeSpans
from opentelemetry.proto.trace.v1.trace_pb2 import Span as Message

from actors.spans.otlp.message import read_rest, strip
from actors.spans.span import Span, SpanKind, SpanStatus

KINDS: Final[dict[int, SpanKind]] = {
    0: "unspecified", 1: "internal", 2: "server", 3: "client", 4: "producer", 5: "consumer",
}  # fmt: skip
STATUSES: Final[dict[int, SpanStatus]] = dict(enumerate(get_args(SpanStatus)))
"""OTLP's numbers → words of the table."""
KIND_NUMBERS: Final = {word: number for number, word in KINDS.items()}
STATUS_NUMBERS: Final = {word: number for number, word in STATUSES.items()}


def frame_of(sent: ResourceSpans, scope: ScopeSpans) -> ResourceSpans:
    """Return what every span of one scope has around it: its resource and scope, without any span."""
    around = ResourceSpans()
    around.CopyFrom(sent)
    del around.scope_spans[:]
    own = around.scope_spans.add()
    own.CopyFrom(scope)
    del own.spans[:]
    return around


def row_of(around: ResourceSpans, sent: Message, sender: str, tenant: str) -> Span:
    """Return the row of a span; its kind, status, ids and times are ones that a row can say."""
    message = ResourceSpans()
    message.CopyFrom(around)
    kept = message.scope_spans[0].spans.add()
    kept.CopyFrom(sent)
    strip(kept)
    return Span(
        trace_id=sent.trace_id,
        span_id=sent.span_id,
        parent_span_id=sent.parent_span_id,
        name=sent.name,
        kind=KINDS[sent.kind],
        start_unix_nano=sent.start_time_unix_nano,
        end_unix_nano=sent.end_time_unix_nano,
        status=STATUSES[sent.status.code],
        decision_id="",
        tenant=tenant,
        attributes={},
        sender=sender,
        otlp=message.SerializeToString(deterministic=True),
    )


def whole(row: Span) -> ResourceSpans:
    """Return another service's span as it was sent, alone in its resource and scope; raise ``ValueError`` for another row."""
    message = read_rest(row.otlp)
    (span,) = message.scope_spans[0].spans
    span.trace_id, span.span_id, span.parent_span_id = row.trace_id, row.span_id, row.parent_span_id
    span.name, span.kind = row.name, KIND_NUMBERS[row.kind]
    span.start_time_unix_nano, span.end_time_unix_nano = row.start_unix_nano, row.end_unix_nano
    if code := STATUS_NUMBERS[row.status]:
        span.status.code = code
    return message
