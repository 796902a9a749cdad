"""Bodies: every field is honoured or refused by name."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from actors.base.errors import InvalidRequest, PromptTooLarge, RequestError, UnsupportedParameter
from actors.consensus.config import ConsensusConfig
from serve_apps.gateway.parsing import parse_body, parse_transition, to_request
from serve_apps.gateway.schemas import ChatCompletionBody

CONFIG = ConsensusConfig()
USER = [{"role": "user", "content": "hi"}]


def parse(**fields: Any) -> ChatCompletionBody:
    """Parse a body with a model, one user message and the given fields."""
    return parse_body(json.dumps({"model": "consensus", "messages": USER} | fields).encode())


def test_a_plain_body_gets_the_configured_defaults() -> None:
    """What a request leaves out comes from the configuration."""
    request = to_request(parse(), CONFIG)
    assert (request.model, request.deadline_ms, request.answer_kind) == ("consensus", CONFIG.deadline_ms, "auto")
    assert (request.sampling.max_tokens, request.sampling.temperature) == (CONFIG.default_max_tokens, 0.0)


def test_every_honoured_field_arrives() -> None:
    """Sampling, stops, kind, policy, deadline and user reach the request."""
    options = {"deadline_ms": 900, "answer_kind": "value", "policy": "strict"}
    body = parse(
        temperature=0.5, top_p=0.9, seed=7, stop=["a", "b"], max_completion_tokens=9, presence_penalty=1,
        frequency_penalty=-1, user="jane", weavergen=options, n=1, logprobs=False,
    )  # fmt: skip
    request = to_request(body, CONFIG)
    sampling = request.sampling
    assert (sampling.temperature, sampling.top_p, sampling.seed, sampling.stop) == (0.5, 0.9, 7, ("a", "b"))
    assert (sampling.max_tokens, sampling.presence_penalty, sampling.frequency_penalty) == (9, 1.0, -1.0)
    assert (request.deadline_ms, request.answer_kind, request.policy) == (900, "value", "strict")
    assert request.end_user == "jane"


def test_parts_and_developer_messages_are_read() -> None:
    """Text parts are joined; ``developer`` is OpenAI's newer name of ``system``."""
    parts = [{"type": "text", "text": "a"}, {"type": "text", "text": "b"}]
    messages = [{"role": "developer", "content": "be brief"}, {"role": "user", "content": parts}]
    request = to_request(parse(messages=messages), CONFIG)
    assert [(m.role, m.content) for m in request.messages] == [("system", "be brief"), ("user", "ab")]


def test_json_mode_makes_the_kind_json() -> None:
    """``response_format`` json_object asks for JSON, and contradictions are refused."""
    body = parse(response_format={"type": "json_object"})
    assert to_request(body, CONFIG).answer_kind == "json"
    clash = parse(response_format={"type": "json_object"}, weavergen={"answer_kind": "code"})
    with pytest.raises(InvalidRequest):
        to_request(clash, CONFIG)


def given_schema(schema: Any, **more: Any) -> dict[str, Any]:
    """Return a response format with a schema."""
    return {"type": "json_schema", "json_schema": {"name": "answer", "schema": schema, **more}}


@pytest.mark.parametrize("more", [{}, {"strict": True}, {"strict": False, "description": "x"}])
def test_a_schema_arrives_and_makes_the_kind_json(more: dict[str, Any]) -> None:
    """``json_schema`` asks for JSON that satisfies it, strict or not; the text of the schema keeps its order."""
    schema = {"type": "object", "properties": {"b": {}, "a": {}}}
    request = to_request(parse(response_format=given_schema(schema, **more)), CONFIG)
    assert (request.answer_kind, request.schema) == ("json", json.dumps(schema, separators=(",", ":")))
    assert to_request(parse(), CONFIG).schema == ""


@pytest.mark.parametrize(
    ("given_format", "field"),
    [
        ({"type": "json_schema"}, "response_format.json_schema"),
        ({"type": "json_object", "json_schema": {"name": "a", "schema": {}}}, "response_format.type"),
        ({"type": "json_schema", "json_schema": {"name": "a"}}, "response_format.json_schema.schema"),
        ({"type": "json_schema", "json_schema": {"name": "a b", "schema": {}}}, "response_format.json_schema.name"),
        (given_schema([]), "response_format.json_schema.schema"),
        (given_schema({"type": "text"}), "response_format.json_schema.schema"),
        (given_schema({"$ref": "https://example.com/a"}), "response_format.json_schema.schema"),
        (given_schema({}, made_up=1), "response_format.json_schema.made_up"),
    ],
)
def test_a_schema_that_cannot_be_kept_is_refused_by_field(given_format: dict[str, Any], field: str) -> None:
    """What is missing, unknown or not taken is named."""
    with pytest.raises(RequestError) as refused:
        to_request(parse(response_format=given_format), CONFIG)
    assert refused.value.param == field


