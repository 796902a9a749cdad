"""Requests and answers of OTLP/HTTP as bytes: protobuf or JSON, compressed or not. Pure.

Rules:
- An answer has the encoding of its request; an error is a ``google.rpc.Status`` in it.
- What a compressed body may become is bounded by size and by ratio, and no more than that is ever made of it.
- Resources and scopes are counted before anything of them is looked at: of empty ones 8 MiB hold four million.
- What cannot be read is ``InvalidRequest`` (400, never to be sent again), what is too large ``PromptTooLarge`` (413).

Source: OpenTelemetry protocol specification 1.x, "OTLP/HTTP"; RFC 1952 (a file may have several members).
"""

import zlib
from enum import StrEnum
from typing import Final

import msgspec
from google.protobuf.message import DecodeError, Message
from google.rpc.status_pb2 import Status
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import (
    ExportTraceServiceRequest,
    ExportTraceServiceResponse,
)

from actors.base.errors import InvalidRequest, PromptTooLarge
from actors.spans.otlp.json_form import read_json, to_json

MAX_MEMBERS: Final = 16
"""Members of a compressed body: a rest that is copied for each of thousands would take minutes."""
SMALL_BYTES: Final = 64 * 1024
"""What a compressed body may become whatever its ratio."""
_GZIP: Final = 31

RPC_CODES: Final = {400: 3, 401: 16, 403: 7, 413: 3, 415: 3, 429: 8, 503: 14}
"""HTTP status → code of ``google.rpc``; what is not here is ``INTERNAL``."""
_INTERNAL: Final = 13


class Encoding(StrEnum):
    """How a request and its answer are written."""

    PROTOBUF = "application/x-protobuf"
    JSON = "application/json"


def encoding_of(content_type: str) -> Encoding | None:
    """Return the encoding that a content type names, whatever its parameters; ``None`` if it is neither."""
    name = content_type.partition(";")[0].strip().lower()
    return next((encoding for encoding in Encoding if encoding.value == name), None)


def most_inflated(body_bytes: int, max_bytes: int, max_ratio: int) -> int:
    """Return how many bytes a gzip body of so many may become."""
    return min(max_bytes, max(SMALL_BYTES, max_ratio * body_bytes))


def inflate(body: bytes, max_bytes: int, max_ratio: int) -> bytes:
    """Return what a gzip body becomes; raise ``PromptTooLarge`` or ``InvalidRequest``."""
    allowed = most_inflated(len(body), max_bytes, max_ratio)
    made, rest = bytearray(), body
    for _ in range(MAX_MEMBERS):
        member = zlib.decompressobj(_GZIP)
        try:
            made += member.decompress(rest, allowed - len(made) + 1)
        except zlib.error as error:
            raise InvalidRequest(f"the body is not gzip: {error}", "body") from error
        if len(made) > allowed:
            raise PromptTooLarge(
                f"the decompressed body has more than {allowed} bytes ({max_bytes} at most, and {max_ratio} times its size)",
                "body",
            )
        if not member.eof:
            raise InvalidRequest("the body is gzip that was cut", "body")
        rest = member.unused_data
        if not rest:
            return bytes(made)
    raise InvalidRequest(f"the body is gzip of more than {MAX_MEMBERS} members", "body")


def read_request(data: bytes, encoding: Encoding, max_scopes: int) -> ExportTraceServiceRequest:
    """Read a request; raise ``InvalidRequest`` saying what is wrong with it, or ``PromptTooLarge``."""
    try:
        if encoding is Encoding.JSON:
            return read_json(data, lambda scopes: _require_few(scopes, max_scopes))
        request = ExportTraceServiceRequest()
        request.ParseFromString(data)
    except (DecodeError, ValueError) as error:
        raise InvalidRequest(f"the body is no ExportTraceServiceRequest: {str(error)[:300]}", "body") from error
    _require_few(count_scopes(request), max_scopes)
    return request


def count_scopes(request: ExportTraceServiceRequest) -> int:
    """Return how many resources and scopes a request has, empty ones among them."""
    return len(request.resource_spans) + sum(len(resource.scope_spans) for resource in request.resource_spans)


def _require_few(scopes: int, most: int) -> None:
    if scopes > most:
        raise PromptTooLarge(f"the request has {scopes} resources and scopes, and may have {most}", "body")


def response(rejected_spans: int, error_message: str, encoding: Encoding) -> bytes:
    """Write the answer to a request whose other spans are durable."""
    made = ExportTraceServiceResponse()
    if rejected_spans or error_message:
        made.partial_success.rejected_spans = rejected_spans
        made.partial_success.error_message = error_message
    return _written(made, encoding)


def failure(http_status: int, message: str, encoding: Encoding) -> bytes:
    """Write an error."""
    return _written(Status(code=RPC_CODES.get(http_status, _INTERNAL), message=message), encoding)


def _written(message: Message, encoding: Encoding) -> bytes:
    if encoding is Encoding.JSON:
        return msgspec.json.encode(to_json(message))
    data: bytes = message.SerializeToString(deterministic=True)
    return data
