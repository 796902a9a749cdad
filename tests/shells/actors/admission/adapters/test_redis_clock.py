"""Words of a clock that was ahead, where limits are shared in a real Redis: waited out whether it is there or not."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from actors.admission.adapters.home_slots import HomeSlots
from actors.admission.adapters.redis_leases import PATIENCE_S, RedisLeases
from actors.admission.config import RedisConfig
from actors.admission.quotas import Book, Reserved
from actors.base.errors import StorageUnavailable
from tests.shells.actors.admission.adapters.stores import CONFIG, LIMIT, WANTS, drained
from tests.shells.redis_server import PASSWORD, Server, redis_server

SHARE = 331


class Steady:
    """A clock that only rises."""

    now_s = 0.0

    def __call__(self) -> float:
        """Return seconds."""
        return self.now_s


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Server]:
    """Start a server."""
    with redis_server(tmp_path / "redis") as running:
        yield running


def leases(server: Server, folder: Path, name: str, clock: Steady, first_slot: int = 0) -> RedisLeases:
    """Return the leases of a home's one replica, one of two homes."""
    redis = RedisConfig(url=server.url, slots=2, first_slot=first_slot, timeout_ms=1000)
    return RedisLeases(folder, name, 1, CONFIG, redis, PASSWORD, clock)


def leave_word(folder: Path, minute: int) -> None:
    """Let somebody hold the home's slot whose clock says this, and go."""
    slots = HomeSlots(folder, range(1), 1.0)
    slots.join(minute)
    slots.close()


def test_a_word_that_is_ahead_is_waited_out_with_the_redis_away(server: Server, tmp_path: Path) -> None:
    """Then its replica has its share alone, as any that Redis is away for; once that is back, it joins."""
    leave_word(tmp_path / "a", 307)
    clock = Steady()
    store, book = leases(server, tmp_path / "a", "a", clock), Book(2, 7 * 60.0)
    server.kill()
    for minute, at_s in ((7, 0.0), (12, PATIENCE_S - 1)):
        clock.now_s = at_s
        with pytest.raises(StorageUnavailable):
            store.lease(minute, {})
        assert (store.has_share(minute), store.waits) == (False, True)
    clock.now_s = PATIENCE_S
    for minute in (13, 14):
        assert book.to_ask(minute * 60.0, 20.0) == (minute, {})
        book.asked(minute)
        with pytest.raises(StorageUnavailable):
            store.lease(minute, {})
        book.failed(minute, for_certain=True, has_share=store.has_share(minute))
        used = sum(isinstance(book.reserve("k", LIMIT, 0, minute * 60.0), Reserved) for _ in range(LIMIT.requests))
        assert (used, store.waits) == (SHARE, False)
    server.start()
    assert store.lease(15, {}).joined


def test_nothing_is_in_hand_of_a_share_that_was_found_in_a_note_though_the_redis_goes_away(
    server: Server, tmp_path: Path
) -> None:
    """Another home's clock kept the note alive: others lease of it what they can, and it is used alone by nobody."""
    clock = Steady()
    before = leases(server, tmp_path / "a", "before", clock)
    assert before.lease(13, {}).joined
    before.close()
    leave_word(tmp_path / "a", 20)
    store = leases(server, tmp_path / "a", "a", clock)
    store.lease(7, {})
    clock.now_s = PATIENCE_S
    assert store.lease(13, WANTS).given["k"].requests > 0
    server.kill()
    with pytest.raises(StorageUnavailable):
        store.lease(13, WANTS)
    assert (store.has_share(13), store.waits) == (False, True)
    with pytest.raises(StorageUnavailable):
        store.lease(14, WANTS)
    assert (store.has_share(14), store.waits) == (True, False)
    server.start()
    assert store.lease(14, {}).joined
    assert drained(store, 14) > 0
