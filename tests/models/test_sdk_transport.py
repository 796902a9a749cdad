"""The HTTP client under the SDKs: what goes out, what comes of what came, and whose the connections are."""

import asyncio
from typing import Literal

import httpx2
import pytest

from models.providers.faults import Broken, Fault, Oversized, Rejected, Unaskable, Unreachable
from models.providers.sdk import Tap, watching
from models.providers.sdk_transport import MAX_ENDPOINTS, client
from tests.upstreams import EVENTS, JSON, Upstream, reply, serving


async def test_only_named_headers_go_out() -> None:
    """Whatever an SDK adds of its own stays here; nothing compressed is asked for, no cookie is kept, no redirect followed."""
    upstream = Upstream([reply(b"{}", status=307, headers={"Location": "/elsewhere", "Set-Cookie": "a=b"})])
    async with serving(upstream), client(2) as http:
        for _ in range(2):
            with watching(Tap("json", 1000), ()) as tap:
                await http.post(
                    f"http://127.0.0.1:{upstream.port}/x", headers={"X-Evil": "1", "Authorization": "Bearer k"}
                )
            with pytest.raises(Rejected):
                tap.require_success()
    assert len(upstream.requests) == 2
    for head, _ in upstream.requests:
        names = {line.split(b":")[0].lower() for line in head.split(b"\r\n")[1:] if line}
        assert b"x-evil" not in names
        assert b"cookie" not in names
        assert b"accept-encoding: identity" in head.lower()
        assert b"Bearer k" in head


async def test_connections_end_with_the_client() -> None:
    """Nothing is asked after it was closed."""
    http = client(1)
    await http.aclose()
    with pytest.raises(Unaskable), watching(Tap("json", 10), ()):
        await http.get("http://127.0.0.1:9/")
    assert isinstance(http, httpx2.AsyncClient)


async def test_idle_connections_end_with_the_client() -> None:
    """They were kept for the next question, which does not come."""
    upstream = Upstream([reply(b"{}")])
    async with serving(upstream):
        async with client(1) as http:
            await _post(http, upstream.port, "/x")
            assert not upstream.left.is_set()
        await asyncio.wait_for(upstream.left.wait(), 5)


async def test_what_is_no_question_is_not_sent() -> None:
    """An SDK that would look something up by itself finds nobody."""
    upstream = Upstream([reply(b"{}")])
    async with serving(upstream), client(2) as http:
        with pytest.raises(Unaskable), watching(Tap("json", 1000), ()):
            await http.get(f"http://127.0.0.1:{upstream.port}/models")
    assert upstream.connections == 0


async def test_so_many_connections_and_no_more() -> None:
    """The third question waits until the first or second is answered, and takes the connection over."""
    upstream = Upstream([reply(b"{}")])
    async with serving(upstream), client(2) as http:
        await asyncio.gather(*(_post(http, upstream.port, "/x") for _ in range(6)))
    assert (len(upstream.requests), upstream.connections) == (6, 2)


async def test_endpoints_are_bounded_and_go_with_their_connections() -> None:
    """Whoever asks ever new addresses leaves no connections behind."""
    upstream = Upstream([reply(b"{}")])
    async with serving(upstream), client(2) as http:
        for number in range(MAX_ENDPOINTS):
            await _post(http, upstream.port, f"/{number}")
        assert not upstream.left.is_set()
        await _post(http, upstream.port, "/one-more")
        await asyncio.wait_for(upstream.left.wait(), 5)
        await _post(http, upstream.port, "/one-more")
    assert upstream.connections == MAX_ENDPOINTS + 1


LARGE = b'data: "%b"\n\n' % (b"x" * 2000)


@pytest.mark.parametrize(("kind", "content_type"), [("json", JSON), ("events", EVENTS)])
@pytest.mark.parametrize(
    ("then", "fault"), [("cut", Broken), ("reset", Broken), ("no response", Broken), ("large", Oversized)]
)
async def test_what_the_wire_did_is_the_fault(
    then: str, fault: type[Fault], kind: Literal["json", "events"], content_type: str
) -> None:
    """Whole or as it comes, the tap knows why the call failed, whatever an SDK would make of it."""
    large = reply(LARGE, content_type)
    upstream = {
        "cut": Upstream([large[:130]], "close"),
        "reset": Upstream([], "reset"),
        "no response": Upstream([b"x" * 1000]),
        "large": Upstream([large]),
    }[then]
    tap = Tap(kind, 1000)
    async with serving(upstream), client(2) as http:
        with pytest.raises(fault) as caught, watching(tap, ()):
            await _read(http, upstream.port)
    assert tap.fault is caught.value


async def test_nobody_there_is_unreachable() -> None:
    """A port that nobody listens on."""
    async with client(2) as http:
        with pytest.raises(Unreachable), watching(Tap("json", 1000), ()):
            await _read(http, 9)


async def _post(http: httpx2.AsyncClient, port: int, path: str) -> None:
    with watching(Tap("json", 1000), ()):
        await http.post(f"http://127.0.0.1:{port}{path}")


async def _read(http: httpx2.AsyncClient, port: int) -> None:
    async with http.stream("POST", f"http://127.0.0.1:{port}/x") as response:
        await response.aread()
