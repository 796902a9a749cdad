"""Requests counted over HTTP."""

from typing import Any

import pytest
from starlette.types import Message, Receive, Scope, Send

from serve_apps.gateway.counting import counted, surface


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        ("/v1/chat/completions", "chat"),
        ("/v1/decisions/01JD", "decisions"),
        ("/v1/models", "models"),
        ("/v1/feedback", "feedback"),
        ("/v1/log/tile/0/000", "log"),
        ("/ops/halt", "ops"),
        ("/opsx", "other"),
        ("/wp-login.php", "other"),
        ("/readyz", None),
        ("/healthz", None),
    ],
)
def test_surfaces_are_a_closed_list(path: str, expected: str | None) -> None:
    """A path belongs to one of few surfaces, strangers' paths to ``other``; probes count nowhere."""
    assert surface(path) == expected


class Counts:
    """An application that answers a status, or raises without an answer, and what was counted of it."""

    def __init__(self, status: int | None) -> None:
        self.status = status
        self.seen: list[tuple[str, str]] = []
        self.sent: list[Message] = []

    async def app(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer."""
        if self.status is None:
            raise ConnectionError
        await send({"type": "http.response.start", "status": self.status, "headers": []})
        await send({"type": "http.response.body", "body": b"x"})

    async def call(self, **scope: Any) -> None:
        """Ask through the counting."""

        async def keep(message: Message) -> None:
            self.sent.append(message)

        async def nothing() -> Message:
            return {"type": "http.disconnect"}

        await counted(self.app, lambda *told: self.seen.append(told))(scope, nothing, keep)


async def test_an_answer_counts_once_and_passes_unchanged() -> None:
    """The status is the one sent, and every message goes on to the client."""
    world = Counts(429)
    await world.call(type="http", path="/v1/chat/completions")
    assert world.seen == [("chat", "429")]
    assert [message["type"] for message in world.sent] == ["http.response.start", "http.response.body"]


async def test_a_client_that_went_away_counts_as_gone() -> None:
    """What ended without an answer is counted as that, and the error goes on."""
    world = Counts(None)
    with pytest.raises(ConnectionError):
        await world.call(type="http", path="/v1/chat/completions")
    assert world.seen == [("chat", "gone")]


async def test_probes_and_other_protocols_do_not_count() -> None:
    """Neither readiness probes nor the lifespan of the application make a series."""
    world = Counts(200)
    await world.call(type="http", path="/readyz")
    await world.call(type="lifespan")
    assert world.seen == []
