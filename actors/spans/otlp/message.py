"""What a row keeps of another service's span beside its columns, and what the table shows of that.

Rules:
- Kept is a ``ResourceSpans`` of one scope and one span, as it was sent, fields that this version does not know among them.
  What has a column of its own (ids, name, kind, status, times) is left out of it, so nothing is said twice.
- What the table shows is text, by OpenTelemetry's rules for attributes in formats without types: strings as they are, numbers
  and booleans as in JSON, bytes as base64, lists and maps as JSON. Of a key that comes twice the last is shown.

Left out: what may come in (``intake``), and putting a message together again (``mapping``).
"""

import math
from collections.abc import Iterable
from typing import Final

import msgspec
from google.protobuf.message import DecodeError
from opentelemetry.proto.common.v1.common_pb2 import AnyValue, KeyValue
from opentelemetry.proto.trace.v1.trace_pb2 import ResourceSpans
from opentelemetry.proto.trace.v1.trace_pb2 import Span as Message

from actors.base.canonical import b64

INT64_MAX: Final = 2**63 - 1
WITH_A_COLUMN: Final = (
    "trace_id", "span_id", "parent_span_id", "name", "kind", "start_time_unix_nano", "end_time_unix_nano",
)  # fmt: skip
"""Fields of a span that the row's columns hold; its status's code is one as well."""


class ShownEvent(msgspec.Struct, frozen=True):
    """One event of a span."""

    time_unix_nano: int
    name: str
    attributes: dict[str, str]


class Shown(msgspec.Struct, frozen=True):
    """What the table shows of a message."""

    attributes: dict[str, str]
    events: tuple[ShownEvent, ...]
    schema_url: str
    """The scope's, which stands above the resource's; empty where neither says one."""


def read_rest(data: bytes) -> ResourceSpans:
    """Read what a row keeps; raise ``ValueError`` unless it is that of one span, and says nothing that a column says."""
    message = ResourceSpans()
    try:
        message.ParseFromString(data)
    except DecodeError as error:
        raise ValueError(f"the message of a span cannot be read: {error}") from error
    if len(message.scope_spans) != 1 or len(message.scope_spans[0].spans) != 1:
        raise ValueError("the message of a span is of one scope and one span")
    (span,) = message.scope_spans[0].spans
    if span.status.code or any(getattr(span, name) for name in WITH_A_COLUMN):
        raise ValueError("the message of a span says what columns say")
    if any(event.time_unix_nano > INT64_MAX for event in span.events):
        raise ValueError("an event of a span has a time that is no 64-bit integer")
    return message


def strip(span: Message) -> None:
    """Take out of a span what columns say."""
    for name in WITH_A_COLUMN:
        span.ClearField(name)
    if span.HasField("status"):
        span.status.ClearField("code")


def shown(data: bytes) -> Shown:
    """Return what the table shows of a message; raise ``ValueError`` like ``read_rest``."""
    message = read_rest(data)
    scope = message.scope_spans[0]
    (span,) = scope.spans
    events = tuple(ShownEvent(event.time_unix_nano, event.name, texts(event.attributes)) for event in span.events)
    return Shown(texts(span.attributes), events, scope.schema_url or message.schema_url)


def texts(attributes: Iterable[KeyValue]) -> dict[str, str]:
    """Return attributes as text."""
    return {item.key: text(item.value) for item in attributes}


def text(value: AnyValue) -> str:
    """Return a value as text."""
    plain = _plain(value)
    if plain is None:
        return ""
    return plain if isinstance(plain, str) else msgspec.json.encode(plain).decode()


def _plain(value: AnyValue) -> object:
    kind = value.WhichOneof("value")
    if kind == "array_value":
        return [_plain(item) for item in value.array_value.values]
    if kind == "kvlist_value":
        return {item.key: _plain(item.value) for item in value.kvlist_value.values}
    if kind == "bytes_value":
        return b64(value.bytes_value)
    if kind == "double_value" and not math.isfinite(value.double_value):
        return {math.inf: "Infinity", -math.inf: "-Infinity"}.get(value.double_value, "NaN")
    return None if kind is None else getattr(value, kind)
