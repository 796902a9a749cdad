"""Google Gemini's content: ``POST /v1beta/models/{model}:generateContent`` and ``:streamGenerateContent?alt=sse``.

From https://ai.google.dev/api/generate-content (request, ``GenerateContentResponse``, ``FinishReason``, usage),
https://ai.google.dev/gemini-api/docs/api-versions (``/v1/``, which the SDK asks, is served as well),
https://ai.google.dev/gemini-api/docs/api-key (``x-goog-api-key``), https://ai.google.dev/gemini-api/docs/troubleshooting
(statuses) and https://cloud.google.com/apis/design/errors (error bodies; ``RetryInfo`` is where the provider says when to
come back: it sends no ``Retry-After``).

Left out: tools, safety ratings, prompts blocked as a whole: recorded answers have none. Streams as JSON arrays (without
``alt=sse``) are refused.
"""

import hmac
import re
from typing import Any

import msgspec

from models.protocol_servers.wire import GAP, Asked, Call, Encoded, Problem, Refused, Stream, Template, event, template
from models.recorded import Answer
from models.recorded_server import in_pieces

FINISH_REASONS = {"stop": "STOP", "length": "MAX_TOKENS", "content_filter": "SAFETY"}
STATUSES = {
    400: "INVALID_ARGUMENT",
    401: "UNAUTHENTICATED",
    403: "PERMISSION_DENIED",
    404: "NOT_FOUND",
    409: "ABORTED",
    429: "RESOURCE_EXHAUSTED",
    500: "INTERNAL",
    501: "UNIMPLEMENTED",
    503: "UNAVAILABLE",
    504: "DEADLINE_EXCEEDED",
}
_ROUTE = re.compile(r"/v1(?:beta)?/models/(?P<model>[^:]+):(?P<verb>generateContent|streamGenerateContent)")
_NO_KEY = (
    "Method doesn't allow unregistered callers (callers without established identity). Please use API Key or other form "
    "of API consumer identity to call this API."
)
_WRONG_KEY = "API key not valid. Please pass a valid API key."
_MESSAGES = {
    429: "You exceeded your current quota, please check your plan and billing details.",
    500: "An internal error has occurred. Please retry or report in https://ai.google.dev/gemini-api/docs/troubleshooting",
    503: "The model is overloaded. Please try again later.",
    529: "The model is overloaded. Please try again later.",
}
_PAGE = """<!DOCTYPE html>
<html lang=en>
  <meta charset=utf-8>
  <title>{title}</title>
  <p><b>{status}.</b> <ins>That’s an error.</ins>
  <p>The server encountered a temporary error and could not complete your request. <ins>That’s all we know.</ins>
"""


class _Part(msgspec.Struct):
    text: str = ""


class _Content(msgspec.Struct):
    parts: list[_Part] = []
    role: str = "user"


class _Config(msgspec.Struct):
    seed: int | None = None


class _Request(msgspec.Struct):
    contents: list[_Content]
    generationConfig: _Config | None = None  # noqa: N815 - the protocol's name

    def prompt(self) -> str:
        last = next((content for content in reversed(self.contents) if content.role == "user"), _Content())
        return "".join(part.text for part in last.parts)


