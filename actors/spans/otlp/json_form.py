"""OTLP's JSON: its own mapping of the protocol's messages, which is not quite ProtoJSON. Pure.

Rules:
- Trace and span ids are hexadecimal, in either case; other bytes are base64. Enums are numbers, never names.
- 64-bit integers are written as decimal strings; numbers are read as well. Names are lowerCamelCase and no others.
- Names that are not known are ignored, as the specification asks of receivers, and what is ``null`` is not there. Nothing else is
  guessed: another type, or two values where there is one, is an error that says where.
- What is not there (empty, 0, false) is not written.

Source: OpenTelemetry protocol specification 1.x, "JSON Protobuf Encoding".
Left out: fields of the protocol that traces do not use (indices into the dictionary of profiles).
"""

import binascii
import math
from collections.abc import Callable, Iterable, Mapping
from typing import Annotated, Any, Final

import msgspec
from google.protobuf.message import Message as AnyMessage
from msgspec import Meta
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.common.v1.common_pb2 import AnyValue, EntityRef, InstrumentationScope, KeyValue
from opentelemetry.proto.resource.v1.resource_pb2 import Resource
from opentelemetry.proto.trace.v1.trace_pb2 import ResourceSpans, ScopeSpans, Span, Status

from actors.base.canonical import b64

_UInt32 = Annotated[int, Meta(ge=0, lt=2**32)]
_Int32 = Annotated[int, Meta(ge=-(2**31), lt=2**31)]
_SPECIAL: Final = {"NaN": math.nan, "Infinity": math.inf, "-Infinity": -math.inf}


class _Form(msgspec.Struct, rename="camel"):
    """Part of a request in JSON."""


class _AnyValue(_Form):
    string_value: str | None = None
    bool_value: bool | None = None
    int_value: int | str | None = None
    double_value: float | str | None = None
    array_value: "_Values | None" = None
    kvlist_value: "_Pairs | None" = None
    bytes_value: str | None = None


class _KeyValue(_Form):
    key: str | None = None
    value: _AnyValue | None = None


class _Values(_Form):
    values: list[_AnyValue] | None = None


class _Pairs(_Form):
    values: list[_KeyValue] | None = None


class _Event(_Form):
    time_unix_nano: int | str | None = None
    name: str | None = None
    attributes: list[_KeyValue] | None = None
    dropped_attributes_count: _UInt32 | None = None


class _Link(_Form):
    trace_id: str | None = None
    span_id: str | None = None
    trace_state: str | None = None
    attributes: list[_KeyValue] | None = None
    dropped_attributes_count: _UInt32 | None = None
    flags: _UInt32 | None = None


class _Status(_Form):
    message: str | None = None
    code: _Int32 | None = None


class _Span(_Form):
    trace_id: str | None = None
    span_id: str | None = None
    trace_state: str | None = None
    parent_span_id: str | None = None
    flags: _UInt32 | None = None
    name: str | None = None
    kind: _Int32 | None = None
    start_time_unix_nano: int | str | None = None
    end_time_unix_nano: int | str | None = None
    attributes: list[_KeyValue] | None = None
    dropped_attributes_count: _UInt32 | None = None
    events: list[_Event] | None = None
    dropped_events_count: _UInt32 | None = None
    links: list[_Link] | None = None
    dropped_links_count: _UInt32 | None = None
    status: _Status | None = None


class _Scope(_Form):
    name: str | None = None
    version: str | None = None
    attributes: list[_KeyValue] | None = None
    dropped_attributes_count: _UInt32 | None = None


class _ScopeSpans(_Form):
    scope: _Scope | None = None
    spans: list[_Span] | None = None
    schema_url: str | None = None


class _Entity(_Form):
    schema_url: str | None = None
    type: str | None = None
    id_keys: list[str] | None = None
    description_keys: list[str] | None = None


class _Resource(_Form):
    attributes: list[_KeyValue] | None = None
    dropped_attributes_count: _UInt32 | None = None
    entity_refs: list[_Entity] | None = None


class _ResourceSpans(_Form):
    resource: _Resource | None = None
    scope_spans: list[_ScopeSpans] | None = None
    schema_url: str | None = None


class _Request(_Form):
    resource_spans: list[_ResourceSpans] | None = None


_decode = msgspec.json.Decoder(_Request).decode
_BYTES_AS_HEX = frozenset({"trace_id", "span_id", "parent_span_id"})
_INT64 = frozenset({"time_unix_nano", "start_time_unix_nano", "end_time_unix_nano"})
_NESTED: Final[dict[str, type[Any]]] = {
    "resource_spans": ResourceSpans, "scope_spans": ScopeSpans, "spans": Span, "events": Span.Event, "links": Span.Link,
    "attributes": KeyValue, "entity_refs": EntityRef,
}  # fmt: skip
_ALONE: Final[dict[str, type[Any]]] = {"resource": Resource, "scope": InstrumentationScope, "status": Status}


