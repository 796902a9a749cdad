"""``python -m models.recorded_server --answers FILE…``: recorded voters behind OpenAI's chat completions protocol.

One voter per ``model`` name, streaming and not, faults as recorded: HTTP errors with ``Retry-After``, answers whose
connection drops in the middle, silence. Bodies are encoded at load time, so that the server costs little beside what is
measured with it. Loopback unless told otherwise; prints one JSON line with its port once it listens.
"""

import argparse
import asyncio
import hmac
import sys
from collections.abc import Awaitable, Callable, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import msgspec
from aiohttp import web

from models.errors import AnswersError
from models.recorded import HANG_S, Answer, RecordedAnswers, RecordedFault, Take, load_recorded

MAX_REQUEST_BYTES = 8 << 20
CHUNK_CHARS = 16
"""Characters in one event of a stream."""

_JSON = {"Content-Type": "application/json"}


class _TextPart(msgspec.Struct):
    type: str = "text"
    text: str = ""


class ChatMessage(msgspec.Struct):
    """One message of a conversation, its content a text or text parts."""

    role: str
    content: str | list[_TextPart] | None = None

    def text(self) -> str:
        """Return the content as one text."""
        if isinstance(self.content, list):
            return "".join(part.text for part in self.content)
        return self.content or ""


class ChatRequest(msgspec.Struct):
    """What is read of a request for a chat completion."""

    model: str
    messages: list[ChatMessage]
    seed: int | None = None
    stream: bool = False

    def prompt(self) -> str:
        """Return the last user message, which chooses the answer."""
        return last_user_message(self.messages)


def last_user_message(messages: list[ChatMessage]) -> str:
    """Return the text of the last user message, an empty one if there is none."""
    return next((m.text() for m in reversed(messages) if m.role == "user"), "")


def in_pieces(content: str) -> list[str]:
    """Return a content as the pieces of a stream."""
    return [content[i : i + CHUNK_CHARS] for i in range(0, len(content), CHUNK_CHARS)]


@dataclass(frozen=True, slots=True)
class _Chosen:
    """What one request gets: the answer and, unless it is streamed, its ready-made body."""

    model: str
    answer: Answer
    body: bytes


class RecordedServer:
    """The request handler over one set of recorded answers; ``api_key`` makes every request need it."""

    def __init__(self, answers: RecordedAnswers, api_key: str | None = None) -> None:
        self._voters = answers.voters
        self._authorization = None if api_key is None else f"Bearer {api_key}".encode()
        self._decode = msgspec.json.Decoder(ChatRequest).decode
        self._bodies: dict[int, list[bytes]] = {}
        for name, script in answers.voters.items():
            for take in (*script.by_prompt.values(), *([script.default] if script.default else [])):
                self._bodies[id(take)] = [_completion(name, answer) for answer in take.answers]

    async def handle(self, request: web.BaseRequest) -> web.StreamResponse:
        """Answer one HTTP request."""
        if self._authorization is not None:
            presented = request.headers.get("Authorization", "").encode("utf-8", "surrogateescape")
            if not hmac.compare_digest(presented, self._authorization):
                return _error(401, "a valid key is needed", "invalid_api_key")
        if request.path == "/v1/chat/completions" and request.method == "POST":
            return await self._chat(request)
        if request.path == "/v1/models" and request.method == "GET":
            return self._models()
        return _error(404, f"no route {request.method} {request.path}", "not_found")

    def _models(self) -> web.Response:
        data = [{"id": name, "object": "model", "created": 0, "owned_by": "recorded"} for name in self._voters]
        return web.Response(body=msgspec.json.encode({"object": "list", "data": data}), headers=_JSON)

    async def _chat(self, request: web.BaseRequest) -> web.StreamResponse:
        try:
            asked = self._decode(await request.read())
        except (msgspec.MsgspecError, RecursionError) as error:
            return _error(400, str(error), "invalid_request")
        chosen = self._choose(asked)
        if isinstance(chosen, web.Response):
            return chosen
        if chosen.answer.hang:
            await asyncio.sleep(HANG_S)
        if asked.stream and chosen.answer.content is not None:
            return await _stream(request, chosen)
        if chosen.answer.delay_ms:
            await asyncio.sleep(chosen.answer.delay_ms / 1000)
        if chosen.answer.error is not None:
            return _fault(chosen.answer.error)
        if chosen.answer.cut_after_chars is not None:
            return await _cut(request, chosen, chosen.answer.cut_after_chars)
        return web.Response(body=chosen.body, headers=_JSON)

    def _choose(self, asked: ChatRequest) -> _Chosen | web.Response:
        script = self._voters.get(asked.model)
        if script is None:
            return _error(404, f"no model {asked.model!r}; there are: {', '.join(self._voters)}", "model_not_found")
        take: Take | None = script.take(asked.prompt())
        if take is None:
            return _error(404, "no answer is recorded for this prompt", "prompt_not_recorded")
        index = take.pick(asked.seed, 0)
        return _Chosen(asked.model, take.answers[index], self._bodies[id(take)][index])


def _error(status: int, message: str, code: str, headers: dict[str, str] | None = None) -> web.Response:
    body = {"error": {"message": message, "type": "recorded_server_error", "code": code, "param": None}}
    return web.Response(status=status, body=msgspec.json.encode(body), headers=_JSON | (headers or {}))


def _fault(fault: RecordedFault) -> web.Response:
    headers = {} if fault.retry_after_s is None else {"Retry-After": f"{fault.retry_after_s:g}"}
    return _error(fault.status, f"recorded fault {fault.status}", "recorded_fault", headers)


