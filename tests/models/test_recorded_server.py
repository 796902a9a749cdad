"""The recorded server as a client of OpenAI's protocol sees it, on loopback."""

import asyncio
import hashlib
import json
import subprocess
import sys
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from models.recorded import load_recorded
from models.recorded_server import MAX_REQUEST_BYTES, RecordedServer, start

WHO = {"voter": "m1", "family": "f", "lineage": "l"}
PARIS = "The capital of France is Paris, and é costs two bytes."


def recorded(path: Path, *answers: dict[str, Any]) -> Path:
    """Write one voter that gives these answers to everything, and one to a prompt of its own."""
    own = {"prompt_sha256": hashlib.sha256(b"mine").hexdigest(), "voter": "m2", "family": "f", "lineage": "l2"}
    lines = [{"default": {**WHO, "answers": list(answers)}}, {**own, "answers": [{"content": "own"}]}]
    file = path / "answers.jsonl"
    file.write_text("\n".join(json.dumps(line) for line in lines), encoding="utf-8")
    return file


class Client:
    """Posts chat completions to one server."""

    def __init__(self, session: aiohttp.ClientSession, base: str) -> None:
        self.session, self.base = session, base

    def chat(self, prompt: Any = "hello", model: str = "m1", **fields: Any) -> Any:
        """Return the context manager of one request."""
        body = {"model": model, "messages": [{"role": "user", "content": prompt}], **fields}
        return self.session.post(f"{self.base}/v1/chat/completions", json=body)


@pytest.fixture
async def serve(tmp_path: Path) -> AsyncIterator[Any]:
    """Return a function that starts a server with some answers and gives its client."""
    cleanups: list[Any] = []

    async def begin(*answers: dict[str, Any], key: str | None = None) -> Client:
        runner, port = await start(RecordedServer(load_recorded([recorded(tmp_path, *answers)]), key), "127.0.0.1", 0)
        session = aiohttp.ClientSession()
        cleanups.extend([session.close, runner.cleanup])
        return Client(session, f"http://127.0.0.1:{port}")

    yield begin
    for cleanup in cleanups:
        await cleanup()


async def events(response: aiohttp.ClientResponse) -> list[str]:
    """Return the data of every server-sent event."""
    text = (await response.read()).decode()
    return [line.removeprefix("data: ") for line in text.split("\n") if line.startswith("data: ")]


async def test_completion_has_the_shape_of_the_protocol(serve: Any) -> None:
    """A plain answer is a chat completion with content, finish reason and usage."""
    usage = {"prompt_tokens": 3, "completion_tokens": 5}
    client = await serve({"content": PARIS, "usage": usage, "finish_reason": "length"})
    async with client.chat() as response:
        body = await response.json()
    assert response.status == 200
    assert body["object"] == "chat.completion"
    assert body["model"] == "m1"
    assert body["choices"][0]["message"] == {"role": "assistant", "content": PARIS}
    assert body["choices"][0]["finish_reason"] == "length"
    assert body["usage"] == {**usage, "total_tokens": 8}


async def test_stream_adds_up_to_the_answer(serve: Any) -> None:
    """The pieces of a stream are the whole content, then a finish reason, the usage and the end mark."""
    client = await serve({"content": PARIS, "latency_ms": 20, "first_token_ms": 5})
    async with client.chat(stream=True) as response:
        assert response.content_type == "text/event-stream"
        data = await events(response)
    assert data[-1] == "[DONE]"
    chunks = [json.loads(d) for d in data[:-1]]
    assert "".join(c["choices"][0]["delta"].get("content", "") for c in chunks if c["choices"]) == PARIS
    assert [c["choices"][0]["finish_reason"] for c in chunks if c["choices"]][-1] == "stop"
    assert chunks[-1]["usage"]["total_tokens"] == 0


