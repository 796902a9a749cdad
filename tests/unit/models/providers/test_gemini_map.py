"""Gemini's protocol: what is asked, how tokens are counted, and which partial responses are refused."""

import json
from typing import Any

import pytest

from models.errors import VoterRefused
from models.providers.answer import Other, Text, Usage, candidate_of
from models.providers.dialect import answer_of
from models.providers.faults import Cut, ErrorEvent, Fault, Malformed
from models.providers.gemini_map import Gemini, Responses
from models.voter import Message, Sampling, VoterRequest
from tests.providers import fed, fixture_named

EVENTS = fixture_named("gemini", "stream").events
FIRST, SECOND, LAST = EVENTS


def changed(event: dict[str, Any], **candidate: Any) -> dict[str, Any]:
    """Return an event whose candidate is changed."""
    return event | {"candidates": [event["candidates"][0] | candidate]}


CUT = changed(SECOND, finishReason="MAX_TOKENS")
NULL = {"candidates": [{"finishReason": None}]}


def test_everything_asked_is_sent_in_the_protocols_words() -> None:
    """System turns go apart, the assistant is the model, every field of a sampling has its name; model in the path."""
    turns = (Message("system", "s"), Message("user", "u"), Message("assistant", "a"), Message("system", "t"))
    sampling = Sampling(9, 0.1, 0.2, 0.3, 0.4, 5, ("a", "b"))
    dialect = Gemini()
    assert dialect.body("m", VoterRequest("r", turns, sampling, 2), 9, stream=True) == {
        "contents": [{"role": "user", "parts": [{"text": "u"}]}, {"role": "model", "parts": [{"text": "a"}]}],
        "systemInstruction": {"parts": [{"text": "s"}, {"text": "t"}]},
        "generationConfig": {
            "maxOutputTokens": 9, "temperature": 0.1, "topP": 0.2, "presencePenalty": 0.3, "frequencyPenalty": 0.4,
            "seed": 7, "stopSequences": ["a", "b"],
        },
    }  # fmt: skip
    bare = VoterRequest("r", turns[1:2], Sampling(9))
    assert dialect.body("m", bare, None, stream=False) == {
        "contents": [{"role": "user", "parts": [{"text": "u"}]}],
        "generationConfig": {},
    }
    assert dialect.path("m", stream=False) == "/v1beta/models/m:generateContent"
    assert dialect.path("m", stream=True) == "/v1beta/models/m:streamGenerateContent?alt=sse"
    assert dialect.left_out(sampling) == dialect.unsupported == ()


@pytest.mark.parametrize(
    ("name", "usage"),
    [
        ("plain", Usage(4, 12)),
        ("usage_details", Usage(3000, 20, 2048, None, 12)),
        ("length_in_thought", Usage(4, 63, None, None, 63)),
        ("blocked_prompt", Usage(4, None)),
    ],
)
def test_all_of_the_output_is_counted(name: str, usage: Usage) -> None:
    """The protocol counts thoughts apart from the answer; here they are among the output."""
    assert answer_of(Gemini(), fixture_named("gemini", name).content).usage == usage


def test_a_blocked_prompt_ends_refused() -> None:
    """Without a candidate there is no finish reason; the block is one."""
    blocked = answer_of(Gemini(), fixture_named("gemini", "blocked_prompt").content)
    assert (blocked.refusal, blocked.native_finish, blocked.finish) == ("PROHIBITED_CONTENT", None, "refused")


def test_a_block_refuses_whatever_was_said_before_or_after() -> None:
    """A prompt may be blocked in the middle of a stream, and what is said of it later does not lift that."""
    block = {"promptFeedback": {"blockReason": "SAFETY"}}
    for events in ([FIRST, SECOND, block], [block, FIRST, LAST], [block, FIRST | {"promptFeedback": {}}, SECOND, LAST]):
        answer = answer_of(Gemini(), fed(Responses(), events).finish())
        assert answer.refusal == "SAFETY"
        assert answer.text.startswith("AI")
        with pytest.raises(VoterRefused):
            candidate_of(answer, "v")


def test_a_block_may_have_a_message_only() -> None:
    """It is a refusal all the same, whole or streamed, and the response comes back as it was."""
    wire = fixture_named("gemini", "published_blocked_without_reason").content
    assert answer_of(Gemini(), wire).refusal == "Message"
    assert answer_of(Gemini(), fed(Responses(), [wire]).finish()).refusal == "Message"


