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


def resource_of(sent: ResourceSpans) -> ResourceSpans:
    """Return what every span of a resource has around it, but for its scope."""
    around = ResourceSpans()
    around.CopyFrom(sent)
    del around.scope_spans[:]
    return around


def scope_of(sent: ScopeSpans) -> ScopeSpans:
    """Return a scope without its spans."""
    own = ScopeSpans()
    own.CopyFrom(sent)
    del own.spans[:]
    return own


def frame_of(resource: ResourceSpans, scope: ScopeSpans) -> ResourceSpans:
    """Return what every span of one scope has around it: its resource and scope, without any span.

    Both are copied whole: who has many scopes or spans hands over ``resource_of`` and ``scope_of`` those, made once.
    """
    around = resource_of(resource)
    around.scope_spans.add().CopyFrom(scope_of(scope))
    return around


def row_bytes(resource_bytes: int, scope_bytes: int, span_bytes: int) -> int:
    """Return the size of the message that a row keeps, by those of its parts, each without what lies in it."""
    return resource_bytes + _field_bytes(scope_bytes + _field_bytes(span_bytes))


def _field_bytes(size: int) -> int:
    return 1 + max(1, -(-size.bit_length() // 7)) + size


def kept_of(sent: Message) -> Message:
    """Return what a row keeps of a span beside its columns."""
    kept = Message()
    kept.CopyFrom(sent)
    strip(kept)
    return kept


def row_of(around: ResourceSpans, sent: Message, sender: str, tenant: str) -> Span:
    """Return the row of a span; its kind, status, ids and times are ones that a row can say."""
    message = ResourceSpans()
    message.CopyFrom(around)
    message.scope_spans[0].spans.add().CopyFrom(kept_of(sent))
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
