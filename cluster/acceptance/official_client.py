"""What a client with OpenAI's own SDK gets, its retries off: everything a judge needs to call it right, clean or neither.

The SDK swallows a stream's ``[DONE]``, so the bytes are looked at below it.
"""

import time
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import httpx2
import openai

TAIL_BYTES = 64
BROKEN = (openai.APIError, httpx2.HTTPError, ValueError, TypeError, AttributeError, IndexError)
"""What the SDK raises: an error event, a broken connection, no JSON, and what it stumbles over where a success is none."""


@dataclass(slots=True)
class Heard:
    """One request's end; ``status`` 0 means that no answer came, or that it broke off."""

    began_s: float
    ended_s: float = 0.0
    status: int = 0
    text: str = ""
    finish_reason: str | None = None
    is_done: bool = False
    """A stream ended with ``[DONE]``; always so of a whole answer."""
    decision_id: str = ""
    error: Mapping[str, Any] = field(default_factory=dict)
    """An error's body."""
    headers: Mapping[str, str] = field(default_factory=dict)
    told: Mapping[str, Any] = field(default_factory=dict)
    """The ``weavergen`` object of an answer."""
    broke: str = ""
    """How it broke off, if it did."""

    @property
    def took_s(self) -> float:
        """How long it took."""
        return self.ended_s - self.began_s


class _Tail(httpx2.AsyncByteStream):
    """A body that remembers how it ended."""

    def __init__(self, body: httpx2.AsyncByteStream, tail: bytearray) -> None:
        self._body, self._tail = body, tail

    async def __aiter__(self) -> AsyncIterator[bytes]:
        async for data in self._body:
            self._tail += data
            del self._tail[:-TAIL_BYTES]
            yield data

    async def aclose(self) -> None:
        await self._body.aclose()


class _Remembering(httpx2.AsyncHTTPTransport):
    async def handle_async_request(self, request: httpx2.Request) -> httpx2.Response:
        response = await super().handle_async_request(request)
        tail = response.extensions["tail"] = bytearray()
        assert isinstance(response.stream, httpx2.AsyncByteStream)  # noqa: S101 - what httpx2 says of its own transport
        response.stream = _Tail(response.stream, tail)
        return response


def official_client(url: str, key: str, timeout_s: float) -> openai.AsyncOpenAI:
    """Return OpenAI's client without retries; whoever opens it closes it."""
    http = httpx2.AsyncClient(transport=_Remembering(trust_env=False), timeout=timeout_s, trust_env=False)
    return openai.AsyncOpenAI(base_url=f"{url}/v1", api_key=key, max_retries=0, timeout=timeout_s, http_client=http)


async def hear(client: openai.AsyncOpenAI, body: Mapping[str, Any], *, stream: bool) -> Heard:
    """Ask once and return what came, whatever it was."""
    heard = Heard(time.monotonic())
    try:
        raw = await client.chat.completions.with_raw_response.create(**body, stream=stream)
        heard.headers, heard.decision_id = raw.headers, raw.headers.get("x-weavergen-decision", "")
        await (_streamed if stream else _whole)(raw, heard)
        heard.status = raw.status_code
    except openai.APIStatusError as error:
        heard.status, heard.headers = error.status_code, error.response.headers
        heard.error = _body_of(error.response)
    except BROKEN as error:
        heard.broke = f"{type(error).__name__}: {error}"
    heard.ended_s = time.monotonic()
    return heard


async def _whole(raw: Any, heard: Heard) -> None:  # noqa: ANN401 - the SDK's type for both ways is a union of a dozen
    completion = raw.parse()
    choice = completion.choices[0]
    heard.text, heard.finish_reason, heard.is_done = choice.message.content or "", choice.finish_reason, True
    heard.told = (completion.model_extra or {}).get("weavergen", {})


async def _streamed(raw: Any, heard: Heard) -> None:  # noqa: ANN401 - as above
    async for chunk in raw.parse():
        heard.told = (chunk.model_extra or {}).get("weavergen", heard.told)
        for choice in chunk.choices:
            heard.text += choice.delta.content or ""
            heard.finish_reason = choice.finish_reason or heard.finish_reason
    heard.is_done = bytes(raw.http_response.extensions["tail"]).endswith(b"data: [DONE]\n\n")


def _body_of(response: httpx2.Response) -> Mapping[str, Any]:
    try:
        found = response.json()
    except ValueError:
        return {}
    return found if isinstance(found, dict) else {}