def usage_of(answer: Answer) -> dict[str, int]:
    """Return an answer's token counts as the protocol names them."""
    usage = answer.usage
    total = usage.prompt_tokens + usage.completion_tokens
    return {"prompt_tokens": usage.prompt_tokens, "completion_tokens": usage.completion_tokens, "total_tokens": total}


def _completion(model: str, answer: Answer) -> bytes:
    message = {"role": "assistant", "content": answer.content}
    choice = {"index": 0, "message": message, "finish_reason": answer.finish_reason, "logprobs": None}
    head = {"id": "chatcmpl-recorded", "object": "chat.completion", "created": 0, "model": model}
    return msgspec.json.encode({**head, "choices": [choice], "usage": usage_of(answer)})


async def _cut(request: web.BaseRequest, chosen: _Chosen, after_chars: int) -> web.StreamResponse:
    """Promise the whole body, send it up to ``after_chars`` characters of the content, drop the connection."""
    content = chosen.answer.content or ""
    part = chosen.body.split(b'"content":"', 1)[0] + b'"content":"' + content[:after_chars].encode("utf-8", "replace")
    response = web.StreamResponse(headers=_JSON | {"Content-Length": str(max(len(chosen.body), len(part) + 1))})
    await response.prepare(request)
    await response.write(part)
    return _drop(request, response)


def _drop(request: web.BaseRequest, response: web.StreamResponse) -> web.StreamResponse:
    if request.transport is not None:
        request.transport.close()  # what was written is flushed, then the connection ends inside the body
    return response


async def _stream(request: web.BaseRequest, chosen: _Chosen) -> web.StreamResponse:
    """Send the answer as server-sent events, spread over its recorded latency."""
    answer = chosen.answer
    first_ms = answer.delay_ms if answer.first_token_ms is None else answer.first_token_ms
    if first_ms:
        await asyncio.sleep(first_ms / 1000)
    response = web.StreamResponse(headers={"Content-Type": "text/event-stream"})
    await response.prepare(request)
    pieces = in_pieces((answer.content or "")[: answer.cut_after_chars])
    pause_s = (answer.delay_ms - first_ms) / 1000 / max(1, len(pieces))
    for event in _events(chosen.model, pieces):
        await response.write(event)
        if pause_s:
            await asyncio.sleep(pause_s)
    if answer.cut_after_chars is not None:
        return _drop(request, response)
    await response.write(_event(chosen.model, {}, answer.finish_reason))
    await response.write(_event(chosen.model, None, None, usage_of(answer)))
    await response.write(b"data: [DONE]\n\n")
    await response.write_eof()
    return response


def _events(model: str, pieces: list[str]) -> Iterator[bytes]:
    yield _event(model, {"role": "assistant", "content": ""})
    for piece in pieces:
        yield _event(model, {"content": piece})


def _event(
    model: str, delta: dict[str, str] | None, finish: str | None = None, usage: dict[str, int] | None = None
) -> bytes:
    choices = [] if delta is None else [{"index": 0, "delta": delta, "finish_reason": finish}]
    head = {
        "id": "chatcmpl-recorded",
        "object": "chat.completion.chunk",
        "created": 0,
        "model": model,
        "choices": choices,
    }
    return b"data: " + msgspec.json.encode(head | ({} if usage is None else {"usage": usage})) + b"\n\n"


async def set_up(handle: Callable[[web.BaseRequest], Awaitable[web.StreamResponse]]) -> web.ServerRunner:
    """Return a runner of a handler of requests that does not listen yet."""
    sized_request = partial(web.BaseRequest, loop=asyncio.get_running_loop(), client_max_size=MAX_REQUEST_BYTES)
    web_server = web.Server(
        handle,
        request_factory=sized_request,
        handler_cancellation=True,  # a hanging answer ends when its client leaves
        access_log=None,
    )
    runner = web.ServerRunner(web_server)
    await runner.setup()
    return runner


async def start(server: RecordedServer, host: str, port: int) -> tuple[web.ServerRunner, int]:
    """Listen; return the runner (``await runner.cleanup()`` stops it) and the port."""
    runner = await set_up(server.handle)
    site = web.TCPSite(runner, host, port, backlog=512)
    await site.start()
    return runner, int(runner.addresses[0][1])


async def _serve(server: RecordedServer, host: str, port: int, names: list[str]) -> None:
    runner, bound = await start(server, host, port)
    try:
        sys.stdout.write(msgspec.json.encode({"port": bound, "voters": names}).decode() + "\n")
        sys.stdout.flush()
        await asyncio.Event().wait()
    finally:
        await runner.cleanup()


def main(argv: list[str] | None = None) -> int:
    """Command line: serve until interrupted."""
    parser = argparse.ArgumentParser(prog="python -m models.recorded_server", description=__doc__)
    parser.add_argument("--answers", type=Path, nargs="+", required=True)
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=int, default=0, help="0 picks a free one")
    parser.add_argument("--key-file", type=Path, help="file with the bearer key every request must show")
    args = parser.parse_args(argv)
    try:
        answers = load_recorded(args.answers)
    except AnswersError as error:
        sys.stderr.write(f"{error}\n")
        return 2
    key = args.key_file.read_text(encoding="utf-8").strip() if args.key_file else None
    try:
        asyncio.run(_serve(RecordedServer(answers, key), args.host, args.port, list(answers.voters)))
    except KeyboardInterrupt:
        return 0
    return 0


if __name__ == "__main__":
    sys.exit(main())
