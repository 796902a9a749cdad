"""Anthropic's protocol: what is asked, what cannot be, and which events are refused."""

from typing import Any

import pytest

from models.errors import VoterInvalid
from models.providers.answer import Other, Text, ToolCall, Usage, candidate_of
from models.providers.anthropic_map import Anthropic, Events
from models.providers.dialect import answer_of
from models.providers.faults import Cut, ErrorEvent, Fault, Malformed
from models.voter import Message, Sampling, VoterRequest
from tests.providers import REQUEST, fed, fixture_named

EVENTS = fixture_named("anthropic", "stream").events
START, OPEN, PING, HELLO, REST, CLOSE, END, STOP = EVENTS
TURNS = (Message("system", "s"), Message("user", "u"), Message("system", "t"), Message("assistant", "a"))
SAMPLING = Sampling(9, 0.1, 0.2, 0.3, 0.4, 5, ("a", " "))


def ended(reason: str | None) -> dict[str, Any]:
    """Return the end with another reason."""
    return END | {"delta": END["delta"] | {"stop_reason": reason}}


def begun(**message: Any) -> dict[str, Any]:
    """Return the start of a message that says this."""
    return START | {"message": START["message"] | message}


def test_the_newest_version_is_asked_without_sampling() -> None:
    """System turns go apart, the bound always along, what the protocol refuses not at all; the key is a bearer's."""
    dialect = Anthropic()
    assert dialect.body("m", VoterRequest("r", TURNS, SAMPLING), 9, stream=True) == {
        "model": "m",
        "max_tokens": 9,
        "messages": [{"role": "user", "content": "u"}, {"role": "assistant", "content": "a"}],
        "system": "s\n\nt",
        "stop_sequences": ["a"],
        "stream": True,
    }
    assert dialect.headers("k") == {"anthropic-version": "2026-10-21", "Authorization": "Bearer k"}
    expected = {"temperature", "top_p", "presence_penalty", "frequency_penalty", "seed", "stop of white space"}
    assert set(dialect.left_out(SAMPLING)) == expected
    assert set(dialect.unsupported) == expected - {"stop of white space"}
    assert dialect.left_out(Sampling(9)) == ()


def test_the_older_version_takes_temperature_and_top_p() -> None:
    """Inside its range; a temperature above it is left out and said, not sent as another."""
    dialect = Anthropic("2023-06-01")
    body = dialect.body("m", VoterRequest("r", TURNS, SAMPLING), 9, stream=False)
    assert (body["temperature"], body["top_p"], "stream" in body, "seed" in body) == (0.1, 0.2, False, False)
    hot = Sampling(9, temperature=1.5)
    assert dialect.left_out(hot) == ("temperature above 1",)
    assert "temperature" not in dialect.body("m", VoterRequest("r", TURNS, hot), 9, stream=False)


def test_what_the_protocol_wants_is_asked_for() -> None:
    """No request without a bound, no version that nobody speaks."""
    with pytest.raises(ValueError, match="max_tokens"):
        Anthropic().body("m", REQUEST, None, stream=False)
    with pytest.raises(ValueError, match="2023-06-01"):
        Anthropic("2022-01-01")


def test_all_of_the_input_is_counted() -> None:
    """The protocol counts cached input apart from the rest; here it is among it."""
    answer = answer_of(Anthropic(), fixture_named("anthropic", "usage_details").content)
    assert answer.usage == Usage(38 + 188086 + 12, 393, 188086, 12)


def test_blocks_keep_their_order() -> None:
    """Thinking stays where it was, a tool's input is JSON again."""
    thinking = answer_of(Anthropic(), fed(Events(), fixture_named("anthropic", "stream_thinking").events).finish())
    assert [type(part) for part in thinking.parts] == [Other, Text]
    assert any(place == "/content/0/signature" for place, _ in thinking.extra)
    calling = answer_of(Anthropic(), fed(Events(), fixture_named("anthropic", "stream_tool_call").events).finish())
    assert calling.tool_calls == (
        ToolCall("toolu_01T1x1fJ34qAmk2tNTrN7Up6", "get_weather", '{"location":"San Francisco, CA"}'),
    )


def test_events_of_another_kind_are_kept_beside() -> None:
    """The protocol may grow; what it says then is not lost and changes nothing."""
    events = fixture_named("anthropic", "stream_unknown_event").events
    answer = answer_of(Anthropic(), fed(Events(), events).finish())
    assert ("/stream_events", '[{"sky":"clear","type":"weather_report"}]') in answer.extra


def test_fields_of_an_event_that_nobody_knows_are_kept_beside() -> None:
    """Those of the message stay in it; those of an event, of a piece, and what the end says anew stand beside it."""
    wire = fed(Events(), fixture_named("anthropic", "stream_extra_fields").events).finish()
    assert wire["mood"] == {"level": 7}
    assert wire["stream_events"] == [
        {"type": "content_block_delta", "index": 0, "mood": 4},
        {"type": "content_block_delta", "index": 0, "delta": {"mood": 5}},
        {"type": "content_block_stop", "index": 0, "mood": 6},
        {"type": "message_start", "message": {"mood": {"level": 3}}},
        {"type": "message_stop", "mood": 8},
    ]
    told = fed(Events(), fixture_named("anthropic", "published_stream_transformations").events).finish()
    reasons = [told["input_transformations"], told["stream_events"][0]["message"]["input_transformations"]]
    assert [reason[0]["reason"] for reason in reasons] == ["model_binding_mismatch", "prefix_binding_mismatch"]
    assert "stream_events" not in fed(Events(), EVENTS).finish()


