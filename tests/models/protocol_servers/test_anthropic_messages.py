"""Anthropic's protocol as ``anthropic`` and a plain client read it."""

import json
from typing import Any

import anthropic
import pytest
from anthropic.types import Message, RawMessageStreamEvent
from pydantic import TypeAdapter

from models.protocol_servers.anthropic_messages import AnthropicMessages
from models.protocol_servers.faults import Fault, Order
from models.protocol_servers.wire import fill
from models.recorded import Answer, Usage
from tests.models.protocol_servers.world import KEY, TEXT, Provider, Serve

ASK: dict[str, Any] = {"model": "m1", "max_tokens": 9, "messages": [{"role": "user", "content": "hello"}]}
VERSION = {"anthropic-version": "2023-06-01"}


async def posted(provider: Provider, body: Any, **headers: str) -> tuple[int, Any]:
    """Post by hand; return status and body."""
    url = f"http://127.0.0.1:{provider.server.port}/v1/messages"
    data = body if isinstance(body, bytes) else json.dumps(body).encode()
    async with provider.http.post(url, data=data, headers=headers) as response:
        told = await response.json()
        assert told.get("request_id", response.headers["request-id"]) == response.headers["request-id"]
        return response.status, told


async def test_ids_are_anew_each_time(serve: Serve) -> None:
    """Two answers have two ids, and the request id comes in its header."""
    sdk = (await serve("anthropic")).client.sdk
    first, second = await sdk.messages.create(**ASK), await sdk.messages.create(**ASK)
    assert first.id.startswith("msg_")
    assert first.id != second.id
    assert first._request_id.startswith("req_")


async def test_stream_helper_gathers_the_message(serve: Serve) -> None:
    """The SDK's own accumulator makes the same message of a stream as the whole answer is."""
    sdk = (await serve("anthropic")).client.sdk
    whole = await sdk.messages.create(**ASK)
    async with sdk.messages.stream(**ASK) as stream:
        gathered = await stream.get_final_message()
    assert gathered.model_dump(exclude={"id"}) == whole.model_dump(exclude={"id"})


async def test_key_is_a_bearer_key_or_x_api_key(serve: Serve) -> None:
    """Both headers are taken; a wrong or missing key is ``authentication_error``."""
    provider = await serve("anthropic")
    for right in ({"Authorization": f"Bearer {KEY}"}, {"x-api-key": KEY}):
        assert (await posted(provider, ASK, **VERSION, **right))[0] == 200
    for wrong in ({"Authorization": "Bearer sk-wrong"}, {"x-api-key": "sk-wrong"}, {"x-api-key": ""}, {}):
        status, body = await posted(provider, ASK, **VERSION, **wrong)
        assert (status, body["type"], body["error"]["type"]) == (401, "error", "authentication_error")
        assert "sk-wrong" not in body["error"]["message"]


async def test_version_is_needed_and_known(serve: Serve) -> None:
    """A request without a version, or with one that never was, is refused."""
    provider = await serve("anthropic")
    for version in ({}, {"anthropic-version": "2020-01-01"}):
        status, body = await posted(provider, ASK, **version, **{"x-api-key": KEY})
        assert (status, body["error"]["type"]) == (400, "invalid_request_error")
        assert "anthropic-version" in body["error"]["message"]


@pytest.mark.parametrize("name", ["temperature", "top_p", "top_k"])
async def test_later_version_takes_no_sampling_parameters(serve: Serve, name: str) -> None:
    """What 2023-06-01 takes, 2026-10-21, which the SDK sends, refuses by name."""
    provider = await serve("anthropic")
    assert (await posted(provider, ASK | {name: 1}, **VERSION, **{"x-api-key": KEY}))[0] == 200
    with pytest.raises(anthropic.BadRequestError, match=f"{name}: Extra inputs are not permitted"):
        await provider.client.sdk.messages.create(**ASK, extra_body={name: 1})


async def test_bad_requests(serve: Serve) -> None:
    """A body without ``max_tokens``, one that is no JSON and another route are the provider's errors."""
    provider = await serve("anthropic")
    for body in ({"model": "m1", "messages": []}, b"{", b"\xff"):
        status, told = await posted(provider, body, **VERSION, **{"x-api-key": KEY})
        assert (status, told["error"]["type"]) == (400, "invalid_request_error")
    url = f"http://127.0.0.1:{provider.server.port}/v1/complete"
    async with provider.http.post(url, headers={"x-api-key": KEY}) as response:
        assert (response.status, (await response.json())["error"]["type"]) == (404, "not_found_error")


async def test_errors_have_their_types(serve: Serve) -> None:
    """429 says when to come back if ordered, 500 and 529 are of their own types, each with its request's id."""
    provider = await serve("anthropic")
    for fault, kind in (
        (Fault.RATE_LIMITED, "rate_limit_error"),
        (Fault.SERVER_ERROR, "api_error"),
        (Fault.OVERLOADED, "overloaded_error"),
    ):
        for retry_after_s, header in ((None, None), (2.0, "2")):
            await provider.server.order(Order(fault=fault, retry_after_s=retry_after_s))
            with pytest.raises(anthropic.APIStatusError) as caught:
                await provider.ask(stream=False)
            assert caught.value.body["error"]["type"] == kind
            assert caught.value.body["request_id"] == caught.value.response.headers["request-id"]
            wanted = header if fault is Fault.RATE_LIMITED else None
            assert caught.value.response.headers.get("retry-after") == wanted


async def test_error_event_names_its_error(serve: Serve) -> None:
    """An error in a stream arrives as the SDK's error, with the text before it heard."""
    provider = await serve("anthropic")
    await provider.server.order(Order(fault=Fault.ERROR_EVENT))
    heard = ""
    stream = await provider.client.sdk.messages.create(**ASK, stream=True)
    with pytest.raises(anthropic.APIStatusError) as caught:  # noqa: PT012 - the error comes while it is read
        async for event in stream:
            heard += event.delta.text if event.type == "content_block_delta" else ""
    assert caught.value.body["error"] == {"type": "overloaded_error", "message": "Overloaded"}
    assert heard
    assert TEXT.startswith(heard)
    assert heard != TEXT


@pytest.mark.parametrize("content", [TEXT, ""])
def test_answers_are_the_sdks_types_whole(content: str) -> None:
    """A message and every event hold what the SDK's types demand, nothing else, and come in the protocol's order."""
    encoded = AnthropicMessages().encode("m1", Answer(content=content, usage=Usage(3, 40)))
    whole = Message.model_validate_json(fill(encoded.body, b"1"))
    assert not whole.model_extra
    assert not whole.usage.model_extra
    stream = encoded.stream
    text = b"".join(fill(part, b"1") for part in (stream.opening, *stream.pieces, stream.closing)).decode()
    names = []
    for event in text.removesuffix("\n\n").split("\n\n"):
        name, data = event.split("\n")
        names.append(name.removeprefix("event: "))
        assert json.loads(data.removeprefix("data: "))["type"] == names[-1]
        if names[-1] != "ping":
            parsed: Any = TypeAdapter(RawMessageStreamEvent).validate_json(data.removeprefix("data: "))
            assert not parsed.model_extra
    block = ["content_block_delta"] * len(stream.pieces) + ["content_block_stop"] if content else []
    start = ["message_start", "content_block_start", "ping"] if content else ["message_start", "ping"]
    assert names == [*start, *block, "message_delta", "message_stop"]
