"""Every fault as the official SDKs meet it, whole and streamed, and as the bytes on a socket."""

import asyncio
import json
from typing import Any

import aiohttp
import anthropic
import httpx2
import openai
import pytest
from google.genai import errors

from models.protocol_servers.faults import Fault, Order
from tests.models.protocol_servers.world import KEY, TEXT, Heard, Provider, Serve

HALF = TEXT[:48]
HANGING = {Fault.SILENT, Fault.STALLED_STREAM}
OpenAIDown, ClaudeDown = openai.InternalServerError, anthropic.InternalServerError
NOTHING = Heard("", None, None, None)

SEEN: dict[str, dict[Fault, tuple[Any, Any]]] = {
    "openai": {
        Fault.RATE_LIMITED: (openai.RateLimitError, openai.RateLimitError),
        Fault.SERVER_ERROR: (OpenAIDown, OpenAIDown),
        Fault.BAD_GATEWAY: (OpenAIDown, OpenAIDown),
        Fault.UNAVAILABLE: (OpenAIDown, OpenAIDown),
        Fault.OVERLOADED: (OpenAIDown, OpenAIDown),
        Fault.CONNECTION_REFUSED: (openai.APIConnectionError, openai.APIConnectionError),
        Fault.RESET_MID_BODY: (openai.APIConnectionError, openai.APIConnectionError),
        Fault.SILENT: (openai.APITimeoutError, openai.APITimeoutError),
        Fault.STALLED_STREAM: (openai.APITimeoutError, openai.APITimeoutError),
        Fault.CUT_STREAM: (openai.APIConnectionError, Heard(HALF, None, None, None)),  # no error, no finish reason
        Fault.MALFORMED_JSON: (json.JSONDecodeError, json.JSONDecodeError),
        Fault.MALFORMED_SSE: (openai.APIConnectionError, Heard(HALF, None, None, None)),
        Fault.EMPTY_ANSWER: (Heard("", "stop", 3, 0), Heard("", "stop", 3, 0)),
        Fault.ERROR_EVENT: (TypeError, openai.APIError),  # whole: a completion whose choices are None
        Fault.WRONG_CONTENT_TYPE: (AttributeError, NOTHING),  # whole: the page as a str; streamed: no event at all
    },
    "anthropic": {
        Fault.RATE_LIMITED: (anthropic.RateLimitError, anthropic.RateLimitError),
        Fault.SERVER_ERROR: (ClaudeDown, ClaudeDown),
        Fault.BAD_GATEWAY: (ClaudeDown, ClaudeDown),
        Fault.UNAVAILABLE: (anthropic.ServiceUnavailableError, anthropic.ServiceUnavailableError),
        Fault.OVERLOADED: (anthropic.OverloadedError, anthropic.OverloadedError),
        Fault.CONNECTION_REFUSED: (anthropic.APIConnectionError, anthropic.APIConnectionError),
        Fault.RESET_MID_BODY: (anthropic.APIConnectionError, httpx2.ReadError),  # streams leak the transport's errors
        Fault.SILENT: (anthropic.APITimeoutError, anthropic.APITimeoutError),
        Fault.STALLED_STREAM: (anthropic.APITimeoutError, httpx2.ReadTimeout),
        Fault.CUT_STREAM: (anthropic.APIConnectionError, Heard(HALF, None, 3, None)),
        Fault.MALFORMED_JSON: (json.JSONDecodeError, json.JSONDecodeError),
        Fault.MALFORMED_SSE: (anthropic.APIConnectionError, Heard(HALF, None, 3, None)),
        Fault.EMPTY_ANSWER: (Heard("", "end_turn", 3, 0), Heard("", "end_turn", 3, 0)),
        Fault.ERROR_EVENT: (TypeError, anthropic.APIStatusError),  # whole: a message whose content is None
        Fault.WRONG_CONTENT_TYPE: (AttributeError, NOTHING),
    },
    "gemini": {
        Fault.RATE_LIMITED: (errors.ClientError, errors.ClientError),
        Fault.SERVER_ERROR: (errors.ServerError, errors.ServerError),
        Fault.BAD_GATEWAY: (errors.ServerError, errors.ServerError),
        Fault.UNAVAILABLE: (errors.ServerError, errors.ServerError),
        Fault.OVERLOADED: (errors.ServerError, errors.ServerError),
        Fault.CONNECTION_REFUSED: (aiohttp.ClientConnectorError, aiohttp.ClientConnectorError),
        Fault.RESET_MID_BODY: (aiohttp.ClientPayloadError, aiohttp.ClientPayloadError),
        Fault.SILENT: (TimeoutError, TimeoutError),
        Fault.STALLED_STREAM: (TimeoutError, TimeoutError),
        Fault.CUT_STREAM: (aiohttp.ClientPayloadError, Heard(HALF, None, 3, None)),
        Fault.MALFORMED_JSON: (json.JSONDecodeError, errors.UnknownApiResponseError),
        Fault.MALFORMED_SSE: (aiohttp.ClientResponseError, errors.UnknownApiResponseError),
        Fault.EMPTY_ANSWER: (Heard("", "STOP", 3, 0), Heard("", "STOP", 3, 0)),
        Fault.ERROR_EVENT: (TypeError, errors.ServerError),  # whole: a response whose candidates are None
        Fault.WRONG_CONTENT_TYPE: (json.JSONDecodeError, errors.UnknownApiResponseError),
    },
}
CASES = [
    pytest.param(protocol, fault, stream, id=f"{protocol}-{fault.value}-{'stream' if stream else 'whole'}")
    for protocol, seen in SEEN.items()
    for fault in seen
    for stream in (False, True)
]


