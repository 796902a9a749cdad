"""Two homes' admission over one Redis that fails: requests are answered on local leases, and none is one too many."""

import asyncio
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import ExitStack, asynccontextmanager, contextmanager
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from actors.admission.config import AdmissionConfig, TierConfig
from actors.admission.quotas import MINUTE_S
from actors.base.errors import RateLimited
from actors.consensus.request import GenerationRequest
from actors.store.auth import Principal
from models.voter import Message, Sampling
from serve_apps.gateway import admission as shell
from serve_apps.gateway.admission import Admission
from tests.shells.actors.admission.adapters.stores import Site
from tests.shells.redis_server import Server, redis_server

LIMIT = 100
CONFIG = AdmissionConfig(tiers={1: TierConfig(requests_per_minute=LIMIT)})
KEY = Principal("k", "acme", "client", frozenset(), 1)
ASKED = GenerationRequest("a", (Message("user", "Hi"),), Sampling(max_tokens=20), 60_000)
BEGINS_S = 2_000_000_040.0
AT_ONCE_S = 0.5
"""Far less than what the store's time limits add up to while these tests ask it."""
TIMEOUT_MS = 400
FAULTS = ("absent", "killed", "stopped", "full", "emptied")


class Homes:
    """One replica of each of two homes, on one clock."""

    def __init__(self, folder: Path, url: str) -> None:
        self.now_s = BEGINS_S
        sites = [
            Site(folder / "a", url, own=1, timeout_ms=TIMEOUT_MS),
            Site(folder / "b", url, 1, timeout_ms=TIMEOUT_MS),
        ]
        self.replicas = [
            Admission(CONFIG, 64, 2, site.store("abc"[number]), 1, time.monotonic, lambda: self.now_s)
            for number, site in enumerate(sites)
        ]

    async def turn(self, minute: int) -> None:
        """Let a minute come: whoever can joins it ahead."""
        for at_s in (-10, 5):
            self.now_s = BEGINS_S + minute * MINUTE_S + at_s
            for replica in self.replicas:
                await replica.lease()

    async def use(self, most: int = 10 * LIMIT) -> list[int]:
        """Ask both in turn, as long as one lets in or may lease more; return how many each let in."""
        used, refused = [0, 0], 0
        while refused < 12 and sum(used) < most:
            for number, replica in enumerate(self.replicas):
                began_s = time.monotonic()
                try:
                    await replica.through(ASKED, KEY, "interactive", answered)
                except RateLimited:
                    refused += 1
                else:
                    used[number] += 1
                    refused = 0
                assert time.monotonic() - began_s < AT_ONCE_S
            if refused:
                await asyncio.gather(*(replica.lease() for replica in self.replicas))
        return used


async def answered(_: GenerationRequest, __: Any) -> Any:
    """Answer at once."""
    return SimpleNamespace(state=0)


@asynccontextmanager
async def homes(folder: Path, url: str, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Homes]:
    """Start both."""
    monkeypatch.setattr(shell, "used_tokens", lambda state, _: state)
    both = Homes(folder, url)
    for replica in both.replicas:
        await replica.start()
    yield both
    for replica in both.replicas:
        replica.close()


@contextmanager
def failing(server: Server, fault: str) -> Iterator[None]:
    """Let the server fail."""
    with ExitStack() as over:
        if fault == "killed":
            server.kill()
            over.callback(server.start)
        elif fault == "stopped":
            over.enter_context(server.frozen())
        elif fault == "full":
            over.enter_context(server.full())
        elif fault == "emptied":
            server.kill()
            server.start()
        else:
            over.callback(server.start)
        yield


@pytest.mark.parametrize("fault", FAULTS)
async def test_whatever_becomes_of_redis_serving_goes_on_and_no_limit_is_passed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, fault: str
) -> None:
    """The minute in which it fails, the one after it, and those after it is well again."""
    with redis_server(tmp_path / "redis", started=fault != "absent") as server:
        async with homes(tmp_path, server.url, monkeypatch) as both:
            used = [0, 0]
            if fault != "absent":
                await both.turn(1)
                used = await both.use(most=30)
            with failing(server, fault):
                more = await both.use()
                assert 0 < sum(used) + sum(more) <= LIMIT
                if fault == "absent":
                    assert more == [LIMIT // 2] * 2
                await both.turn(2)
                used = await both.use()
                assert sum(used) == LIMIT if fault == "emptied" else used == [LIMIT // 2] * 2
                leasing = {replica.shown().leasing for replica in both.replicas}
                assert leasing == ({"kept"} if fault == "emptied" else {"alone"})
            assert sum(used) + sum(await both.use()) == LIMIT
            await both.turn(3)
            assert sum(await both.use()) == LIMIT


async def test_a_replica_that_starts_while_redis_is_away_serves_at_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """Unless whoever held its slot has used the minute; it says once a minute why limits are smaller."""
    for expected in ([LIMIT // 2] * 2, [0, 0]):
        async with homes(tmp_path, "redis://127.0.0.1:1", monkeypatch) as both:
            assert await both.use() == expected
            both.now_s += MINUTE_S - 10
            for _ in range(5):
                await both.replicas[0].lease()
    assert caplog.text.count("this replica's share alone") == 4
