"""Every provider's responses, whole and streamed: read without loss, written again, never half an answer."""

import copy
import hashlib
import itertools
import json
import re
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from models.errors import VoterError
from models.providers.answer import candidate_of
from models.providers.dialect import answer_of, decoded, wire_of
from models.providers.failures import Complaint, failure_of
from models.providers.faults import Fault, Malformed
from tests.providers import FIXTURES, STREAMS, WHOLE, Fixture, fed, fixture_named, meaning

VALUES = st.recursive(
    st.none() | st.booleans() | st.integers(-5, 5) | st.text("ab/~", max_size=3),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text("ab/~0", max_size=2), inner, max_size=3),
    max_leaves=6,
)


def outcome(fixture: Fixture, wire: object) -> dict[str, Any]:
    """Return what a response means."""
    try:
        return meaning(candidate_of(answer_of(fixture.dialect, wire), "v"))
    except VoterError as error:
        return meaning(error)


PROVIDERS = ("openai", "anthropic", "gemini")
PUBLISHED = {"openai": 15, "anthropic": 17, "gemini": 19}
REPORTED = {"openai": 4, "anthropic": 2, "gemini": 2}


def test_every_fixture_names_its_source() -> None:
    """A page of the provider's documents or a type of its SDK, with what of it."""
    assert [str(f) for f in FIXTURES if not ("https://" in f.source or " package " in f.source)] == []
    assert {(f.provider, f.kind) for f in FIXTURES} == set(itertools.product(PROVIDERS, ("whole", "stream", "error")))


def test_what_a_provider_published_is_told_from_what_was_written_here() -> None:
    """A fixture's name says which it is; what comes from a repository names the file and the commit, a report its thread.

    What an SDK's source distribution has names its version and the file.
    """
    origins = {"published": "published_", "reported": "reported_", "after the documents": ""}
    for fixture in FIXTURES:
        begins = [prefix for prefix in origins.values() if prefix and fixture.name.startswith(prefix)]
        assert [origins[fixture.origin]] == (begins or [""]), str(fixture)
        if fixture.origin == "published" and re.search(r"github\.com|package", fixture.source):
            repository = r"github\.com/[\w.-]+/[\w.-]+ [^ ]+ at [0-9a-f]{40}\b"
            package = r"The package \w+ \d+\.\d+\.\d+, its source distribution: [\w/.-]+"
            assert re.search(f"{repository}|{package}", fixture.source), str(fixture)
        if fixture.origin == "reported":
            assert re.fullmatch(r"https://github\.com/[\w.-]+/[\w.-]+/(issues|pull)/\d+", fixture.source), str(fixture)


def test_recordings_are_what_their_names_say() -> None:
    """OpenAI's SDK names the recording of a stream by its hash: the fixture, written as it travelled, has the same."""
    recorded = [(f, found[1]) for f in STREAMS if (found := re.search(r"external/([0-9a-f]{64})\.bin", f.source))]
    assert len(recorded) == 4
    for fixture, name in recorded:
        told = [event["data"] for event in fixture.content]
        lines = [data if isinstance(data, str) else json.dumps(data, separators=(",", ":")) for data in told]
        wire = "".join(f"data: {line}\n\n" for line in lines).encode()
        assert hashlib.sha256(wire).hexdigest() == name, str(fixture)


def test_no_published_fixture_is_lost() -> None:
    """Each provider has its published examples, of answers, refusals, tool calls and streams of them, and its errors."""
    found = {provider: [f for f in FIXTURES if f.provider == provider] for provider in PROVIDERS}
    assert {p: sum(f.origin == "published" for f in fixtures) for p, fixtures in found.items()} == PUBLISHED
    assert {p: sum(f.origin == "reported" for f in fixtures) for p, fixtures in found.items()} == REPORTED
    for fixtures in found.values():
        not_ours = [f for f in fixtures if f.origin != "after the documents"]
        assert {(f.kind, f.means["outcome"]) for f in not_ours} >= {
            *itertools.product(("whole", "stream"), ("Candidate", "VoterInvalid")),
            ("stream", "VoterRefused"),
            ("error", "VoterFailed"),
            ("error", "VoterTooLong"),
        }


@pytest.mark.parametrize("fixture", WHOLE, ids=str)
def test_a_response_round_trips(fixture: Fixture) -> None:
    """Response to answer to response gives every byte of meaning back, and the answer means what its fixture says."""
    answer = answer_of(fixture.dialect, fixture.content)
    assert wire_of(fixture.dialect, answer) == fixture.content
    assert outcome(fixture, fixture.content) == fixture.means