@pytest.mark.parametrize(("protocol", "fault", "stream"), CASES)
async def test_fault_as_the_sdk_meets_it(serve: Serve, protocol: str, fault: Fault, stream: bool) -> None:
    """Each fault surfaces as the SDK's own error, as a stream without its end, or as something empty; never as the answer."""
    provider = await serve(protocol, patience_s=0.3 if fault in HANGING else 10.0)
    await provider.server.order(Order(fault=fault))
    expected = SEEN[protocol][fault][stream]
    if isinstance(expected, Heard):
        assert await provider.ask(stream=stream) == expected
    else:
        with pytest.raises(expected) as caught:
            await provider.ask(stream=stream)
        assert type(caught.value) is expected
    received = int(fault is not Fault.CONNECTION_REFUSED)
    await provider.counted(received=received, answered=0, faulted=received, cancelled=int(fault in HANGING))


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize("protocol", SEEN)
async def test_slow_first_token_is_the_right_answer_late(serve: Serve, protocol: str, stream: bool) -> None:
    """A slow answer is whole and right, and no earlier than ordered."""
    provider = await serve(protocol)
    at_once = await provider.ask(stream=stream)
    await provider.server.order(Order(fault=Fault.SLOW_FIRST_TOKEN, delay_s=0.2))
    loop = asyncio.get_running_loop()
    begun = loop.time()
    assert await provider.ask(stream=stream) == at_once
    assert loop.time() - begun >= 0.2
    await provider.counted(received=2, answered=2, faulted=1, cancelled=0)


def test_every_fault_is_met() -> None:
    """The table and the slow answer above cover all sixteen, for every provider."""
    assert len(Fault) == 16
    assert all(set(seen) == set(Fault) - {Fault.SLOW_FIRST_TOKEN} for seen in SEEN.values())


