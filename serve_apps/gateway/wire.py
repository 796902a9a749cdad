"""ASGI in the small: read a bounded body, send one response. The hot path uses this without a framework."""

import asyncio
from collections.abc import Awaitable, Callable, Iterable, MutableMapping
from typing import Any, TypeVar

from actors.base.errors import InvalidRequest, PromptTooLarge, WeaverGenError
from actors.base.patience import within
from serve_apps.gateway.problems import Header, problem

Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]
T = TypeVar("T")
WATCH_AFTER_S = 0.1


class ClientGone(Exception):
    """The client went away before it was answered."""


async def read_body(receive: Receive, max_bytes: int, timeout_s: float) -> bytes:
    """Return the request's body; raise ``PromptTooLarge`` beyond ``max_bytes``, ``InvalidRequest`` after ``timeout_s``."""
    body = bytearray()
    try:
        with within(timeout_s):
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


class Watch:
    """Cancels the task that made it when the client leaves, until it is ended.

    It begins to look after ``WATCH_AFTER_S``: an answer that is quicker costs a timer, a slower one a task.
    """

    def __init__(self, receive: Receive) -> None:
        self.gone = False
        """Whether the client left; the cancellation is then this watch's."""
        self._receive = receive
        self._task = asyncio.current_task()
        self._looking: asyncio.Task[None] | None = None
        self._timer = asyncio.get_running_loop().call_later(WATCH_AFTER_S, self._begin)

    def end(self) -> None:
        """Look no more."""
        self._timer.cancel()
        if self._looking is not None:
            self._looking.cancel()

    def _begin(self) -> None:
        self._looking = asyncio.get_running_loop().create_task(self._look())

    async def _look(self) -> None:
        while (await self._receive())["type"] != "http.disconnect":
            continue
        self.gone = True
        if self._task is not None:
            self._task.cancel()


async def unless_client_leaves(receive: Receive, work: Awaitable[T]) -> T:
    """Return what ``work`` returns; when the client leaves before that, cancel it and raise ``ClientGone``."""
    watch = Watch(receive)
    try:
        return await work
    except asyncio.CancelledError:
        task = asyncio.current_task()
        if watch.gone and task is not None and not task.uncancel():
            raise ClientGone from None
        raise  # somebody else's: the replica is closing
    finally:
        watch.end()


def require_no_body(headers: Iterable[Header]) -> None:
    """Raise ``InvalidRequest`` if a request announces a body: it would be kept in memory and read by nobody."""
    for name, value in headers:
        if name == b"transfer-encoding" or (name == b"content-length" and value.strip(b"0 ")):
            raise InvalidRequest("this path takes no body; leave it out", "body")


def require_no_idempotency_key(headers: Iterable[Header]) -> None:
    """Raise ``InvalidRequest`` if a request wants to be done once only, where nothing sees to that."""
    if any(name == b"idempotency-key" for name, _ in headers):
        words = "only POST /v1/chat/completions keeps answers for Idempotency-Key; leave it out: sent again, this is done again"
        raise InvalidRequest(words, "Idempotency-Key")


async def send_response(send: Send, status: int, headers: Iterable[Header], body: bytes) -> None:
    """Send one whole response."""
    length = (b"content-length", str(len(body)).encode())
    await send({"type": "http.response.start", "status": status, "headers": [*headers, length]})
    await send({"type": "http.response.body", "body": body})


async def send_problem(send: Send, error: WeaverGenError) -> None:
    """Send an error."""
    told = problem(error)
    await send_response(send, told.status, told.headers, told.body)
