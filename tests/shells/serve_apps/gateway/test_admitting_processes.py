"""One key's limit over processes: five callers in each, whose requests are answered, refused, cancelled or killed half-way."""

import asyncio
import multiprocessing
import time
from dataclasses import replace
from multiprocessing.queues import Queue
from pathlib import Path
from random import Random
from types import SimpleNamespace
from typing import Any

from actors.admission.config import AdmissionConfig, QuotaConfig, TierConfig
from actors.base.errors import NoConsensus, Overloaded, RateLimited
from actors.consensus.request import GenerationRequest
from actors.store.auth import Principal
from models.voter import Message, Sampling
from serve_apps.gateway import admission as shell
from serve_apps.gateway.admission import Admission
from tests.shells.actors.admission.adapters.stores import Site
from tests.shells.redis_server import redis_server

REQUESTS, TOKENS = 300, 60_000
CONFIG = AdmissionConfig(
    tiers={1: TierConfig(requests_per_minute=REQUESTS, tokens_per_minute=TOKENS)}, quotas=QuotaConfig(lock_wait_s=10)
)
KEY = Principal("k", "acme", "client", frozenset(), 1)
ASKED = GenerationRequest("a", (Message("user", "Hi"),), Sampling(max_tokens=200), 60_000)
MINUTE_S = 2_000_000_040.0
NAMES, CALLERS, TRIES = ("a", "b", "c"), 5, 200


class Callers:
    """Five callers in front of one replica's admission."""

    def __init__(self, admission: Admission, seed: int) -> None:
        self._admission, self._random = admission, Random(seed)
        self.requests = self.tokens = 0

    async def call(self) -> None:
        """Ask again and again, until nothing more is to be had."""
        for _ in range(TRIES):
            used = self._random.randint(10, 200)
            ending = self._random.choice(("answered", "answered", "refused", "cancelled"))
            asking = asyncio.create_task(self._admission.through(ASKED, KEY, "interactive", self._work(used, ending)))
            await asyncio.sleep(0)
            if ending == "cancelled":
                asking.cancel()
            try:
                await asking
            except (RateLimited, Overloaded):
                await self._admission.lease()
                continue
            except asyncio.CancelledError:
                continue
            except NoConsensus:
                self._count(used)
            else:
                self._count(used)

    def _count(self, tokens: int) -> None:
        """Count a request that used so many tokens, answered or refused."""
        self.requests += 1
        self.tokens += tokens

    def _work(self, used: int, ending: str) -> Any:
        async def work(_: GenerationRequest, ended: Any) -> Any:
            for _ in range(self._random.randint(1, 4)):
                await asyncio.sleep(0)
            if ending == "refused":
                ended(used)
                raise NoConsensus("x", details={"decision_id": "d"})
            return SimpleNamespace(state=used)

        return work


def serve(site: Site, name: str, go: Any, told: "Queue[tuple[int, int]]") -> None:
    """Be one replica."""
    shell.used_tokens = lambda state, _: state  # type: ignore[assignment,return-value]
    told.put(asyncio.run(_serve(site, name, go)))
    told.close()
    told.join_thread()


async def _serve(site: Site, name: str, go: Any) -> tuple[int, int]:
    wall = SimpleNamespace(now_s=MINUTE_S - 10)
    store = site.store(name, CONFIG.quotas)
    admission = Admission(CONFIG, 64, 2, store, 1, time.monotonic, lambda: wall.now_s)
    await admission.start()
    await admission.lease()
    await asyncio.to_thread(go.wait, 60)
    wall.now_s = MINUTE_S + 1
    callers = Callers(admission, NAMES.index(name))
    await asyncio.gather(*(callers.call() for _ in range(CALLERS)))
    await asyncio.to_thread(go.wait, 60)  # nobody's slot is free before all have ended
    admission.close()
    return callers.requests, callers.tokens


def test_processes_together_never_pass_a_keys_limit(tmp_path: Path) -> None:
    """Three replicas on two slots use all of what there is, requests or tokens, and not one more."""
    serve_together([Site(tmp_path)] * len(NAMES))


def test_processes_of_two_homes_never_pass_a_keys_limit(tmp_path: Path) -> None:
    """Nor do those that share it in a Redis."""
    with redis_server(tmp_path / "redis") as server:
        one, other = Site(tmp_path / "a", server.url), Site(tmp_path / "b", server.url, first_slot=1)
        serve_together([replace(one, own=1), other, other])


def serve_together(sites: list[Site]) -> None:
    """Let a replica of each home serve, as fast as they can."""
    context = multiprocessing.get_context("spawn")
    go, told = context.Barrier(len(NAMES)), context.Queue()
    processes = [
        context.Process(target=serve, args=(site, name, go, told)) for site, name in zip(sites, NAMES, strict=True)
    ]
    for process in processes:
        process.start()
    used = [told.get(timeout=120) for _ in processes]
    for process in processes:
        process.join(timeout=60)
    requests, tokens = (sum(each[place] for each in used) for place in (0, 1))
    assert requests <= REQUESTS
    assert tokens <= TOKENS
    assert requests >= 0.95 * REQUESTS or tokens >= 0.95 * TOKENS
