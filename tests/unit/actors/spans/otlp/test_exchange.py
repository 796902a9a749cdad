"""Requests and answers as bytes."""

import gzip
import zlib

import msgspec
import pytest
from google.rpc.status_pb2 import Status
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import (
    ExportTraceServiceRequest,
    ExportTraceServiceResponse,
)

from actors.base.errors import InvalidRequest, PromptTooLarge
from actors.spans.otlp.exchange import (
    MAX_MEMBERS,
    SMALL_BYTES,
    Encoding,
    encoding_of,
    failure,
    inflate,
    read_request,
    response,
)
from actors.spans.otlp.json_form import to_json
from tests.unit.actors.spans.otlp.sent import request, sent

MIB = 1024 * 1024


@pytest.mark.parametrize(
    ("content_type", "expected"),
    [
        ("application/x-protobuf", Encoding.PROTOBUF), ("application/json", Encoding.JSON),
        ("Application/JSON; charset=utf-8", Encoding.JSON), ("application/protobuf", None), ("text/plain", None), ("", None),
    ],
)  # fmt: skip
def test_two_content_types_are_known(content_type: str, expected: Encoding | None) -> None:
    """In any case and with parameters."""
    assert encoding_of(content_type) is expected


def test_a_request_is_read_in_both_encodings() -> None:
    """Empty ones as well."""
    wanted = request(sent())
    assert read_request(wanted.SerializeToString(), Encoding.PROTOBUF, 2) == wanted
    assert read_request(msgspec.json.encode(to_json(wanted)), Encoding.JSON, 2) == wanted
    assert (
        read_request(b"", Encoding.PROTOBUF, 2) == read_request(b"{}", Encoding.JSON, 2) == ExportTraceServiceRequest()
    )


@pytest.mark.parametrize("resources", [1, 5, 6])
def test_resources_and_scopes_are_counted_before_they_are_looked_at(resources: int) -> None:
    """Six together, empty or not: one more than there may be, in both encodings."""
    message = ExportTraceServiceRequest()
    for _ in range(resources):
        message.resource_spans.add()
    for _ in range(6 - resources):
        message.resource_spans[0].scope_spans.add()
    as_json = msgspec.json.encode(to_json(message))
    assert read_request(as_json, Encoding.JSON, 6) == message
    assert read_request(message.SerializeToString(), Encoding.PROTOBUF, 6) == message
    for data, encoding in ((message.SerializeToString(), Encoding.PROTOBUF), (as_json, Encoding.JSON)):
        with pytest.raises(PromptTooLarge, match="6 resources and scopes, and may have 5"):
            read_request(data, encoding, 5)


@pytest.mark.parametrize(
    ("data", "encoding"),
    [
        (b"\xff", Encoding.PROTOBUF), (b"{}", Encoding.PROTOBUF), (b"", Encoding.JSON), (b"x" * 10_000, Encoding.JSON),
        (request(sent()).SerializeToString()[:-3], Encoding.PROTOBUF),
        (b"\x0a\x05\x1a\x03\xff\xff\xff", Encoding.PROTOBUF),  # a schema URL that is not UTF-8
    ],
)  # fmt: skip
def test_what_cannot_be_read_is_said_in_a_sentence(data: bytes, encoding: Encoding) -> None:
    """An invalid request, of bounded length."""
    with pytest.raises(InvalidRequest, match="no ExportTraceServiceRequest") as refused:
        read_request(data, encoding, 2)
    assert len(str(refused.value)) < 400


def test_gzip_becomes_what_it_was() -> None:
    """Of one member or several."""
    assert inflate(gzip.compress(b"abc"), MIB, 1) == b"abc"
    assert inflate(gzip.compress(b"abc") + gzip.compress(b"def"), MIB, 1) == b"abcdef"


@pytest.mark.parametrize(
    "body", [b"", b"abc", zlib.compress(b"abc"), gzip.compress(b"abc")[:-4], gzip.compress(b"abc") + b"rest",
             gzip.compress(b"a") * (MAX_MEMBERS + 1)]
)  # fmt: skip
def test_what_is_no_gzip_or_not_whole_is_refused(body: bytes) -> None:
    """So is one of very many members."""
    with pytest.raises(InvalidRequest, match="gzip"):
        inflate(body, MIB, 100)


def test_a_bomb_is_stopped_at_size_and_at_ratio() -> None:
    """What is small may become small whatever its ratio."""
    bomb = gzip.compress(bytes(4 * MIB))
    with pytest.raises(PromptTooLarge, match="more than 1048576 bytes"):
        inflate(bomb, MIB, 1032)
    with pytest.raises(PromptTooLarge, match=r"2 times its size"):
        inflate(gzip.compress(b"a" * (SMALL_BYTES + 1)), MIB, 2)
    with pytest.raises(PromptTooLarge):
        inflate(gzip.compress(bytes(MIB)) * 2, MIB, 1032)
    assert len(inflate(gzip.compress(bytes(SMALL_BYTES)), MIB, 1)) == SMALL_BYTES
    assert len(inflate(gzip.compress(bytes(MIB)), MIB, 1032)) == MIB


def test_an_answer_has_the_encoding_of_its_request() -> None:
    """Nothing at all where every span was taken; else how many were not, and why."""
    assert response(0, "", Encoding.PROTOBUF) == b""
    assert response(0, "", Encoding.JSON) == b"{}"
    told = ExportTraceServiceResponse.FromString(response(2, "no", Encoding.PROTOBUF)).partial_success
    assert (told.rejected_spans, told.error_message) == (2, "no")
    assert msgspec.json.decode(response(2, "no", Encoding.JSON)) == {
        "partialSuccess": {"rejectedSpans": "2", "errorMessage": "no"}
    }


@pytest.mark.parametrize(("http", "code"), [(400, 3), (401, 16), (403, 7), (413, 3), (429, 8), (500, 13), (503, 14)])
def test_an_error_is_a_status_of_google_rpc(http: int, code: int) -> None:
    """In both encodings."""
    told = Status.FromString(failure(http, "why", Encoding.PROTOBUF))
    assert (told.code, told.message) == (code, "why")
    assert msgspec.json.decode(failure(http, "why", Encoding.JSON)) == {"code": code, "message": "why"}
