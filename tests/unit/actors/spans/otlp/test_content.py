"""What is put away of other services' questions and answers."""

from typing import Any

import pytest
from hypothesis import given, settings
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.common.v1.common_pb2 import AnyValue, ArrayValue, KeyValue
from opentelemetry.proto.trace.v1.trace_pb2 import Span

from actors.base.digests import commitment
from actors.spans.otlp.config import OtlpConfig
from actors.spans.otlp.content import PREFIX, is_content, put_away
from actors.spans.otlp.intake import ITEMS_A_STEP, STEPS_A_BREATH, Taken, take
from actors.spans.otlp.mapping import whole
from tests.unit.actors.spans.otlp.sent import NOW_NS, pair, request, requests, sent

SECRET = "sell everything"
MESSAGES = AnyValue(array_value=ArrayValue(values=[AnyValue(string_value=SECRET)]))


def commit(trace_id: bytes, span_id: bytes, value: bytes) -> str:
    """Commit with a salt of the span's own."""
    return commitment(trace_id + span_id, value)


@pytest.mark.parametrize(
    "key",
    [
        "gen_ai.input.messages", "gen_ai.output.messages", "gen_ai.system_instructions", "gen_ai.tool.call.arguments",
        "gen_ai.tool.call.result", "gen_ai.prompt", "gen_ai.completion", "gen_ai.prompt.0.content", "Gen_AI.Completion.1.role",
        " gen_ai.prompt",
    ],
)  # fmt: skip
def test_a_commitment_stands_where_content_stood(key: str) -> None:
    """On a span and in an event, of whatever type; the name stays, and nothing of the value."""
    item = KeyValue(key=key, value=MESSAGES)
    span = sent(attributes=[item, pair("a", "x")], events=[Span.Event(name="e", attributes=[item])])
    kept = put_away(span, commit)
    said = PREFIX + commit(span.trace_id, span.span_id, MESSAGES.SerializeToString(deterministic=True))
    assert list(kept.attributes) == [pair(key, said), pair("a", "x")]
    assert list(kept.events[0].attributes) == [pair(key, said)]
    assert SECRET.encode() in span.SerializeToString()
    assert SECRET.encode() not in kept.SerializeToString()


@pytest.mark.parametrize("name", ["gen_ai.user.message", "gen_ai.choice", "GEN_AI.tool.message"])
@pytest.mark.parametrize("key", ["content", "message", "tool_calls", "body"])
def test_events_of_the_conventions_hold_it_under_short_names(name: str, key: str) -> None:
    """Which elsewhere mean anything."""
    event = Span.Event(name=name, attributes=[pair(key, SECRET), pair("gen_ai.system", "openai")])
    kept = put_away(sent(events=[event]), commit)
    assert kept.events[0].attributes[0].value.string_value.startswith(PREFIX)
    assert kept.events[0].attributes[1] == pair("gen_ai.system", "openai")
    assert not is_content(key)
    assert not is_content(key, event="upload")


@pytest.mark.parametrize("key", ["gen_ai.request.model", "gen_ai.usage.input_tokens", "gen_ai.promptness", "content"])
def test_everything_else_is_left_as_it_is(key: str) -> None:
    """The very same message."""
    span = sent(attributes=[pair(key, SECRET)])
    assert put_away(span, commit) is span


def test_other_names_can_be_told() -> None:
    """In whatever case."""
    config = OtlpConfig(content_attributes=(" Input.Value",))
    span = sent(attributes=[pair("input.value", SECRET)])
    assert put_away(span, commit) is span
    assert SECRET not in str(put_away(span, commit, config.content_attributes))
    (row,) = take(request(span), "k", "t", config, NOW_NS, commit=commit).rows
    assert SECRET.encode() not in row.otlp


def test_of_one_value_each_span_has_a_commitment_of_its_own() -> None:
    """Nobody sees that two asked the same."""
    spans = [put_away(sent(number=number, attributes=[pair("gen_ai.prompt", SECRET)]), commit) for number in (1, 2)]
    assert spans[0].attributes[0] != spans[1].attributes[0]


def test_long_content_is_measured_by_what_is_kept_of_it() -> None:
    """A question that is larger than an attribute may be keeps no span out."""
    message = request(sent(attributes=[pair("gen_ai.prompt", "x" * 20_000)]))
    assert take(message, "k", "t", OtlpConfig(), NOW_NS).rejected_spans == 1
    (row,) = take(message, "k", "t", OtlpConfig(), NOW_NS, commit=commit).rows
    assert whole(row).scope_spans[0].spans[0].attributes[0].value.string_value.startswith(PREFIX)


@settings(deadline=None)
@given(requests)
def test_whatever_holds_no_content_comes_out_as_it_was(message: ExportTraceServiceRequest) -> None:
    """With commitments or without: lossless but for content."""
    config = OtlpConfig(max_age_s=86_400)
    plain, put = (take(message, "k", "t", config, NOW_NS, commit=each) for each in (None, commit))
    assert [row.otlp for row in plain.rows] == [row.otlp for row in put.rows]


class Work:
    """Counts what is committed to, all in all and at most between two breaths."""

    def __init__(self) -> None:
        self.commits = self.at_once = self.most_at_once = 0

    def commit(self, trace_id: bytes, span_id: bytes, value: bytes) -> str:
        """Commit, and count it."""
        self.commits += 1
        self.at_once += 1
        self.most_at_once = max(self.most_at_once, self.at_once)
        return commit(trace_id, span_id, value)

    def breathe(self) -> None:
        """Begin to count anew."""
        self.at_once = 0

    def of(self, **fields: Any) -> Taken:
        """Take one span."""
        return take(request(sent(**fields)), "k", "t", OtlpConfig(), NOW_NS, self.breathe, self.commit)


MANY = [pair("gen_ai.prompt", SECRET)] * 129


@pytest.mark.parametrize(
    "fields",
    [
        {"attributes": MANY}, {"events": [Span.Event(attributes=MANY)]}, {"events": [Span.Event(attributes=MANY[:1])] * 129},
        {"attributes": MANY[:1], "links": [Span.Link()] * 129}, {"attributes": MANY[:1], "links": [Span.Link(attributes=MANY)]},
        {"attributes": MANY[:1], "span_id": b""}, {"attributes": MANY[:1], "start_time_unix_nano": 0},
        {"attributes": MANY[:1], "name": "weavergen.canary"},
    ],
    ids=["attributes", "an event's attributes", "events", "links", "a link's attributes", "id", "time", "name"],
)  # fmt: skip
def test_of_a_span_that_is_rejected_for_what_it_is_nothing_is_hashed(fields: dict[str, Any]) -> None:
    """Nor of one that has too much of anything: a few KB, once decompressed, could take seconds."""
    work = Work()
    assert work.of(**fields).rejected_spans == 1
    assert work.commits == 0


def test_within_a_span_that_holds_much_whoever_waits_is_let_breathe() -> None:
    """However much a span may hold: all of it is hashed, little of it at once."""
    work = Work()
    work.of(attributes=MANY[:128], events=[Span.Event(attributes=MANY[:128])] * 128)
    assert work.commits == 129 * 128
    assert work.most_at_once <= STEPS_A_BREATH * ITEMS_A_STEP
