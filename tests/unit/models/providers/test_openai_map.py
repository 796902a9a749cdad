"""OpenAI's protocol: what is asked, and which chunks are refused."""

import copy
import json
from typing import Any

import pytest

from models.providers.dialect import answer_of
from models.providers.faults import Cut, ErrorEvent, Fault, Malformed
from models.providers.openai_map import Chunks, OpenAI, error_fields
from models.voter import Message, Sampling, VoterRequest
from tests.providers import REQUEST, fed, fixture_named

EVENTS = fixture_named("openai", "stream").events
START, HELLO, REST, STOP, USAGE = EVENTS
CALL, MORE = fixture_named("openai", "stream_tool_call").events[:2]
NO_TEXTS: list[object] = [{"text": "not"}, {}, 5, False, ["not"], [{"type": "text", "text": "not"}], []]


def changed(event: dict[str, Any], **choice: Any) -> dict[str, Any]:
    """Return an event whose choice is changed."""
    return event | {"choices": [event["choices"][0] | choice]}


def test_everything_asked_is_sent_in_the_protocols_words() -> None:
    """All fields of a sampling have a name here; the sample shifts the seed; nothing unset is sent."""
    sampling = Sampling(9, 0.1, 0.2, 0.3, 0.4, 5, ("a", "b"))
    turns = (Message("system", "s"), Message("user", "u"), Message("assistant", "a"))
    assert OpenAI().body("m", VoterRequest("r", turns, sampling, 2), 9, stream=False) == {
        "model": "m",
        "messages": [{"role": m.role, "content": m.content} for m in turns],
        "max_tokens": 9, "temperature": 0.1, "top_p": 0.2, "presence_penalty": 0.3, "frequency_penalty": 0.4,
        "seed": 7, "stop": ("a", "b"),
    }  # fmt: skip
    bare = VoterRequest("r", turns[1:2], Sampling(9))
    assert OpenAI().body("m", bare, None, stream=True) == {
        "model": "m",
        "messages": [{"role": "user", "content": "u"}],
        "stream": True,
        "stream_options": {"include_usage": True},
    }
    assert OpenAI().left_out(sampling) == OpenAI.unsupported == ()


def test_newer_models_have_another_name_for_the_bound() -> None:
    """The bound goes out under the name that is configured, and no other."""
    body = OpenAI("max_completion_tokens").body("m", REQUEST, 8, stream=False)
    assert (body.get("max_completion_tokens"), "max_tokens" in body) == (8, False)
    with pytest.raises(ValueError, match="max_completion_tokens"):
        OpenAI("max")


def test_a_tool_call_in_pieces_is_one() -> None:
    """Pieces of arguments are joined in their order."""
    fixture = fixture_named("openai", "stream_tool_call")
    (call,) = answer_of(OpenAI(), fed(Chunks(), fixture.events).finish()).tool_calls
    assert (call.id, call.name, call.arguments) == ("call_abc123", "get_current_weather", '{"location": "Boston"}')


def test_what_comes_in_pieces_is_whole_again() -> None:
    """Log probabilities are lists to be joined, older calls texts to be joined, as a response that came whole has them."""
    fixture = fixture_named("openai", "published_stream_logprobs")
    (choice,) = fed(Chunks(), fixture.events).finish()["choices"]
    assert [token["token"] for token in choice["logprobs"]["content"]] == ["Foo", "!"]
    assert choice["logprobs"]["refusal"] is None
    pieces = [{"name": "f", "arguments": ""}, {"arguments": '{"a"'}, {"arguments": ": 1}"}]
    calling = [changed(HELLO, delta={"function_call": piece}) for piece in pieces]
    message = fed(Chunks(), [START, *calling, STOP]).finish()["choices"][0]["message"]
    assert message["function_call"] == {"name": "f", "arguments": '{"a": 1}'}
    assert fixture.events[1]["choices"][0]["logprobs"]["content"][0]["token"] == "Foo", "joining changes no event"


def test_what_a_later_chunk_says_anew_is_kept_beside() -> None:
    """Padding, tiers, marks: what took another's place in the response does not make it vanish."""
    events = [
        START | {"obfuscation": "a"},
        changed(HELLO, mark=1, delta={"content": "Hello", "mood": 1}) | {"obfuscation": "b"},
        changed(REST, mark=2, delta={"content": "!", "mood": 2}) | {"obfuscation": "b"},
        STOP,
        USAGE,
    ]
    answer = answer_of(OpenAI(), fed(Chunks(), events).finish())
    extra = dict(answer.extra)
    assert (extra["/obfuscation"], extra["/choices/0/mark"], extra["/choices/0/message/mood"]) == ('"b"', "2", "2")
    replaced = [{"obfuscation": "a"}, {"choices": [{"delta": {"mood": 1}}]}, {"choices": [{"mark": 1}]}]
    assert json.loads(extra["/stream_events"]) == replaced
    assert answer.text == "Hello!"


def test_a_text_and_a_list_are_not_joined() -> None:
    """Of a field that nobody knows the later one stands and the earlier one is kept, whichever is the list."""
    for first, later in (("a", ["a"]), ("a", [{"b": 1}]), (["a"], "a"), ([{"b": 1}], "a")):
        events = [changed(HELLO, delta={"reasoning": said}) for said in (first, later)]
        wire = fed(Chunks(), [*events, HELLO, STOP]).finish()
        assert wire["choices"][0]["message"]["reasoning"] == later
        assert wire["stream_events"] == [{"choices": [{"delta": {"reasoning": first}}]}]