@pytest.mark.parametrize("stream", [False, True])
async def test_recorded_error_has_its_status_and_retry_after(serve: Any, stream: bool) -> None:
    """An error is the same whether a stream was asked for or not."""
    client = await serve({"error": {"status": 429, "retry_after_s": 2}})
    async with client.chat(stream=stream) as response:
        assert (response.status, response.headers["Retry-After"]) == (429, "2")
        assert (await response.json())["error"]["code"] == "recorded_fault"


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize("after", [0, 7, 1000])
async def test_cut_answer_drops_the_connection_inside_the_body(serve: Any, stream: bool, after: int) -> None:
    """What was recorded as broken off never ends properly, wherever the cut lies."""
    client = await serve({"content": PARIS, "cut_after_chars": after})
    async with client.chat(stream=stream) as response:
        assert response.status == 200
        with pytest.raises(aiohttp.ClientPayloadError):
            await response.read()


async def test_hanging_answer_sends_nothing(serve: Any) -> None:
    """Silence is silence, until the client leaves; the server then serves others."""
    client = await serve({"hang": True}, {"content": "next"})
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.2), client.chat():
            pass
    async with client.chat() as response:
        assert (await response.json())["choices"][0]["message"]["content"] == "next"


async def test_seed_chooses_and_prompts_are_read_from_parts(serve: Any) -> None:
    """The seed picks the answer, negative ones too; a prompt in text parts is the same prompt."""
    client = await serve({"content": "zero"}, {"content": "one"}, {"content": "two"})
    for seed, content in ((0, "zero"), (4, "one"), (-1, "two")):
        async with client.chat(seed=seed) as response:
            assert (await response.json())["choices"][0]["message"]["content"] == content
    parts = [{"type": "text", "text": "mi"}, {"type": "text", "text": "ne"}]
    async with client.chat(parts, model="m2") as response:
        assert (await response.json())["choices"][0]["message"]["content"] == "own"


async def test_bad_requests_get_the_protocols_errors(serve: Any) -> None:
    """Unknown model, unknown prompt, malformed body, wrong route and oversized body each say what they are."""
    client = await serve({"content": "x"})
    async with client.chat(model="absent") as response:
        assert (response.status, (await response.json())["error"]["code"]) == (404, "model_not_found")
    async with client.chat("unknown", model="m2") as response:
        assert (response.status, (await response.json())["error"]["code"]) == (404, "prompt_not_recorded")
    url = f"{client.base}/v1/chat/completions"
    async with client.session.post(url, data=b"{") as response:
        assert (response.status, (await response.json())["error"]["code"]) == (400, "invalid_request")
    async with client.session.get(url) as response:
        assert response.status == 404
    async with client.chat("x" * (2 << 20)) as response:
        assert response.status == 200
    async with client.chat("x" * MAX_REQUEST_BYTES) as response:
        assert response.status == 413


async def test_models_are_listed(serve: Any) -> None:
    """Every recorded voter is a model."""
    client = await serve({"content": "x"})
    async with client.session.get(f"{client.base}/v1/models") as response:
        assert [m["id"] for m in (await response.json())["data"]] == ["m1", "m2"]


async def test_every_route_needs_the_key_where_there_is_one(serve: Any) -> None:
    """Without the right key nothing is answered, with it everything is."""
    client = await serve({"content": "x"}, key="sesame")
    for authorization in ("", "Bearer", "Bearer sesam", "Bearer sesame2", "sesame"):
        client.session.headers["Authorization"] = authorization
        async with client.chat() as response:
            assert response.status == 401
        async with client.session.get(f"{client.base}/v1/models") as response:
            assert response.status == 401
    client.session.headers["Authorization"] = "Bearer sesame"
    async with client.chat() as response:
        assert response.status == 200


def test_command_line_prints_its_port_and_refuses_bad_answers(tmp_path: Path) -> None:
    """Started as a program it says where it listens, in one line of JSON; bad answers end it with 2."""
    command = [sys.executable, "-m", "models.recorded_server", "--answers"]
    file = recorded(tmp_path, {"content": "x"})
    with subprocess.Popen([*command, str(file)], stdout=subprocess.PIPE, text=True) as server:  # noqa: S603
        assert server.stdout is not None
        said = json.loads(server.stdout.readline())
        server.terminate()
    assert said["port"] > 0
    assert said["voters"] == ["m1", "m2"]
    file.write_text("nonsense")
    failed = subprocess.run([*command, str(file)], capture_output=True, text=True, check=False)  # noqa: S603
    assert failed.returncode == 2
    assert f"{file}:1" in failed.stderr
