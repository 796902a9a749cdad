"""OpenAI's chat completions: ``POST /v1/chat/completions``.

From https://platform.openai.com/docs/api-reference/chat/create (request, completion object),
https://platform.openai.com/docs/api-reference/chat-streaming (chunks, ``stream_options``, ``[DONE]``),
https://platform.openai.com/docs/api-reference/debugging-requests (headers),
https://platform.openai.com/docs/guides/error-codes and https://platform.openai.com/docs/guides/rate-limits (errors).

Left out: tool calls, refusals, log probabilities, ``n`` above 1: recorded answers have none. ``created`` is when the
answers were loaded.
"""

import hmac
import time
from typing import Any

import msgspec

from models.protocol_servers.wire import (
    GAP,
    Asked,
    Call,
    Encoded,
    Problem,
    Refused,
    Stream,
    Template,
    cloudflare_page,
    event,
    template,
)
from models.recorded import Answer
from models.recorded_server import ChatRequest, in_pieces, usage_of

_NO_KEY = (
    "You didn't provide an API key. You need to provide your API key in an Authorization header using Bearer auth "
    "(i.e. Authorization: Bearer YOUR_KEY)."
)
_MESSAGES = {
    429: "Rate limit reached for requests. Limit: 3 / min. Please try again later.",
    500: "The server had an error while processing your request. Sorry about that!",
    503: "The engine is currently overloaded, please try again later",
    529: "The engine is currently overloaded, please try again later",
}
_CODES = {401: "invalid_api_key", 404: "model_not_found", 429: "rate_limit_exceeded"}


class _StreamOptions(msgspec.Struct):
    include_usage: bool = False


class _Request(ChatRequest):
    stream_options: _StreamOptions | None = None


class OpenAIChat:
    """The protocol with one valid ``key``; without one every key is."""

    name = "openai"
    ids = "chatcmpl-"
    json_type = "application/json"
    stream_type = "text/event-stream; charset=utf-8"
    line_end = b"\n"
    late_status = 500

    def __init__(self, key: str | None = None) -> None:
        self._key = None if key is None else f"Bearer {key}".encode()
        self._decode = msgspec.json.Decoder(_Request).decode
        self._created = int(time.time())

    def read(self, call: Call) -> Asked:
        """Return what is asked; raise ``Refused`` for a wrong key, route or body."""
        self._authorise(call.headers.get("Authorization", ""))
        if (call.method, call.path) != ("POST", "/v1/chat/completions"):
            raise Refused(_problem(404, f"Invalid URL ({call.method} {call.path})", code=None))
        try:
            asked = self._decode(call.body)
        except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
            raise Refused(self.problem(400, str(error))) from error
        usage = asked.stream_options is not None and asked.stream_options.include_usage
        return Asked(asked.model, asked.prompt(), asked.stream, asked.seed, usage)

    def _authorise(self, shown: str) -> None:
        if not shown.startswith("Bearer "):
            raise Refused(_problem(401, _NO_KEY, code=None))
        if self._key is not None and not hmac.compare_digest(shown.encode("utf-8", "surrogateescape"), self._key):
            raise Refused(self.problem(401, "Incorrect API key provided."))

    def encode(self, model: str, answer: Answer) -> Encoded:
        """Return an answer as the provider would send it."""
        message: dict[str, Any] = {
            "role": "assistant",
            "content": answer.content or "",
            "refusal": None,
            "annotations": [],
        }
        choice = {"index": 0, "message": message, "logprobs": None, "finish_reason": answer.finish_reason}
        body = self._head("chat.completion", model) | {"choices": [choice], "usage": _usage(answer)}
        return Encoded(
            template(msgspec.json.encode(body)),
            self._stream(model, answer, usage=True),
            self._stream(model, answer, usage=False),
        )

    def _head(self, kind: str, model: str) -> dict[str, Any]:
        shared = {"created": self._created, "model": model, "service_tier": "default"}
        return {"id": f"{self.ids}{GAP}", "object": kind, **shared, "system_fingerprint": "fp_recorded"}

    def _stream(self, model: str, answer: Answer, *, usage: bool) -> Stream:
        head = self._head("chat.completion.chunk", model) | ({"usage": None} if usage else {})

        def chunk(delta: dict[str, Any], finish: str | None = None) -> bytes:
            choice = {"index": 0, "delta": delta, "logprobs": None, "finish_reason": finish}
            return event(head | {"choices": [choice]})

        closing = chunk({}, answer.finish_reason)
        if usage:
            closing += event(head | {"choices": [], "usage": _usage(answer)})
        return Stream(
            opening=template(chunk({"role": "assistant", "content": "", "refusal": None})),
            pieces=tuple(template(chunk({"content": piece})) for piece in in_pieces(answer.content or "")),
            closing=template(closing + b"data: [DONE]\n\n"),
        )

    def problem(self, status: int, message: str = "", retry_after_s: float | None = None) -> Problem:
        """Return an error as the provider would send it."""
        said = message or _MESSAGES.get(status, f"Error {status}")
        return _problem(status, said, _CODES.get(status), retry_after_s)

    def error_event(self, problem: Problem) -> Template:
        """Return the error as an event in a stream."""
        return (b"data: " + problem.body[0] + b"\n\n",)

    def headers(self, request_id: str) -> dict[str, str]:
        """Return the headers every response has."""
        return {
            "x-request-id": f"req_{request_id}",
            "openai-version": "2020-10-01",
            "openai-organization": "recorded",
            "openai-processing-ms": "1",
        }

    def page(self, status: int) -> bytes:
        """Return the HTML page of the proxy in front of the provider."""
        return cloudflare_page(status)


def _problem(status: int, message: str, code: str | None, retry_after_s: float | None = None) -> Problem:
    kind = "requests" if status == 429 else "invalid_request_error" if status < 500 else "server_error"
    body = {
        "error": {"message": message, "type": kind, "param": "model" if status == 404 and code else None, "code": code}
    }
    headers = {} if retry_after_s is None else {"Retry-After": f"{retry_after_s:g}"}
    return Problem(status, (msgspec.json.encode(body),), headers)


def _usage(answer: Answer) -> dict[str, Any]:
    unused = {"audio_tokens": 0, "accepted_prediction_tokens": 0, "rejected_prediction_tokens": 0}
    return {
        **usage_of(answer),
        "prompt_tokens_details": {"cached_tokens": 0, "audio_tokens": 0},
        "completion_tokens_details": {"reasoning_tokens": 0, **unused},
    }
