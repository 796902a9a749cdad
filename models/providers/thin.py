"""The thin adapter: a provider's protocol straight over our own HTTP/1.1 client, without an SDK.

Rules: what is no success, no JSON or no stream of events is a ``Fault`` before anybody reads it; redirects are not
followed, nothing is decompressed, everything is bounded; a stream that ends in the middle of an event was cut.
"""

import asyncio
import contextlib
from collections.abc import AsyncGenerator, AsyncIterator, Iterator, Mapping
from typing import Literal

import msgspec

from models.http1 import BrokenOff, CannotConnect, ConnectionPool, Endpoint, TooLarge, Untrusted
from models.http1_stream import StreamedResponse, streamed
from models.providers.dialect import Dialect, Wire, decoded
from models.providers.failures import MAX_COMPLAINT_BYTES
from models.providers.faults import Broken, Cut, Fault, Malformed, Oversized, Rejected, Unreachable, Unverified
from models.providers.sse import Event, EventDecoder

JSON = b"application/json"
EVENTS = b"text/event-stream"
_FAULTS: Mapping[type[Exception], type[Fault]] = {
    CannotConnect: Unreachable,
    Untrusted: Unverified,
    TooLarge: Oversized,
    BrokenOff: Broken,
}


class ThinUpstream:
    """One model behind ``base_url`` (what precedes the protocol's own path)."""

    def __init__(
        self,
        dialect: Dialect,
        base_url: str,
        model: str,
        key: str | None,
        pool: ConnectionPool,
        *,
        max_response_bytes: int = 4 << 20,
    ) -> None:
        self._dialect = dialect
        self._pool = pool
        self._max_response_bytes = max_response_bytes
        self._whole = self._endpoint(base_url, model, key, stream=False)
        self._stream = self._endpoint(base_url, model, key, stream=True)
        self._encode = msgspec.json.Encoder().encode

    def _endpoint(self, base_url: str, model: str, key: str | None, *, stream: bool) -> Endpoint:
        accept = (EVENTS if stream else JSON).decode()
        headers = {"User-Agent": "weavergen/2", "Content-Type": JSON.decode(), "Accept": accept}
        headers |= {"Accept-Encoding": "identity"} | self._dialect.headers(key)
        return Endpoint(base_url.rstrip("/") + self._dialect.path(model, stream=stream), headers)

    async def whole(self, body: Wire, give_up: float) -> object:
        """Return the response as it was decoded."""
        left_s = give_up - asyncio.get_running_loop().time()
        try:
            response = await self._pool.post(self._whole, self._encode(body), left_s, self._max_response_bytes)
        except (CannotConnect, TooLarge, BrokenOff) as error:
            raise _FAULTS[type(error)] from error
        require(response.status, response.headers, response.body, "json")
        return decoded(response.body)

    async def events(self, body: Wire, give_up: float) -> AsyncGenerator[Wire, None]:
        """Yield the events of the response."""
        asked = streamed(self._pool, self._stream, self._encode(body), give_up, self._max_response_bytes)
        with _faults():
            async with asked as response:
                if response.status != 200:
                    raise Rejected(response.status, response.headers, await _beginning(response))
                require(response.status, response.headers, b"", "events")
                async for event in self._decoded(response):
                    yield event

    async def _decoded(self, response: StreamedResponse) -> AsyncIterator[Wire]:
        events = EventDecoder()
        async for part in response.parts():
            for event in events.feed(part):
                if self._dialect.end_marker and event.data == self._dialect.end_marker:
                    return
                if self._counts(event):
                    yield event_object(event)
        if events.pending or self._dialect.end_marker:
            raise Cut

    def _counts(self, event: Event) -> bool:
        return bool(event.name) and event.name != "ping" if self._dialect.named_events else True

    async def close(self) -> None:
        """Close nothing: the pool is whoever's gave it."""


def event_object(event: Event) -> Wire:
    """Return an event's data as the JSON object it must be; raises ``Malformed``."""
    value = decoded(event.data)
    if not isinstance(value, dict):
        raise Malformed("answered an event that is none")
    return value


def require(status: int, headers: Mapping[bytes, bytes], body: bytes, kind: Literal["json", "events"]) -> None:
    """Raise the ``Fault`` of a response that is no success or not of this kind."""
    if status != 200:
        raise Rejected(status, headers, body)
    content_type = headers.get(b"content-type", b"").partition(b";")[0].strip().lower()
    if content_type != (JSON if kind == "json" else EVENTS):
        raise Malformed(f"answered with content type {content_type[:64].decode('latin-1')!r}")
    if headers.get(b"content-encoding", b"identity") != b"identity":
        raise Malformed("answered in an encoding it was not asked for")


async def _beginning(response: StreamedResponse) -> bytes:
    body = b""
    async for part in response.parts():
        body += part
        if len(body) >= MAX_COMPLAINT_BYTES:
            break
    return body


@contextlib.contextmanager
def _faults() -> Iterator[None]:
    try:
        yield
    except (CannotConnect, TooLarge, BrokenOff) as error:
        raise _FAULTS[type(error)] from error
