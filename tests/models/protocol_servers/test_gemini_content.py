"""Google Gemini's protocol as ``google.genai`` and a plain client read it."""

import json
from typing import Any

import pytest
from google.genai import errors, types

from models.protocol_servers.faults import Fault, Order
from models.protocol_servers.gemini_content import GeminiContent
from models.protocol_servers.wire import Call, fill
from models.recorded import Answer, Usage
from tests.models.protocol_servers.world import KEY, TEXT, Provider, Serve

ASK = {"contents": [{"role": "user", "parts": [{"text": "hello"}]}]}
RIGHT = {"x-goog-api-key": KEY}


async def posted(provider: Provider, path: str, body: Any = ASK, **headers: str) -> tuple[int, str]:
    """Post by hand; return status and text."""
    data = body if isinstance(body, bytes) else json.dumps(body).encode()
    url = f"http://127.0.0.1:{provider.server.port}{path}"
    async with provider.http.post(url, data=data, headers=headers) as response:
        return response.status, await response.text()


async def test_both_versions_are_served(serve: Serve) -> None:
    """``/v1beta/`` and ``/v1/`` answer alike, streams as events with lines that end in CRLF."""
    provider = await serve("gemini")
    for version in ("v1beta", "v1"):
        status, text = await posted(provider, f"/{version}/models/m1:generateContent", **RIGHT)
        assert (status, json.loads(text)["candidates"][0]["content"]["parts"]) == (200, [{"text": TEXT}])
        status, text = await posted(provider, f"/{version}/models/m1:streamGenerateContent?alt=sse", **RIGHT)
        assert status == 200
        assert text.startswith('data: {"candidates":')
        assert text.endswith("}\r\n\r\n")


async def test_ids_are_anew_each_time_and_one_in_a_stream(serve: Serve) -> None:
    """Two answers have two ids, all chunks of a stream the same."""
    models = (await serve("gemini")).client.sdk.aio.models
    first, second = [await models.generate_content(model="m1", contents="hello") for _ in range(2)]
    assert first.response_id
    assert first.response_id != second.response_id
    assert first.model_version == "m1"
    assert len({c.response_id async for c in await models.generate_content_stream(model="m1", contents="hello")}) == 1


async def test_seed_chooses_and_the_last_user_content_is_the_prompt(serve: Serve) -> None:
    """The seed picks the answer; a conversation with a model's turn in it is asked by its last question."""
    provider = await serve("gemini", {"content": "zero"}, {"content": "one"})
    for seed, text in ((1, "one"), (4, "zero")):
        assert (await provider.client.whole("hello", "m1", seed=seed)).text == text
    turns = [
        {"parts": [{"text": "a"}]},
        {"role": "model", "parts": [{"text": "b"}]},
        {"parts": [{"text": "c"}, {"text": "d"}]},
    ]
    body = json.dumps({"contents": turns}).encode()
    asked = GeminiContent(KEY).read(
        Call("POST", "/v1beta/models/m1:streamGenerateContent", {"alt": "sse"}, RIGHT, body)
    )
    assert (asked.model, asked.prompt, asked.stream, asked.seed) == ("m1", "cd", True, None)


async def test_wrong_and_missing_keys_are_told_apart(serve: Serve) -> None:
    """A wrong key is 400 ``API_KEY_INVALID``, a missing one 403; the key is not repeated."""
    provider = await serve("gemini", key="sk-wrong")
    with pytest.raises(errors.ClientError) as caught:
        await provider.ask(stream=True)
    assert (caught.value.code, caught.value.status) == (400, "INVALID_ARGUMENT")
    assert caught.value.details["error"]["details"][0]["reason"] == "API_KEY_INVALID"
    assert "sk-wrong" not in str(caught.value)
    status, text = await posted(provider, "/v1beta/models/m1:generateContent")
    assert (status, json.loads(text)["error"]["status"]) == (403, "PERMISSION_DENIED")


async def test_rate_limit_says_when_to_come_back_in_its_body(serve: Serve) -> None:
    """The provider sends no ``Retry-After``: ``RetryInfo`` says it, if ordered."""
    provider = await serve("gemini")
    for retry_after_s, details in ((None, None), (2.5, "2.5s")):
        await provider.server.order(Order(fault=Fault.RATE_LIMITED, retry_after_s=retry_after_s))
        with pytest.raises(errors.ClientError) as caught:
            await provider.ask(stream=False)
        assert (caught.value.code, caught.value.status) == (429, "RESOURCE_EXHAUSTED")
        told = caught.value.details["error"].get("details")
        assert (told and told[0]) == (
            details and {"@type": "type.googleapis.com/google.rpc.RetryInfo", "retryDelay": details}
        )
        assert "Retry-After" not in caught.value.response.headers


async def test_error_event_is_one_event(serve: Serve) -> None:
    """An error in a stream is one event with the error on one line."""
    provider = await serve("gemini")
    await provider.server.order(Order(fault=Fault.ERROR_EVENT))
    _, text = await posted(provider, "/v1beta/models/m1:streamGenerateContent?alt=sse", **RIGHT)
    last = text.removesuffix("\r\n\r\n").split("\r\n\r\n")[-1]
    assert json.loads(last.removeprefix("data: "))["error"]["status"] == "UNAVAILABLE"
    assert "\n" not in last


async def test_bad_requests(serve: Serve) -> None:
    """Streams without ``alt=sse``, bodies that are no request and other routes are the provider's errors."""
    provider = await serve("gemini")
    path = "/v1beta/models/m1:generateContent"
    for wrong, body, status, name in (
        ("/v1beta/models/m1:streamGenerateContent", ASK, 400, "INVALID_ARGUMENT"),
        (path, b"{", 400, "INVALID_ARGUMENT"),
        (path, {"contents": "hello"}, 400, "INVALID_ARGUMENT"),
        ("/v1beta/models/m1:countTokens", ASK, 404, "NOT_FOUND"),
        ("/v2/models/m1:generateContent", ASK, 404, "NOT_FOUND"),
    ):
        got, text = await posted(provider, wrong, body, **RIGHT)
        assert (got, json.loads(text)["error"]["status"], json.loads(text)["error"]["code"]) == (status, name, status)


def test_answers_are_the_sdks_types_whole() -> None:
    """A response and every chunk hold what the SDK's types know and nothing else; usage and finish reason come last."""
    encoded = GeminiContent().encode("m1", Answer(content=TEXT, usage=Usage(3, 40)))
    whole = types.GenerateContentResponse.model_validate_json(fill(encoded.body, b"1"))
    assert whole.usage_metadata.total_token_count == 43
    stream = encoded.stream
    text = b"".join(fill(part, b"1") for part in (*stream.pieces, stream.closing)).decode()
    chunks = [
        types.GenerateContentResponse.model_validate_json(event.removeprefix("data: "))
        for event in text.removesuffix("\r\n\r\n").split("\r\n\r\n")
    ]
    assert "".join(chunk.text or "" for chunk in chunks) == TEXT
    assert [chunk.candidates[0].finish_reason is None for chunk in chunks] == [True] * len(stream.pieces) + [False]
    assert [chunk.usage_metadata.candidates_token_count for chunk in chunks] == [None] * len(stream.pieces) + [40]


def test_empty_answer_has_a_content_without_parts() -> None:
    """Where nothing is said the candidate has a role and a finish reason, no text."""
    body = json.loads(fill(GeminiContent().encode("m1", Answer(content="")).body, b"1"))
    assert body["candidates"] == [{"content": {"role": "model"}, "finishReason": "STOP", "index": 0}]
