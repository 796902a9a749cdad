"""A Redis that is given by name, and a resolver that hangs, is slow, or knows no such name."""

import socket
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from threading import Event
from typing import Any

import pytest

from actors.admission.adapters.redis_leases import RedisLeases
from actors.admission.adapters.resolving import Resolver
from actors.base.errors import StorageUnavailable
from tests.shells.actors.admission.adapters.stores import Site
from tests.shells.redis_server import redis_server

NAME = "redis.invalid"
Ask = Callable[..., list[Any]]


class Slow:
    """A resolver that answers once it may, with what is behind a port of this machine."""

    def __init__(self, ask: Ask) -> None:
        self.ask, self.may, self.asked = ask, Event(), 0

    def __call__(self, host: str, port: int, *families: Any, **options: Any) -> list[Any]:
        """Answer, of one name only."""
        if host != NAME:
            return self.ask(host, port, *families, **options)
        self.asked += 1
        self.may.wait(60)
        return self.ask("127.0.0.1", port, *families, **options)


@pytest.fixture
def slow(monkeypatch: pytest.MonkeyPatch) -> Iterator[Slow]:
    """Put it in the place of the machine's."""
    resolver = Slow(socket.getaddrinfo)
    monkeypatch.setattr(socket, "getaddrinfo", resolver)
    yield resolver
    resolver.may.set()


def test_a_resolver_that_hangs_takes_no_share_away(slow: Slow, tmp_path: Path) -> None:
    """It is waited for as long as a connection: that nothing was noted is certain, and the share is the replica's, alone."""
    with redis_server(tmp_path / "redis") as server:
        url = server.url.replace("127.0.0.1", NAME)
        store = Site(tmp_path, url, timeout_ms=200).store("a")
        assert isinstance(store, RedisLeases)
        began_s = time.monotonic()
        with pytest.raises(StorageUnavailable, match="resolve"):
            store.lease(7, {})
        assert time.monotonic() - began_s < 30
        assert store.has_share(7)
        slow.may.set()
        assert store.lease(7, {}).joined
        slow.may.clear()
        store._notes._redis.connection_pool.disconnect()
        assert store.lease(7, {}).joined  # by the address of before
        assert slow.asked == 2


def test_a_resolver_is_asked_once_at_a_time(slow: Slow) -> None:
    """However often it is waited for; what it says in the end is taken by whoever waits then."""
    resolver = Resolver()
    for _ in range(3):
        with pytest.raises(OSError, match=NAME):
            resolver.addresses(NAME, 1, 0.01)
    assert slow.asked == 1
    slow.may.set()
    assert resolver.addresses(NAME, 1, 30)[0][4] == ("127.0.0.1", 1)


def test_a_name_that_is_none_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever was known before; the next try asks again."""
    resolver = Resolver()
    assert resolver.addresses("127.0.0.1", 1, 30)

    def unknown(*_: Any, **__: Any) -> list[Any]:
        raise socket.gaierror(socket.EAI_NONAME, "no such name")

    with monkeypatch.context() as broken:
        broken.setattr(socket, "getaddrinfo", unknown)
        with pytest.raises(socket.gaierror):
            resolver.addresses("127.0.0.1", 1, 30)
    assert resolver.addresses("127.0.0.1", 1, 30)
