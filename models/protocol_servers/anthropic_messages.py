"""Anthropic's messages: ``POST /v1/messages``.

From https://platform.claude.com/docs/en/api/messages (request, message object),
https://platform.claude.com/docs/en/build-with-claude/streaming (events and their order, ``ping``, ``error``),
https://platform.claude.com/docs/en/api/errors (error types, 529, ``request_id``),
https://platform.claude.com/docs/en/api/versioning (``anthropic-version``; the later one takes no sampling parameters),
https://platform.claude.com/docs/en/manage-claude/authentication (a bearer key, as the SDKs send it, or ``x-api-key``) and
https://platform.claude.com/docs/en/api/rate-limits (``retry-after``).

Left out: tools, thinking, citations: recorded answers have none. The protocol has no seed, so answers come in turn.
"""

import hmac
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
from models.recorded_server import ChatMessage, in_pieces, last_user_message

STOP_REASONS = {"stop": "end_turn", "length": "max_tokens", "content_filter": "refusal"}
_TYPES = {
    401: "authentication_error",
    402: "billing_error",
    403: "permission_error",
    404: "not_found_error",
    413: "request_too_large",
    429: "rate_limit_error",
    504: "timeout_error",
    529: "overloaded_error",
}
_MESSAGES = {
    429: "This request would exceed your organization's rate limit. Please try again later.",
    500: "Internal server error",
    529: "Overloaded",
}


VERSIONS = frozenset({"2023-06-01", "2026-10-21"})
_REMOVED = {"2026-10-21": ("temperature", "top_p", "top_k")}


class _Request(msgspec.Struct):
    model: str
    max_tokens: int
    messages: list[ChatMessage]
    stream: bool = False
    temperature: msgspec.Raw | msgspec.UnsetType = msgspec.UNSET
    top_p: msgspec.Raw | msgspec.UnsetType = msgspec.UNSET
    top_k: msgspec.Raw | msgspec.UnsetType = msgspec.UNSET


class AnthropicMessages:
    """The protocol with one valid ``key``; without one every key is."""

    name = "anthropic"
    ids = "msg_"
    json_type = "application/json"
    stream_type = "text/event-stream; charset=utf-8"
    line_end = b"\n"
    late_status = 529

    def __init__(self, key: str | None = None) -> None:
        self._key = None if key is None else key.encode()
        self._decode = msgspec.json.Decoder(_Request).decode

    def read(self, call: Call) -> Asked:
        """Return what is asked; raise ``Refused`` for a wrong key, route, version or body."""
        self._authorise(call)
        if (call.method, call.path) != ("POST", "/v1/messages"):
            raise Refused(self.problem(404, "Not Found"))
        version = call.headers.get("anthropic-version")
        if version is None:
            raise Refused(self.problem(400, "anthropic-version: header is required"))
        if version not in VERSIONS:
            raise Refused(self.problem(400, f'anthropic-version: "{version}" is not a valid version'))
        asked = self._body(call.body)
        for name in _REMOVED.get(version, ()):
            if getattr(asked, name) is not msgspec.UNSET:
                raise Refused(self.problem(400, f"{name}: Extra inputs are not permitted"))
        return Asked(asked.model, last_user_message(asked.messages), asked.stream)

    def _authorise(self, call: Call) -> None:
        bearer = call.headers.get("Authorization", "")
        shown = bearer.removeprefix("Bearer ") if bearer.startswith("Bearer ") else call.headers.get("x-api-key", "")
        if not shown:
            raise Refused(self.problem(401, "Authorization or x-api-key header is required"))
        if self._key is not None and not hmac.compare_digest(shown.encode("utf-8", "surrogateescape"), self._key):
            raise Refused(self.problem(401, "Invalid bearer token" if bearer else "invalid x-api-key"))

    def _body(self, body: bytes) -> _Request:
        try:
            return self._decode(body)
        except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
            raise Refused(self.problem(400, str(error))) from error

    def encode(self, model: str, answer: Answer) -> Encoded:
        """Return an answer as the provider would send it."""
        content = [{"type": "text", "text": answer.content}] if answer.content else []
        end = {"stop_reason": STOP_REASONS[answer.finish_reason], "stop_sequence": None}
        body = _message(model, content, end, _usage(answer, answer.usage.completion_tokens))
        stream = _stream(model, answer, end)
        return Encoded(template(msgspec.json.encode(body)), stream, stream)

    def problem(self, status: int, message: str = "", retry_after_s: float | None = None) -> Problem:
        """Return an error as the provider would send it."""
        kind = _TYPES.get(status, "invalid_request_error" if status < 500 else "api_error")
        said = {"type": kind, "message": message or _MESSAGES.get(status, f"Error {status}")}
        body = {"type": "error", "error": said, "request_id": f"req_{GAP}"}
        headers = {} if retry_after_s is None else {"retry-after": f"{retry_after_s:g}"}
        return Problem(status, template(msgspec.json.encode(body)), headers)

    def error_event(self, problem: Problem) -> Template:
        """Return the error as an event in a stream."""
        return (b"event: error\ndata: " + problem.body[0], *problem.body[1:-1], problem.body[-1] + b"\n\n")

    def headers(self, request_id: str) -> dict[str, str]:
        """Return the headers every response has."""
        return {"request-id": f"req_{request_id}", "anthropic-organization-id": "00000000-0000-0000-0000-000000000000"}

    def page(self, status: int) -> bytes:
        """Return the HTML page of the proxy in front of the provider."""
        return cloudflare_page(status)


def _stream(model: str, answer: Answer, end: dict[str, Any]) -> Stream:
    start: dict[str, object] = {
        "message": _message(model, [], {"stop_reason": None, "stop_sequence": None}, _usage(answer, 1))
    }
    opening, closing = _event("message_start", **start), b""
    if answer.content:
        opening += _event("content_block_start", index=0, content_block={"type": "text", "text": ""})
        closing += _event("content_block_stop", index=0)
    usage = {"output_tokens": answer.usage.completion_tokens}
    closing += _event("message_delta", delta=end, usage=usage) + _event("message_stop")
    pieces = in_pieces(answer.content or "")
    deltas = [_event("content_block_delta", index=0, delta={"type": "text_delta", "text": piece}) for piece in pieces]
    return Stream(template(opening + _event("ping")), tuple(map(template, deltas)), template(closing))


def _event(kind: str, **fields: object) -> bytes:
    return event({"type": kind, **fields}, kind)


def _message(model: str, content: list[Any], end: dict[str, Any], usage: dict[str, Any]) -> dict[str, Any]:
    head = {"id": f"msg_{GAP}", "type": "message", "role": "assistant", "model": model, "content": content}
    return {**head, **end, "usage": usage}


def _usage(answer: Answer, output_tokens: int) -> dict[str, Any]:
    return {
        "input_tokens": answer.usage.prompt_tokens,
        "cache_creation_input_tokens": 0,
        "cache_read_input_tokens": 0,
        "cache_creation": {"ephemeral_5m_input_tokens": 0, "ephemeral_1h_input_tokens": 0},
        "output_tokens": output_tokens,
        "service_tier": "standard",
    }
