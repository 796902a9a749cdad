"""The three providers' own SDKs behind the ``Upstream`` port.

Rules: the SDK builds the request and reads the response; its own retries, continuations, function calling, time limits,
redirects and look-ups in the environment are off. What it read is written out again in the protocol's words, so that one
mapping reads both this and the thin adapter.

Google's SDK drops every field that it does not know; those are put back from the response itself.
"""

import asyncio
import importlib
from abc import ABC, abstractmethod
from collections.abc import AsyncGenerator
from typing import Any

from models.providers.dialect import Dialect, Wire, decoded
from models.providers.faults import Malformed
from models.providers.pointers import merge, missing
from models.providers.sdk import Tap, watching
from models.providers.sdk_transport import client


class _Sdk(ABC):
    """What the SDKs have in common: one call, watched."""

    _errors: tuple[type[Exception], ...] = ()
    _keep = False

    def __init__(self, dialect: Dialect, max_response_bytes: int, max_connections: int) -> None:
        self._dialect = dialect
        self._max_response_bytes = max_response_bytes
        self._http = client(max_connections)

    async def whole(self, body: Wire, give_up: float) -> object:
        """Return the response as the SDK read it."""
        tap = Tap("json", self._max_response_bytes, keep=self._keep)
        async with asyncio.timeout_at(give_up):
            with watching(tap, self._errors):
                response = await self._asked(body)
                tap.require_success()
                return self._written(response, decoded(bytes(tap.body)) if tap.keep else None)

    async def events(self, body: Wire, give_up: float) -> AsyncGenerator[Wire, None]:
        """Yield the events as the SDK read them."""
        del give_up  # whoever reads them waits no longer for each
        tap = Tap("events", self._max_response_bytes, keep=self._keep, end_marker=self._dialect.end_marker)
        try:
            with watching(tap, self._errors):
                stream = aiter(await self._streamed(body))
            while True:
                with watching(tap, self._errors):
                    event = await anext(stream, None)
                    if event is None:
                        tap.require_end()
                        return
                    written = self._written(event, tap.next_event() if tap.keep else None)
                yield written
        finally:
            await tap.close()

    async def close(self) -> None:
        """Close every connection."""
        await self._http.aclose()

    @abstractmethod
    async def _asked(self, body: Wire) -> Any:  # noqa: ANN401 - an SDK's own type
        """Ask for a whole answer; return the SDK's own value."""

    @abstractmethod
    async def _streamed(self, body: Wire) -> Any:  # noqa: ANN401 - an SDK's own type
        """Ask for a stream; return the SDK's own iterator."""

    @abstractmethod
    def _written(self, said: Any, came: object) -> Wire:  # noqa: ANN401 - an SDK's own type
        """Return what the SDK read in the protocol's own words; ``came`` is what it read it from."""


class _Generated(_Sdk):
    """OpenAI's and Anthropic's SDKs, which one generator wrote."""

    _create: Any

    async def _asked(self, body: Wire) -> Any:  # noqa: ANN401 - an SDK's own type
        return await self._create(**body)

    async def _streamed(self, body: Wire) -> Any:  # noqa: ANN401 - an SDK's own type
        return await self._create(**body)

    def _written(self, said: Any, came: object) -> Wire:  # noqa: ANN401 - an SDK's own type
        del came
        if not hasattr(said, "to_dict"):
            raise Malformed("answered something that is no JSON object")
        return dict(said.to_dict(mode="json", exclude_unset=True, warnings=False))


class OpenAISdk(_Generated):
    """OpenAI's SDK."""

    def __init__(
        self, dialect: Dialect, base_url: str, key: str | None, *, max_response_bytes: int, max_connections: int
    ) -> None:
        super().__init__(dialect, max_response_bytes, max_connections)
        openai = importlib.import_module("openai")
        sdk = openai.AsyncOpenAI(
            api_key=key or "none",
            base_url=base_url.rstrip("/"),
            max_retries=0,
            timeout=None,
            http_client=self._http,
        )
        self._create = sdk.chat.completions.create
        self._errors = (openai.APIError,)


class AnthropicSdk(_Generated):
    """Anthropic's SDK, which knows no sampling any more: what the older version of the API takes goes beside it."""

    def __init__(
        self, dialect: Dialect, base_url: str, key: str | None, *, max_response_bytes: int, max_connections: int
    ) -> None:
        super().__init__(dialect, max_response_bytes, max_connections)
        anthropic = importlib.import_module("anthropic")
        sdk = anthropic.AsyncAnthropic(
            api_key=key or "none",
            base_url=base_url.rstrip("/"),
            max_retries=0,
            timeout=None,
            http_client=self._http,
            default_headers={"anthropic-version": dialect.headers(None)["anthropic-version"]},
        )
        self._create = sdk.messages.create
        self._errors = (anthropic.APIError,)

    async def _asked(self, body: Wire) -> Any:  # noqa: ANN401 - an SDK's own type
        beside = {name: body[name] for name in ("temperature", "top_p") if name in body}
        return await self._create(
            **{name: body[name] for name in body if name not in beside}, extra_body=beside or None
        )

    _streamed = _asked


class GeminiSdk(_Sdk):
    """Google's SDK."""

    _keep = True

    def __init__(
        self,
        dialect: Dialect,
        base_url: str,
        model: str,
        key: str | None,
        *,
        max_response_bytes: int,
        max_connections: int,
    ) -> None:
        super().__init__(dialect, max_response_bytes, max_connections)
        genai = importlib.import_module("google.genai")
        self._types = genai.types
        self._model = model
        self._errors = (genai.errors.APIError,)
        options = self._types.HttpOptions(
            base_url=base_url.rstrip("/") + "/",
            api_version="v1beta",
            httpx_async_client=self._http,
        )
        self._sdk = genai.Client(vertexai=False, api_key=key or "none", http_options=options)

    async def _asked(self, body: Wire) -> Any:  # noqa: ANN401 - an SDK's own type
        return await self._sdk.aio.models.generate_content(**self._arguments(body))

    async def _streamed(self, body: Wire) -> Any:  # noqa: ANN401 - an SDK's own type
        return await self._sdk.aio.models.generate_content_stream(**self._arguments(body))

    def _arguments(self, body: Wire) -> dict[str, Any]:
        config = self._types.GenerateContentConfig(
            **body["generationConfig"],
            **({"systemInstruction": body["systemInstruction"]} if "systemInstruction" in body else {}),
            automaticFunctionCalling=self._types.AutomaticFunctionCallingConfig(disable=True),
            automaticContinuation=False,
        )
        return {"model": self._model, "contents": body["contents"], "config": config}

    def _written(self, said: Any, came: object) -> Wire:  # noqa: ANN401 - an SDK's own type
        dumped = said.model_dump(mode="json", by_alias=True, exclude_none=True, exclude={"sdk_http_response"})
        whole = merge(dumped, missing(came, dumped))
        if not isinstance(whole, dict):
            raise Malformed("answered something that is no JSON object")
        return whole
