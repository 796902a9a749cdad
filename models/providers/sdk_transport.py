"""The HTTP client that the providers' SDKs are given: their library above, our own HTTP/1.1 client below, and a ``Tap`` between.

Rules:
- Nothing goes out but the headers named here: what an SDK reads from the environment (organization, project, custom
  headers) stays here. No proxy from the environment, no redirect, no cookie; one POST to where the SDK says.
- A whole response is read before the SDK sees it, a stream as the SDK reads it, both inside the call's bound.
- Connections are the client's own; it closes them. Whom they trust is the system's word, or that of ``SSL_CERT_FILE`` and
  ``SSL_CERT_DIR``, which are the operator's; ``SSLKEYLOGFILE`` is passed over (``models.http1``).

The library's own transport took a third of an SDK's call.

Left out: time. Whoever waits cancels, and that closes the connection.
"""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Iterator

import httpx2

from models.http1 import BrokenOff, CannotConnect, ConnectionPool, Endpoint, TooLarge, Untrusted
from models.http1_stream import StreamedResponse, streamed
from models.providers.faults import Broken, Fault, Oversized, Unaskable, Unreachable, Unverified
from models.providers.sdk import CURRENT, Tap

_SENT = frozenset({
    "content-type", "accept", "user-agent", "authorization", "x-goog-api-key", "anthropic-version",
})  # fmt: skip
_IDENTITY = {"Accept-Encoding": "identity"}
MAX_ENDPOINTS = 8
"""An SDK that is asked for one model has one."""
NEVER_S = 86_400.0
"""No voter waits so long."""


class Transport(httpx2.AsyncBaseTransport):
    """Sends what may go out, and holds every response against the call's ``Tap``."""

    def __init__(self, max_connections: int) -> None:
        self._pool = ConnectionPool(max_connections)
        self._endpoints: dict[tuple[object, ...], Endpoint] = {}

    async def handle_async_request(self, request: httpx2.Request) -> httpx2.Response:
        """Ask once; raises the ``Fault`` that the tap then has."""
        tap = CURRENT.get()
        body = await request.aread()
        with _noted(tap):
            endpoint = self._endpoint(request)
            if tap.kind == "json":
                return await self._whole(endpoint, body, tap)
            return await self._stream(endpoint, body, tap)

    async def aclose(self) -> None:
        """Close every connection."""
        self._pool.close()

    async def _whole(self, endpoint: Endpoint, body: bytes, tap: Tap) -> httpx2.Response:
        came = await self._pool.post(endpoint, body, NEVER_S, tap.max_bytes)
        tap.begin(came.status, came.headers)
        tap.take(came.body)
        return httpx2.Response(came.status, headers=list(came.headers.items()), stream=httpx2.ByteStream(came.body))

    async def _stream(self, endpoint: Endpoint, body: bytes, tap: Tap) -> httpx2.Response:
        give_up = asyncio.get_running_loop().time() + NEVER_S
        async with contextlib.AsyncExitStack() as stack:
            came = await stack.enter_async_context(streamed(self._pool, endpoint, body, give_up, tap.max_bytes))
            tap.begin(came.status, came.headers)
            stream = _Coming(came, tap, stack.pop_all())
        tap.response = httpx2.Response(came.status, headers=list(came.headers.items()), stream=stream)
        return tap.response

    def _endpoint(self, request: httpx2.Request) -> Endpoint:
        if request.method != "POST":
            raise Unaskable
        kept = [(name, value) for name, value in request.headers.items() if name.lower() in _SENT]
        known = (str(request.url), *kept)
        endpoint = self._endpoints.get(known)
        if endpoint is None:
            if len(self._endpoints) >= MAX_ENDPOINTS:
                self._forget()
            endpoint = self._endpoints[known] = Endpoint(str(request.url), dict(kept) | _IDENTITY)
        return endpoint

    def _forget(self) -> None:
        """Let go of every endpoint and its idle connections."""
        for endpoint in self._endpoints.values():
            for connection in endpoint.idle:
                connection.abort()
        self._endpoints.clear()


class _Coming(httpx2.AsyncByteStream):
    """A body that the SDK reads as it comes."""

    def __init__(self, came: StreamedResponse, tap: Tap, stack: contextlib.AsyncExitStack) -> None:
        self._came = came
        self._tap = tap
        self._stack = stack

    async def __aiter__(self) -> AsyncIterator[bytes]:
        with _noted(self._tap):
            async for part in self._came.parts():
                self._tap.take(part)
                yield part
            self._tap.complete = True

    async def aclose(self) -> None:
        await self._stack.aclose()


@contextlib.contextmanager
def _noted(tap: Tap) -> Iterator[None]:
    """Turn what the wire did into the ``Fault`` that the tap keeps: what an SDK makes of it says less."""
    try:
        yield
    except CannotConnect as error:
        tap.fault = Unverified() if isinstance(error, Untrusted) else Unreachable()
        raise tap.fault from error
    except TooLarge as error:
        tap.fault = Oversized()
        raise tap.fault from error
    except (BrokenOff, TimeoutError) as error:
        tap.fault = Broken()
        raise tap.fault from error
    except Fault as fault:
        tap.fault = fault
        raise


def client(max_connections: int) -> httpx2.AsyncClient:
    """Return the HTTP client that an SDK is given: no time limits (the voter has them), no environment, no redirects."""
    transport = Transport(max_connections)
    return httpx2.AsyncClient(
        transport=transport, follow_redirects=False, trust_env=False, timeout=httpx2.Timeout(None)
    )
