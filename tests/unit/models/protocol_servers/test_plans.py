"""What is sent for each fault, for every provider, as bytes and endings; no socket."""

import json

import msgspec
import pytest

from models.protocol_servers.anthropic_messages import AnthropicMessages
from models.protocol_servers.faults import Fault, Order
from models.protocol_servers.gemini_content import GeminiContent
from models.protocol_servers.openai_chat import OpenAIChat
from models.protocol_servers.plans import Ending, Plan, Reply, plan
from models.protocol_servers.wire import Wire
from models.recorded import Answer, RecordedFault, Usage

TEXT = "The capital of France is Paris, and é costs two bytes; a line end (\n) is nothing special."
ANSWER = Answer(content=TEXT, usage=Usage(3, 40))
WIRES: list[Wire] = [OpenAIChat(), AnthropicMessages(), GeminiContent()]
END = {"openai": b"[DONE]", "anthropic": b"message_stop", "gemini": b'"finishReason"'}
every_wire = pytest.mark.parametrize("wire", WIRES, ids=lambda wire: wire.name)
both_ways = pytest.mark.parametrize("stream", [False, True])


def reply(wire: Wire, answer: Answer = ANSWER, *, stream: bool) -> Reply:
    """Return what a plan is made from."""
    shown = (
        answer
        if answer.cut_after_chars is None
        else msgspec.structs.replace(answer, content=TEXT[: answer.cut_after_chars])
    )
    return Reply(wire, "m1", answer, wire.encode("m1", shown), stream, True, b"the-id", b"the-request")


def sent(planned: Plan) -> bytes:
    """Return every byte of a plan."""
    return b"".join(step for step in planned.steps if isinstance(step, bytes))


def ordered(wire: Wire, fault: Fault, *, stream: bool) -> Plan:
    """Return the plan for a fault."""
    return plan(reply(wire, stream=stream), Order(fault=fault, delay_s=7.0))


@every_wire
@both_ways
def test_right_answer(wire: Wire, stream: bool) -> None:
    """Without an order the whole answer goes out at once, with its id, the body's length promised."""
    planned = plan(reply(wire, stream=stream), None)
    assert (planned.status, planned.right, planned.ending, planned.wait_s) == (200, True, Ending.PROPER, 0)
    assert len(planned.steps) == 1
    assert b"the-id" in sent(planned)
    assert planned.length == (None if stream else len(sent(planned)))
    assert not stream or END[wire.name] in sent(planned)


@every_wire
@both_ways
@pytest.mark.parametrize("fault", list(Fault))
def test_no_fault_is_the_right_answer(wire: Wire, stream: bool, fault: Fault) -> None:
    """What is sent differs from the right answer in every fault but the slow one, which alone counts as right."""
    right, planned = plan(reply(wire, stream=stream), None), ordered(wire, fault, stream=stream)
    late = fault is Fault.SLOW_FIRST_TOKEN
    assert planned.right is late
    assert (sent(planned) == sent(right)) is late
    assert late or (TEXT.encode() not in sent(planned) and json.dumps(TEXT)[1:-1] not in sent(planned).decode())


