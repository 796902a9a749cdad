"""A small HTTP/1.1 client for voters: one POST at a time over pooled connections, on the loop's own transports.

Rules:
- One request, one response; nothing is retried, redirected or decompressed. A connection is used again only after a whole
  response that allows it; anything odd, a cancelled or timed-out request included, closes it.
- Everything is bounded: connections to one endpoint (one that hangs holds up no other), every byte of a response (heads
  of interim responses, chunk framing and trailers included), bytes of its body, time.
- A body ends by its length, its last chunk, or (if it has neither) with the connection. One that ends too early is broken.
- Interim responses (1xx) are skipped and trailers dropped: neither changes a header. An upgrade is no response.
- Responses are parsed by llhttp, which refuses what is ambiguous.
- Certificates are verified, names too. Whom to trust is the system's word, or the operator's where ``SSL_CERT_FILE`` or
  ``SSL_CERT_DIR`` is set. ``SSLKEYLOGFILE`` gets no session's secrets.

Left out: proxies, HTTP/2, cookies; bodies as they come (``models.http1_stream``). A request costs a third of what a
general client takes, and a panel makes one for each voter.
"""

import asyncio
import contextlib
import os
import ssl
from collections import deque
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TypeVar, cast
from urllib.parse import urlsplit
from weakref import WeakKeyDictionary

import httptools
import msgspec

MAX_HEAD_BYTES = 65_536
FRAMING = 2
"""Most bytes on the wire for each byte of body that is taken: chunks of four bytes still pass."""
KEEP_IDLE_S = 4.0
"""Below the 5 s after which common servers close an idle connection."""

Lent = TypeVar("Lent", bound="Connection")


class CannotConnect(Exception):
    """No connection could be opened."""


class Untrusted(CannotConnect):
    """Who answered has no certificate that verifies."""


class BrokenOff(Exception):
    """The connection ended, or said something that is no response, before the response was whole."""


class TooLarge(Exception):
    """The response has more bytes than are taken."""


class Response(msgspec.Struct, frozen=True):
    """A whole response; header names in lower case, of a repeated header the last."""

    status: int
    headers: Mapping[bytes, bytes]
    body: bytes


class Endpoint:
    """Where requests go and what never changes about them: parsed and encoded once.

    With ``socket_path`` they go to that Unix socket, and the address only names the host and the target.
    """

    def __init__(self, url: str, headers: Mapping[str, str], socket_path: Path | None = None) -> None:
        parts = urlsplit(url)
        if parts.scheme not in {"http", "https"} or not parts.hostname:
            raise ValueError(f"{url!r} is no http or https address")
        self.host = parts.hostname
        self.socket_path = socket_path
        self.tls = _verifying() if parts.scheme == "https" else None
        self.port = parts.port or (443 if self.tls else 80)
        target = parts.path + (f"?{parts.query}" if parts.query else "")
        lines = [f"POST {target or '/'} HTTP/1.1", f"Host: {parts.netloc.rpartition('@')[2]}"]
        lines += [f"{name}: {value}" for name, value in headers.items()]
        if any("\r" in line or "\n" in line for line in lines):
            raise ValueError("a header must not contain a line break")
        self._head = ("\r\n".join(lines) + "\r\nContent-Length: ").encode("latin-1")
        self.idle: deque[Connection] = deque()

    def encode(self, body: bytes) -> bytes:
        """Return a whole request."""
        return b"%b%d\r\n\r\n%b" % (self._head, len(body), body)


