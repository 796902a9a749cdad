"""A voter behind any server that speaks OpenAI's chat completions API, over a shared aiohttp session.

Rules: one call, no retry (retries belong to one layer, and it is not this one); every failure becomes a ``VoterError``;
a truncated or malformed answer is never a candidate; redirects are not followed (the key would go along); the response is
bounded; upstream error texts are not repeated (servers echo parts of keys). Cancelling ``ask`` closes the connection.

It asks without streaming: the panel decides on whole answers, and one parsed body costs a fraction of a parsed stream.
"""

import math
from collections.abc import Callable, Mapping
from email.utils import parsedate_to_datetime

import aiohttp
import msgspec
from yarl import URL

from models.errors import VoterError, VoterFailed, VoterInvalid, VoterRefused, VoterTimeout
from models.voter import Candidate, VoterInfo, VoterRequest

MAX_RETRY_AFTER_S = 3600.0

_CHUNK_BYTES = 1 << 16
_KEEPALIVE_S = 4.0  # below the 5 s after which common servers close an idle connection


class _Turn(msgspec.Struct):
    role: str
    content: str


class _Body(msgspec.Struct, omit_defaults=True):
    model: str
    messages: list[_Turn]
    max_tokens: int
    temperature: float | None = None
    top_p: float | None = None
    presence_penalty: float | None = None
    frequency_penalty: float | None = None
    seed: int | None = None
    stop: tuple[str, ...] = ()


class _Message(msgspec.Struct):
    content: str | None = None
    refusal: str | None = None


class _Choice(msgspec.Struct):
    message: _Message
    finish_reason: str | None = None


class _Usage(msgspec.Struct):
    prompt_tokens: int = 0
    completion_tokens: int = 0


class _Completion(msgspec.Struct):
    choices: list[_Choice]
    usage: _Usage | None = None


class SharedSession:
    """One connection pool for all HTTP voters of a process, opened on first use inside the running loop."""

    def __init__(self, max_connections: int) -> None:
        self._max_connections = max_connections
        self._session: aiohttp.ClientSession | None = None

    def __call__(self) -> aiohttp.ClientSession:
        """Return the session, opening it if need be."""
        if self._session is None or self._session.closed:
            connector = aiohttp.TCPConnector(limit=self._max_connections, keepalive_timeout=_KEEPALIVE_S)
            self._session = aiohttp.ClientSession(
                connector=connector,
                cookie_jar=aiohttp.DummyCookieJar(),
                auto_decompress=False,  # we ask for identity; a bomb must not unpack itself
                trust_env=False,
            )
        return self._session

    async def close(self) -> None:
        """Close every pooled connection."""
        if self._session is not None:
            await self._session.close()


