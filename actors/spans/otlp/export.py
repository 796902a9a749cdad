"""Rows of the table as OTLP, for whatever reads it: a Collector, Jaeger, Tempo. Pure.

Rules:
- Another service's span is the message that came, whole.
- A row of our own is a span of the service ``weavergen``: its attributes as text, what has a column under ``weavergen.*``,
  writer and number among them. So no other service's span can be taken for one: such names are refused when they come in.
- Rows that follow on one another and share resource and scope share them in the message, too.

Left out: decision envelopes, which ``GET /v1/decisions/{id}`` gives with their proof; reading the table (the command line).
"""

from collections.abc import Iterable, Iterator, Sequence
from typing import Final

import msgspec
from opentelemetry.proto.common.v1.common_pb2 import KeyValue
from opentelemetry.proto.trace.v1.trace_pb2 import ResourceSpans, TracesData

from actors.spans.columns import Rows
from actors.spans.conventions import SCHEMA_URL, SCHEMA_URLS
from actors.spans.otlp.json_form import to_json
from actors.spans.otlp.mapping import KIND_NUMBERS, STATUS_NUMBERS, whole
from actors.spans.span import Span

SERVICE: Final = "weavergen"
_WORDS: Final = ("decision_id", "tenant", "voter", "family", "layer", "outcome", "answer_kind")


def messages(rows: Iterable[Rows]) -> Iterator[ResourceSpans]:
    """Yield each row as a message of its own."""
    for part in rows:
        for seq, span in enumerate(part.spans, part.first_seq):
            yield whole(span) if span.otlp else _own(part, seq, span)


def json_line(rows: Iterable[Rows]) -> bytes:
    """Write rows as one line of an OTLP JSON file."""
    return msgspec.json.encode(to_json(TracesData(resource_spans=joined(list(messages(rows)))))) + b"\n"


def joined(given: Sequence[ResourceSpans]) -> list[ResourceSpans]:
    """Put spans that follow on one another under one resource and scope, where theirs are the same."""
    groups: list[ResourceSpans] = []
    around: tuple[bytes, bytes] | None = None
    for message in given:
        (scope,) = message.scope_spans
        spans = list(scope.spans)
        del scope.spans[:]
        own_scope = scope.SerializeToString(deterministic=True)
        del message.scope_spans[:]
        here = message.SerializeToString(deterministic=True), own_scope
        if here != around:
            if around is None or here[0] != around[0]:
                groups.append(message)
            groups[-1].scope_spans.add().ParseFromString(own_scope)
            around = here
        groups[-1].scope_spans[-1].spans.extend(spans)
    return groups


def _own(part: Rows, seq: int, row: Span) -> ResourceSpans:
    """Return a row of our own as a message."""
    message = ResourceSpans(schema_url=SCHEMA_URLS.get(part.schema_version, SCHEMA_URL))
    message.resource.attributes.extend([_text("service.name", SERVICE), _text("service.instance.id", part.writer_id)])
    scope = message.scope_spans.add()
    scope.scope.name = SERVICE
    span = scope.spans.add(
        trace_id=row.trace_id, span_id=row.span_id, parent_span_id=row.parent_span_id, name=row.name,
        kind=KIND_NUMBERS[row.kind], start_time_unix_nano=row.start_unix_nano, end_time_unix_nano=row.end_unix_nano,
    )  # fmt: skip
    if code := STATUS_NUMBERS[row.status]:
        span.status.code = code
    span.attributes.extend(_text(key, value) for key, value in row.attributes.items())
    span.attributes.extend(_text(f"{SERVICE}.{name}", getattr(row, name)) for name in _WORDS if getattr(row, name))
    numbers = {"writer_seq": seq, "log_index": part.log_index, "latency_ms": row.latency_ms}
    for name, number in numbers.items():
        if number is not None and number >= 0:
            span.attributes.add(key=f"{SERVICE}.{name}").value.int_value = number
    if row.agreement >= 0:
        span.attributes.add(key=f"{SERVICE}.agreement").value.double_value = row.agreement
    return message


def _text(key: str, value: str) -> KeyValue:
    made = KeyValue(key=key)
    made.value.string_value = value
    return made
