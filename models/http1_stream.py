"""Bodies as they come, over the connections of ``models.http1``: for responses that are streams of events.

Rules: everything is bounded as there (time, bytes of body, framing); the status and headers come first, then parts of the
body, then its end, or the exception that says why there is none. Who stops reading before the end closes the connection;
after a whole body it is used again. An endpoint serves streams or whole responses, not both.

Left out: holding a fast server back. What has come waits in memory, inside the bound.
"""

import asyncio
import contextlib
from collections import deque
from collections.abc import AsyncIterator, Mapping

from models.http1 import Connection, ConnectionPool, Endpoint, Response


class StreamConnection(Connection):
    """One connection whose response is read part by part."""

    def __init__(self, registry: set[Connection]) -> None:
        self._parts: deque[bytes] = deque()
        self._headed = False
        self._reader: asyncio.Future[None] | None = None
        super().__init__(registry)

    @property
    def status(self) -> int:
        """Return the response's status, once ``head`` returned."""
        return int(self._parser.get_status_code())

    @property
    def headers(self) -> Mapping[bytes, bytes]:
        """Return the response's headers, once ``head`` returned."""
        return self._headers

    async def head(self, whole: asyncio.Future[Response]) -> None:
        """Wait for status and headers; raise what ``whole`` raises if there are none."""
        while not self._headed:
            if whole.done():
                whole.result()
            await self._more(whole)

    async def part(self, whole: asyncio.Future[Response]) -> bytes:
        """Return the next part of the body, empty at its end; raise what ``whole`` raises if it has none."""
        while not self._parts:
            if whole.done():
                whole.result()
                return b""
            await self._more(whole)
        return self._parts.popleft()

    async def _more(self, whole: asyncio.Future[Response]) -> None:
        self._reader = self._loop.create_future()
        whole.add_done_callback(self._wake)
        try:
            await self._reader
        finally:
            whole.remove_done_callback(self._wake)
            self._reader = None

    def _wake(self, _: object = None) -> None:
        if self._reader is not None and not self._reader.done():
            self._reader.set_result(None)

    def _begin(self) -> None:
        super()._begin()
        self._parts.clear()
        self._headed = False

    # Called by the parser.

    def on_headers_complete(self) -> None:
        """Tell the reader; an interim response has ended, and is forgotten, before the reader wakes."""
        super().on_headers_complete()
        self._headed = True
        self._wake()

    def on_body(self, data: bytes) -> None:
        """Hand a part of the body on, inside the bound."""
        super().on_body(data)
        if self._body:
            self._parts.append(self._body.pop())
            self._wake()


class StreamedResponse:
    """A response whose body is still coming."""

    def __init__(self, connection: StreamConnection, whole: asyncio.Future[Response]) -> None:
        self.status = connection.status
        self.headers = connection.headers
        self._connection = connection
        self._whole = whole

    async def parts(self) -> AsyncIterator[bytes]:
        """Yield the body as it comes."""
        while part := await self._connection.part(self._whole):
            yield part


@contextlib.asynccontextmanager
async def streamed(
    pool: ConnectionPool, endpoint: Endpoint, body: bytes, give_up: float, max_body_bytes: int
) -> AsyncIterator[StreamedResponse]:
    """Ask, and read the response part by part; raises what ``ConnectionPool.post`` raises, whenever it happens.

    ``give_up`` is the running loop's time by which the last byte must have come.
    """
    connection = await pool.lend(endpoint, give_up, StreamConnection)
    try:
        whole = connection.start(endpoint.encode(body), give_up, max_body_bytes)
        await connection.head(whole)
        yield StreamedResponse(connection, whole)
    finally:
        connection.stop()
        pool.take_back(endpoint, connection)