@pytest.mark.parametrize("provider", ["openai", "anthropic", "gemini"])
def test_unknown_fields_are_reported(provider: str) -> None:
    """What no mapping knows is in ``extra``, by its place."""
    fixture = fixture_named(provider, "unknown_fields")
    extra = dict(answer_of(fixture.dialect, fixture.content).extra)
    assert "/provenance" in extra
    assert any(place.endswith("/mood") or "/mood/" in place for place in extra)


@given(fixture=st.sampled_from(WHOLE), data=st.data())
def test_any_response_round_trips_or_is_refused(fixture: Fixture, data: st.DataObject) -> None:
    """A response with any one value replaced, dropped or added is read without loss, or is malformed; nothing else."""
    wire = copy.deepcopy(fixture.content)
    node = wire
    while True:
        key = data.draw(st.sampled_from(sorted(node) if isinstance(node, dict) else list(range(len(node)))))
        if not isinstance(node[key], dict | list) or not node[key] or data.draw(st.booleans()):
            break
        node = node[key]
    if data.draw(st.booleans()) and isinstance(node, dict):
        node[data.draw(st.text("ab/~", max_size=3))] = data.draw(VALUES)
    elif data.draw(st.booleans()):
        node[key] = data.draw(VALUES)
    else:
        del node[key]
    try:
        answer = answer_of(fixture.dialect, wire)
    except Fault:
        return
    again = wire_of(fixture.dialect, answer)
    assert json.dumps(again, sort_keys=True) == json.dumps(wire, sort_keys=True)


@pytest.mark.parametrize("fixture", STREAMS, ids=str)
def test_a_stream_means_what_its_fixture_says(fixture: Fixture) -> None:
    """The events of a stream put together read like a response that came whole, and round-trip like one."""
    wire, means = streamed(fixture)
    assert means == fixture.means
    assert wire is None or wire_of(fixture.dialect, answer_of(fixture.dialect, wire)) == wire


def streamed(fixture: Fixture) -> tuple[object, dict[str, Any]]:
    """Return the response that a stream makes, if it makes one, and what it means."""
    try:
        wire = fed(fixture.dialect.accumulator(), fixture.events).finish()
    except Fault as fault:
        return None, meaning(failure_of("v", fault, Complaint()))
    return wire, outcome(fixture, wire)


@pytest.mark.parametrize("fixture", [f for f in STREAMS if f.means["outcome"] == "Candidate"], ids=str)
def test_a_cut_stream_is_no_answer(fixture: Fixture) -> None:
    """Up to the event that ends the answer, every beginning of a stream is refused."""
    finished = False
    for length in range(len(fixture.events)):
        accumulator = fed(fixture.dialect.accumulator(), fixture.events[:length])
        try:
            accumulator.finish()
            finished = True
        except Fault:
            assert not finished
    # Of OpenAI's streams only the usage may be missing (its end marker is asked for where the bytes are), of Anthropic's
    # what it says after the end.
    last = fixture.events[-1]
    assert finished == (last.get("choices") == [] or last.get("type") == "ping")


@given(fixture=st.sampled_from([f for f in STREAMS if f.means["outcome"] == "Candidate"]), data=st.data())
def test_events_out_of_order_never_make_another_answer(fixture: Fixture, data: st.DataObject) -> None:
    """Events dropped, repeated or swapped are refused, or they say the very same."""
    events = list(fixture.events)
    first, second = (data.draw(st.integers(0, len(events) - 1)) for _ in range(2))
    events[first], events[second] = events[second], events[first]
    text = fixture.means["content"]
    try:
        wire = fed(fixture.dialect.accumulator(), events).finish()
    except Fault:
        return
    # Pieces of text carry no number: their order is all a client knows of it.
    assert sorted(answer_of(fixture.dialect, wire).text) == sorted(text)


TELLING = {
    "content",
    "text",
    "refusal",
    "tool_calls",
    "arguments",
    "parts",
    "stop_reason",
    "finish_reason",
    "finishReason",
    "index",
}
"""Where the answer, or its end, is told."""


def places(node: Any) -> list[tuple[Any, Any]]:
    """Return every place in a value: what holds it, and its key there."""
    keys = list(node) if isinstance(node, dict) else list(range(len(node)))
    inner = [place for key in keys if isinstance(node[key], dict | list) for place in places(node[key])]
    return [(node, key) for key in keys] + inner


