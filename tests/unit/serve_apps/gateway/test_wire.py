"""Reading a body and watching over the client that sent it, without a server."""

import asyncio
from collections.abc import MutableMapping
from typing import Any

import pytest

from actors.base.errors import InvalidRequest, PromptTooLarge
from serve_apps.gateway import wire
from serve_apps.gateway.wire import ClientGone, read_body, unless_client_leaves

Message = MutableMapping[str, Any]


class Client:
    """A client whose messages a test sends one by one."""

    def __init__(self, *messages: Message) -> None:
        self.asked = 0
        self._messages: asyncio.Queue[Message] = asyncio.Queue()
        for message in messages:
            self._messages.put_nowait(message)

    def leave(self) -> None:
        """Disconnect."""
        self._messages.put_nowait({"type": "http.disconnect"})

    async def receive(self) -> Message:
        """Return the next message."""
        self.asked += 1
        return await self._messages.get()


async def hang(ended: asyncio.Event) -> str:
    """Work until it is cancelled, and say so."""
    try:
        await asyncio.Event().wait()
    finally:
        ended.set()
    raise AssertionError


@pytest.fixture(autouse=True)
def _look_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(wire, "WATCH_AFTER_S", 0.0)


async def test_a_client_that_leaves_cancels_the_work() -> None:
    """The work is cancelled, and what is raised is the client's leaving, not a cancellation of the task."""
    client, ended = Client(), asyncio.Event()
    client.leave()
    with pytest.raises(ClientGone):
        await unless_client_leaves(client.receive, hang(ended))
    assert ended.is_set()
    task = asyncio.current_task()
    assert task is not None
    assert task.cancelling() == 0


async def test_work_that_ends_is_watched_no_longer() -> None:
    """The result is returned and the watch is over: a client that leaves later cancels nothing."""
    client = Client()

    async def work() -> str:
        while not client.asked:  # noqa: ASYNC110 - the watch begins in the loop's own time
            await asyncio.sleep(0)
        return "done"

    assert await unless_client_leaves(client.receive, work()) == "done"
    client.leave()
    await asyncio.sleep(0)
    await asyncio.sleep(0)


async def test_quick_work_costs_no_look(monkeypatch: pytest.MonkeyPatch) -> None:
    """An answer before the watch begins never asks for the client's messages."""
    monkeypatch.setattr(wire, "WATCH_AFTER_S", 60.0)
    client = Client()

    async def work() -> int:
        return 1

    assert await unless_client_leaves(client.receive, work()) == 1
    assert client.asked == 0


async def test_a_cancellation_from_elsewhere_stays_one() -> None:
    """A replica that closes cancels its requests: that is never taken for a client's leaving."""
    client, ended = Client(), asyncio.Event()
    task = asyncio.ensure_future(unless_client_leaves(client.receive, hang(ended)))
    while not client.asked:  # noqa: ASYNC110 - the watch begins in the loop's own time
        await asyncio.sleep(0)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert ended.is_set()


async def test_an_error_of_the_work_is_the_works_own() -> None:
    """What the work raises passes through."""

    async def work() -> int:
        raise InvalidRequest("no")

    with pytest.raises(InvalidRequest):
        await unless_client_leaves(Client().receive, work())


async def test_a_body_is_read_in_its_parts() -> None:
    """Parts join; one byte too many is refused, and a client that leaves in the middle has sent nothing."""
    parts: list[Message] = [
        {"type": "http.request", "body": b"ab", "more_body": True},
        {"type": "http.request", "body": b"c"},
    ]
    assert await read_body(Client(*parts).receive, 3, 1.0) == b"abc"
    with pytest.raises(PromptTooLarge):
        await read_body(Client(*parts).receive, 2, 1.0)
    client = Client(parts[0])
    client.leave()
    with pytest.raises(ClientGone):
        await read_body(client.receive, 3, 1.0)
