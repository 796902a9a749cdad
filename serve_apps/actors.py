"""The control actors: detached, named, restarted for ever by Ray; plain classes underneath."""

import logging
import os
import threading
import time
from pathlib import Path
from typing import Any

from actors.base.errors import HomeError
from actors.base.ids import new_ulid
from actors.spans.actor import SpanActor
from actors.spans.config import SpansConfig
from actors.store.adapters.database import Database
from actors.store.adapters.incidents import IncidentQueue, Incidents
from actors.store.config import StoreConfig

NAMESPACE = "weavergen"
SPAN_ACTOR = "SpanActor"
ON_HEAD = {"node:__internal_head__": 0.001}
"""What reads and writes the home runs where the home's disk is."""
_LOCK_RETRY_S = 0.5

_log = logging.getLogger("weavergen.spans")


class SpanProcess:
    """Ray's shell around the plain ``SpanActor``: it begins by itself after every restart.

    If the loop ends for a reason nobody foresaw, so does the process: a dead reader must look dead, and Ray brings up
    the next one.
    """

    def __init__(self, home: Path, spans: SpansConfig, store: StoreConfig) -> None:
        self._home = home
        self._config = spans
        database = Database(store.url(home), pool_size=1, timeout_s=store.timeout_s)
        self._incidents = IncidentQueue(Incidents(database), store.incident_queue)
        self._actor: SpanActor | None = None
        threading.Thread(target=self._run, name="spans", daemon=True).start()

    def health(self) -> dict[str, Any]:
        """Return lag and totals; ``waiting`` while an earlier instance still holds the home."""
        return {"waiting": True} if self._actor is None else self._actor.health(time.time())

    def _run(self) -> None:
        try:
            self._actor = self._take_over()
            self._actor.run(threading.Event())
        except BaseException:  # noqa: BLE001 - whatever it was, the process ends
            _log.exception("the span loop ended; this process ends with it")
            os._exit(1)

    def _take_over(self) -> SpanActor:
        while True:
            try:
                return SpanActor(self._home, new_ulid(), self._config, self._incidents)
            except HomeError as error:
                _log.warning("%s", error)
                time.sleep(_LOCK_RETRY_S)


def start_span_actor(home: Path, spans: SpansConfig, store: StoreConfig) -> Any:  # noqa: ANN401 - Ray's handles have no type
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
    return actor.remote(home, spans, store)
