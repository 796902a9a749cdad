"""ASGI in the small: read a bounded body, send one response. The hot path uses this without a framework."""

import asyncio
from collections.abc import Awaitable, Callable, Iterable, MutableMapping
from typing import Any

from actors.base.errors import InvalidRequest, PromptTooLarge, WeaverGenError
from serve_apps.gateway.problems import Header, problem

Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]


class ClientGone(Exception):
    """The client went away before its request was read."""


async def read_body(receive: Receive, max_bytes: int, timeout_s: float) -> bytes:
    """Return the request's body; raise ``PromptTooLarge`` beyond ``max_bytes``, ``InvalidRequest`` after ``timeout_s``."""
    body = bytearray()
    try:
        async with asyncio.timeout(timeout_s):
            while True:
                message = await receive()
                if message["type"] != "http.request":
                    raise ClientGone
                body += message.get("body", b"")
                if len(body) > max_bytes:
                    raise PromptTooLarge(f"the body has more than {max_bytes} bytes", "body")
                if not message.get("more_body", False):
                    return bytes(body)
    except TimeoutError:
        raise InvalidRequest(f"the body did not arrive within {timeout_s:g} s; send it again", "body") from None


def require_no_body(headers: Iterable[Header]) -> None:
    """Raise ``InvalidRequest`` if a request announces a body: it would be kept in memory and read by nobody."""
    for name, value in headers:
        if name == b"transfer-encoding" or (name == b"content-length" and value.strip(b"0 ")):
            raise InvalidRequest("this path takes no body; leave it out", "body")


async def send_response(send: Send, status: int, headers: Iterable[Header], body: bytes) -> None:
    """Send one whole response."""
    length = (b"content-length", str(len(body)).encode())
    await send({"type": "http.response.start", "status": status, "headers": [*headers, length]})
    await send({"type": "http.response.body", "body": body})


async def send_problem(send: Send, error: WeaverGenError) -> None:
    """Send an error."""
    told = problem(error)
    await send_response(send, told.status, told.headers, told.body)
