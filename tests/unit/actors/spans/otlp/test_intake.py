"""Which spans may come in, and what is said of the others."""

from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given, settings
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.common.v1.common_pb2 import AnyValue, ArrayValue, KeyValue
from opentelemetry.proto.trace.v1.trace_pb2 import Span

from actors.base.errors import PromptTooLarge
from actors.spans.otlp import intake
from actors.spans.otlp.config import OtlpConfig
from actors.spans.otlp.intake import MAX_REASONS, MAX_REASONS_KEPT, Taken, count_spans, is_own, take
from actors.spans.span import check_span
from tests.unit.actors.spans.otlp.sent import NOW_NS, pair, request, requests, sent

SMALL = OtlpConfig(
    max_attributes=2, max_attribute_bytes=64, max_value_depth=1, max_events=1, max_links=1, max_name_bytes=16,
    max_span_bytes=1024, max_rows_bytes=4096, max_age_s=60, max_ahead_s=5,
)  # fmt: skip
LIST = AnyValue(array_value=ArrayValue(values=[AnyValue(int_value=1)]))


def taken(*spans: Span, config: OtlpConfig = SMALL) -> Taken:
    """Take spans of one resource."""
    return take(request(*spans), "key-1", "t-1", config, NOW_NS)


def test_a_span_is_marked_by_who_sent_it() -> None:
    """Key and tenant are the sender's, whatever the span says; nothing stands in the fields that are ours."""
    (row,) = taken(sent(attributes=[pair("tenant", "other")])).rows
    check_span(row)
    assert (row.sender, row.tenant, row.name, row.kind) == ("key-1", "t-1", "GET /cart", "server")
    assert (row.decision_id, row.record, row.voter, row.outcome, row.attributes) == ("", b"", "", "", {})


def test_what_is_at_the_bounds_passes() -> None:
    """Each bound is the most that may be."""
    at_bounds = sent(
        "n" * 16, attributes=[pair("a", "x"), KeyValue(key="b", value=LIST)], events=[Span.Event(name="e")],
        links=[Span.Link()], start_time_unix_nano=NOW_NS - 60 * 10**9, end_time_unix_nano=NOW_NS + 5 * 10**9,
    )  # fmt: skip
    assert taken(at_bounds).rejected == {}


@pytest.mark.parametrize(
    ("fields", "why"),
    [
        ({"trace_id": b"short"}, "trace id is not 16"), ({"trace_id": bytes(16)}, "not all zero"),
        ({"span_id": b""}, "span id is not 8"), ({"span_id": bytes(8)}, "not all zero"),
        ({"parent_span_id": b"p"}, "parent's span id"), ({"kind": 6}, "kind 6"), ({"status": {"code": 3}}, "status 3"),
        ({"start_time_unix_nano": NOW_NS - 61 * 10**9}, "more than 60 s ago"),
        ({"start_time_unix_nano": NOW_NS + 6 * 10**9, "end_time_unix_nano": NOW_NS}, "ahead of now"),
        ({"start_time_unix_nano": 0}, "more than 60 s ago"), ({"start_time_unix_nano": 2**64 - 1}, "ahead of now"),
        ({"end_time_unix_nano": NOW_NS + 6 * 10**9}, "ends after now"), ({"end_time_unix_nano": 2**63}, "ends after now"),
        ({"name": "n" * 17}, "span's name has more than 16"), ({"trace_state": "s" * 17}, "trace state"),
        ({"status": {"message": "é" * 9}}, "status message"),
        ({"attributes": [pair("a"), pair("b"), pair("c")]}, "more than 2 attributes of a span"),
        ({"attributes": [pair("a", "x" * 64)]}, "more than 64 bytes"),
        ({"attributes": [KeyValue(key="a", value=AnyValue(array_value=ArrayValue(values=[LIST])))]}, "more than 1 deep"),
        ({"events": [Span.Event()] * 2}, "more than 1 events"), ({"events": [Span.Event(name="n" * 17)]}, "event's name"),
        ({"events": [Span.Event(time_unix_nano=2**63)]}, "event's time"),
        ({"events": [Span.Event(attributes=[pair("a")] * 3)]}, "more than 2 attributes of a event"),
        ({"links": [Span.Link()] * 2}, "more than 1 links"), ({"links": [Span.Link(trace_state="s" * 17)]}, "link's"),
        ({"links": [Span.Link(attributes=[pair("a")] * 3)]}, "more than 2 attributes of a link"),
    ],
)  # fmt: skip
def test_a_span_that_is_none_or_too_large_is_rejected_alone(fields: dict[str, Any], why: str) -> None:
    """The other span of the request is taken; the reason says what is wrong."""
    found = taken(sent(**fields), sent(number=2))
    assert [row.span_id for row in found.rows] == [(2).to_bytes(8, "big")]
    assert found.rejected_spans == 1
    assert why in found.error_message


