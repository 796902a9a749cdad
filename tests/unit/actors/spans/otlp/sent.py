"""Requests as other services send them: one by hand, and any that the protocol knows, for properties."""

from typing import Any

from hypothesis import strategies as st
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.common.v1.common_pb2 import (
    AnyValue,
    ArrayValue,
    EntityRef,
    InstrumentationScope,
    KeyValue,
    KeyValueList,
)
from opentelemetry.proto.resource.v1.resource_pb2 import Resource
from opentelemetry.proto.trace.v1.trace_pb2 import ResourceSpans, ScopeSpans, Span, Status

from actors.spans.otlp.config import OtlpConfig

NOW_NS = 1_790_000_000 * 10**9
LONG_AGO = OtlpConfig(max_age_s=7 * 86_400)
UNKNOWN_FIELD = b"\xca\x3e\x05later"
"""Field 1001, which no version knows so far."""


def sent(name: str = "GET /cart", number: int = 1, **fields: Any) -> Span:
    """Return one span."""
    made = {
        "trace_id": number.to_bytes(16, "big"), "span_id": number.to_bytes(8, "big"), "name": name, "kind": 2,
        "start_time_unix_nano": NOW_NS - 10**9, "end_time_unix_nano": NOW_NS - 10**8,
    }  # fmt: skip
    return Span(**(made | fields))


def request(*spans: Span, service: str = "shop") -> ExportTraceServiceRequest:
    """Return a request of these spans, of one resource and scope."""
    resource = Resource(attributes=[pair("service.name", service)])
    scope = ScopeSpans(scope=InstrumentationScope(name="lib", version="1"), spans=spans, schema_url="https://x.test/1")
    return ExportTraceServiceRequest(resource_spans=[ResourceSpans(resource=resource, scope_spans=[scope])])


def pair(key: str, value: str | int = "") -> KeyValue:
    """Return one attribute."""
    made = AnyValue(string_value=value) if isinstance(value, str) else AnyValue(int_value=value)
    return KeyValue(key=key, value=made)


words = st.text(max_size=8)
uint32 = st.integers(0, 2**32 - 1)
times = st.integers(NOW_NS - 10**12, NOW_NS)


def _deeper(inner: Any) -> Any:
    pairs = st.builds(KeyValue, key=words, value=inner)
    return st.one_of(
        st.builds(AnyValue, array_value=st.builds(ArrayValue, values=st.lists(inner, max_size=2))),
        st.builds(AnyValue, kvlist_value=st.builds(KeyValueList, values=st.lists(pairs, max_size=2))),
    )


values = st.recursive(
    st.one_of(
        st.just(AnyValue()),
        st.builds(AnyValue, string_value=words),
        st.builds(AnyValue, bool_value=st.booleans()),
        st.builds(AnyValue, int_value=st.integers(-(2**63), 2**63 - 1)),
        st.builds(AnyValue, double_value=st.floats(allow_nan=False)),
        st.builds(AnyValue, bytes_value=st.binary(max_size=4)),
    ),
    _deeper,
    max_leaves=4,
)
attributes = st.lists(
    st.one_of(st.builds(KeyValue, key=words), st.builds(KeyValue, key=words, value=values)), max_size=3
)
events = st.builds(Span.Event, time_unix_nano=times, name=words, attributes=attributes, dropped_attributes_count=uint32)
links = st.builds(
    Span.Link, trace_id=st.binary(min_size=16, max_size=16), span_id=st.binary(min_size=8, max_size=8), trace_state=words,
    attributes=attributes, dropped_attributes_count=uint32, flags=uint32,
)  # fmt: skip
statuses = st.one_of(st.none(), st.builds(Status, message=words, code=st.integers(0, 2)))
spans = st.builds(
    Span,
    trace_id=st.binary(min_size=16, max_size=16).filter(any), span_id=st.binary(min_size=8, max_size=8).filter(any),
    parent_span_id=st.sampled_from([b"", b"p" * 8, bytes(8)]), trace_state=words, flags=uint32, name=words,
    kind=st.integers(0, 5), start_time_unix_nano=times, end_time_unix_nano=st.one_of(st.just(0), times),
    attributes=attributes, dropped_attributes_count=uint32, events=st.lists(events, max_size=2),
    dropped_events_count=uint32, links=st.lists(links, max_size=2), dropped_links_count=uint32, status=statuses,
)  # fmt: skip
scopes = st.builds(
    ScopeSpans,
    scope=st.one_of(
        st.none(),
        st.builds(
            InstrumentationScope, name=words, version=words, attributes=attributes, dropped_attributes_count=uint32
        ),
    ),
    spans=st.lists(spans, max_size=2), schema_url=words,
)  # fmt: skip
entities = st.builds(
    EntityRef,
    schema_url=words,
    type=words,
    id_keys=st.lists(words, max_size=2),
    description_keys=st.lists(words, max_size=1),
)
resources = st.one_of(
    st.none(),
    st.builds(
        Resource, attributes=attributes, dropped_attributes_count=uint32, entity_refs=st.lists(entities, max_size=1)
    ),
)
requests = st.builds(
    ExportTraceServiceRequest,
    resource_spans=st.lists(
        st.builds(ResourceSpans, resource=resources, scope_spans=st.lists(scopes, max_size=2), schema_url=words),
        max_size=2,
    ),
)