def _verifying() -> ssl.SSLContext:
    """Return what ``ssl.create_default_context`` does, without the file that it writes secrets to where one is named."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.load_default_certs()
    return context


class ConnectionPool:
    """All connections of one process to its voters, so many to each endpoint; used from one event loop."""

    def __init__(self, max_connections: int) -> None:
        self._max_connections = max_connections
        self._slots: WeakKeyDictionary[Endpoint, asyncio.Semaphore] = WeakKeyDictionary()
        self._open: set[Connection] = set()

    async def post(self, endpoint: Endpoint, body: bytes, timeout_s: float, max_body_bytes: int) -> Response:
        """Return the whole response; raise ``TimeoutError``, ``CannotConnect``, ``BrokenOff`` or ``TooLarge``.

        ``CannotConnect`` is ``Untrusted`` where the certificate is why.
        """
        give_up = asyncio.get_running_loop().time() + timeout_s
        connection = await self.lend(endpoint, give_up, Connection)
        try:
            return await connection.ask(endpoint.encode(body), give_up, max_body_bytes)
        except BaseException:
            connection.abort()
            raise
        finally:
            self.take_back(endpoint, connection)

    async def lend(self, endpoint: Endpoint, give_up: float, kind: "type[Lent]") -> "Lent":
        """Return a connection of this kind, idle or new, that is the caller's until ``take_back``."""
        slots = self._slots_of(endpoint)
        if slots.locked():
            async with asyncio.timeout_at(give_up):
                await slots.acquire()
        else:
            await slots.acquire()
        try:
            return self._idle(endpoint, kind) or await self._connect(endpoint, give_up, kind)
        except BaseException:
            slots.release()
            raise

    def take_back(self, endpoint: Endpoint, connection: "Connection") -> None:
        """Keep a lent connection for the next request if its response was whole and allows it, else close it."""
        self._slots_of(endpoint).release()
        if connection.reusable:
            connection.idle_since = asyncio.get_running_loop().time()
            endpoint.idle.append(connection)
        else:
            connection.abort()

    def close(self) -> None:
        """Close every connection."""
        for connection in list(self._open):
            connection.abort()

    def _slots_of(self, endpoint: Endpoint) -> asyncio.Semaphore:
        slots = self._slots.get(endpoint)
        if slots is None:
            slots = self._slots[endpoint] = asyncio.Semaphore(self._max_connections)
        return slots

    def _idle(self, endpoint: Endpoint, kind: "type[Lent]") -> "Lent | None":
        now = asyncio.get_running_loop().time()
        while endpoint.idle:
            connection = endpoint.idle.pop()
            if connection.reusable and now - connection.idle_since < KEEP_IDLE_S and isinstance(connection, kind):
                return connection
            connection.abort()
        return None

    async def _connect(self, endpoint: Endpoint, give_up: float, kind: "type[Lent]") -> "Lent":
        try:
            async with asyncio.timeout_at(give_up):
                return await self._opened(endpoint, kind)
        except TimeoutError:
            raise
        except ssl.SSLCertVerificationError as error:
            raise Untrusted from error
        except OSError as error:
            raise CannotConnect from error

    async def _opened(self, endpoint: Endpoint, kind: "type[Lent]") -> "Lent":
        loop = asyncio.get_running_loop()
        if endpoint.socket_path is not None:
            with _held(endpoint.socket_path) as path:
                _, connection = await loop.create_unix_connection(lambda: kind(self._open), path)
            return connection
        name = endpoint.host if endpoint.tls else None
        _, connection = await loop.create_connection(
            lambda: kind(self._open), endpoint.host, endpoint.port, ssl=endpoint.tls, server_hostname=name
        )
        return connection


@contextlib.contextmanager
def _held(path: Path) -> Iterator[str]:
    """Yield a name of what lies at a path, itself: a link that was put there is not followed, and the name is always short."""
    descriptor = os.open(path, os.O_PATH | os.O_NOFOLLOW | os.O_CLOEXEC)
    try:
        yield f"/proc/self/fd/{descriptor}"
    finally:
        os.close(descriptor)


