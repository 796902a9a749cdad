"""Replicas of two homes on a real Redis, in any order of what can happen to them and to it: no minute's limit is ever passed."""

from collections.abc import Callable
from contextlib import nullcontext
from pathlib import Path
from random import Random
from typing import Any

import pytest

from actors.admission.ports import OutcomeUnknown
from actors.admission.quotas import MINUTE_S, UNLIMITED, Amount, Book, Leases, Reserved
from actors.base.errors import StorageUnavailable
from tests.shells.actors.admission.adapters.stores import Site, Store
from tests.shells.actors.admission.adapters.test_redis_leases import answered_by_a_proxy
from tests.shells.redis_server import Server, redis_server

SLOTS, STEPS = 3, 1500
AHEAD_S = 20.0
FAULTS = ("flushed", "restarted", "full", "stopped", "stopped before writing", "lost its word", "behind a proxy")


class Replica:
    """A book over a store, and a clock that is off by up to two seconds."""

    def __init__(self, site: Site, name: str, off_s: float, now_s: float) -> None:
        self.site, self.off_s = site, off_s
        self.store: Store = site.store(name)
        self.book = Book(SLOTS, now_s + off_s)


class World:
    """Two homes, one with two slots and one with one, and up to two replicas in each."""

    def __init__(self, server: Server, folder: Path, seed: int) -> None:
        self.server, self.random, self.now_s = server, Random(seed), 1000.0 * MINUTE_S
        self.limit = Amount(self.random.choice((7, 31, 100)), UNLIMITED)
        self.homes = [
            Site(folder / "a", server.url, 0, SLOTS, 100, own=2),
            Site(folder / "b", server.url, 2, SLOTS, 100, own=1),
        ]
        self.born = 0
        self.replicas = [self._born(home) for home in self.homes for _ in range(2)]
        self.used: dict[int, int] = {}

    def _born(self, site: Site) -> Replica:
        self.born += 1
        return Replica(site, f"r{self.born}", self.random.uniform(-2, 2), self.now_s)

    def step(self) -> None:
        """Let one thing happen."""
        draw, replica = self.random.random(), self.random.choice(self.replicas)
        if draw < 0.5:
            held = replica.book.reserve("k", self.limit, 0, self.now_s + replica.off_s)
            if isinstance(held, Reserved):
                self.used[held.minute] = self.used.get(held.minute, 0) + 1
        elif draw < 0.9:
            self._ask(replica, self.random.choice(FAULTS) if self.random.random() < 0.12 else None)
        elif draw < 0.97:
            self.now_s += self.random.choice((0.1, 5.0, 25.0, 41.0))
        else:
            replica.store.close()
            self.replicas[self.replicas.index(replica)] = self._born(replica.site)
        assert max(self.used.values(), default=0) <= self.limit.requests, (self.used, self.limit)

    def _ask(self, replica: Replica, fault: str | None) -> None:
        if (asked := replica.book.to_ask(self.now_s + replica.off_s, AHEAD_S)) is None:
            return
        minute, wants = asked
        replica.book.asked(minute)
        try:
            leases = self._under(replica, fault, lambda: replica.store.lease(minute, wants))
        except (StorageUnavailable, OutcomeUnknown) as error:
            for_certain, has_share = isinstance(error, StorageUnavailable), replica.store.has_share(minute)
            replica.book.failed(minute, for_certain=for_certain, has_share=has_share)
        else:
            replica.book.answered(leases)

    def _under(self, replica: Replica, fault: str | None, ask: Callable[[], Leases]) -> Leases:
        """Ask while something is wrong."""
        notes = replica.store._notes  # type: ignore[union-attr]
        write = notes.write
        if fault == "flushed":
            with self.server.client() as client:
                client.flushall()
        elif fault == "restarted":
            self.server.kill()
            self.server.start()
        elif fault == "full":
            with self.server.full():
                return ask()
        elif fault == "stopped":
            with self.server.frozen():
                return ask()
        elif fault not in (None, "behind a proxy"):
            notes.write = self._late(write, stops=fault == "stopped before writing")
        try:
            with (
                answered_by_a_proxy(replica.store, "ERR upstream timeout")
                if fault == "behind a proxy"
                else nullcontext()
            ):  # type: ignore[arg-type]
                return ask()
        finally:
            notes.write = write

    def _late(self, write: Callable[..., bool], *, stops: bool) -> Callable[..., bool]:
        """Stop the server before it is sent what to write, or lose its word afterwards."""

        def late(*arguments: Any) -> bool:
            if stops:
                with self.server.frozen():
                    return write(*arguments)
            write(*arguments)
            raise OutcomeUnknown("its word was lost")

        return late


@pytest.mark.parametrize("seed", range(6))
def test_nothing_that_happens_to_redis_or_replicas_passes_a_limit(tmp_path: Path, seed: int) -> None:
    """It is emptied, restarted, full, stopped or loses its word; replicas die, are born, and their clocks differ by seconds."""
    with redis_server(tmp_path / "redis") as server:
        world = World(server, tmp_path, seed)
        for _ in range(STEPS):
            world.step()
    assert sum(world.used.values()) > 0
