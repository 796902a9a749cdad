"""What is the same for all three providers: answers, their faults as recorded, ids, counts, refusals."""

import asyncio
import json
from typing import Any

import pytest

from models.protocol_servers.faults import Counts
from models.recorded_server import MAX_REQUEST_BYTES
from tests.models.protocol_servers.world import ANSWER, KEY, TEXT, Heard, Serve

PROTOCOLS = ("openai", "anthropic", "gemini")
FINISHES = {
    "openai": {"stop": "stop", "length": "length", "content_filter": "content_filter"},
    "anthropic": {"stop": "end_turn", "length": "max_tokens", "content_filter": "refusal"},
    "gemini": {"stop": "STOP", "length": "MAX_TOKENS", "content_filter": "SAFETY"},
}


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize("protocol", PROTOCOLS)
async def test_answer_usage_and_finish_reasons(serve: Serve, protocol: str, stream: bool) -> None:
    """Text, token counts and every finish reason arrive in the provider's own words, whole and streamed."""
    provider = await serve(protocol, *({**ANSWER, "finish_reason": reason} for reason in FINISHES[protocol]))
    for reason in FINISHES[protocol].values():
        assert await provider.ask(stream=stream) == Heard(TEXT, reason, 3, 40)
    await provider.counted(received=3, answered=3, faulted=0, cancelled=0)


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize("protocol", PROTOCOLS)
async def test_wrong_key_is_rejected_and_counts_for_no_model(serve: Serve, protocol: str, stream: bool) -> None:
    """A request with a wrong key gets the provider's own refusal; no model has received it."""
    provider = await serve(protocol, key="sk-wrong")
    with pytest.raises(Exception, match=r"401|400") as caught:
        await provider.ask(stream=stream)
    assert type(caught.value).__name__ == ("ClientError" if protocol == "gemini" else "AuthenticationError")
    assert provider.server.rejected == 1
    assert provider.server.counts["m1"] == Counts()


@pytest.mark.parametrize("protocol", PROTOCOLS)
async def test_absent_model_is_not_found(serve: Serve, protocol: str) -> None:
    """A model that is not recorded is the provider's 404, and no fault is spent on it."""
    provider = await serve(protocol)
    await provider.control({"fault": "server_error", "remaining": 1})
    with pytest.raises(Exception, match="404"):
        await provider.ask(stream=False, model="absent")
    assert provider.server.rejected == 1
    assert (await provider.control())[1]["orders"][0]["remaining"] == 1


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize("protocol", PROTOCOLS)
async def test_recorded_faults_are_played(serve: Serve, protocol: str, stream: bool) -> None:
    """A recorded error has its status, a recorded cut is no answer, and both count as faults."""
    provider = await serve(
        protocol, {"error": {"status": 503}}, {"content": TEXT, "cut_after_chars": 20}, {"content": "whole"}
    )
    with pytest.raises(Exception, match="503"):
        await provider.ask(stream=stream)
    with pytest.raises(Exception) as caught:  # noqa: PT011 - each SDK has its own; that none answers is the point
        await provider.ask(stream=stream)
    assert "503" not in str(caught.value)
    assert (await provider.ask(stream=stream)).text == "whole"
    await provider.counted(received=3, answered=1, faulted=2, cancelled=0)


@pytest.mark.parametrize("protocol", PROTOCOLS)
async def test_recorded_silence_ends_when_the_client_leaves(serve: Serve, protocol: str) -> None:
    """A recorded hang is silence; the client that gives up is counted."""
    provider = await serve(protocol, {"hang": True}, patience_s=0.2)
    with pytest.raises(Exception, match=r"(?i)time|^$"):
        await provider.ask(stream=False)
    await provider.counted(received=1, answered=0, faulted=1, cancelled=1)


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize("protocol", PROTOCOLS)
async def test_recorded_latency_is_spent(serve: Serve, protocol: str, stream: bool) -> None:
    """An answer takes as long as it was recorded to take."""
    provider = await serve(protocol, {**ANSWER, "latency_ms": 150, "first_token_ms": 50})
    loop = asyncio.get_running_loop()
    begun = loop.time()
    assert (await provider.ask(stream=stream)).text == TEXT
    assert loop.time() - begun >= 0.15


@pytest.mark.parametrize("protocol", PROTOCOLS)
async def test_oversized_request_is_refused_in_the_providers_shape(serve: Serve, protocol: str) -> None:
    """A body above the bound is the provider's 413."""
    provider = await serve(protocol)
    with pytest.raises(Exception, match="413"):
        await provider.ask(stream=False, prompt="x" * MAX_REQUEST_BYTES)
    assert provider.server.rejected == 1


@pytest.mark.parametrize("protocol", PROTOCOLS)
async def test_concurrent_requests_are_counted_exactly(serve: Serve, protocol: str) -> None:
    """A hundred requests at once are a hundred."""
    provider = await serve(protocol)
    await provider.control({"fault": "server_error", "remaining": 30})
    heard = await asyncio.gather(*(provider.ask(stream=bool(n % 2)) for n in range(100)), return_exceptions=True)
    assert sum(isinstance(one, Exception) for one in heard) == 30
    await provider.counted(received=100, answered=70, faulted=30, cancelled=0)


async def test_abandoned_answers_are_cancelled(serve: Serve) -> None:
    """A client that leaves in the middle of a right answer is counted as such, and the answer as none."""
    provider = await serve("openai", {**ANSWER, "latency_ms": 60_000, "first_token_ms": 1})
    asked = asyncio.create_task(provider.ask(stream=True))
    await provider.counted(received=1, answered=0, faulted=0, cancelled=0)
    asked.cancel()
    with pytest.raises(asyncio.CancelledError):
        await asked
    await provider.counted(received=1, answered=0, faulted=0, cancelled=1)


async def test_stopping_is_not_a_client_that_left(serve: Serve) -> None:
    """Requests that end because the server does are not counted as cancelled."""
    provider = await serve("openai", {"hang": True})
    asked: asyncio.Task[Any] = asyncio.create_task(provider.ask(stream=False))
    await provider.counted(received=1, answered=0, faulted=1, cancelled=0)
    await provider.server.stop()
    with pytest.raises(Exception, match="Connection error"):
        await asked
    assert provider.server.counts["m1"].cancelled == 0


async def test_a_client_that_leaves_at_once_is_no_error_of_the_server(
    serve: Serve, caplog: pytest.LogCaptureFixture
) -> None:
    """Whoever is gone before a first byte could be sent is counted as having left, and logged as nothing worse."""
    provider = await serve("openai")
    body = json.dumps({"model": "m1", "messages": [{"role": "user", "content": "hello"}], "stream": True}).encode()
    head = (
        f"POST /v1/chat/completions HTTP/1.1\r\nHost: h\r\nAuthorization: Bearer {KEY}\r\nContent-Length: {len(body)}"
    )
    for _ in range(10):
        _, writer = await asyncio.open_connection("127.0.0.1", provider.server.port)
        writer.write(head.encode() + b"\r\n\r\n" + body)
        writer.close()
    await provider.counted(received=10, answered=0, faulted=0, cancelled=10)
    assert [record.getMessage() for record in caplog.records if record.levelname == "ERROR"] == []
