"""Bodies as they come: whole or an error, bounded, and connections used again only after a whole one."""

import asyncio
import contextlib
from collections.abc import AsyncIterator

import pytest

from models.http1 import BrokenOff, CannotConnect, ConnectionPool, Endpoint, TooLarge
from models.http1_stream import streamed
from tests.upstreams import Then, Upstream, chunk, serving

HEAD = b"HTTP/1.1 200 OK\r\nX-One: 1\r\nTransfer-Encoding: chunked\r\n\r\n"
END = b"0\r\n\r\n"


@pytest.fixture
async def pool() -> AsyncIterator[ConnectionPool]:
    """Return a pool of two connections."""
    made = ConnectionPool(2)
    yield made
    made.close()


def endpoint(upstream: Upstream) -> Endpoint:
    """Return the upstream's address."""
    return Endpoint(f"http://127.0.0.1:{upstream.port}/x", {"X-Two": "2"})


async def read(pool: ConnectionPool, where: Endpoint, timeout_s: float = 5.0) -> bytes:
    """Return the body of one response."""
    give_up = asyncio.get_running_loop().time() + timeout_s
    async with streamed(pool, where, b"{}", give_up, 1000) as response:
        assert (response.status, response.headers[b"x-one"]) == (200, b"1")
        return b"".join([part async for part in response.parts()])


async def test_parts_come_before_the_end(pool: ConnectionPool) -> None:
    """The head and the first part are there while the server still holds the rest back."""
    upstream = Upstream([HEAD, chunk(b"one"), chunk(b"two"), END], pauses=2)
    async with serving(upstream):
        give_up = asyncio.get_running_loop().time() + 5
        async with streamed(pool, endpoint(upstream), b"{}", give_up, 1000) as response:
            parts = response.parts()
            assert await anext(parts) == b"one"
            upstream.go.set()
            assert [part async for part in parts] == [b"two"]
    assert upstream.requests[0][0].startswith(b"POST /x HTTP/1.1\r\n")


@pytest.mark.parametrize(
    "answer",
    [
        [HEAD, chunk(b"whole"), END],
        [b"HTTP/1.1 200 OK\r\nX-One: 1\r\nContent-Length: 5\r\n\r\nwhole"],
        [b"HTTP/1.1 103 Early Hints\r\nX-One: 0\r\n\r\n", HEAD + chunk(b"whole") + END],
    ],
)
async def test_a_connection_is_used_again_after_a_whole_body(pool: ConnectionPool, answer: list[bytes]) -> None:
    """The second response's head is its own, however the first one was framed."""
    upstream = Upstream(answer)
    async with serving(upstream):
        where = endpoint(upstream)
        assert [await read(pool, where) for _ in range(3)] == [b"whole"] * 3
    assert upstream.connections == 1


async def test_nothing_of_a_response_is_kept(pool: ConnectionPool) -> None:
    """An idle connection holds no part of a body, and no timer that could end the next request."""
    async with serving(Upstream([HEAD, chunk(b"one"), chunk(b"two"), END])) as upstream:
        where = endpoint(upstream)
        assert await read(pool, where) == b"onetwo"
        (idle,) = where.idle
        assert (idle._timer, idle._waiter, idle._body) == (None, None, [])


async def test_a_body_may_end_with_the_connection(pool: ConnectionPool) -> None:
    """Without length and chunks, the connection's end is the body's."""
    async with serving(Upstream([b"HTTP/1.1 200 OK\r\nX-One: 1\r\n\r\nall of it"], "close")) as upstream:
        assert await read(pool, endpoint(upstream)) == b"all of it"


@pytest.mark.parametrize(
    ("answer", "then", "error"),
    [
        ([HEAD, chunk(b"one")], "close", BrokenOff),
        ([HEAD, chunk(b"one")], "reset", BrokenOff),
        ([b"HTTP/1.1 200 OK\r\nX-One: 1\r\nContent-Length: 9\r\n\r\nok"], "close", BrokenOff),
        ([b"HTTP/1.1 200 OK\r\nX-On"], "close", BrokenOff),
        ([], "close", BrokenOff),
        ([b"no HTTP\r\n"], "keep", BrokenOff),
        ([HEAD, chunk(b"x" * 600), chunk(b"y" * 600)], "keep", TooLarge),
        ([HEAD, chunk(b"one")], "hang", TimeoutError),
        ([], "hang", TimeoutError),
    ],
)
async def test_what_is_not_whole_is_an_error(
    pool: ConnectionPool, answer: list[bytes], then: Then, error: type[Exception]
) -> None:
    """Cut, foreign, endless and silent bodies end in the exception that says so, and their connection in nothing."""
    async with serving(Upstream(answer, then)) as upstream:
        where = endpoint(upstream)
        with pytest.raises(error):
            await read(pool, where, 0.2 if then == "hang" else 5.0)
        assert not where.idle
        await asyncio.wait_for(upstream.left.wait(), 5)


async def test_nobody_listening_is_told_apart(pool: ConnectionPool) -> None:
    """A refused connection is no broken one."""
    with pytest.raises(CannotConnect):
        await read(pool, Endpoint("http://127.0.0.1:9/", {}))


@pytest.mark.parametrize("how", ["leave", "cancel", "raise"])
async def test_who_stops_reading_closes_the_connection(pool: ConnectionPool, how: str) -> None:
    """Leaving early, being cancelled and raising all end the upstream's work, and give the pool its slot back."""
    upstream = Upstream([HEAD, chunk(b"one")], "hang")
    async with serving(upstream):
        where = endpoint(upstream)
        begun = asyncio.Event()

        async def reading() -> None:
            give_up = asyncio.get_running_loop().time() + 30
            async with streamed(pool, where, b"{}", give_up, 1000) as response:
                async for _ in response.parts():
                    begun.set()
                    if how == "leave":
                        return
                    if how == "raise":
                        raise KeyError

        for _ in range(3):  # more than the pool has connections: a slot that is not given back would be missed
            begun.clear()
            upstream.left.clear()
            task = asyncio.create_task(reading())
            await asyncio.wait_for(begun.wait(), 5)
            if how == "cancel":
                task.cancel()
            with contextlib.suppress(KeyError, asyncio.CancelledError):
                await task
            await asyncio.wait_for(upstream.left.wait(), 5)
        assert not where.idle


async def test_an_endpoint_for_whole_responses_lends_no_such_connection(pool: ConnectionPool) -> None:
    """A connection of the other kind is not taken for this one."""
    upstream = Upstream([HEAD, chunk(b"whole"), END])
    async with serving(upstream):
        where = endpoint(upstream)
        assert (await pool.post(where, b"{}", 5.0, 1000)).body == b"whole"
        assert await read(pool, where) == b"whole"
    assert upstream.connections == 2