def read_json(data: bytes, look: Callable[[int], None] = lambda _: None) -> ExportTraceServiceRequest:
    """Read a request; raise ``ValueError`` saying what is wrong, and where it is known.

    ``look`` is told how many resources and scopes there are before any is made; what it raises goes on.
    """
    try:
        form = _decode(data)
        resources = form.resource_spans or ()
        look(len(resources) + sum(len(resource.scope_spans or ()) for resource in resources))
        request: ExportTraceServiceRequest = _filled(form, ExportTraceServiceRequest)
    except (msgspec.MsgspecError, RecursionError, UnicodeError) as error:
        raise ValueError(str(error) or "it is nested too deep") from error
    return request


def _filled(form: _Form, kind: type[Any]) -> Any:  # noqa: ANN401 - of the kind that is asked for
    """Return the message of a part."""
    fields: dict[str, Any] = {}
    for name in form.__struct_fields__:
        value = getattr(form, name)
        if value is None:
            continue
        if name in _BYTES_AS_HEX:
            fields[name] = _id(value)
        elif name in _INT64:
            fields[name] = _integer(value, 0, 2**64)
        elif name in _ALONE:
            fields[name] = _filled(value, _ALONE[name])
        elif isinstance(value, _AnyValue):
            fields[name] = _value(value)
        elif name in _NESTED:
            fields[name] = [_filled(item, _NESTED[name]) for item in value]
        else:
            fields[name] = value
    return kind(**fields)


def _value(form: _AnyValue) -> AnyValue:
    given = [name for name in form.__struct_fields__ if getattr(form, name) is not None]
    if len(given) > 1:
        raise ValueError(f"a value is one of {' and '.join(given)}")
    made = AnyValue()
    if form.array_value is not None:
        made.array_value.SetInParent()
        made.array_value.values.extend(map(_value, form.array_value.values or ()))
    elif form.kvlist_value is not None:
        made.kvlist_value.SetInParent()
        made.kvlist_value.values.extend(_filled(item, KeyValue) for item in form.kvlist_value.values or ())
    elif form.int_value is not None:
        made.int_value = _integer(form.int_value, -(2**63), 2**63)
    elif form.double_value is not None:
        made.double_value = _double(form.double_value)
    elif form.bytes_value is not None:
        made.bytes_value = _bytes(form.bytes_value)
    elif given:
        setattr(made, given[0], getattr(form, given[0]))
    return made


def _id(text: str) -> bytes:
    try:
        return binascii.unhexlify(text)
    except (binascii.Error, ValueError) as error:
        raise ValueError(f"{text[:40]!r} is no id in hexadecimal") from error


def _integer(value: int | str, least: int, beyond: int) -> int:
    text = value if isinstance(value, str) else str(value)
    digits = text.removeprefix("-")
    if not (digits.isascii() and digits.isdecimal() and len(digits) <= 20) or not least <= int(text) < beyond:
        raise ValueError(f"{text[:40]!r} is no integer of 64 bits")
    return int(text)


def _double(value: float | str) -> float:
    if not isinstance(value, str):
        return float(value)
    if value in _SPECIAL:
        return _SPECIAL[value]
    try:
        return float(msgspec.json.decode(value, type=float))
    except (msgspec.MsgspecError, UnicodeError) as error:
        raise ValueError(f"{value[:40]!r} is no number") from error


def _bytes(text: str) -> bytes:
    """Read base64 as ProtoJSON does: of either alphabet, padded or not."""
    try:
        plain = text.replace("-", "+").replace("_", "/").rstrip("=")
        return binascii.a2b_base64(plain + "=" * (-len(plain) % 4), strict_mode=True)
    except (binascii.Error, ValueError) as error:
        raise ValueError(f"{text[:40]!r} is not base64") from error


# Writing.


def to_json(message: AnyMessage) -> dict[str, Any]:
    """Return a message of the protocol as what JSON says of it."""
    if isinstance(message, AnyValue):
        return _value_to_json(message)
    return {_camel(field.name): _field_to_json(field.name, value) for field, value in message.ListFields()}


def _field_to_json(name: str, value: Any) -> Any:  # noqa: ANN401 - whatever a field holds
    if name in _BYTES_AS_HEX:
        return bytes(value).hex()
    if name in _INT64 or name == "rejected_spans":
        return str(value)
    if isinstance(value, AnyMessage):
        return to_json(value)
    if isinstance(value, Iterable) and not isinstance(value, str | bytes):
        return [to_json(item) if isinstance(item, AnyMessage) else item for item in value]
    return value


def _value_to_json(value: AnyValue) -> dict[str, Any]:
    kind = value.WhichOneof("value")
    if kind is None:
        return {}
    given = getattr(value, kind)
    written: Mapping[str, Any] = {
        "int_value": str(given) if kind == "int_value" else None,
        "double_value": _special(given) if kind == "double_value" else None,
        "bytes_value": b64(given) if kind == "bytes_value" else None,
    }
    told = written[kind] if kind in written else to_json(given) if isinstance(given, AnyMessage) else given
    return {_camel(kind): told}


def _special(value: float) -> float | str:
    return value if math.isfinite(value) else {math.inf: "Infinity", -math.inf: "-Infinity"}.get(value, "NaN")


def _camel(name: str) -> str:
    first, *others = name.split("_")
    return first + "".join(part.title() for part in others)
