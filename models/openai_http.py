"""A voter behind any server that speaks OpenAI's chat completions API, over pooled connections.

Rules: one call, no retry (retries belong to one layer, and it is not this one); every failure becomes a ``VoterError``;
a truncated or malformed answer is never a candidate; redirects are not followed (the key would go along); the response is
bounded; upstream error texts are not repeated (servers echo parts of keys). Cancelling ``ask`` closes the connection.

It asks without streaming: the panel decides on whole answers, and one parsed body costs a fraction of a parsed stream.
"""

import math
from collections.abc import Mapping
from email.utils import parsedate_to_datetime

import msgspec

from models.errors import VoterFailed, VoterInvalid, VoterRefused, VoterTimeout
from models.http1 import BrokenOff, CannotConnect, ConnectionPool, Endpoint, Response, TooLarge
from models.voter import Candidate, VoterInfo, VoterRequest

MAX_RETRY_AFTER_S = 3600.0


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


class OpenAIHttpVoter:
    """One model behind ``base_url`` (ending in ``/v1`` or whatever precedes ``/chat/completions``)."""

    def __init__(
        self,
        info: VoterInfo,
        base_url: str,
        model: str,
        api_key: str | None,
        pool: ConnectionPool,
        *,
        timeout_s: float = 120.0,
        max_response_bytes: int = 4 << 20,
        stop: tuple[str, ...] = (),
    ) -> None:
        self._info = info
        self._model = model
        self._pool = pool
        self._timeout_s = timeout_s
        self._max_response_bytes = max_response_bytes
        self._stop = stop
        headers = {
            "User-Agent": "weavergen/2",
            "Content-Type": "application/json",
            "Accept": "application/json",
            "Accept-Encoding": "identity",
        }
        if api_key is not None:
            headers["Authorization"] = f"Bearer {api_key}"
        self._endpoint = Endpoint(base_url.rstrip("/") + "/chat/completions", headers)
        self._encode = msgspec.json.Encoder().encode
        self._decode = msgspec.json.Decoder(_Completion).decode

    @property
    def info(self) -> VoterInfo:
        """Who this is."""
        return self._info

    async def ask(self, request: VoterRequest) -> Candidate:
        """Ask once; raises ``VoterError``."""
        try:
            response = await self._pool.post(
                self._endpoint, self._body(request), self._timeout_s, self._max_response_bytes
            )
        except TimeoutError as error:
            raise VoterTimeout(self._info.id, f"no answer within {self._timeout_s:g} s") from error
        except CannotConnect as error:
            raise VoterFailed(self._info.id, "cannot be connected to") from error
        except TooLarge as error:
            raise VoterInvalid(self._info.id, f"answered with more than {self._max_response_bytes} bytes") from error
        except BrokenOff as error:
            raise VoterFailed(self._info.id, "the connection broke off") from error
        return self._candidate(self._checked(response))

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

    def _checked(self, response: Response) -> bytes:
        headers = response.headers
        if response.status != 200:
            raise VoterFailed(self._info.id, f"answered with status {response.status}", retry_after_s(headers))
        content_type = headers.get(b"content-type", b"").partition(b";")[0].strip().lower()
        if content_type != b"application/json":
            raise VoterInvalid(self._info.id, f"answered with content type {content_type[:64].decode('latin-1')!r}")
        if headers.get(b"content-encoding", b"identity") != b"identity":
            raise VoterInvalid(self._info.id, "answered in an encoding it was not asked for")
        return response.body

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


def retry_after_s(headers: Mapping[bytes, bytes]) -> float | None:
    """Read ``Retry-After``: seconds, or a date told against the response's own ``Date``; ``None`` if absent or unreadable."""
    text = headers.get(b"retry-after", b"").decode("latin-1")
    if not text:
        return None
    try:
        seconds = float(text)
    except ValueError:
        try:
            date = headers.get(b"date", b"").decode("latin-1")
            seconds = (parsedate_to_datetime(text) - parsedate_to_datetime(date)).total_seconds()
        except (TypeError, ValueError):
            return None
    return None if math.isnan(seconds) else min(max(seconds, 0.0), MAX_RETRY_AFTER_S)
