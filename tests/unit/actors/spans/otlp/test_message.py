"""What a row keeps of a message, and what the table shows of it."""

import math
from typing import Any

import pytest
from opentelemetry.proto.common.v1.common_pb2 import AnyValue, ArrayValue, KeyValue, KeyValueList
from opentelemetry.proto.trace.v1.trace_pb2 import ResourceSpans, ScopeSpans, Span

from actors.spans.otlp.message import read_rest, shown, strip, text
from tests.unit.actors.spans.otlp.sent import NOW_NS, pair, sent


def kept(span: Span, *, schema: str = "", resource_schema: str = "") -> bytes:
    """Return what a row would keep of a span."""
    scope = ScopeSpans(spans=[span], schema_url=schema)
    return ResourceSpans(scope_spans=[scope], schema_url=resource_schema).SerializeToString()


def stripped(**fields: Any) -> Span:
    """Return a span without what columns say."""
    made = sent(**fields)
    strip(made)
    return made


def test_nothing_that_a_column_says_is_kept_beside_it() -> None:
    """Ids, name, kind, times and the status's code go; everything else stays."""
    span = stripped(attributes=[pair("a", "b")], status={"code": 2, "message": "no"}, flags=1)
    assert span == Span(attributes=[pair("a", "b")], status={"message": "no"}, flags=1)
    assert read_rest(kept(span)).scope_spans[0].spans[0] == span


@pytest.mark.parametrize(
    "data",
    [
        b"\xff", b"", ResourceSpans(scope_spans=[ScopeSpans()]).SerializeToString(),
        ResourceSpans(scope_spans=[ScopeSpans(spans=[Span(), Span()])]).SerializeToString(),
        ResourceSpans(scope_spans=[ScopeSpans(spans=[Span()])] * 2).SerializeToString(),
        kept(Span(name="x")), kept(Span(trace_id=b"t" * 16)), kept(Span(status={"code": 1})), kept(Span(kind=1)),
        kept(Span(end_time_unix_nano=1)), kept(Span(events=[{"time_unix_nano": 2**63}])),
    ],
)  # fmt: skip
def test_what_is_no_rest_of_one_span_is_refused(data: bytes) -> None:
    """Also what says again what a column says: it could say it otherwise."""
    with pytest.raises(ValueError, match="span"):
        read_rest(data)


def test_the_table_shows_attributes_events_and_the_scope_s_schema() -> None:
    """As text; of a key that comes twice the last, and the resource's schema where the scope has none."""
    event = Span.Event(time_unix_nano=NOW_NS, name="exception", attributes=[pair("exception.type", "E")])
    span = stripped(attributes=[pair("a", "1"), pair("b", 2), pair("a", "3")], events=[event])
    found = shown(kept(span, schema="scope's", resource_schema="resource's"))
    assert (found.attributes, found.schema_url) == ({"a": "3", "b": "2"}, "scope's")
    assert [(item.time_unix_nano, item.name, item.attributes) for item in found.events] == [
        (NOW_NS, "exception", {"exception.type": "E"})
    ]
    assert shown(kept(span, resource_schema="resource's")).schema_url == "resource's"


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (AnyValue(), ""), (AnyValue(string_value="x"), "x"), (AnyValue(bool_value=True), "true"),
        (AnyValue(int_value=-5), "-5"), (AnyValue(double_value=0.5), "0.5"), (AnyValue(double_value=math.nan), "NaN"),
        (AnyValue(double_value=-math.inf), "-Infinity"), (AnyValue(bytes_value=b"\x00\xff"), "AP8="),
        (AnyValue(array_value=ArrayValue(values=[AnyValue(int_value=1), AnyValue(string_value="a"), AnyValue()])),
         '[1,"a",null]'),
        (AnyValue(kvlist_value=KeyValueList(values=[KeyValue(key="k", value=AnyValue(bool_value=False))])), '{"k":false}'),
    ],
)  # fmt: skip
def test_values_are_shown_by_opentelemetry_s_rules(value: AnyValue, expected: str) -> None:
    """Strings as they are, the rest as JSON writes it."""
    assert text(value) == expected
