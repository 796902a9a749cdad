"""The control actors: detached, named, restarted for ever by Ray; plain classes underneath."""

import asyncio
import logging
import os
import threading
import time
from collections.abc import Awaitable, Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from actors.base.errors import HomeError
from actors.base.ids import new_ulid
from actors.spans.actor import Instant, SpanActor
from actors.spans.adapters.sealer import HomeAuthority
from actors.spans.config import LogConfig, SpansConfig
from actors.store.adapters.database import Database
from actors.store.adapters.incidents import IncidentQueue, Incidents
from actors.store.config import StoreConfig
from serve_apps.metrics import RayGauges

NAMESPACE = "weavergen"
SPAN_ACTOR = "SpanActor"
ON_HEAD = {"node:__internal_head__": 0.001}
"""What reads and writes the home runs where the home's disk is."""
_LOCK_RETRY_S = 0.5
_ASK_TIMEOUT_S = 5.0

_log = logging.getLogger("weavergen.spans")


class SpanProcess:
    """Ray's shell around the plain ``SpanActor``: it begins by itself after every restart.

    If the loop ends for a reason nobody foresaw, so does the process: a dead reader must look dead, and Ray brings up
    the next one.
    """

    def __init__(self, home: Path, spans: SpansConfig, log: LogConfig, store: StoreConfig) -> None:
        self._home = home
        self._config = spans
        self._log = log
        database = Database(store.url(home), pool_size=1, timeout_s=store.timeout_s)
        self._incidents = IncidentQueue(Incidents(database), store.incident_queue)
        self._actor: SpanActor | None = None
        self._gauges = RayGauges(SPAN_ACTOR)
        threading.Thread(target=self._run, name="spans", daemon=True).start()

    def health(self) -> dict[str, Any]:
        """Return lag and totals; ``waiting`` while an earlier instance still holds the home."""
        return {"waiting": True} if self._actor is None else self._actor.health(Instant.now())

    def _run(self) -> None:
        try:
            self._actor = self._take_over()
            self._actor.run(threading.Event(), show=lambda health: self._gauges.show(span_gauges(health)))
        except BaseException:  # noqa: BLE001 - whatever it was, the process ends
            _log.exception("the span loop ended; this process ends with it")
            os._exit(1)

    def _take_over(self) -> SpanActor:
        while True:
            try:
                return SpanActor(
                    self._home, new_ulid(), self._config, self._incidents, HomeAuthority(self._home), self._log
                )
            except HomeError as error:
                _log.warning("%s", error)
                time.sleep(_LOCK_RETRY_S)


def span_gauges(health: Mapping[str, Any]) -> dict[str, float]:
    """Return the numbers of ``SpanActor.health`` as gauges, and whether table or log fail. Pure."""
    shown = {name: value for name, value in health.items() if not name.startswith("merge_")}
    numbers = {f"span_{name}": float(value) for name, value in shown.items() if isinstance(value, int | float)}
    return numbers | {
        "span_table_failing": float(bool(health["table_error"])),
        "log_failing": float(bool(health["log_error"])),
        "log_merge_delay_seconds": float(health["merge_delay_s"]),
    }


def span_problem(health: Mapping[str, Any]) -> str:
    """Return what keeps rows from the table or the log; empty if nothing does. Pure."""
    if health.get("waiting"):
        return "an earlier SpanActor still holds the home"
    if health["table_error"]:
        return str(health["table_error"])
    if health["merge_late"]:
        return f"batches wait to be sealed: {health['log_error'] or 'more come than can be sealed'}"
    return str(health["log_error"])


class SpanWatch:
    """What a replica knows of the span actor: asked beside the requests, so that none of them ever waits for it."""

    def __init__(self, ask: Callable[[], Awaitable[Mapping[str, Any]]], timeout_s: float = _ASK_TIMEOUT_S) -> None:
        self.problem = ""
        """What keeps rows from the table; empty while nothing is known to."""
        self._ask = ask
        self._timeout_s = timeout_s

    async def look(self) -> None:
        """Ask once."""
        try:
            async with asyncio.timeout(self._timeout_s):
                self.problem = span_problem(await self._ask())
        except Exception as error:  # noqa: BLE001 - whatever keeps it from answering is what there is to say
            self.problem = f"SpanActor does not answer ({type(error).__name__})"

    async def follow(self, every_s: float) -> None:
        """Ask again and again."""
        while True:
            await self.look()
            await asyncio.sleep(every_s)


_finder = ThreadPoolExecutor(1, "span-actor")


async def ask_span_actor() -> Mapping[str, Any]:
    """Return ``SpanProcess.health`` of the one that runs."""
    import ray

    # A thread of its own: while Ray's control store is away the name is looked up for long, and nothing else may wait.
    handle = await asyncio.get_running_loop().run_in_executor(_finder, ray.get_actor, SPAN_ACTOR, NAMESPACE)
    health: Mapping[str, Any] = await handle.health.remote()
    return health


def start_span_actor(home: Path, spans: SpansConfig, log: LogConfig, store: StoreConfig) -> Any:  # noqa: ANN401 - Ray's handles have no type
    """Start the one reader of the write-ahead logs, or return the handle of the one that runs."""
    import ray

    actor = ray.remote(SpanProcess).options(
        name=SPAN_ACTOR,
        namespace=NAMESPACE,
        lifetime="detached",
        get_if_exists=True,
        num_cpus=0,
        resources=ON_HEAD,
        max_restarts=-1,
        max_concurrency=2,
    )
    return actor.remote(home, spans, log, store)