class OpenAIHttpVoter:
    """One model behind ``base_url`` (ending in ``/v1`` or whatever precedes ``/chat/completions``)."""

    def __init__(
        self,
        info: VoterInfo,
        base_url: str,
        model: str,
        api_key: str | None,
        session_factory: Callable[[], aiohttp.ClientSession],
        *,
        timeout_s: float = 120.0,
        max_response_bytes: int = 4 << 20,
        stop: tuple[str, ...] = (),
    ) -> None:
        self._info = info
        self._url = URL(base_url.rstrip("/") + "/chat/completions")
        self._model = model
        self._session = session_factory
        self._timeout = aiohttp.ClientTimeout(total=timeout_s)
        self._max_response_bytes = max_response_bytes
        self._stop = stop
        self._headers = {
            "Content-Type": "application/json",
            "Accept": "application/json",
            "Accept-Encoding": "identity",
        }
        if api_key is not None:
            self._headers["Authorization"] = f"Bearer {api_key}"
        self._encode = msgspec.json.Encoder().encode
        self._decode = msgspec.json.Decoder(_Completion).decode

    @property
    def info(self) -> VoterInfo:
        """Who this is."""
        return self._info

    async def ask(self, request: VoterRequest) -> Candidate:
        """Ask once; raises ``VoterError``."""
        try:
            async with self._session().post(
                self._url, data=self._body(request), headers=self._headers, timeout=self._timeout, allow_redirects=False
            ) as response:
                if response.status != 200:
                    raise self._rejected(response)
                body = await self._read(response)
        except VoterError:
            raise
        except TimeoutError as error:  # aiohttp's timeouts are subclasses
            raise VoterTimeout(self._info.id, f"no answer within {self._timeout.total:g} s") from error
        except aiohttp.ClientConnectorError as error:
            raise VoterFailed(self._info.id, "cannot be connected to") from error
        except (aiohttp.ClientError, OSError) as error:
            raise VoterFailed(self._info.id, f"the connection broke off ({type(error).__name__})") from error
        return self._candidate(body)

    def _body(self, request: VoterRequest) -> bytes:
        sampling = request.sampling
        seed = None if sampling.seed is None else sampling.seed + request.sample
        return self._encode(
            _Body(
                model=self._model,
                messages=[_Turn(m.role, m.content) for m in request.messages],
                max_tokens=sampling.max_tokens,
                temperature=sampling.temperature,
                top_p=sampling.top_p,
                presence_penalty=sampling.presence_penalty,
                frequency_penalty=sampling.frequency_penalty,
                seed=seed,
                stop=sampling.stop + self._stop,
            )
        )

    def _rejected(self, response: aiohttp.ClientResponse) -> VoterError:
        return VoterFailed(self._info.id, f"answered with status {response.status}", retry_after_s(response.headers))

    async def _read(self, response: aiohttp.ClientResponse) -> bytes:
        if response.content_type != "application/json":
            raise VoterInvalid(self._info.id, f"answered with content type {response.content_type[:64]!r}")
        if response.headers.get("Content-Encoding", "identity") != "identity":
            raise VoterInvalid(self._info.id, "answered in an encoding it was not asked for")
        length = response.content_length
        if length is not None and length <= self._max_response_bytes:
            return await response.read()
        body = bytearray()
        while length is None and (chunk := await response.content.read(_CHUNK_BYTES)):
            body += chunk
            if len(body) > self._max_response_bytes:
                break
        else:
            if length is None:
                return bytes(body)
        raise VoterInvalid(self._info.id, f"answered with more than {self._max_response_bytes} bytes")

    def _candidate(self, body: bytes) -> Candidate:
        try:
            completion = self._decode(body)
        except (msgspec.MsgspecError, UnicodeDecodeError) as error:
            raise VoterInvalid(self._info.id, "answered something that is no chat completion") from error
        if not completion.choices:
            raise VoterInvalid(self._info.id, "answered without a choice")
        choice = completion.choices[0]
        content, finish = choice.message.content, choice.finish_reason
        if choice.message.refusal or finish == "content_filter":
            raise VoterRefused(self._info.id, "declined (content filter)" if finish == "content_filter" else "declined")
        if finish not in {"stop", "length"}:
            raise VoterInvalid(self._info.id, "answered without a known finish reason")
        if content is None or not content.strip():
            raise VoterInvalid(self._info.id, "answered nothing")
        usage = completion.usage or _Usage()
        return Candidate(
            content=content,
            finish_reason="stop" if finish == "stop" else "length",
            prompt_tokens=usage.prompt_tokens,
            completion_tokens=usage.completion_tokens,
        )


def retry_after_s(headers: Mapping[str, str]) -> float | None:
    """Read ``Retry-After``: seconds, or a date told against the response's own ``Date``; ``None`` if absent or unreadable."""
    text = headers.get("Retry-After")
    if text is None:
        return None
    try:
        seconds = float(text)
    except ValueError:
        try:
            seconds = (parsedate_to_datetime(text) - parsedate_to_datetime(headers.get("Date", ""))).total_seconds()
        except (TypeError, ValueError):
            return None
    return None if math.isnan(seconds) else min(max(seconds, 0.0), MAX_RETRY_AFTER_S)