async def on_the_wire(provider: Provider, order: Order, *, stream: bool) -> tuple[bytes, str]:
    """Send one request by hand; return every byte of the response and how the connection ended."""
    await provider.server.order(order)
    body = json.dumps({"model": "m1", "messages": [{"role": "user", "content": "hello"}], "stream": stream}).encode()
    head = f"POST /v1/chat/completions HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {KEY}\r\nContent-Length: {len(body)}\r\n\r\n"
    reader, writer = await asyncio.open_connection("127.0.0.1", provider.server.port)
    writer.write(head.encode() + body)
    received, ended = b"", "open"
    try:
        async with asyncio.timeout(0.3):
            while part := await reader.read(65_536):
                received += part
            ended = "closed"
    except TimeoutError:
        ended = "open"
    except ConnectionResetError:
        ended = "reset"
    writer.close()
    return received, ended


@pytest.mark.parametrize("stream", [False, True])
async def test_reset_mid_body_is_a_reset(serve: Serve, stream: bool) -> None:
    """Half of the response arrives, then RST; a cut body ends with FIN instead."""
    provider = await serve("openai")
    received, ended = await on_the_wire(provider, Order(fault=Fault.RESET_MID_BODY), stream=stream)
    assert ended == "reset"
    assert received.startswith(b"HTTP/1.1 200 OK\r\n")
    assert b"[DONE]" not in received
    _, ended = await on_the_wire(provider, Order(fault=Fault.CUT_STREAM), stream=False)
    assert ended == "closed"


@pytest.mark.parametrize("stream", [False, True])
async def test_silence_is_not_one_byte(serve: Serve, stream: bool) -> None:
    """A silent upstream sends nothing and keeps the connection."""
    provider = await serve("openai")
    assert await on_the_wire(provider, Order(fault=Fault.SILENT), stream=stream) == (b"", "open")


@pytest.mark.parametrize("stream", [False, True])
async def test_stall_keeps_the_connection_open_after_half(serve: Serve, stream: bool) -> None:
    """A stalled answer has a head and half of itself, and does not end."""
    provider = await serve("openai")
    received, ended = await on_the_wire(provider, Order(fault=Fault.STALLED_STREAM), stream=stream)
    assert ended == "open"
    assert b"The capital" in received
    assert b"special" not in received


async def test_cut_stream_ends_properly_for_http(serve: Serve) -> None:
    """A cut stream's last chunk is there, the protocol's end mark is not, and the connection may be used again."""
    provider = await serve("openai")
    received, ended = await on_the_wire(provider, Order(fault=Fault.CUT_STREAM), stream=True)
    assert received.endswith(b"\r\n0\r\n\r\n")
    assert b"[DONE]" not in received
    assert b'"finish_reason":"stop"' not in received
    assert ended == "open"


async def test_misframed_body_has_a_chunk_length_that_is_no_number(serve: Serve) -> None:
    """A whole answer with broken framing announces chunks and then no length."""
    provider = await serve("openai")
    received, ended = await on_the_wire(provider, Order(fault=Fault.MALFORMED_SSE), stream=False)
    assert b"Transfer-Encoding: chunked" in received
    assert received.endswith(b"\r\nno length\r\n")
    assert ended == "closed"


async def test_stream_begins_before_a_slow_first_token(serve: Serve) -> None:
    """Head and opening of a slow stream come at once, its tokens do not."""
    provider = await serve("openai")
    order = Order(fault=Fault.SLOW_FIRST_TOKEN, delay_s=60)
    received, ended = await on_the_wire(provider, order, stream=True)
    assert b'"role":"assistant"' in received
    assert b"The capital" not in received
    assert ended == "open"
    assert await on_the_wire(provider, order, stream=False) == (b"", "open")


async def test_client_that_leaves_ends_a_silence(serve: Serve) -> None:
    """The upstream notices an abandoned request: it counts as cancelled, and the server goes on."""
    provider = await serve("openai")
    await on_the_wire(provider, Order(fault=Fault.SILENT), stream=True)
    await provider.counted(received=1, answered=0, faulted=1, cancelled=1)
    await provider.server.order(Order(fault=None))
    assert (await provider.ask(stream=True)).text == TEXT