def altered(events: list[Any], data: st.DataObject) -> None:
    """Replace, drop or add one value, most often where it tells, or repeat or move an event."""
    at = data.draw(st.integers(0, len(events) - 1))
    everywhere = places(events[at])
    telling = [place for place in everywhere if place[1] in TELLING]
    holder, key = data.draw(st.sampled_from(telling or everywhere or [(events[at], "")]))
    match data.draw(st.sampled_from(("say", "say", "say", "replace", "drop", "add", "repeat", "move"))):
        case "say":
            holder[key] = data.draw(VALUES)
        case "replace" | "drop" as what if everywhere:
            holder, key = data.draw(st.sampled_from(everywhere))
            if what == "drop":
                del holder[key]
            else:
                holder[key] = data.draw(VALUES)
        case "add" if isinstance(holder, dict):
            holder[data.draw(st.sampled_from((*sorted(TELLING), "a")))] = data.draw(VALUES)
        case "repeat":
            events.insert(at, copy.deepcopy(events[at]))
        case _:
            events.insert(data.draw(st.integers(0, len(events) - 1)), events.pop(at))


def pieces(provider: str, event: dict[str, Any]) -> list[Any]:
    """Return whatever an event of a stream that was taken says of the answer's text."""
    if provider == "openai":
        return [(choice.get("delta") or {}).get("content") for choice in event["choices"]]
    if provider == "gemini":
        parts = [part for c in event.get("candidates", []) for part in c.get("content", {}).get("parts", [])]
        return [part.get("text") for part in parts if not part.get("thought") and part.get("functionCall") is None]
    if event.get("type") == "message_start":
        return [*(event["message"].get("content") or [])]
    if event.get("type") == "content_block_delta":
        return [event["delta"].get("text")]
    block = event["content_block"] if event.get("type") == "content_block_start" else {}
    return [block.get("text")] if block.get("type") == "text" else []


def reasons(provider: str, event: dict[str, Any]) -> list[Any]:
    """Return whatever an event of a stream that was taken says of why the answer ended."""
    match provider, event.get("type"):
        case "openai", _:
            return [choice.get("finish_reason") for choice in event["choices"]]
        case "gemini", _:
            return [candidate.get("finishReason") for candidate in event.get("candidates", [])]
        case _, "message_start" | "message_delta":
            return [{**event, **event.get("message", {}), **event.get("delta", {})}.get("stop_reason")]
    return []


@pytest.mark.parametrize("provider", PROVIDERS)
@settings(max_examples=200)
@given(data=st.data())
def test_any_stream_is_whole_or_is_refused(provider: str, data: st.DataObject) -> None:
    """Any values in any events: every piece of the text that came is in the answer, and every reason to end, or there is none."""
    fixture = data.draw(st.sampled_from([stream for stream in STREAMS if stream.provider == provider]))
    events = copy.deepcopy(fixture.events)
    for _ in range(data.draw(st.integers(1, 3))):
        altered(events, data)
    came = copy.deepcopy(events)
    try:
        wire = fed(fixture.dialect.accumulator(), events).finish()
        answer = answer_of(fixture.dialect, wire)
    except Fault:
        return
    assert wire_of(fixture.dialect, answer) == wire
    said = [piece for event in came for piece in pieces(provider, event) if piece is not None]
    assert answer.text == "".join(said)
    why = [reason for event in came for reason in reasons(provider, event) if reason is not None]
    assert {answer.native_finish, *why} == {answer.native_finish}
    assert events == came, "putting together changes no event"


@pytest.mark.parametrize("text", ["", "{", "nul", "[1", '{"a": NaN}', "[" * 100_000, b"\xff"])
def test_no_json_is_malformed(text: str | bytes) -> None:
    """Cut, foreign and endlessly nested texts are one fault."""
    with pytest.raises(Malformed):
        decoded(text)


@pytest.mark.parametrize("provider", ["openai", "anthropic", "gemini"])
@pytest.mark.parametrize("wire", [None, [], "x", 1, {}, {"error": {"message": "late"}}, {"type": "error", "error": {}}])
def test_what_is_no_response_is_malformed(provider: str, wire: object) -> None:
    """Other values, and errors that came as successes, are refused."""
    fixture = fixture_named(provider, "plain")
    with pytest.raises(Malformed):
        fixture.dialect.read(wire)