@pytest.mark.parametrize(
    "key", ["weavergen.decision_id", "weavergen", "WeaverGen.Voter", " weavergen.x", "decision_id", "Decision.ID"]
)
@pytest.mark.parametrize("place", ["span", "event", "link", "resource", "scope"])
def test_names_of_ours_are_nobody_else_s(key: str, place: str) -> None:
    """Wherever an attribute may stand; what is wrong with a resource or scope is wrong with all of its spans."""
    own = [pair(key, "01JD0000000000000000000000")]
    inside: dict[str, dict[str, Any]] = {
        "span": {"attributes": own}, "event": {"events": [Span.Event(attributes=own)]},
        "link": {"links": [Span.Link(attributes=own)]},
    }  # fmt: skip
    message = request(sent(**inside.get(place, {})), sent(number=2))
    if place == "resource":
        message.resource_spans[0].resource.attributes.extend(own)
    if place == "scope":
        message.resource_spans[0].scope_spans[0].scope.attributes.extend(own)
    found = take(message, "key-1", "t-1", OtlpConfig(), NOW_NS)
    assert found.rejected_spans == (1 if place in inside else 2)
    assert f"{place} attribute {key!r}" in found.error_message


@pytest.mark.parametrize(
    "name", ["weavergen.wal.adopted", "weavergen.row.quarantined", "Weavergen.canary", "weavergen"]
)
def test_spans_and_scopes_are_not_called_as_ours_are(name: str) -> None:
    """What only the actor enters cannot be sent; other names that merely begin so can."""
    config = OtlpConfig()
    assert "system's own" in taken(sent(name), config=config).error_message
    message = request(sent())
    message.resource_spans[0].scope_spans[0].scope.name = name
    assert take(message, "key-1", "t-1", config, NOW_NS).rejected_spans == 1
    assert is_own(name)
    assert not is_own("weavergenerator.x")
    assert taken(sent("invoke_workflow"), config=config).rejected == {}


def test_resource_and_scope_count_for_each_span() -> None:
    """A resource that is larger than a span may be takes its spans along; many rows that repeat one are too large together."""
    assert taken(sent(), config=SMALL).rejected == {}
    large = SMALL.model_copy(update={"max_attribute_bytes": 4096})
    message = request(sent(), service="s" * 1020)
    assert "resource and scope are larger" in take(message, "k", "t", large, NOW_NS).error_message
    message = request(*(sent(number=number + 1) for number in range(5)), service="s" * 900)
    with pytest.raises(PromptTooLarge, match="send fewer at a time"):
        take(message, "k", "t", large, NOW_NS)
    message = request(sent(attributes=[pair("a", "x" * 200)]), service="s" * 850)
    assert "more than 1024 bytes" in take(message, "k", "t", large, NOW_NS).error_message


def test_few_reasons_are_told_and_few_are_kept() -> None:
    """Names that senders choose fill neither memory nor answer, and every span is counted all the same."""
    spans = [sent(number=n + 1, attributes=[pair(f"weavergen.{n}{'x' * 500}")]) for n in range(MAX_REASONS_KEPT + 20)]
    found = take(request(*spans), "k", "t", OtlpConfig(max_attribute_bytes=2048), NOW_NS)
    assert found.rejected_spans == len(spans)
    assert len(found.rejected) == MAX_REASONS_KEPT + 1
    assert found.error_message.count(";") == MAX_REASONS
    assert len(found.error_message) < 1500
    assert found.error_message.endswith("other reasons")


