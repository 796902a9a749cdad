"""Small upstreams of bare sockets for the tests of cloud voters: they say the bytes they are told to, and then what."""

import asyncio
import contextlib
import ssl
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from typing import Any, Literal

from models.http1 import ConnectionPool
from models.providers.build import Adapter, Provider, Settings, cloud_voter
from models.providers.cloud import CloudVoter, Limits
from tests.providers import INFO, KEY, Fixture, event_bytes

Then = Literal["keep", "close", "reset", "hang"]
JSON = "application/json"
EVENTS = "text/event-stream"
QUICK = Limits(total_s=5.0, first_token_s=4.0, stall_s=4.0)


@dataclass
class Upstream:
    """One upstream: answers every request on every connection alike, and remembers what it saw."""

    parts: list[bytes]
    then: Then = "keep"
    pauses: int = 0
    """How many parts go out before the rest waits for ``go``."""
    requests: list[tuple[bytes, bytes]] = field(default_factory=list)
    connections: int = 0
    port: int = 0
    arrived: asyncio.Event = field(default_factory=asyncio.Event)
    left: asyncio.Event = field(default_factory=asyncio.Event)
    go: asyncio.Event = field(default_factory=asyncio.Event)

    serving: set[asyncio.Task[None]] = field(default_factory=set)

    def __call__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Serve one connection."""
        task = asyncio.get_running_loop().create_task(self._serve(reader, writer))
        self.serving.add(task)
        task.add_done_callback(self.serving.discard)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        with contextlib.suppress(asyncio.IncompleteReadError, ConnectionError):
            while True:
                head = await reader.readuntil(b"\r\n\r\n")
                length = next(
                    int(h.split(b":")[1]) for h in head.lower().split(b"\r\n") if h.startswith(b"content-length")
                )
                self.requests.append((head, await reader.readexactly(length)))
                self.arrived.set()
                await self._answer(writer)
                if self.then == "reset":
                    writer.transport.abort()
                elif self.then == "close":
                    break
                elif self.then == "hang":
                    await reader.read()
        self.left.set()
        writer.close()

    async def _answer(self, writer: asyncio.StreamWriter) -> None:
        for place, part in enumerate(self.parts):
            if self.pauses and place == self.pauses:
                await self.go.wait()
            writer.write(part)
            await writer.drain()


@contextlib.asynccontextmanager
async def serving(upstream: Upstream, tls: ssl.SSLContext | None = None) -> AsyncIterator[Upstream]:
    """Listen on loopback while inside."""
    server = await asyncio.start_server(upstream, "127.0.0.1", 0, ssl=tls)
    upstream.port = server.sockets[0].getsockname()[1]
    try:
        yield upstream
    finally:
        server.close()
        for task in list(upstream.serving):
            task.cancel()
        await asyncio.gather(*upstream.serving, return_exceptions=True)


@contextlib.asynccontextmanager
async def voting(
    provider: Provider, adapter: Adapter, port: int, *, stream: bool, limits: Limits = QUICK, **more: Any
) -> AsyncIterator[CloudVoter]:
    """Return a voter that asks this port, its connections closed at the end."""
    base_url = f"http://127.0.0.1:{port}" + ("/v1" if provider == "openai" else "")
    settings = Settings(
        provider, "model-x", base_url, adapter, stream=stream, limits=limits, max_response_bytes=1 << 20, **more
    )
    pool = ConnectionPool(4)
    voter = cloud_voter(INFO, settings, KEY, pool)
    try:
        yield voter
    finally:
        await voter.close()
        pool.close()


def reply(body: bytes, content_type: str = JSON, status: int = 200, headers: dict[str, str] | None = None) -> bytes:
    """Return the bytes of a response with a length."""
    told = {"Content-Type": content_type, "Content-Length": str(len(body))} | (headers or {})
    lines = [f"HTTP/1.1 {status} X", *(f"{name}: {value}" for name, value in told.items())]
    return "\r\n".join(lines).encode() + b"\r\n\r\n" + body


CHUNKED = f"HTTP/1.1 200 OK\r\nContent-Type: {EVENTS}\r\nTransfer-Encoding: chunked\r\n\r\n".encode()
END = b"0\r\n\r\n"


def chunk(body: bytes) -> bytes:
    """Return one chunk of a response."""
    return b"%x\r\n%b\r\n" % (len(body), body)


def parts_of(fixture: Fixture) -> list[bytes]:
    """Return the response a fixture documents, as it travels."""
    if fixture.kind != "stream":
        return [reply(fixture.wire, status=fixture.status, headers=fixture.headers)]
    return [CHUNKED, *(chunk(event_bytes(event)) for event in fixture.content), END]