def test_a_schema_counts_as_prompt() -> None:
    """Voters read it, so it takes its part of the prompt's bound."""
    body = parse(response_format=given_schema({"description": "x" * 100}))
    assert to_request(body, CONFIG).schema
    with pytest.raises(PromptTooLarge):
        to_request(body, ConsensusConfig(max_prompt_bytes=100))


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("tools", []),
        ("n", 2),
        ("logprobs", True),
        ("functions", []),
        ("store", True),
        ("made_up", 1),
        ("top_logprobs", 1),
    ],
)
def test_unsupported_fields_are_named(field: str, value: Any) -> None:
    """What cannot be honoured is refused with its name, never ignored."""
    with pytest.raises(UnsupportedParameter) as caught:
        parse(**{field: value})
    assert caught.value.param == field


@pytest.mark.parametrize(
    ("fields", "param"),
    [
        ({"temperature": 3}, "temperature"),
        ({"temperature": "hot"}, "temperature"),
        ({"max_tokens": 0}, "max_tokens"),
        ({"messages": []}, "messages"),
        ({"messages": "hi"}, "messages"),
        ({"messages": [{"role": "robot", "content": "x"}]}, "messages.0.role"),
        ({"weavergen": {"deadline_ms": 1}}, "weavergen.deadline_ms"),
        ({"stop": ["a", "b", "c", "d", "e"]}, "stop"),
        ({"model": ""}, "model"),
    ],
)
def test_wrong_values_are_named(fields: dict[str, Any], param: str) -> None:
    """The first field at fault is named by its path."""
    with pytest.raises(RequestError) as caught:
        parse(**fields)
    assert caught.value.param is not None
    assert caught.value.param.startswith(param)


@pytest.mark.parametrize(
    ("fields", "error"),
    [
        ({"messages": [{"role": "user", "content": "  "}]}, InvalidRequest),
        ({"messages": [{"role": "assistant", "content": "x"}]}, InvalidRequest),
        ({"messages": [{"role": "user", "content": "x" * 70_000}]}, PromptTooLarge),
        ({"messages": USER * 300}, InvalidRequest),
        ({"max_tokens": 1, "max_completion_tokens": 1}, InvalidRequest),
        ({"max_tokens": 100_000}, InvalidRequest),
        ({"weavergen": {"deadline_ms": 400_000}}, InvalidRequest),
        ({"stream_options": {"include_usage": True}}, InvalidRequest),
    ],
)
def test_bounds_hold(fields: dict[str, Any], error: type[Exception]) -> None:
    """Empty, oversized and contradictory requests are refused."""
    with pytest.raises(error):
        to_request(parse(**fields), CONFIG)


def test_lone_surrogates_are_refused() -> None:
    """A prompt that is no Unicode text cannot be committed to, so it is refused, not crashed on."""
    with pytest.raises(RequestError):
        to_request(parse_body(b'{"model":"consensus","messages":[{"role":"user","content":"\\ud800"}]}'), CONFIG)


@pytest.mark.parametrize(
    ("body", "name"),
    [
        (
            b'{"model":"consensus","messages":[{"role":"user","content":"x"}],"temperature":0,"temperature":2}',
            "temperature",
        ),
        (b'{"model":"consensus","messages":[{"role":"user","content":"x"}],"seed":1,"s\\u0065ed":2}', "seed"),
        (b'{"model":"consensus","messages":[{"role":"user","content":"x","content":"y"}]}', "content"),
        (
            b'{"model":"c","messages":[{"role":"user","content":"x"}],"weavergen":{"policy":"strict","policy":"evidence"}}',
            "policy",
        ),
    ],
)
def test_a_name_given_twice_is_refused(body: bytes, name: str) -> None:
    """At every level and however it is spelt: two readers of one body must not see two requests."""
    with pytest.raises(InvalidRequest) as caught:
        parse_body(body)
    assert caught.value.param == name


def test_a_transition_s_fields_are_given_once() -> None:
    """Operators' bodies are read by the same rules."""
    assert parse_transition("isolate", b'{"reason":"x","target":"m1"}').target == "m1"
    with pytest.raises(InvalidRequest) as caught:
        parse_transition("isolate", b'{"reason":"x","target":"m1","target":"m2"}')
    assert caught.value.param == "target"


@given(st.binary(max_size=200))
def test_any_bytes_are_refused_politely(data: bytes) -> None:
    """Garbage is a ``RequestError``, whatever it is."""
    with pytest.raises(RequestError):
        parse_body(data)


def test_trace_parent_is_honoured_and_bad_ones_ignored() -> None:
    """A valid W3C traceparent joins the caller's trace; a malformed one starts a new trace."""
    good = "00-" + "ab" * 16 + "-" + "cd" * 8 + "-01"
    request = to_request(parse(), CONFIG, good)
    assert (request.trace_id, request.parent_span_id) == (b"\xab" * 16, b"\xcd" * 8)
    for bad in (
        "",
        "x",
        "00-zz-cd-01",
        "ff-" + "ab" * 16 + "-" + "cd" * 8 + "-01",
        "00-" + "00" * 16 + "-" + "cd" * 8 + "-01",
    ):
        assert to_request(parse(), CONFIG, bad).trace_id == b""