def test_whoever_waits_is_let_breathe() -> None:
    """Once in sixteen resources, scopes and spans: a request of empty scopes is work as well."""
    breaths: list[None] = []
    message = request(*(sent(number=n + 1) for n in range(33)))
    take(message, "k", "t", OtlpConfig(), NOW_NS, lambda: breaths.append(None))
    assert len(breaths) == 3
    for _ in range(29):
        message.resource_spans[0].scope_spans.add()
    take(message, "k", "t", OtlpConfig(), NOW_NS, lambda: breaths.append(None))
    assert len(breaths) == 3 + 4
    for _ in range(16):
        message.resource_spans.add()
    take(message, "k", "t", OtlpConfig(), NOW_NS, lambda: breaths.append(None))
    assert len(breaths) == 3 + 4 + 5


def test_long_values_let_breathe_as_well() -> None:
    """A list of thousands is walked through to its end."""
    breaths: list[None] = []
    empty = AnyValue(array_value=ArrayValue(values=[AnyValue()] * 4000))
    message = request(sent(attributes=[KeyValue(key="a", value=empty)] * 100))
    take(message, "k", "t", OtlpConfig(), NOW_NS, lambda: breaths.append(None))
    assert 50 <= len(breaths) <= 110


class Copies:
    """Counts the bytes of messages that are copied."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.bytes = 0
        for name in ("resource_of", "scope_of", "frame_of", "kept_of"):
            monkeypatch.setattr(intake, name, self._counting(getattr(intake, name)))

    def _counting(self, copy: Callable[..., Any]) -> Callable[..., Any]:
        def counted(*messages: Any) -> Any:
            self.bytes += sum(message.ByteSize() for message in messages)
            return copy(*messages)

        return counted


def many(scopes: int, spans: int, *, url: str = "", **fields: Any) -> ExportTraceServiceRequest:
    """Return a request of one resource with so many scopes, and so many of them with a span."""
    message = ExportTraceServiceRequest()
    resource = message.resource_spans.add(schema_url=url)
    for number in range(scopes):
        scope = resource.scope_spans.add()
        if number < spans:
            scope.spans.add().CopyFrom(sent(number=number + 1, **fields))
    return message


@pytest.mark.parametrize(
    ("message", "times"),
    [
        (many(4000, 0), 0), (many(4000, 1), 4), (many(1000, 1000), 6), (many(100, 100, url="u" * 50_000), 6),
        (many(1000, 1000, url="u" * 50_000, trace_id=b"no"), 4), (many(20, 20, url="u" * 500_000), 4),
        (many(1000, 1000, url="u" * 60_000, attributes=[pair("a", "x" * 6000)]), 4),
    ],
    ids=["empty scopes", "one span among them", "a scope each", "taken", "rejected", "a large resource", "just too large"],
)  # fmt: skip
def test_the_work_grows_with_what_came_and_what_is_kept(
    message: ExportTraceServiceRequest, times: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Not with scopes by scopes, nor with a resource by the spans that are rejected: a few KB could take minutes."""
    copies = Copies(monkeypatch)
    found = take(message, "k", "t", OtlpConfig(), NOW_NS)
    kept = sum(len(row.otlp) for row in found.rows)
    assert copies.bytes <= times * (message.ByteSize() + kept)


@settings(deadline=None)
@given(requests)
def test_every_span_is_taken_or_counted(message: ExportTraceServiceRequest) -> None:
    """Received = accepted + rejected, and what is taken can be recorded."""
    found = take(message, "k", "t", OtlpConfig(max_age_s=86_400), NOW_NS)
    assert len(found.rows) + found.rejected_spans == count_spans(message)
    assert bool(found.rejected_spans) == bool(found.error_message)
    for row in found.rows:
        check_span(row)
