"""The three providers on loopback, each with its official SDK as a client: retries off, short patience."""

import asyncio
import json
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any

import aiohttp
import anthropic
import msgspec
import openai
from google import genai
from google.genai import types

from models.protocol_servers.server import ProtocolServer

KEY = "sk-right"
CONTROL_KEY = "in charge"
WHO = {"voter": "m1", "family": "f", "lineage": "l"}
TEXT = "The capital of France is Paris, and é costs two bytes; a line end (\n) and \u2028 are nothing special."
ANSWER = {"content": TEXT, "usage": {"prompt_tokens": 3, "completion_tokens": 40}, "finish_reason": "stop"}
PATIENCE_S = 10.0
"""How long a client waits for the next bytes where they come."""


@dataclass
class Heard:
    """What a client made of an answer."""

    text: str
    finish: str | None
    input_tokens: int | None
    output_tokens: int | None


class OpenAIClient:
    """Asks through ``openai``."""

    def __init__(self, port: int, key: str, patience_s: float) -> None:
        self.sdk = openai.AsyncOpenAI(
            base_url=f"http://127.0.0.1:{port}/v1", api_key=key, max_retries=0, timeout=patience_s
        )

    async def whole(self, prompt: str, model: str, **more: Any) -> Heard:
        """Ask for a whole answer."""
        messages = [{"role": "system", "content": "Be brief."}, {"role": "user", "content": prompt}]
        got = await self.sdk.chat.completions.create(model=model, messages=messages, **more)
        choice, usage = got.choices[0], got.usage
        return Heard(choice.message.content, choice.finish_reason, usage.prompt_tokens, usage.completion_tokens)

    async def stream(self, prompt: str, model: str, **more: Any) -> Heard:
        """Ask for a stream and read it to its end."""
        heard = Heard("", None, None, None)
        messages = [{"role": "user", "content": [{"type": "text", "text": prompt}]}]
        options = {"include_usage": True}
        async for chunk in await self.sdk.chat.completions.create(
            model=model, messages=messages, stream=True, stream_options=options, **more
        ):
            for choice in chunk.choices:
                heard.text += choice.delta.content or ""
                heard.finish = choice.finish_reason or heard.finish
            if chunk.usage:
                heard.input_tokens, heard.output_tokens = chunk.usage.prompt_tokens, chunk.usage.completion_tokens
        return heard

    async def close(self) -> None:
        """Close its connections."""
        await self.sdk.close()


class AnthropicClient:
    """Asks through ``anthropic``."""

    def __init__(self, port: int, key: str, patience_s: float) -> None:
        self.sdk = anthropic.AsyncAnthropic(
            base_url=f"http://127.0.0.1:{port}", api_key=key, max_retries=0, timeout=patience_s
        )

    async def whole(self, prompt: str, model: str) -> Heard:
        """Ask for a whole answer."""
        got = await self.sdk.messages.create(
            model=model, max_tokens=99, system="Be brief.", messages=[{"role": "user", "content": prompt}]
        )
        text = "".join(block.text for block in got.content)
        return Heard(text, got.stop_reason, got.usage.input_tokens, got.usage.output_tokens)

    async def stream(self, prompt: str, model: str) -> Heard:
        """Ask for a stream and read it to its end."""
        heard = Heard("", None, None, None)
        async for event in await self.sdk.messages.create(
            model=model, max_tokens=99, messages=[{"role": "user", "content": prompt}], stream=True
        ):
            if event.type == "message_start":
                heard.input_tokens = event.message.usage.input_tokens
            elif event.type == "content_block_delta":
                heard.text += event.delta.text
            elif event.type == "message_delta":
                heard.finish, heard.output_tokens = event.delta.stop_reason, event.usage.output_tokens
        return heard

    async def close(self) -> None:
        """Close its connections."""
        await self.sdk.close()


class GeminiClient:
    """Asks through ``google.genai``; its hidden second try is off only where retry options are given."""

    def __init__(self, port: int, key: str, patience_s: float) -> None:
        options = types.HttpOptions(
            base_url=f"http://127.0.0.1:{port}",
            timeout=int(patience_s * 1000),
            retry_options=types.HttpRetryOptions(attempts=1),
        )
        self.sdk = genai.Client(api_key=key, http_options=options)

    async def whole(self, prompt: str, model: str, **config: Any) -> Heard:
        """Ask for a whole answer."""
        got = await self.sdk.aio.models.generate_content(
            model=model, contents=prompt, config=types.GenerateContentConfig(**config) if config else None
        )
        return self._heard(got, "")

    async def stream(self, prompt: str, model: str) -> Heard:
        """Ask for a stream and read it to its end."""
        heard = Heard("", None, None, None)
        async for chunk in await self.sdk.aio.models.generate_content_stream(model=model, contents=prompt):
            heard = self._heard(chunk, heard.text)
        return heard

    @staticmethod
    def _heard(got: types.GenerateContentResponse, before: str) -> Heard:
        candidate, usage = got.candidates[0], got.usage_metadata
        text = "".join(part.text for part in candidate.content.parts or [])
        finish = candidate.finish_reason.value if candidate.finish_reason else None
        return Heard(before + text, finish, usage.prompt_token_count, usage.candidates_token_count)

    async def close(self) -> None:
        """Close its connections."""
        await self.sdk.aio.aclose()


CLIENTS = {"openai": OpenAIClient, "anthropic": AnthropicClient, "gemini": GeminiClient}


@dataclass
class Provider:
    """A running server, its SDK and its control."""

    server: ProtocolServer
    client: Any
    http: aiohttp.ClientSession

    async def counted(self, **expected: int) -> None:
        """Wait until the first model's requests are counted like this."""
        async with asyncio.timeout(PATIENCE_S):
            while (counts := msgspec.structs.asdict(self.server.counts["m1"])) != expected:
                await asyncio.sleep(0.01)
                assert all(counts[name] <= number for name, number in expected.items()), counts

    async def ask(self, *, stream: bool, prompt: str = "hello", model: str = "m1") -> Heard:
        """Ask one question through the SDK."""
        return await (self.client.stream if stream else self.client.whole)(prompt, model)

    async def control(self, order: Any = None, key: str = CONTROL_KEY, port: int | None = None) -> tuple[int, Any]:
        """Send an order, or without one ask for the state; return status and body."""
        url = f"http://127.0.0.1:{port or self.server.port}/control"
        headers = {"Authorization": f"Bearer {key}"}
        method = "GET" if order is None else "POST"
        async with self.http.request(method, url, headers=headers, data=order and json.dumps(order)) as response:
            return response.status, await response.json()


Serve = Callable[..., Awaitable[Provider]]
