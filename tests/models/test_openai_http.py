"""The HTTP voter against the recorded server and against servers that break the protocol: a right answer or a VoterError."""

import asyncio
import gzip
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest

from models.errors import (
    VoterEmpty,
    VoterError,
    VoterFailed,
    VoterInvalid,
    VoterRefused,
    VoterTimeout,
    VoterTooLong,
)
from models.http1 import ConnectionPool
from models.openai_http import OpenAIHttpVoter
from models.providers.failures import retry_after_s
from models.recorded import RecordedVoter, load_recorded
from models.recorded_server import RecordedServer, start
from models.voter import Candidate, Message, Sampling, VoterInfo, VoterRequest

INFO = VoterInfo("m1", "f", "l")
REQUEST = VoterRequest(
    "r", (Message("system", "be brief"), Message("user", "hello")), Sampling(max_tokens=8, seed=1), 2
)
GOOD = {"choices": [{"message": {"role": "assistant", "content": "Paris"}, "finish_reason": "stop"}]}

Handler = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


@pytest.fixture
async def session() -> AsyncIterator[ConnectionPool]:
    """Return one shared pool."""
    shared = ConnectionPool(max_connections=16)
    yield shared
    shared.close()


@pytest.fixture
async def raw() -> AsyncIterator[Callable[[Handler], Awaitable[str]]]:
    """Return a function that serves a handler of bare sockets and gives its base URL."""
    servers: list[asyncio.Server] = []

    async def begin(handler: Handler) -> str:
        servers.append(await asyncio.start_server(handler, "127.0.0.1", 0))
        return f"http://127.0.0.1:{servers[-1].sockets[0].getsockname()[1]}/v1"

    yield begin
    for server in servers:
        server.close()


async def read_request(reader: asyncio.StreamReader) -> tuple[bytes, bytes]:
    """Return head and body of one HTTP request."""
    head = await reader.readuntil(b"\r\n\r\n")
    length = next(int(h.split(b":")[1]) for h in head.split(b"\r\n") if h.lower().startswith(b"content-length"))
    return head, await reader.readexactly(length)


def saying(*parts: bytes, reset: bool = False) -> Handler:
    """Return a handler that sends these bytes and closes."""

    async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await read_request(reader)
        for part in parts:
            writer.write(part)
        if reset:
            writer.transport.abort()
        writer.close()

    return handle


def reply(body: bytes, *headers: bytes, status: bytes = b"200 OK", content_type: bytes = b"application/json") -> bytes:
    """Return the bytes of one HTTP response."""
    lines = [b"HTTP/1.1 " + status, b"Content-Type: " + content_type, b"Content-Length: %d" % len(body), *headers]
    return b"\r\n".join(lines) + b"\r\n\r\n" + body


def body(**choice: Any) -> bytes:
    """Return a completion whose only choice is changed."""
    return json.dumps({"choices": [GOOD["choices"][0] | choice]}).encode()


async def outcome(voter: Any) -> Candidate | tuple[type[VoterError], str, float | None]:
    """Return the candidate, or class, vote outcome and retry-after of the error."""
    try:
        return await voter.ask(REQUEST)
    except VoterError as error:
        return type(error), error.outcome, error.retry_after_s


@pytest.mark.parametrize(
    "answer",
    [
        {"content": "Paris", "usage": {"prompt_tokens": 3, "completion_tokens": 5}},
        {"content": "Par", "finish_reason": "length", "latency_ms": 5},
        {"content": ""},
        {"content": "no", "finish_reason": "content_filter"},
        {"content": "Paris is the capital", "cut_after_chars": 5},
        {"error": {"status": 429, "retry_after_s": 2}},
        {"error": {"status": 429, "retry_after_s": 0.5}},
        {"error": {"status": 503, "retry_after_s": 1_234_567}},
        {"error": {"status": 429}},
        *({"error": {"status": status}} for status in (400, 401, 404, 413, 500, 502, 503, 529)),
    ],
)
async def test_over_http_means_what_it_means_in_process(
    tmp_path: Path, session: ConnectionPool, answer: dict[str, Any]
) -> None:
    """A recorded answer or fault has the same outcome through the server and the client as without both."""
    file = tmp_path / "answers.jsonl"
    wrong = {"content": "another answer"}
    who = {"voter": "m1", "family": "f", "lineage": "l"}
    # Seed 1 and sample 2 ask for answer 3 of 4: the sample must arrive as part of the seed.
    file.write_text(json.dumps({"default": {**who, "answers": [wrong, wrong, wrong, answer]}}))
    answers = load_recorded([file])
    runner, port = await start(RecordedServer(answers, "key"), "127.0.0.1", 0)
    try:
        voter = OpenAIHttpVoter(INFO, f"http://127.0.0.1:{port}/v1", "m1", "key", session)
        assert await outcome(voter) == await outcome(RecordedVoter(INFO, answers))
        assert voter.info is INFO
    finally:
        await runner.cleanup()


