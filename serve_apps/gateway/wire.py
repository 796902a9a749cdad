"""ASGI in the small: read a bounded body, send one response. The hot path uses this without a framework."""

from collections.abc import Awaitable, Callable, Iterable, MutableMapping
from typing import Any

from actors.base.errors import PromptTooLarge, WeaverGenError
from serve_apps.gateway.problems import Header, problem

Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]


class ClientGone(Exception):
    """The client went away before its request was read."""


async def read_body(receive: Receive, max_bytes: int) -> bytes:
    """Return the request's body; raise ``PromptTooLarge`` beyond ``max_bytes``."""
    message = await receive()
    body: bytes = message.get("body", b"")
    while message["type"] == "http.request" and message.get("more_body", False) and len(body) <= max_bytes:
        message = await receive()
        body += message.get("body", b"")
    if message["type"] != "http.request":
        raise ClientGone
    if len(body) > max_bytes:
        raise PromptTooLarge(f"the body has more than {max_bytes} bytes")
    return body


async def send_response(send: Send, status: int, headers: Iterable[Header], body: bytes) -> None:
    """Send one whole response."""
    length = (b"content-length", str(len(body)).encode())
    await send({"type": "http.response.start", "status": status, "headers": [*headers, length]})
    await send({"type": "http.response.body", "body": body})


async def send_problem(send: Send, error: WeaverGenError) -> None:
    """Send an error."""
    told = problem(error)
    await send_response(send, told.status, told.headers, told.body)