def test_what_a_later_response_says_anew_is_kept_beside() -> None:
    """Each piece has its own citations and ratings; only the token counts are sums."""
    wire = fed(Responses(), fixture_named("gemini", "published_stream_recitation").events).finish()
    assert [source["startIndex"] for source in sources(wire)] == [793]
    earlier = [source["startIndex"] for event in wire["stream_events"] for source in sources(event)]
    assert earlier == [110, 395, 699]
    assert "stream_events" not in fed(Responses(), EVENTS).finish()
    anew = fed(Responses(), [FIRST | {"createTime": 1}, SECOND | {"createTime": 2}, LAST]).finish()
    assert (anew["createTime"], anew["stream_events"]) == (2, [{"createTime": 1}])


def test_nothing_unsays_what_was_said() -> None:
    """A reason, a count and a version that a later response has no value for stand as they were, and nothing is lost."""
    late = NULL | {"modelVersion": None, "usageMetadata": None}
    wire = fed(Responses(), [FIRST, CUT, late]).finish()
    assert wire == fed(Responses(), [FIRST, CUT]).finish()
    assert wire["candidates"][0]["finishReason"] == "MAX_TOKENS"
    assert {"modelVersion", "usageMetadata"} <= {name for name, value in wire.items() if value is not None}


def sources(wire: dict[str, Any]) -> list[dict[str, Any]]:
    """Return the citations of a response's candidate."""
    found: list[dict[str, Any]] = wire["candidates"][0]["citationMetadata"]["citationSources"]
    return found


def test_thoughts_are_no_part_of_the_text() -> None:
    """Pieces of a thought and of the answer are joined each with its own."""
    answer = answer_of(Gemini(), fed(Responses(), fixture_named("gemini", "stream_thinking").events).finish())
    assert answer.parts == (Other("thought"), Text("Yes."))
    assert ("/candidates/0/content/parts/0/text", '"Considering."') in answer.extra


@pytest.mark.parametrize(
    ("events", "fault"),
    [
        ([], Cut),
        ([FIRST, SECOND], Cut),
        ([{"usageMetadata": {}}], Cut),
        ([FIRST, LAST, SECOND], Malformed),
        ([FIRST, LAST, LAST], Malformed),
        ([FIRST, CUT, NULL, LAST], Malformed),
        ([FIRST, CUT, NULL, SECOND], Malformed),
        ([FIRST, SECOND | {"responseId": "another"}], Malformed),
        ([FIRST, SECOND | {"modelVersion": "another"}], Malformed),
        ([changed(FIRST, index=1)], Malformed),
        ([FIRST | {"candidates": FIRST["candidates"] * 2}], Malformed),
        ([FIRST | {"candidates": 5}], Malformed),
        ([FIRST | {"candidates": [5]}], Malformed),
        ([changed(FIRST, content=5)], Malformed),
        ([changed(FIRST, content={"parts": 5})], Malformed),
        ([changed(FIRST, content={"parts": [5]})], Malformed),
        ([FIRST, {"error": {"code": 503}}], ErrorEvent),
        ([FIRST, SECOND | {"error": {"code": 503}}], ErrorEvent),
    ],
)
def test_responses_out_of_order_are_refused(events: list[dict[str, Any]], fault: type[Fault]) -> None:
    """What goes on after its end, mixes answers, is none, is an error or has no end is no answer."""
    with pytest.raises(fault):
        fed(Responses(), events).finish()


def test_usage_may_come_after_the_end() -> None:
    """A last response without a candidate only completes the counts."""
    late = {"usageMetadata": {"promptTokenCount": 4, "candidatesTokenCount": 5}}
    answer = answer_of(Gemini(), fed(Responses(), [FIRST, changed(SECOND, finishReason="STOP"), late]).finish())
    assert (answer.text, answer.usage) == ("AI works by", Usage(4, 5))


@pytest.mark.parametrize(
    ("delay", "expected"),
    [
        ("22s", 22.0),
        ("0.5s", 0.5),
        ("1e9s", 3600.0),
        ("-1s", 0.0),
        ("nans", None),
        ("soon", None),
        (5, None),
        (None, None),
    ],
)
def test_a_retry_delay_is_read_and_bounded(delay: object, expected: float | None) -> None:
    """Only a duration as the protocol writes it says when to come back."""
    details = [{"@type": "type.googleapis.com/google.rpc.RetryInfo", "retryDelay": delay}]
    error = {"error": {"code": 429, "status": "RESOURCE_EXHAUSTED", "details": details}}
    for body in (error, [error]):
        assert Gemini().complaint(429, json.dumps(body).encode()).retry_after_s == expected


@pytest.mark.parametrize("body", [b"", b"{", b"[]", b'{"error": 5}', b'{"error": {"details": [{}]}}', b"[" * 9000])
def test_an_error_without_a_delay_has_none(body: bytes) -> None:
    """Broken and bare errors say nothing of a time."""
    assert Gemini().complaint(429, body).retry_after_s is None