class Connection(asyncio.Protocol):
    """One connection: writes a request, parses the response, tells the one who waits."""

    def __init__(self, registry: "set[Connection]") -> None:
        self.idle_since = 0.0
        self._registry = registry
        self._loop = asyncio.get_running_loop()
        self._transport: asyncio.Transport | None = None
        self._parser = httptools.HttpResponseParser(self)
        self._waiter: asyncio.Future[Response] | None = None
        self._timer: asyncio.TimerHandle | None = None
        self._keep = False
        self._max_body_bytes = 0
        self._received_bytes = 0
        self._begin()

    @property
    def reusable(self) -> bool:
        """Tell whether another request may be sent."""
        return self._keep and self._transport is not None and not self._transport.is_closing()

    async def ask(self, request: bytes, give_up: float, max_body_bytes: int) -> Response:
        """Send a request and return its response."""
        try:
            return await self.start(request, give_up, max_body_bytes)
        finally:
            self.stop()

    def start(self, request: bytes, give_up: float, max_body_bytes: int) -> asyncio.Future[Response]:
        """Send a request; its response, or why there is none, comes into the future. ``stop`` has to follow."""
        if self._transport is None:
            raise BrokenOff
        self._max_body_bytes = max_body_bytes
        self._received_bytes = 0
        self._begin()
        self._keep = False
        waiter = self._waiter = self._loop.create_future()
        self._timer = self._loop.call_at(give_up, self._fail, TimeoutError())
        self._transport.write(request)
        return waiter

    def stop(self) -> None:
        """Wait no longer."""
        if self._timer is not None:
            self._timer.cancel()
        self._waiter = self._timer = None

    def abort(self) -> None:
        """Close at once."""
        self._keep = False
        if self._transport is not None:
            self._transport.abort()

    def _begin(self) -> None:
        self._headers: dict[bytes, bytes] = {}
        self._in_body = False
        self._body: list[bytes] = []
        self._body_bytes = 0

    def _fail(self, error: Exception) -> None:
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_exception(error)

    def _finish(self, *, keep: bool) -> None:
        if self._waiter is not None and not self._waiter.done():
            self._keep = keep
            body = self._body[0] if len(self._body) == 1 else b"".join(self._body)
            self._waiter.set_result(Response(self._parser.get_status_code(), self._headers, body))

    # Called by the transport.

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Take the connection."""
        self._transport = cast("asyncio.Transport", transport)  # uvloop's share no base class
        self._registry.add(self)

    def data_received(self, data: bytes) -> None:
        """Parse what came; bytes nobody asked for, or that are no response, end the connection."""
        if self._waiter is None or self._waiter.done():
            self.abort()
            return
        self._received_bytes += len(data)
        try:
            self._parser.feed_data(data)
        except (httptools.HttpParserError, httptools.HttpParserUpgrade):
            self._keep = False
            self._fail(BrokenOff())
        if self._received_bytes > MAX_HEAD_BYTES + (FRAMING * self._max_body_bytes if self._in_body else 0):
            self._fail(TooLarge())

    def connection_lost(self, exc: Exception | None) -> None:
        """Tell who waits; a body that only the connection's end delimits is whole now."""
        self._registry.discard(self)
        self._transport = None
        delimited = b"content-length" in self._headers or b"transfer-encoding" in self._headers
        if exc is None and self._in_body and not delimited:
            self._finish(keep=False)
        self._fail(BrokenOff())

    # Called by the parser.

    def on_message_begin(self) -> None:
        """Take note of a second response: nobody asked for it, and none of it may pass for the first's."""
        if self._waiter is None or self._waiter.done():
            self._keep = False
            self._headers = {}

    def on_header(self, name: bytes, value: bytes) -> None:
        """Keep a header; a trailer is none."""
        if not self._in_body:
            self._headers[name.lower()] = value

    def on_headers_complete(self) -> None:
        """Expect the body."""
        self._in_body = True

    def on_body(self, data: bytes) -> None:
        """Keep a part of the body."""
        self._body_bytes += len(data)
        if self._body_bytes > self._max_body_bytes:
            self._fail(TooLarge())
        else:
            self._body.append(data)

    def on_message_complete(self) -> None:
        """Hand the response over, unless it is an interim one."""
        if self._parser.get_status_code() < 200:
            self._begin()
        else:
            self._finish(keep=self._parser.should_keep_alive())
