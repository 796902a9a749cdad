"""The HTTP client against bare sockets: what is reused, what is refused, what is bounded."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable

import pytest

from models import http1
from models.http1 import BrokenOff, CannotConnect, ConnectionPool, Endpoint, TooLarge

Handler = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]
Serve = Callable[[Handler], Awaitable[Endpoint]]
OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"


@pytest.fixture
async def pool() -> AsyncIterator[ConnectionPool]:
    """Return a pool of two connections."""
    made = ConnectionPool(2)
    yield made
    made.close()


@pytest.fixture
async def serve() -> AsyncIterator[Serve]:
    """Return a function that serves a handler of bare sockets and gives its endpoint."""
    servers: list[asyncio.Server] = []

    async def begin(handler: Handler) -> Endpoint:
        servers.append(await asyncio.start_server(handler, "127.0.0.1", 0))
        return Endpoint(f"http://127.0.0.1:{servers[-1].sockets[0].getsockname()[1]}/v1/x?a=b", {"X-One": "1"})

    yield begin
    for server in servers:
        server.close()


class Script:
    """A handler that gives every request on every connection the next answer, and counts connections."""

    def __init__(self, *answers: bytes, then_close: bool = False) -> None:
        self.connections = 0
        self.closed = asyncio.Event()
        self.requests: list[bytes] = []
        self._answers = list(answers)
        self._then_close = then_close

    async def __call__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Serve one connection."""
        self.connections += 1
        with contextlib.suppress(asyncio.IncompleteReadError):
            while self._answers:
                head = await reader.readuntil(b"\r\n\r\n")
                length = int(head.lower().split(b"content-length:")[1].split(b"\r\n")[0])
                self.requests.append(head + await reader.readexactly(length))
                writer.write(self._answers.pop(0))
                if self._then_close:
                    break
            else:
                await reader.read()
        writer.close()
        await writer.wait_closed()
        self.closed.set()


async def post(pool: ConnectionPool, endpoint: Endpoint, body: bytes = b"{}", timeout_s: float = 5.0) -> bytes:
    """Return the body of one response."""
    return (await pool.post(endpoint, body, timeout_s, 1000)).body


async def test_a_request_is_what_the_protocol_wants(pool: ConnectionPool, serve: Serve) -> None:
    """Target with query, host with port, our headers, length, body; status, headers and body come back."""
    script = Script(b"HTTP/1.1 418 No\r\nX-Two: 2\r\nContent-Length: 3\r\n\r\nhow")
    endpoint = await serve(script)
    response = await pool.post(endpoint, b'{"a":1}', 5.0, 1000)
    assert script.requests == [
        b"POST /v1/x?a=b HTTP/1.1\r\nHost: 127.0.0.1:%d\r\nX-One: 1\r\nContent-Length: 7\r\n\r\n" % endpoint.port
        + b'{"a":1}',
    ]
    assert (response.status, response.headers[b"x-two"], response.body) == (418, b"2", b"how")


