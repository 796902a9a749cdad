"""OTLP's JSON, to the letter of its specification."""

import math
from typing import Any

import msgspec
import pytest
from google.protobuf.json_format import MessageToDict
from hypothesis import given, settings
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.common.v1.common_pb2 import AnyValue

from actors.spans.otlp.json_form import read_json, to_json
from tests.unit.actors.spans.otlp.sent import request, requests, sent


def of_span(**fields: Any) -> bytes:
    """Return a request of one span in JSON."""
    return msgspec.json.encode({"resourceSpans": [{"scopeSpans": [{"spans": [fields]}]}]})


def read_span(**fields: Any) -> Any:
    """Read a request of one span."""
    return read_json(of_span(**fields)).resource_spans[0].scope_spans[0].spans[0]


def value(form: dict[str, Any]) -> AnyValue:
    """Read one attribute's value."""
    found: AnyValue = read_span(attributes=[{"key": "a", "value": form}]).attributes[0].value
    return found


@settings(deadline=None)
@given(requests)
def test_a_request_is_the_same_in_json(message: ExportTraceServiceRequest) -> None:
    """What is written is read as it was, to the last field."""
    assert read_json(msgspec.json.encode(to_json(message))) == message


def test_ids_are_hexadecimal_in_either_case_and_enums_are_numbers() -> None:
    """The two places where OTLP's JSON is not ProtoJSON; 64-bit integers are strings as there."""
    span = request(sent(trace_id=b"\xab" * 16)).resource_spans[0].scope_spans[0].spans[0]
    told = to_json(span)
    assert (told["traceId"], told["kind"], told["startTimeUnixNano"]) == ("ab" * 16, 2, str(span.start_time_unix_nano))
    assert read_span(traceId="AB" * 16, spanId="0a" * 8).trace_id == b"\xab" * 16
    proto_json = MessageToDict(span, use_integers_for_enums=True)
    different = {"traceId", "spanId"}
    assert {k: v for k, v in told.items() if k not in different} == {
        k: v for k, v in proto_json.items() if k not in different
    }


def test_names_that_are_not_known_are_ignored_and_null_is_nothing() -> None:
    """Names are lowerCamelCase: the protocol's own spelling is a name that is not known."""
    assert (
        read_json(b'{"resourceSpans": null, "later": {"x": [1]}, "resource_spans": 5}') == ExportTraceServiceRequest()
    )
    assert read_span(trace_id=5, name=None, kind=3).kind == 3


@pytest.mark.parametrize(
    ("form", "expected"),
    [
        ({"intValue": "-9223372036854775808"}, AnyValue(int_value=-(2**63))), ({"intValue": 5}, AnyValue(int_value=5)),
        ({"doubleValue": 1}, AnyValue(double_value=1.0)), ({"doubleValue": "-Infinity"}, AnyValue(double_value=-math.inf)),
        ({"doubleValue": "2.5"}, AnyValue(double_value=2.5)), ({"bytesValue": "AP8="}, AnyValue(bytes_value=b"\x00\xff")),
        ({"bytesValue": "AP8"}, AnyValue(bytes_value=b"\x00\xff")), ({"bytesValue": "_-8="}, AnyValue(bytes_value=b"\xff\xef")),
        ({"boolValue": False}, AnyValue(bool_value=False)), ({"stringValue": ""}, AnyValue(string_value="")), ({}, AnyValue()),
    ],
)  # fmt: skip
def test_values_of_every_type_are_read(form: dict[str, Any], expected: AnyValue) -> None:
    """Strings and numbers for integers, words for what is no number, base64 with and without its padding."""
    found = value(form)
    assert found == expected
    assert found.WhichOneof("value") == expected.WhichOneof("value")
    assert math.isnan(value({"doubleValue": "NaN"}).double_value)


@pytest.mark.parametrize(
    "data",
    [
        b"", b"[]", b"null", b"{", b'{"resourceSpans": {}}', of_span(kind="SPAN_KIND_SERVER"), of_span(kind=True),
        of_span(status={"code": "STATUS_CODE_OK"}), of_span(traceId="xyz"), of_span(traceId="abc"), of_span(traceId=5),
        of_span(startTimeUnixNano="-1"), of_span(startTimeUnixNano=2**64), of_span(startTimeUnixNano="1.5"),
        of_span(startTimeUnixNano="1" * 5000), of_span(endTimeUnixNano=1.5), of_span(flags=2**32), of_span(flags=-1),
        of_span(attributes=[{"key": "a", "value": {"intValue": "9223372036854775808"}}]),
        of_span(attributes=[{"key": "a", "value": {"intValue": "\u0661"}}]),
        of_span(attributes=[{"key": "a", "value": {"intValue": 1, "stringValue": "1"}}]),
        of_span(attributes=[{"key": "a", "value": {"bytesValue": "?"}}]),
        of_span(attributes=[{"key": "a", "value": {"doubleValue": "one"}}]),
        b'{"resourceSpans": [{"schemaUrl": "\\ud800"}]}', b'{"resourceSpans": [{"schemaUrl": "\xff"}]}',
        b'{"resourceSpans": ' + b"[" * 100_000,
        b'{"resourceSpans":[{"resource":{"attributes":[{"value":' + b'{"arrayValue":{"values":[' * 5000,
    ],
)  # fmt: skip
def test_anything_else_is_an_error(data: bytes) -> None:
    """Names of enums, ids that are none, numbers out of range, two values at once, words that are not UTF-8, a bottomless one."""
    with pytest.raises(ValueError, match=r"\w"):
        read_json(data)


def test_whoever_counts_is_asked_before_anything_is_made() -> None:
    """How many resources and scopes there are; what that raises is what is raised, though an id here is none."""
    data = b'{"resourceSpans": [{"scopeSpans": [{}, {"spans": [{"traceId": "no"}]}]}, {}, {"scopeSpans": null}]}'
    counts: list[int] = []

    def look(count: int) -> None:
        counts.append(count)
        raise RuntimeError("too many")

    with pytest.raises(RuntimeError, match="too many"):
        read_json(data, look)
    assert counts == [5]