def test_an_event_of_a_kind_to_come_may_stand_anywhere() -> None:
    """Before the message, in the middle of it and after it, as the SDK's own test has it; it changes nothing."""
    wire = fed(Events(), fixture_named("anthropic", "published_stream_unknown_events").events).finish()
    assert [event["type"] for event in wire["stream_events"]] == ["future_event"] * 3
    assert wire["usage"] == {"input_tokens": 11, "output_tokens": 6}


def test_what_stands_in_for_another_model_is_told() -> None:
    """An answer that another model gave carries the block that says so, and is no answer of this voter."""
    answer = answer_of(
        Anthropic(), fed(Events(), fixture_named("anthropic", "published_stream_fallback").events).finish()
    )
    assert answer.parts == (Other("fallback"), Text("Hello there!"))
    assert ("/content/0/to", '{"model":"claude-sonnet-4-5"}') in answer.extra
    with pytest.raises(VoterInvalid, match="another model answered in its place"):
        candidate_of(answer, "v")


def test_a_stream_may_say_nothing_of_its_usage() -> None:
    """The documents' own example does not."""
    events = fixture_named("anthropic", "published_stream_thinking").events
    assert answer_of(Anthropic(), fed(Events(), events).finish()).usage is None


def test_nothing_unsays_why_an_answer_ended() -> None:
    """Counts may come after the end's reason, and the same reason again; null says nothing."""
    silent = END | {"delta": {"stop_reason": None, "stop_sequence": None}}
    cut = ended("max_tokens")
    for events in ([cut, cut], [cut, silent], [cut, silent, silent], [silent, cut]):
        wire = fed(Events(), [START, OPEN, HELLO, CLOSE, *events, STOP]).finish()
        assert (wire["stop_reason"], "stream_events" in wire) == ("max_tokens", False)


def test_what_a_tools_input_began_with_is_kept_beside() -> None:
    """Pieces make another one, which stands."""
    piece = HELLO | {"delta": {"type": "input_json_delta", "partial_json": '{"a":2}'}}
    tool = OPEN | {"content_block": {"type": "tool_use", "id": "t", "name": "f", "input": {"a": 1}}}
    wire = fed(Events(), [START, tool, piece, CLOSE, END, STOP]).finish()
    assert wire["content"][0]["input"] == {"a": 2}
    first = {"type": "content_block_start", "index": 0, "content_block": {"input": {"a": 1}}}
    assert wire["stream_events"] == [first]


@pytest.mark.parametrize(
    ("events", "fault"),
    [
        ([], Cut),
        (EVENTS[:-1], Cut),
        ([START, OPEN, HELLO, CLOSE, STOP], Malformed),
        ([START, OPEN, HELLO, END, STOP], Malformed),
        ([START, END, OPEN], Malformed),
        ([OPEN], Malformed),
        ([START, START], Malformed),
        ([START, HELLO], Malformed),
        ([START, CLOSE], Malformed),
        ([START, OPEN, OPEN | {"index": 1}], Malformed),
        ([START, OPEN | {"index": 1}], Malformed),
        ([START, OPEN, HELLO | {"index": 1}], Malformed),
        ([START, OPEN, CLOSE | {"index": 1}], Malformed),
        ([*EVENTS, HELLO], Malformed),
        ([*EVENTS[:-2], ended("max_tokens"), END, STOP], Malformed),
        ([*EVENTS[:-2], ended("refusal"), END, STOP], Malformed),
        ([*EVENTS[:-2], END, ended("max_tokens"), STOP], Malformed),
        ([*EVENTS[:-2], ended("max_tokens"), ended(None), END, STOP], Malformed),
        ([begun(stop_reason="max_tokens"), *EVENTS[1:]], Malformed),
        ([begun(content=[{"type": "text", "text": "not"}]), *EVENTS[1:]], Malformed),
        ([*EVENTS[:-2], END | {"delta": END["delta"] | {"content": ["not"]}}, STOP], Malformed),
        ([*EVENTS, STOP], Malformed),
        ([*EVENTS[:4], HELLO | {"delta": {"type": "prose_delta", "text": "not"}}, *EVENTS[4:]], Malformed),
        ([START, OPEN | {"content_block": None}], Malformed),
        ([START, OPEN, HELLO | {"delta": {"type": "text_delta", "text": 5}}], Malformed),
        ([START, OPEN, HELLO | {"delta": {"type": "thinking_delta", "thinking": "x"}}], Malformed),
        ([START, OPEN | {"content_block": {"type": "text", "text": 5}}, HELLO], Malformed),
        ([START, OPEN, HELLO | {"delta": {"type": "input_json_delta", "partial_json": "{"}}, CLOSE], Malformed),
        ([START, OPEN, HELLO, {"type": "error", "error": {"type": "overloaded_error"}}], ErrorEvent),
    ],
)
def test_events_out_of_order_are_refused(events: list[dict[str, Any]], fault: type[Fault]) -> None:
    """One start, one block at a time, one end, nothing after it; an error is one wherever it comes."""
    with pytest.raises(fault):
        fed(Events(), events).finish()


def test_the_answer_begins_with_its_first_letter() -> None:
    """A start, an empty block and a ping are no beginning."""
    assert [fed(Events(), EVENTS[:length]).started for length in (3, 4)] == [False, True]