async def test_a_connection_is_used_again(pool: ConnectionPool, serve: Serve) -> None:
    """Requests one after the other share a connection; the second answer is not mixed with the first."""
    script = Script(OK, b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nyes\r\n0\r\n\r\n", OK)
    endpoint = await serve(script)
    assert [await post(pool, endpoint) for _ in range(3)] == [b"ok", b"yes", b"ok"]
    assert script.connections == 1


@pytest.mark.parametrize(
    "first",
    [
        b"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 2\r\n\r\nok",
        b"HTTP/1.0 200 OK\r\nContent-Length: 2\r\n\r\nok",
        OK + b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nmine",
        OK + b"garbage",
    ],
)
async def test_a_connection_that_says_too_much_or_goodbye_is_not_used_again(
    pool: ConnectionPool,
    serve: Serve,
    first: bytes,
) -> None:
    """After an announced end, an unasked response or garbage the next request gets a connection of its own."""
    script = Script(first, OK)
    endpoint = await serve(script)
    assert [await post(pool, endpoint) for _ in range(2)] == [b"ok", b"ok"]
    assert script.connections == 2


async def test_an_idle_connection_grows_old(
    pool: ConnectionPool, serve: Serve, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A connection that was idle for too long is not trusted to be alive."""
    monkeypatch.setattr(http1, "KEEP_IDLE_S", 0.0)
    script = Script(OK, OK)
    endpoint = await serve(script)
    await post(pool, endpoint)
    await post(pool, endpoint)
    assert script.connections == 2


async def test_a_connection_the_server_closed_is_not_used_again(pool: ConnectionPool, serve: Serve) -> None:
    """The end of an idle connection is noticed before the next request."""
    script = Script(OK, OK, then_close=True)
    endpoint = await serve(script)
    await post(pool, endpoint)
    await script.closed.wait()
    await asyncio.sleep(0)
    assert await post(pool, endpoint) == b"ok"


async def test_interim_responses_are_skipped(pool: ConnectionPool, serve: Serve) -> None:
    """Early hints are no answer, and their headers are not the answer's."""
    endpoint = await serve(Script(b"HTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\n" + OK))
    response = await pool.post(endpoint, b"", 5.0, 1000)
    assert (response.status, b"link" in response.headers, response.body) == (200, False, b"ok")


async def test_trailers_are_no_headers(pool: ConnectionPool, serve: Serve) -> None:
    """What follows a chunked body neither adds a header nor replaces one, and the connection is used again."""
    head = b"HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nTransfer-Encoding: chunked\r\n\r\n"
    script = Script(head + b"2\r\nok\r\n0\r\nContent-Type: application/json\r\nX-Late: 1\r\n\r\n", OK)
    endpoint = await serve(script)
    response = await pool.post(endpoint, b"", 5.0, 1000)
    assert (response.headers[b"content-type"], b"x-late" in response.headers) == (b"text/html", False)
    assert (response.body, await post(pool, endpoint), script.connections) == (b"ok", b"ok", 1)


CHUNKED = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"


@pytest.mark.parametrize(
    ("first", "then"),
    [
        (CHUNKED + b"2\r\nok\r\n0\r\n", b"X-Trailer: y\r\n"),
        (CHUNKED + b"2\r\nok\r\n0\r\nX-Trailer: ", b"y"),
        (CHUNKED + b"2", b";extension=y"),
        (CHUNKED + b"2\r\nok\r\n0\r\nX-Trailer: y\r\n", b"Y: " + b"y" * 100 + b"\r\n"),
        (b"", b"HTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\n"),
        (b"HTTP/1.1 200 OK\r\nX: ", b"y"),
    ],
)
async def test_what_never_ends_is_broken_off(pool: ConnectionPool, serve: Serve, first: bytes, then: bytes) -> None:
    """Trailers, chunk extensions, interim responses and headers without end are cut at the bound, however they come."""
    ended = asyncio.Event()

    async def flood(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        with contextlib.suppress(ConnectionError):
            writer.write(first)
            while True:
                writer.write(then * (4096 // len(then)))
                await writer.drain()
        ended.set()

    with pytest.raises(TooLarge):
        await post(pool, await serve(flood))
    await asyncio.wait_for(ended.wait(), 5)


async def test_an_upgrade_nobody_asked_for_is_broken(pool: ConnectionPool, serve: Serve) -> None:
    """A server that switches protocols gave no response."""
    endpoint = await serve(Script(b"HTTP/1.1 101 Switching\r\nUpgrade: x\r\nConnection: upgrade\r\n\r\nhello"))
    with pytest.raises(BrokenOff):
        await post(pool, endpoint)


async def test_an_endpoint_that_hangs_holds_up_no_other(pool: ConnectionPool, serve: Serve) -> None:
    """Connections are counted for each endpoint: a full one leaves the others theirs."""
    arrived = asyncio.Semaphore(0)

    async def hang(reader: asyncio.StreamReader, _: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        arrived.release()
        await reader.read()

    stuck = await serve(hang)
    asked = [asyncio.create_task(post(pool, stuck, timeout_s=30)) for _ in range(3)]
    for _ in range(2):
        await asyncio.wait_for(arrived.acquire(), 5)
    assert await post(pool, await serve(Script(OK)), timeout_s=2) == b"ok"
    for task in asked:
        task.cancel()
    await asyncio.gather(*asked, return_exceptions=True)


async def test_a_body_may_end_with_the_connection(pool: ConnectionPool, serve: Serve) -> None:
    """Without length and chunks, the connection's end is the body's."""
    endpoint = await serve(Script(b"HTTP/1.1 200 OK\r\n\r\nall of it", then_close=True))
    assert await post(pool, endpoint) == b"all of it"


@pytest.mark.parametrize(
    ("answer", "error"),
    [
        (b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nok", BrokenOff),
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n", BrokenOff),
        (b"HTTP/1.1 200 OK\r\nContent-Le", BrokenOff),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nContent-Length: 3\r\n\r\nok", BrokenOff),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\nok", BrokenOff),
        (b"no HTTP at all\r\n", BrokenOff),
        (b"", BrokenOff),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 1001\r\n\r\n" + b"x" * 1001, TooLarge),
        (b"HTTP/1.1 200 OK\r\n" + b"X: y\r\n" * 20_000, TooLarge),
    ],
)
async def test_what_is_no_whole_response_is_an_error(
    pool: ConnectionPool,
    serve: Serve,
    answer: bytes,
    error: type[Exception],
) -> None:
    """Cut, contradictory, foreign, silent and oversized responses are told apart and never returned."""
    endpoint = await serve(Script(answer, then_close=True))
    with pytest.raises(error):
        await post(pool, endpoint)
    assert not endpoint.idle


async def test_nobody_listening_is_told_apart(pool: ConnectionPool) -> None:
    """A refused connection is no broken one."""
    with pytest.raises(CannotConnect):
        await post(pool, Endpoint("http://127.0.0.1:9/", {}))


async def test_a_connection_that_fails_gives_its_slot_back(pool: ConnectionPool) -> None:
    """More failures than there are connections leave the pool as it was."""
    nobody = Endpoint("http://127.0.0.1:9/", {})
    for _ in range(3):
        with pytest.raises(CannotConnect):
            await post(pool, nobody)


async def test_time_bounds_the_whole_request(pool: ConnectionPool, serve: Serve) -> None:
    """A server that stops in the middle costs the timeout and its connection."""
    script = Script(OK[:-1], OK)
    endpoint = await serve(script)
    with pytest.raises(TimeoutError):
        await post(pool, endpoint, timeout_s=0.05)
    assert await post(pool, endpoint) == b"ok"
    assert script.connections == 2


async def test_no_more_connections_than_allowed(pool: ConnectionPool, serve: Serve) -> None:
    """A third request waits for one of two connections and then uses it."""
    arrived, go = asyncio.Semaphore(0), asyncio.Event()
    connections: list[int] = []

    async def hold(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        connections.append(1)
        while await reader.read(1000):
            arrived.release()
            await go.wait()
            writer.write(OK)
        writer.close()

    endpoint = await serve(hold)
    asked = [asyncio.create_task(post(pool, endpoint)) for _ in range(3)]
    await arrived.acquire()
    await arrived.acquire()
    go.set()
    assert await asyncio.gather(*asked) == [b"ok"] * 3
    assert len(connections) == 2


@pytest.mark.parametrize("url", ["ftp://h/x", "h/x", "http://", "file:///etc/passwd"])
def test_only_http_addresses_are_endpoints(url: str) -> None:
    """Other schemes and missing hosts are refused at once."""
    with pytest.raises(ValueError, match="no http or https address"):
        Endpoint(url, {})


def test_a_header_cannot_smuggle_another() -> None:
    """A line break in a key would end the header."""
    with pytest.raises(ValueError, match="line break"):
        Endpoint("http://h/", {"Authorization": "Bearer x\r\nX: y"})


def test_https_has_its_port_and_its_trust() -> None:
    """TLS is verified against the host, on 443 unless told otherwise; the host header leaves credentials out."""
    endpoint = Endpoint("https://user@h.example/v1", {})
    assert (endpoint.host, endpoint.port) == ("h.example", 443)
    assert endpoint.tls is not None
    assert endpoint.tls.check_hostname
    assert b"Host: h.example\r\n" in endpoint.encode(b"")