@pytest.mark.parametrize(
    ("response", "error"),
    [
        (reply(b"{"), VoterInvalid),
        (reply(b"null"), VoterInvalid),
        (reply(b'{"choices": []}'), VoterInvalid),
        (reply(b'{"error": {"message": "late"}}'), VoterInvalid),
        (reply(b'{"choices": [{"message": {"content": 5}, "finish_reason": "stop"}]}'), VoterInvalid),
        (reply(body(finish_reason=None)), VoterInvalid),
        (reply(body(finish_reason="tool_calls")), VoterInvalid),
        (reply(body(message={"content": None})), VoterEmpty),
        (reply(body()[:-1] + b', "error": {"message": "broken"}}'), VoterInvalid),
        (reply(body()[:-1] + b', "usage": {"prompt_tokens": -5}}'), VoterInvalid),
        (reply(body()[:-1] + b', "usage": {"completion_tokens": 1' + b"0" * 30 + b"}}"), VoterInvalid),
        (reply(body()[:-1] + b', "usage": {"completion_tokens": 2147483648}}'), VoterInvalid),
        (reply(body(), status=b"400 Bad Request"), VoterFailed),
        (reply(body(), status=b"413 Content Too Large"), VoterTooLong),
        (b"HTTP/1.1 101 Switching\r\nUpgrade: x\r\nConnection: upgrade\r\n\r\nhello", VoterFailed),
        (reply(body(message={"content": None, "refusal": "I will not"})), VoterRefused),
        (reply(body(), content_type=b"text/html"), VoterInvalid),
        (reply(b'data: {"choices": []}\n\n', content_type=b"text/event-stream"), VoterInvalid),
        (reply(gzip.compress(body()), b"Content-Encoding: gzip"), VoterInvalid),
        (reply(b"x" * 2000), VoterInvalid),
        (b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n\r\n" + b"x" * 2000, VoterInvalid),
        (b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n", VoterFailed),
        (reply(body(), status=b"307 Temporary Redirect"), VoterFailed),
        (reply(body(), status=b"204 No Content"), VoterFailed),
        (reply(body())[:-3], VoterFailed),
        (b"HTTP/1.1 200 OK\r\nContent-", VoterFailed),
        (b"SSH-2.0-OpenSSH\r\n", VoterFailed),
        (b"", VoterFailed),
    ],
)
async def test_broken_protocol_is_a_voter_error(
    raw: Any, session: ConnectionPool, response: bytes, error: type[VoterError]
) -> None:
    """Malformed, truncated, oversized, compressed, redirected and empty responses are never candidates."""
    voter = OpenAIHttpVoter(INFO, await raw(saying(response)), "m", None, session, max_response_bytes=1000)
    with pytest.raises(error) as caught:
        await voter.ask(REQUEST)
    assert type(caught.value) is error


@pytest.mark.parametrize("response", [b'{"x": ' + b"[" * 100_000, body()[:-1] + b', "error": ' + b"[" * 100_000])
async def test_an_answer_nested_without_end_costs_the_ballot(
    raw: Any, session: ConnectionPool, response: bytes
) -> None:
    """Nesting deeper than the reader goes is one more malformed answer."""
    voter = OpenAIHttpVoter(INFO, await raw(saying(reply(response))), "m", None, session)
    with pytest.raises(VoterInvalid):
        await voter.ask(REQUEST)


COMPLAINT = b'{"error": {"message": "This model\'s maximum context length is 2048 tokens.", "code": 400}}'


@pytest.mark.parametrize("again", [reply(body()), reply(COMPLAINT, status=b"400 Bad Request")])
async def test_what_does_not_fit_is_asked_again_for_the_room_that_is_left(
    raw: Any, session: ConnectionPool, again: bytes
) -> None:
    """Without ``max_tokens`` the server fills the rest of its context; a prompt that leaves none is too long."""
    seen: list[dict[str, Any]] = []

    async def refuse_first(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        for answer in (reply(COMPLAINT, status=b"400 Bad Request"), again):
            seen.append(json.loads((await read_request(reader))[1]))
            writer.write(answer)
        writer.close()

    voter = OpenAIHttpVoter(INFO, await raw(refuse_first), "m", None, session)
    assert await outcome(voter) == (
        Candidate("Paris", "stop", 0, 0) if again == reply(body()) else (VoterTooLong, "refused", None)
    )
    assert seen[0].pop("max_tokens") == 8
    assert seen[1] == seen[0]


async def test_a_prompt_that_certainly_does_not_fit_is_not_sent(session: ConnectionPool) -> None:
    """A server is spared what its context cannot hold."""
    voter = OpenAIHttpVoter(VoterInfo("m1", "f", "l", 256), "http://127.0.0.1:9/v1", "m", None, session)
    with pytest.raises(VoterTooLong):
        await voter.ask(VoterRequest("r", (Message("user", "a " * 300),), Sampling(max_tokens=8)))


async def test_body_without_length_is_read_whole(raw: Any, session: ConnectionPool) -> None:
    """A chunked answer below the bound is an answer."""
    chunked = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n"
    text = body()
    parts = b"".join(b"%x\r\n%s\r\n" % (len(p), p) for p in (text[:9], text[9:])) + b"0\r\n\r\n"
    voter = OpenAIHttpVoter(INFO, await raw(saying(chunked + parts)), "m", None, session)
    assert (await voter.ask(REQUEST)).content == "Paris"


@pytest.mark.parametrize(
    ("metrics", "told"),
    [
        ({"queue_time_ms": 5.0, "time_to_first_token_ms": 20.0}, 25),
        ({"time_to_first_token_ms": "soon"}, None),
        (["?"], None),
    ],
)
async def test_a_server_may_tell_when_the_first_token_came(
    raw: Any, session: ConnectionPool, metrics: object, told: int | None
) -> None:
    """As vLLM does; what is no time there makes the answer no worse."""
    text = json.dumps(GOOD | {"metrics": metrics}).encode()
    head = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n" % len(text)
    voter = OpenAIHttpVoter(INFO, await raw(saying(head + text)), "m", None, session)
    candidate = await voter.ask(REQUEST)
    assert (candidate.content, candidate.first_token_ms) == ("Paris", told)


async def test_refused_and_reset_connections_are_failures(raw: Any, session: ConnectionPool) -> None:
    """Nobody listening and a reset in the middle cost the ballot."""
    with pytest.raises(VoterFailed, match="cannot be connected to"):
        await OpenAIHttpVoter(INFO, "http://127.0.0.1:9/v1", "m", None, session).ask(REQUEST)
    url = await raw(saying(reply(body())[:-3], reset=True))
    with pytest.raises(VoterFailed, match="broke off"):
        await OpenAIHttpVoter(INFO, url, "m", None, session).ask(REQUEST)


@pytest.mark.parametrize("sent", [b"", reply(body())[:-3]])
async def test_silent_and_stalled_servers_time_out(raw: Any, session: ConnectionPool, sent: bytes) -> None:
    """A server that never starts and one that stops inside the body both run into the voter's own timeout."""
    left = asyncio.Event()

    async def stall(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await read_request(reader)
        writer.write(sent)
        await reader.read()
        left.set()
        writer.close()

    voter = OpenAIHttpVoter(INFO, await raw(stall), "m", None, session, timeout_s=0.1)
    with pytest.raises(VoterTimeout) as caught:
        await voter.ask(REQUEST)
    assert caught.value.outcome == "timeout"
    await asyncio.wait_for(left.wait(), 5)


async def test_cancellation_closes_the_connection(raw: Any, session: ConnectionPool) -> None:
    """The upstream sees the end of the connection, so that it can stop working, and no error replaces the cancellation."""
    arrived, left = asyncio.Event(), asyncio.Event()

    async def hang(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await read_request(reader)
        arrived.set()
        await reader.read()
        left.set()
        writer.close()

    task = asyncio.create_task(OpenAIHttpVoter(INFO, await raw(hang), "m", None, session).ask(REQUEST))
    await asyncio.wait_for(arrived.wait(), 5)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    await asyncio.wait_for(left.wait(), 5)


async def test_request_carries_key_sampling_and_stop_strings(raw: Any, session: ConnectionPool) -> None:
    """What goes out is exactly what was asked, in the protocol's names, nothing unset; the key only as a header."""
    seen: list[tuple[bytes, bytes]] = []

    async def remember(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        seen.append(await read_request(reader))
        writer.write(reply(body(), b"Connection: close"))
        writer.close()

    voter = OpenAIHttpVoter(INFO, await raw(remember), "model-x", "s3cret", session, stop=("\nQ:",))
    await voter.ask(REQUEST)
    await voter.ask(
        VoterRequest("r", REQUEST.messages, Sampling(max_tokens=9, temperature=0.0, top_p=0.5, stop=("END",)))
    )
    messages = [{"role": "system", "content": "be brief"}, {"role": "user", "content": "hello"}]
    assert seen[0][0].startswith(b"POST /v1/chat/completions HTTP/1.1\r\n")
    assert b"Authorization: Bearer s3cret\r\n" in seen[0][0]
    assert json.loads(seen[0][1]) == {
        "model": "model-x", "messages": messages, "max_tokens": 8, "seed": 3, "stop": ["\nQ:"],
    }  # fmt: skip
    assert json.loads(seen[1][1]) == {
        "model": "model-x", "messages": messages, "max_tokens": 9, "temperature": 0.0, "top_p": 0.5, "stop": ["END", "\nQ:"],
    }  # fmt: skip


async def test_errors_do_not_repeat_what_a_server_said(raw: Any, session: ConnectionPool) -> None:
    """Servers echo keys in their errors; ours carry the status and nothing of the text."""
    url = await raw(saying(reply(b'{"error": {"message": "bad key s3cret"}}', status=b"401 Unauthorized")))
    voter = OpenAIHttpVoter(INFO, url, "m", "s3cret", session)
    with pytest.raises(VoterFailed, match="status 401") as caught:
        await voter.ask(REQUEST)
    assert "s3cret" not in str(caught.value)
    assert "s3cret" not in repr(caught.value)
    assert "s3cret" not in repr(voter)


@pytest.mark.parametrize(
    ("headers", "expected"),
    [
        ({}, None),
        ({"Retry-After": "2"}, 2.0),
        ({"Retry-After": "0.25"}, 0.25),
        ({"Retry-After": "-1"}, 0.0),
        ({"Retry-After": "inf"}, 3600.0),
        ({"Retry-After": "nan"}, None),
        ({"Retry-After": "soon"}, None),
        ({"Retry-After": "Wed, 21 Oct 2026 07:28:30 GMT", "Date": "Wed, 21 Oct 2026 07:28:00 GMT"}, 30.0),
        ({"Retry-After": "Wed, 21 Oct 2026 07:28:30 GMT"}, None),
        (
            {"Retry-After": "Fri, 31 Dec 99999999999999999999 23:59:59 GMT", "Date": "Wed, 21 Oct 2026 07:28:00 GMT"},
            None,
        ),
        ({"Retry-After": "Wed, 21 Oct 2026 07:28:30 GMT", "Date": "Wed, 21 Oct 2026 07:28:00 -0000"}, None),
    ],
)
def test_retry_after_in_every_form(headers: dict[str, str], expected: float | None) -> None:
    """Seconds and dates are understood and bounded; anything else is as good as absent."""
    assert retry_after_s({name.lower().encode(): value.encode() for name, value in headers.items()}) == expected
