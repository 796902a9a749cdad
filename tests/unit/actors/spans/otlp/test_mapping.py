"""From a span as it was sent to a row, through the table, and back."""

import pytest
from hypothesis import given, settings
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.trace.v1.trace_pb2 import ResourceSpans, ScopeSpans, Span

from actors.spans.batch import row_hashes
from actors.spans.columns import Rows, by_date, rows_of
from actors.spans.otlp.mapping import frame_of, kept_of, resource_of, row_bytes, row_of, scope_of, whole
from actors.spans.span import check_span
from tests.unit.actors.spans.otlp.sent import UNKNOWN_FIELD, requests
from tests.unit.actors.spans.telemetry import span, writer_id

W = writer_id(1)


def alone(request: ExportTraceServiceRequest) -> list[ResourceSpans]:
    """Return each span of a request alone in its resource and scope."""
    found = []
    for resource in request.resource_spans:
        for scope in resource.scope_spans:
            for one in scope.spans:
                message = frame_of(resource, scope)
                message.scope_spans[0].spans.add().CopyFrom(one)
                found.append(message)
    return found


def rows(request: ExportTraceServiceRequest) -> list[Rows]:
    """Return a request's rows, a batch of a writer."""
    spans = [
        row_of(frame_of(resource, scope), one, "key-1", "t-1")
        for resource in request.resource_spans
        for scope in resource.scope_spans
        for one in scope.spans
    ]
    return [Rows(W, 1, 2, spans, 3)] if spans else []


@settings(deadline=None)
@given(requests)
def test_what_was_sent_comes_out_of_the_table_to_the_last_field(request: ExportTraceServiceRequest) -> None:
    """Resource, scope, span, events, links, states, flags, counts and typed values; rows keep their digests on the way."""
    written = rows(request)
    read = [row for _, table in by_date(written) for row in rows_of(table)]
    ordered = sorted(read, key=lambda row: row.first_seq)
    assert [whole(row.spans[0]) for row in ordered] == alone(request)
    assert [item for row in ordered for item in row_hashes(row)] == [
        item for run in written for item in row_hashes(run)
    ]
    for row in ordered:
        check_span(row.spans[0])


def test_fields_of_a_later_protocol_are_kept() -> None:
    """Of a span, its scope and its resource: what this version does not know comes out as it came in."""
    request = ExportTraceServiceRequest()
    message = ResourceSpans.FromString(UNKNOWN_FIELD)
    scope = message.scope_spans.add()
    scope.ParseFromString(UNKNOWN_FIELD)
    scope.spans.add().CopyFrom(
        Span.FromString(UNKNOWN_FIELD + Span(trace_id=b"t" * 16, span_id=b"s" * 8).SerializeToString())
    )
    request.resource_spans.add().CopyFrom(message)
    ((written,),) = [rows(request)]
    again = whole(written.spans[0]).SerializeToString()
    assert again.count(UNKNOWN_FIELD) == 3
    assert ResourceSpans.FromString(again) == message


@settings(deadline=None)
@given(requests)
def test_how_large_a_row_s_message_will_be_is_known_by_its_parts(request: ExportTraceServiceRequest) -> None:
    """To the byte, whatever is in resource, scope and span."""
    for resource in request.resource_spans:
        for scope in resource.scope_spans:
            around = resource_of(resource).ByteSize(), scope_of(scope).ByteSize()
            for one in scope.spans:
                row = row_of(frame_of(resource, scope), one, "key-1", "t-1")
                assert row_bytes(*around, kept_of(one).ByteSize()) == len(row.otlp)


@pytest.mark.parametrize("size", [0, 1, 120, 127, 128, 129, 16_379, 16_383, 16_384, 16_385, 2**21])
def test_lengths_of_every_size_are_counted(size: int) -> None:
    """A length is as long as it is large."""
    span = Span(trace_state="x" * size)
    scope = ScopeSpans()
    row = row_of(frame_of(ResourceSpans(), scope), span, "key-1", "t-1")
    assert row_bytes(0, 0, kept_of(span).ByteSize()) == len(row.otlp)


def test_a_row_of_our_own_is_no_message() -> None:
    """It has none to give."""
    with pytest.raises(ValueError, match="one scope and one span"):
        whole(span(1))


def test_two_spans_that_differ_anywhere_have_different_digests() -> None:
    """The message is in the digest, and so is whose key it came with."""
    request = ExportTraceServiceRequest()
    scope = request.resource_spans.add().scope_spans.add()
    scope.spans.add(trace_id=b"t" * 16, span_id=b"s" * 8, dropped_links_count=1)
    scope.spans.add(trace_id=b"t" * 16, span_id=b"s" * 8, dropped_links_count=2)
    ((batch,),) = [rows(request)]
    first, second = batch.spans
    others = [second, row_of(frame_of(request.resource_spans[0], scope), scope.spans[0], "key-2", "t-1")]
    own = row_hashes(Rows(W, 1, 2, [first]))
    assert all(row_hashes(Rows(W, 1, 2, [other])) != own for other in others)
