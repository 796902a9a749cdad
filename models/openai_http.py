"""A voter behind any server that speaks OpenAI's chat completions API, over pooled connections.

Rules: one call, no retry (retries belong to one layer, and it is not this one; only a request that does not fit the model's
context is asked again, without ``max_tokens``, as ``models.context`` says); every failure becomes a ``VoterError``;
a truncated or malformed answer is never a candidate; redirects are not followed (the key would go along); the response is
bounded; upstream error texts are not repeated (servers echo parts of keys). Cancelling ``ask`` closes the connection.

It shares the request and the meaning of errors with the cloud voters (``models.providers``), and reads answers itself, into
the few fields that a candidate has. It asks without streaming: the panel decides on whole answers, and one parsed body
costs a fraction of a parsed stream. So when the first token came is known only where the server tells (``models.timing``).
"""

import asyncio
from pathlib import Path

import msgspec

from models.context import require_room
from models.errors import VoterEmpty, VoterFailed, VoterInvalid, VoterRefused, VoterTimeout
from models.http1 import BrokenOff, CannotConnect, ConnectionPool, Endpoint, Response, TooLarge, Untrusted
from models.providers.failures import failure_of_status
from models.providers.openai_map import OpenAI, body_of
from models.timing import first_token_ms
from models.voter import Candidate, TokenCount, VoterInfo, VoterRequest

_PROTOCOL = OpenAI()


class _Message(msgspec.Struct):
    content: str | None = None
    refusal: str | None = None


class _Choice(msgspec.Struct):
    message: _Message
    finish_reason: str | None = None


class _Usage(msgspec.Struct):
    prompt_tokens: TokenCount = 0
    completion_tokens: TokenCount = 0


class _Completion(msgspec.Struct):
    choices: list[_Choice]
    usage: _Usage | None = None
    error: object = None
    metrics: object = None


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
        socket_path: Path | None = None,
    ) -> None:
        """``socket_path`` is a Unix socket that the server listens on instead of the address."""
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
        self._endpoint = Endpoint(base_url.rstrip("/") + "/chat/completions", headers, socket_path)
        self._encode = msgspec.json.Encoder().encode
        self._decode = msgspec.json.Decoder(_Completion).decode

    @property
    def info(self) -> VoterInfo:
        """Who this is."""
        return self._info

    async def ask(self, request: VoterRequest) -> Candidate:
        """Ask once; raises ``VoterError``."""
        require_room(self._info, request.messages)
        give_up = asyncio.get_running_loop().time() + self._timeout_s
        response = await self._post(self._body(request, request.sampling.max_tokens), give_up)
        if response.status == 400 and _PROTOCOL.complaint(400, response.body).kind == "too_long":
            response = await self._post(self._body(request, None), give_up)
        return self._candidate(self._checked(response))

    async def _post(self, body: bytes, give_up: float) -> Response:
        left_s = give_up - asyncio.get_running_loop().time()
        try:
            return await self._pool.post(self._endpoint, body, left_s, self._max_response_bytes)
        except TimeoutError as error:
            raise VoterTimeout(self._info.id, f"no answer within {self._timeout_s:g} s") from error
        except Untrusted as error:
            raise VoterFailed(self._info.id, "its certificate does not verify") from error
        except CannotConnect as error:
            raise VoterFailed(self._info.id, "cannot be connected to") from error
        except TooLarge as error:
            raise VoterInvalid(self._info.id, f"answered with more than {self._max_response_bytes} bytes") from error
        except BrokenOff as error:
            raise VoterFailed(self._info.id, "the connection broke off") from error

    def _body(self, request: VoterRequest, max_tokens: int | None) -> bytes:
        return self._encode(body_of(self._model, request, max_tokens, self._stop))

    def _checked(self, response: Response) -> bytes:
        headers = response.headers
        if response.status != 200:
            complaint = _PROTOCOL.complaint(response.status, response.body)
            raise failure_of_status(self._info.id, response.status, headers, complaint)
        content_type = headers.get(b"content-type", b"").partition(b";")[0].strip().lower()
        if content_type != b"application/json":
            raise VoterInvalid(self._info.id, f"answered with content type {content_type[:64].decode('latin-1')!r}")
        if headers.get(b"content-encoding", b"identity") != b"identity":
            raise VoterInvalid(self._info.id, "answered in an encoding it was not asked for")
        return response.body

    def _candidate(self, body: bytes) -> Candidate:
        try:
            completion = self._decode(body)
        except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
            raise VoterInvalid(self._info.id, "answered something that is no chat completion") from error
        if completion.error is not None:
            raise VoterInvalid(self._info.id, "answered an error as if it were an answer")
        if not completion.choices:
            raise VoterInvalid(self._info.id, "answered without a choice")
        choice = completion.choices[0]
        content, finish = choice.message.content, choice.finish_reason
        if choice.message.refusal or finish == "content_filter":
            raise VoterRefused(self._info.id, "declined (content filter)" if finish == "content_filter" else "declined")
        if finish not in {"stop", "length"}:
            raise VoterInvalid(self._info.id, "answered without a known finish reason")
        if content is None or not content.strip():
            raise VoterEmpty(self._info.id, "answered nothing")
        usage = completion.usage or _Usage()
        return Candidate(
            content=content,
            finish_reason="stop" if finish == "stop" else "length",
            prompt_tokens=usage.prompt_tokens,
            completion_tokens=usage.completion_tokens,
            first_token_ms=first_token_ms(completion.metrics),
        )