def test_a_message_among_the_chunks_is_kept_beside() -> None:
    """It takes nothing's place: the answer is what its pieces say."""
    events = [START, HELLO, changed(REST, message={"content": "5."}), STOP]
    answer = answer_of(OpenAI(), fed(Chunks(), events).finish())
    assert answer.text == answer_of(OpenAI(), fed(Chunks(), [START, HELLO, REST, STOP]).finish()).text
    assert dict(answer.extra)["/stream_events"] == '[{"choices":[{"message":{"content":"5."}}]}]'


def test_what_a_piece_of_a_call_says_anew_is_kept_beside() -> None:
    """Its arguments are joined, the rest of it stands once."""
    piece = {"index": 0, "id": "another", "function": {"name": "", "arguments": "{}"}}
    begun = copy.deepcopy(CALL)
    first = CALL["choices"][0]["delta"]["tool_calls"][0]
    wire = fed(Chunks(), [CALL, changed(MORE, delta={"tool_calls": [piece]}), STOP]).finish()
    (call,) = wire["choices"][0]["message"]["tool_calls"]
    assert (call["id"], call["function"]["name"]) == ("another", first["function"]["name"])
    assert wire["stream_events"] == [{"choices": [{"delta": {"tool_calls": [{"index": 0, "id": first["id"]}]}}]}]
    assert begun == CALL, "joining changes no event"


def test_usage_told_with_every_chunk_is_the_last_ones() -> None:
    """Whoever counts as it goes says the same thing again, only larger: nothing is lost that would have to be kept."""
    counted = {"prompt_tokens": 10, "completion_tokens": 1, "total_tokens": 11}
    events = [START | {"usage": counted}, HELLO | {"usage": counted}, REST, STOP, USAGE]
    answer = answer_of(OpenAI(), fed(Chunks(), events).finish())
    assert answer.usage == answer_of(OpenAI(), fed(Chunks(), [START, HELLO, REST, STOP, USAGE]).finish()).usage
    assert "/stream_events" not in dict(answer.extra)


@pytest.mark.parametrize(
    ("events", "fault"),
    [
        ([START, HELLO, STOP, REST], Malformed),
        ([START, STOP, STOP], Malformed),
        ([START, HELLO | {"id": "another"}], Malformed),
        ([changed(HELLO, index=1)], Malformed),
        ([HELLO | {"choices": HELLO["choices"] * 2}], Malformed),
        ([{"id": "x"}], Malformed),
        ([changed(HELLO, delta=5)], Malformed),
        *(([START, HELLO, changed(HELLO, delta={"content": said}), REST, STOP], Malformed) for said in NO_TEXTS),
        ([START, changed(HELLO, delta={"content": [{"type": "text", "text": "not"}]}), HELLO, STOP], Malformed),
        ([START, HELLO, changed(HELLO, delta={"refusal": ["no"]}), STOP], Malformed),
        ([changed(CALL, delta={"tool_calls": "x"}), CALL, STOP], Malformed),
        ([CALL, changed(CALL, delta={"tool_calls": {}}), STOP], Malformed),
        ([changed(CALL, delta={"tool_calls": [{"index": -1, "function": {}}]}), STOP], Malformed),
        ([changed(CALL, delta={"tool_calls": [{"index": 0, "function": {"arguments": 5}}]}), MORE, STOP], Malformed),
        ([HELLO | {"choices": [5]}], Malformed),
        ([CALL, changed(MORE, delta={"tool_calls": [{"index": 2, "function": {"arguments": ""}}]})], Malformed),
        ([CALL, changed(MORE, delta={"tool_calls": [{"function": {}}]})], Malformed),
        ([CALL, changed(CALL, delta={"tool_calls": [{"index": 1, "function": {"name": "f"}}]}), MORE], Malformed),
        ([CALL, changed(MORE, delta={"tool_calls": [{"index": 0, "function": {"arguments": 5}}]})], Malformed),
        ([START, HELLO, {"error": {"message": "late"}}], ErrorEvent),
        ([START, HELLO | {"error": {"message": "late"}}], ErrorEvent),
        ([], Cut),
        ([START, HELLO, REST], Cut),
        ([USAGE], Cut),
    ],
)
def test_chunks_out_of_order_are_refused(events: list[dict[str, Any]], fault: type[Fault]) -> None:
    """What goes on after its end, mixes answers, is none, is an error or has no end is no answer."""
    with pytest.raises(fault):
        fed(Chunks(), events).finish()


def test_the_answer_begins_with_its_first_letter() -> None:
    """A role and an empty text are no beginning; a refusal and a call are."""
    refusal = fixture_named("openai", "stream_refusal").events
    beginnings = ([START], [START, HELLO], [CALL], refusal[:1], refusal[:2])
    assert [fed(Chunks(), events).started for events in beginnings] == [False, True, True, False, True]


def test_an_errors_codes_are_read_and_nothing_else() -> None:
    """Codes are what a prompt cannot write; broken bodies have none."""
    assert error_fields(b'{"error": {"code": "a", "type": "b", "message": "content_filter"}}') == {"a", "b"}
    assert error_fields(b'[{"error": {"status": "S", "code": 5}}]') == {"S"}
    assert [error_fields(body) for body in (b"{", b"[]", b"5", b'{"error": "x"}', b"[" * 9000)] == [set()] * 5
