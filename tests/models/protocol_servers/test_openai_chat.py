"""OpenAI's protocol as ``openai`` and a plain client read it."""

import json
from typing import Any

import openai
import pytest
from openai.types.chat import ChatCompletion, ChatCompletionChunk

from models.protocol_servers.faults import Fault, Order
from models.protocol_servers.openai_chat import OpenAIChat
from models.protocol_servers.wire import fill
from models.recorded import Answer, Usage
from tests.models.protocol_servers.world import KEY, TEXT, Provider, Serve


async def posted(provider: Provider, body: Any, **headers: str) -> tuple[int, Any, str]:
    """Post by hand; return status, headers and text."""
    url = f"http://127.0.0.1:{provider.server.port}/v1/chat/completions"
    data = body if isinstance(body, bytes) else json.dumps(body).encode()
    async with provider.http.post(url, data=data, headers=headers) as response:
        return response.status, response.headers, await response.text()


async def test_ids_are_anew_each_time_and_one_in_a_stream(serve: Serve) -> None:
    """Two answers have two ids, all chunks of a stream the same, and the request id comes in its header."""
    sdk = (await serve("openai")).client.sdk
    ask = {"model": "m1", "messages": [{"role": "user", "content": "hello"}]}
    first, second = await sdk.chat.completions.create(**ask), await sdk.chat.completions.create(**ask)
    assert first.id.startswith("chatcmpl-")
    assert first.id != second.id
    assert first._request_id.startswith("req_")
    assert first.system_fingerprint
    assert len({chunk.id async for chunk in await sdk.chat.completions.create(**ask, stream=True)}) == 1


async def test_stream_counts_tokens_only_when_asked(serve: Serve) -> None:
    """``stream_options.include_usage`` adds one last chunk without choices, and null to the others."""
    sdk = (await serve("openai")).client.sdk
    ask = {"model": "m1", "messages": [{"role": "user", "content": "hello"}], "stream": True}
    plain = [chunk async for chunk in await sdk.chat.completions.create(**ask)]
    assert all(chunk.choices and "usage" not in chunk.model_fields_set for chunk in plain)
    counted = [
        chunk async for chunk in await sdk.chat.completions.create(**ask, stream_options={"include_usage": True})
    ]
    assert len(counted) == len(plain) + 1
    assert [chunk.usage is None for chunk in counted] == [True] * len(plain) + [False]
    assert all("usage" in chunk.model_fields_set for chunk in counted)
    assert counted[-1].choices == []
    assert counted[-1].usage.total_tokens == 43


async def test_seed_chooses(serve: Serve) -> None:
    """The seed picks the answer."""
    provider = await serve("openai", {"content": "zero"}, {"content": "one"})
    for seed, text in ((1, "one"), (4, "zero")):
        assert (await provider.client.whole("hello", "m1", seed=seed)).text == text


async def test_wrong_and_missing_keys_are_told_apart(serve: Serve) -> None:
    """A wrong key is ``invalid_api_key``, a missing one has no code; neither is repeated."""
    provider = await serve("openai", key="sk-wrong")
    with pytest.raises(openai.AuthenticationError) as caught:
        await provider.ask(stream=False)
    assert (caught.value.code, caught.value.type) == ("invalid_api_key", "invalid_request_error")
    assert "sk-wrong" not in str(caught.value)
    status, _, text = await posted(provider, {})
    assert (status, json.loads(text)["error"]["code"]) == (401, None)


async def test_retry_after_is_there_only_if_ordered(serve: Serve) -> None:
    """The two variants of 429 differ in the header alone."""
    provider = await serve("openai")
    for retry_after_s, header in ((None, None), (2.0, "2"), (0.25, "0.25")):
        await provider.server.order(Order(fault=Fault.RATE_LIMITED, retry_after_s=retry_after_s))
        with pytest.raises(openai.RateLimitError) as caught:
            await provider.ask(stream=True)
        assert caught.value.response.headers.get("Retry-After") == header
        assert caught.value.code == "rate_limit_exceeded"


async def test_proxy_page_is_html(serve: Serve) -> None:
    """502 and 503 come from the proxy in front: no JSON, no shape of the provider."""
    provider = await serve("openai")
    for fault, status in ((Fault.BAD_GATEWAY, 502), (Fault.UNAVAILABLE, 503)):
        await provider.server.order(Order(fault=fault))
        with pytest.raises(openai.InternalServerError) as caught:
            await provider.ask(stream=False)
        assert (caught.value.status_code, caught.value.code) == (status, None)
        assert caught.value.response.headers["content-type"].startswith("text/html")
        assert caught.value.response.text.startswith("<html>")


async def test_bad_requests(serve: Serve) -> None:
    """Bodies that are no request and other routes are the provider's errors."""
    provider = await serve("openai")
    bearer = {"Authorization": f"Bearer {KEY}"}
    for body in (b"{", b"\xff", {"model": "m1"}, {"messages": []}, b"[" * 100_000):
        status, _, text = await posted(provider, body, **bearer)
        assert (status, json.loads(text)["error"]["type"]) == (400, "invalid_request_error")
    async with provider.http.get(f"http://127.0.0.1:{provider.server.port}/v1/none", headers=bearer) as response:
        assert response.status == 404
    assert provider.server.rejected == 6


def test_answers_are_the_sdks_types_whole() -> None:
    """A completion and every chunk hold what the SDK's types demand, and nothing they do not know."""
    answer = Answer(content=TEXT, usage=Usage(3, 40))
    encoded = OpenAIChat().encode("m1", answer)
    whole = ChatCompletion.model_validate_json(fill(encoded.body, b"1"))
    assert not whole.model_extra
    assert not whole.choices[0].message.model_extra
    assert not whole.usage.model_extra
    for stream in (encoded.stream, encoded.uncounted):
        text = b"".join(fill(part, b"1") for part in (stream.opening, *stream.pieces, stream.closing)).decode()
        *events, end, rest = text.split("\n\n")
        assert (end, rest) == ("data: [DONE]", "")
        for event in events:
            assert not ChatCompletionChunk.model_validate_json(event.removeprefix("data: ")).model_extra