@every_wire
@pytest.mark.parametrize(
    ("fault", "ending"),
    [
        (Fault.RESET_MID_BODY, Ending.RESET),
        (Fault.STALLED_STREAM, Ending.SILENCE),
        (Fault.CUT_STREAM, Ending.CLOSED),
        (Fault.MALFORMED_SSE, Ending.MISFRAMED),
    ],
)
def test_half_of_a_body_stops_inside_what_is_said(wire: Wire, fault: Fault, ending: Ending) -> None:
    """A body that ends too early ends in the middle of the text, and more was promised unless its framing is broken."""
    planned = ordered(wire, fault, stream=False)
    assert planned.ending is ending
    assert sent(planned).endswith(msgspec.json.encode(TEXT)[1:-1][: len(msgspec.json.encode(TEXT)[1:-1]) // 2])
    assert planned.length is None if ending is Ending.MISFRAMED else (planned.length or 0) > len(sent(planned))


@every_wire
@pytest.mark.parametrize(
    ("fault", "ending"),
    [
        (Fault.RESET_MID_BODY, Ending.RESET),
        (Fault.STALLED_STREAM, Ending.SILENCE),
        (Fault.CUT_STREAM, Ending.PROPER),
    ],
)
def test_half_of_a_stream_is_whole_events_without_the_end(wire: Wire, fault: Fault, ending: Ending) -> None:
    """What arrives of a stream are whole events with a part of the text; what makes it whole is not among them."""
    planned = ordered(wire, fault, stream=True)
    assert planned.ending is ending
    assert sent(planned).endswith(wire.line_end * 2)
    assert b"The capital" in sent(planned)
    assert END[wire.name] not in sent(planned)


@every_wire
def test_malformed_event_is_one_among_right_ones(wire: Wire) -> None:
    """One event in the middle is broken off; those before and after are right, the end included."""
    planned = ordered(wire, Fault.MALFORMED_JSON, stream=True)
    events = sent(planned).removesuffix(wire.line_end * 2).split(wire.line_end * 2)
    broken = 0
    for event in events:
        data = event.split(b"data: ", 1)[1]
        try:
            assert data == b"[DONE]" or json.loads(data)
        except json.JSONDecodeError:
            broken += 1
    assert broken == 1
    assert len(events) == len(
        sent(plan(reply(wire, stream=True), None)).removesuffix(wire.line_end * 2).split(wire.line_end * 2)
    )
    assert END[wire.name] in events[-1]


@every_wire
def test_malformed_body_is_as_long_as_promised(wire: Wire) -> None:
    """HTTP finds nothing wrong with a body of broken JSON."""
    planned = ordered(wire, Fault.MALFORMED_JSON, stream=False)
    assert planned.length == len(sent(planned))
    with pytest.raises(json.JSONDecodeError):
        json.loads(sent(planned))


@every_wire
def test_malformed_stream_has_no_line_ends_in_its_second_half(wire: Wire) -> None:
    """The first events are right, the rest is one line that never ends."""
    planned = ordered(wire, Fault.MALFORMED_SSE, stream=True)
    last = sent(planned).split(wire.line_end * 2)[-1]
    assert last.count(b"data: ") > 2
    assert b"\n" not in last


@every_wire
@both_ways
def test_pages_of_the_proxy_are_html(wire: Wire, stream: bool) -> None:
    """502, 503 and the wrong content type are a page, in both modes."""
    for fault, status in ((Fault.BAD_GATEWAY, 502), (Fault.UNAVAILABLE, 503), (Fault.WRONG_CONTENT_TYPE, 200)):
        planned = ordered(wire, fault, stream=stream)
        assert (planned.status, planned.content_type) == (status, "text/html; charset=UTF-8")
        assert b"<html" in sent(planned)


@every_wire
@both_ways
def test_errors_are_json_in_both_modes(wire: Wire, stream: bool) -> None:
    """A status error is the same whether a stream was asked for or not."""
    for fault, status in ((Fault.RATE_LIMITED, 429), (Fault.SERVER_ERROR, 500), (Fault.OVERLOADED, 529)):
        planned = ordered(wire, fault, stream=stream)
        assert (planned.status, planned.content_type) == (status, wire.json_type)
        assert "error" in json.loads(sent(planned))


@every_wire
@both_ways
def test_only_a_rate_limit_says_when_to_come_back(wire: Wire, stream: bool) -> None:
    """``retry_after_s`` is for 429, in a header or the body as the provider does it."""
    for fault in (Fault.RATE_LIMITED, Fault.SERVER_ERROR, Fault.OVERLOADED):
        planned = plan(reply(wire, stream=stream), Order(fault=fault, retry_after_s=4321.0))
        told = b"4321" in sent(planned) or "4321" in planned.headers.values()
        assert told is (fault is Fault.RATE_LIMITED)


@every_wire
def test_slow_stream_opens_at_once(wire: Wire) -> None:
    """Head and opening come before the delay, every token after it; a body comes late as a whole."""
    planned = ordered(wire, Fault.SLOW_FIRST_TOKEN, stream=True)
    opening, delay, rest = planned.steps
    assert (planned.wait_s, delay) == (0, 7.0)
    assert isinstance(opening, bytes)
    assert isinstance(rest, bytes)
    assert b"The capital" not in opening
    assert b"The capital" in rest
    assert ordered(wire, Fault.SLOW_FIRST_TOKEN, stream=False).wait_s == 7.0


@every_wire
@both_ways
def test_silence_has_no_head(wire: Wire, stream: bool) -> None:
    """A silent upstream, ordered or recorded, sends nothing at all."""
    for planned in (
        ordered(wire, Fault.SILENT, stream=stream),
        plan(reply(wire, Answer(hang=True), stream=stream), None),
    ):
        assert (planned.status, planned.steps, planned.ending) == (0, (), Ending.SILENCE)


@every_wire
def test_recorded_latency_is_spread_over_a_stream(wire: Wire) -> None:
    """First the time to the first token, then the rest between the tokens."""
    slow = msgspec.structs.replace(ANSWER, latency_ms=1000, first_token_ms=400)
    planned = plan(reply(wire, slow, stream=True), None)
    pauses = [step for step in planned.steps if isinstance(step, float)]
    assert planned.wait_s == 0.4
    assert sum(pauses) == pytest.approx(0.6)
    assert len(pauses) == len(reply(wire, stream=True).events()[1])
    assert sent(planned) == sent(plan(reply(wire, stream=True), None))
    assert plan(reply(wire, slow, stream=False), None).wait_s == 1.0


@every_wire
@both_ways
@pytest.mark.parametrize("after", [0, 7, 1000])
def test_recorded_cut_shows_what_was_recorded(wire: Wire, stream: bool, after: int) -> None:
    """A recorded cut shows so many characters and then closes inside the body, wherever it lies."""
    planned = plan(reply(wire, msgspec.structs.replace(ANSWER, cut_after_chars=after), stream=stream), None)
    assert (planned.ending, planned.right) == (Ending.CLOSED, False)
    assert END[wire.name] not in sent(planned)
    if not stream:
        assert (planned.length or 0) > len(sent(planned))
        assert sent(planned).endswith(msgspec.json.encode(TEXT[:after])[:-1])


@every_wire
def test_recorded_error_is_the_providers(wire: Wire) -> None:
    """A recorded status comes in the provider's shape after its latency, 503 included."""
    answer = Answer(error=RecordedFault(status=503, retry_after_s=9), latency_ms=500)
    planned = plan(reply(wire, answer, stream=True), None)
    assert (planned.status, planned.wait_s, planned.right) == (503, 0.5, False)
    assert "error" in json.loads(sent(planned))


@every_wire
@both_ways
def test_answer_of_one_piece_or_none_can_fail_as_well(wire: Wire, stream: bool) -> None:
    """Every fault has a plan for a short and for an empty answer, and none is the right one."""
    for content in ("Paris.", ""):
        short = Answer(content=content, usage=Usage(3, 1))
        right = plan(reply(wire, short, stream=stream), None)
        for fault in set(Fault) - {Fault.SLOW_FIRST_TOKEN}:
            planned = plan(reply(wire, short, stream=stream), Order(fault=fault))
            assert not planned.right
            assert (sent(planned), planned.ending) != (sent(right), right.ending)