class GeminiContent:
    """The protocol with one valid ``key``; without one every key is."""

    name = "gemini"
    ids = ""
    json_type = "application/json; charset=UTF-8"
    stream_type = "text/event-stream"
    line_end = b"\r\n"
    late_status = 503

    def __init__(self, key: str | None = None) -> None:
        self._key = None if key is None else key.encode()
        self._decode = msgspec.json.Decoder(_Request).decode

    def read(self, call: Call) -> Asked:
        """Return what is asked; raise ``Refused`` for a wrong key, route or body."""
        shown = call.headers.get("x-goog-api-key", "")
        if not shown:
            raise Refused(self.problem(403, _NO_KEY))
        if self._key is not None and not hmac.compare_digest(shown.encode("utf-8", "surrogateescape"), self._key):
            raise Refused(_problem(400, _WRONG_KEY, _wrong_key_details()))
        route = _ROUTE.fullmatch(call.path)
        if route is None or call.method != "POST":
            raise Refused(self.problem(404, f"no route {call.method} {call.path}"))
        stream = route["verb"] == "streamGenerateContent"
        if stream and call.query.get("alt") != "sse":
            raise Refused(self.problem(400, "streams are served with alt=sse only"))
        try:
            asked = self._decode(call.body)
        except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
            raise Refused(self.problem(400, f"Invalid JSON payload received. {error}")) from error
        seed = None if asked.generationConfig is None else asked.generationConfig.seed
        return Asked(route["model"], asked.prompt(), stream, seed)

    def encode(self, model: str, answer: Answer) -> Encoded:
        """Return an answer as the provider would send it."""
        finish = FINISH_REASONS[answer.finish_reason]
        tail = {"modelVersion": model, "responseId": GAP}
        whole = {
            "candidates": [_candidate(answer.content or None, finish)],
            "usageMetadata": _usage(answer, final=True),
            **tail,
        }

        def chunk(text: str | None, finish: str | None = None) -> Template:
            usage = _usage(answer, final=finish is not None)
            return template(
                event({"candidates": [_candidate(text, finish)], "usageMetadata": usage, **tail}, end="\r\n")
            )

        pieces = tuple(chunk(piece) for piece in in_pieces(answer.content or ""))
        stream = Stream(opening=(b"",), pieces=pieces, closing=chunk("" if pieces else None, finish))
        return Encoded(template(msgspec.json.encode(whole)), stream, stream)

    def problem(self, status: int, message: str = "", retry_after_s: float | None = None) -> Problem:
        """Return an error as the provider would send it."""
        details = [] if retry_after_s is None else [_detail("RetryInfo", retryDelay=f"{retry_after_s:g}s")]
        return _problem(status, message or _MESSAGES.get(status, f"Error {status}"), details)

    def error_event(self, problem: Problem) -> Template:
        """Return the error as an event in a stream."""
        return (b"data: " + msgspec.json.format(problem.body[0], indent=-1) + b"\r\n\r\n",)

    def headers(self, request_id: str) -> dict[str, str]:  # noqa: ARG002 - the provider names no request
        """Return the headers every response has."""
        return {
            "Vary": "Origin, X-Origin, Referer",
            "Server-Timing": "gfet4t7; dur=1",
            "X-Content-Type-Options": "nosniff",
        }

    def page(self, status: int) -> bytes:
        """Return the HTML page of the proxy in front of the provider."""
        title = "Sign in" if status == 200 else f"Error {status} (Server Error)!!1"
        return _PAGE.format(title=title, status=status).encode()


def _problem(status: int, message: str, details: list[dict[str, Any]]) -> Problem:
    name = STATUSES.get(status, "INVALID_ARGUMENT" if status < 500 else "UNAVAILABLE")
    said = {"code": status, "message": message, "status": name} | ({"details": details} if details else {})
    return Problem(status, (msgspec.json.format(msgspec.json.encode({"error": said}), indent=2),))


def _detail(kind: str, **fields: object) -> dict[str, Any]:
    return {"@type": f"type.googleapis.com/google.rpc.{kind}", **fields}


def _wrong_key_details() -> list[dict[str, Any]]:
    service = {"service": "generativelanguage.googleapis.com"}
    return [
        _detail("ErrorInfo", reason="API_KEY_INVALID", domain="googleapis.com", metadata=service),
        _detail("LocalizedMessage", locale="en-US", message=_WRONG_KEY),
    ]


def _candidate(text: str | None, finish: str | None) -> dict[str, Any]:
    content: dict[str, Any] = {"role": "model"} if text is None else {"parts": [{"text": text}], "role": "model"}
    return {"content": content} | ({} if finish is None else {"finishReason": finish}) | {"index": 0}


def _usage(answer: Answer, *, final: bool) -> dict[str, Any]:
    prompt = answer.usage.prompt_tokens
    output = answer.usage.completion_tokens if final else 0
    return {
        "promptTokenCount": prompt,
        **({"candidatesTokenCount": output} if final else {}),
        "totalTokenCount": prompt + output,
        "promptTokensDetails": [{"modality": "TEXT", "tokenCount": prompt}],
    }
