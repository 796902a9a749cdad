"""The thin adapter's own rules; that it reads what the SDKs read is told in ``test_sdk_clients``."""

import asyncio

import pytest

from models.http1 import ConnectionPool
from models.providers.dialect import Wire
from models.providers.faults import Malformed, Rejected
from models.providers.thin import ThinUpstream, require
from tests.providers import DIALECTS, KEY, REQUEST, fixture_named
from tests.upstreams import Upstream, parts_of, reply, serving


async def events_of(provider: str, upstream: Upstream) -> list[Wire]:
    """Return the events of one stream."""
    dialect, pool = DIALECTS[provider], ConnectionPool(1)
    async with serving(upstream):
        thin = ThinUpstream(dialect, f"http://127.0.0.1:{upstream.port}", "m/x", KEY, pool)
        give_up = asyncio.get_running_loop().time() + 5
        try:
            return [event async for event in thin.events(dialect.body("m", REQUEST, 8, stream=True), give_up)]
        finally:
            await thin.close()
            pool.close()


@pytest.mark.parametrize("provider", ["openai", "anthropic", "gemini"])
async def test_events_are_the_protocols(provider: str) -> None:
    """Every event but pings and the end marker, in its order."""
    fixture = fixture_named(provider, "stream")
    expected = [event for event in fixture.events if event.get("type") != "ping"]
    assert await events_of(provider, Upstream(parts_of(fixture))) == expected


async def test_of_an_errors_body_only_the_beginning_is_read() -> None:
    """An endless error costs no memory."""
    with pytest.raises(Rejected) as caught:
        await events_of("openai", Upstream([reply(b"x" * 3_000_000, status=500)]))
    assert 4096 <= len(caught.value.body) <= 1 << 20


@pytest.mark.parametrize(
    ("content_type", "kind", "right"),
    [
        (b"application/json", "json", True),
        (b"Application/JSON; charset=utf-8", "json", True),
        (b"text/event-stream;charset=utf-8", "events", True),
        (b"text/html", "json", False),
        (b"application/json", "events", False),
        (b"", "json", False),
    ],
)
def test_a_success_is_of_the_kind_that_was_asked_for(content_type: bytes, kind: str, right: bool) -> None:
    """Parameters and case aside, only one type of each kind is read."""
    if right:
        require(200, {b"content-type": content_type}, b"", kind)  # type: ignore[arg-type]
    else:
        with pytest.raises(Malformed, match="content type"):
            require(200, {b"content-type": content_type}, b"", kind)  # type: ignore[arg-type]
