"""The control actors: detached, named, restarted for ever by Ray; plain classes underneath."""

import asyncio
import logging
import os
import threading
import time
from collections.abc import Awaitable, Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING, Any

from actors.base.errors import HomeError, IntegrityError, StorageUnavailable
from actors.base.ids import new_ulid
from actors.base.ports import IncidentSink
from actors.health.config import HealthConfig
from actors.policy.adapters.trust_file import TrustFile
from actors.spans.actor import SpanActor
from actors.spans.adapters.progress import Instant
from actors.spans.adapters.sealer import HomeAuthority
from actors.spans.config import LogConfig, SpansConfig
from actors.store.adapters.database import Database
from actors.store.adapters.incidents import IncidentQueue, Incidents
from actors.store.adapters.revocations import NotedRevocations
from actors.store.config import StoreConfig
from serve_apps.beats import HEALTH_ACTOR, SPAN_ACTOR, Heart
from serve_apps.metrics import RayGauges, RayPredictions, union

if TYPE_CHECKING:
    from actors.health.actor import HealthActor
    from actors.health.ports import Tick
    from actors.health.scaling import Size

NAMESPACE = "weavergen"
ON_HEAD = {"node:__internal_head__": 0.001}
"""What reads and writes the home runs where the home's disk is."""
_RETRY_S: Mapping[type[Exception], float] = {HomeError: 0.5, StorageUnavailable: 5.0, IntegrityError: 60.0}
"""How soon the span actor tries again to begin: a predecessor's lock, a disk; trust that was refused, which is said each time."""
_ASK_TIMEOUT_S = 5.0
NICENESS = 5
"""Of the control path's processes: where processors are scarce requests come first, and a third of a share is left to it."""

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
        self._database = Database(store.url(home), pool_size=1, timeout_s=store.timeout_s)
        self._incidents = IncidentQueue(Incidents(self._database), store.incident_queue)
        self._actor: SpanActor | None = None
        self._waiting_for = "SpanActor begins"
        self._gauges = RayGauges(SPAN_ACTOR)
        self._heart = Heart(home, SPAN_ACTOR, new_ulid())
        os.nice(NICENESS)
        threading.Thread(target=self._run, name="spans", daemon=True).start()

    def health(self) -> dict[str, Any]:
        """Return lag and totals; ``waiting`` with the reason while it cannot begin."""
        return {"waiting": self._waiting_for} if self._actor is None else self._actor.health(Instant.now())

    def _run(self) -> None:
        try:
            self._actor = self._take_over()
            self._actor.run(threading.Event(), show=self._show)
        except BaseException:  # noqa: BLE001 - whatever it was, the process ends
            _log.exception("the span loop ended; this process ends with it")
            os._exit(1)

    def _show(self, health: Mapping[str, Any]) -> None:
        self._heart.beat()
        self._gauges.show(span_gauges(health))

    def _take_over(self) -> SpanActor:
        def begin() -> SpanActor:
            return open_span_actor(self._home, self._config, self._log, self._incidents, self._database)

        return begun(begin, self._wait_for, time.sleep)

    def _wait_for(self, why: str) -> None:
        self._waiting_for = why


def begun(begin: Callable[[], SpanActor], waits: Callable[[str], None], pause: Callable[[float], None]) -> SpanActor:
    """Return the actor that ``begin`` gives; while it cannot, say why and try again.

    A process that ended instead would be brought up again at once, and again: each time that is seconds of a processor.
    """
    while True:
        try:
            return begin()
        except (HomeError, IntegrityError, StorageUnavailable) as error:
            _log.warning("%s", error)
            waits(str(error))
            pause(next(wait_s for kind, wait_s in _RETRY_S.items() if isinstance(error, kind)))


def open_span_actor(
    home: Path, spans: SpansConfig, log: LogConfig, incidents: IncidentSink, database: Database
) -> SpanActor:
    """Return the actor of a home, which believes whom replicas believe: root is pinned, the bundle only grows.

    Raises ``HomeError`` while another one holds the home, ``StorageUnavailable`` while the table's disk is away, and
    ``IntegrityError`` if ``trust.json`` cannot be believed.
    """
    trust = TrustFile(home / "trust.json", incidents, _noted(database))
    return SpanActor(home, new_ulid(), spans, incidents, HomeAuthority(home, trust), log)


def _noted(database: Database) -> dict[str, int]:
    """Return the keys that were ever seen revoked; rows must not wait for the database."""
    try:
        return NotedRevocations(database).since()
    except StorageUnavailable as error:
        _log.warning("the state database is away, a trust.json that lacks revocations goes unseen: %s", error)
        return {}


class HealthProcess:
    """Ray's shell around the plain ``HealthActor``; it begins by itself after every restart, and ends when its loop does."""

    def __init__(
        self, home: Path, health: HealthConfig, store: StoreConfig, max_concurrent: int, gateway: "Size"
    ) -> None:
        self._home, self._config, self._store = home, health, store
        self._max_concurrent, self._gateway = max_concurrent, gateway
        self._score: float | None = None
        self._at_ms = 0
        self._gauges, self._predictions = RayGauges(HEALTH_ACTOR), RayPredictions(HEALTH_ACTOR)
        self._heart = Heart(home, HEALTH_ACTOR, new_ulid())
        os.nice(NICENESS)
        threading.Thread(target=self._run, name="health", daemon=True).start()

    def health(self) -> dict[str, Any]:
        """Return the last tick's time and score; no score before the first."""
        return {"at_ms": self._at_ms, "score": self._score}

    def _run(self) -> None:
        try:
            self._actor().run(lambda pause_s: threading.Event().wait(pause_s), time.time, self._show)
        except BaseException:
            logging.getLogger("weavergen.health").exception("the health loop ended; this process ends with it")
            os._exit(1)

    def _actor(self) -> "HealthActor":
        from actors.health.actor import HealthActor
        from actors.health.adapters.capture import CaptureOff
        from actors.health.adapters.history import HealthHistory
        from actors.health.adapters.machine import Machine, available_mib
        from actors.health.adapters.space import HomeSpace
        from actors.health.exposition import BallotWindow
        from actors.health.relief import QueueRelief
        from serve_apps.builder import APPLICATION, GATEWAY
        from serve_apps.health import PAGES, MetricsReader, SystemProbe
        from serve_apps.scaling import ServeScaler

        config, home = self._config, self._home
        database = Database(self._store.url(home), pool_size=2, timeout_s=self._store.timeout_s)
        incidents = IncidentQueue(Incidents(database), self._store.incident_queue)
        metrics = MetricsReader(union, config.tick_s, config.metrics_max_age_s)
        metrics.start()
        probe = SystemProbe(Machine(home), metrics, self._max_concurrent, BallotWindow(config.voter_window_s, PAGES))
        space = CaptureOff(home, HomeSpace(home, config.free_max_files, config.free_min_age_s), config)
        relief = QueueRelief(ServeScaler(APPLICATION, GATEWAY), self._gateway, available_mib, config)
        history = HealthHistory(database, config.history_rows)
        return HealthActor(config, probe, history, incidents, {"disk": space, "queue": relief}, time.time())

    def _show(self, tick: "Tick") -> None:
        from serve_apps.health import health_gauges, prediction_gauges

        self._heart.beat()
        self._score, self._at_ms = tick.score, tick.at_ms
        self._gauges.show(health_gauges(tick))
        self._predictions.show(prediction_gauges(tick))


def span_gauges(health: Mapping[str, Any]) -> dict[str, float]:
    """Return the numbers of ``SpanActor.health`` as gauges, and whether table or log fail. Pure."""
    shown = {name: value for name, value in health.items() if not name.startswith("merge_")}
    numbers = {f"span_{name}": float(value) for name, value in shown.items() if isinstance(value, int | float)}
    return numbers | {
        "span_table_failing": float(bool(health["table_error"])),
        "span_storm": float(bool(health.get("storm"))),
        "log_failing": float(bool(health["log_error"])),
        "log_merge_delay_seconds": float(health["merge_delay_s"]),
    }


def log_state(health: Mapping[str, Any]) -> tuple[int, float] | None:
    """Return batches in the log and the longest wait for one (seconds); none while an earlier actor is waited for. Pure."""
    return (health["log_size"], health["merge_delay_s"]) if "log_size" in health else None


def checked_rows(health: Mapping[str, Any]) -> dict[str, int] | None:
    """Return rows that were read, accepted and set aside since the actor began; none while an earlier one is waited for. Pure."""
    names = ("rows_read", "rows_accepted", "rows_quarantined")
    return {name: health[name] for name in names} if "rows_read" in health else None


def span_problem(health: Mapping[str, Any]) -> str:
    """Return what keeps rows from the table, from being checked or from the log; empty if nothing does. Pure."""
    if "waiting" in health:
        return f"SpanActor waits: {health['waiting']}"
    if health["table_error"]:
        return str(health["table_error"])
    if why := health.get("held_why"):
        return str(why)
    if why := _checking_problem(health) or _backup_problem(health):
        return why
    if health["merge_late"]:
        return f"batches wait to be sealed: {health['log_error'] or 'more come than can be sealed'}"
    return str(health["log_error"])


def _checking_problem(health: Mapping[str, Any]) -> str:
    if why := health.get("checker_blind_why"):
        return f"spans are not checked: {why}"
    if why := health.get("quarantine_full_why"):
        return f"spans wait to be set aside: {why}"
    why = health.get("statistics_why")
    return f"spans are not compared with earlier ones: {why}" if why else ""


def _backup_problem(health: Mapping[str, Any]) -> str:
    why = str(health.get("backup_error", ""))
    if health.get("backup_in_use"):
        return f"spans go to the backup storage: {why or 'rows are brought back'}"
    return f"the backup span storage could not take over: {why}" if why else ""


class SpanWatch:
    """What a replica knows of the span actor: asked beside the requests, so that none of them ever waits for it."""

    def __init__(self, ask: Callable[[], Awaitable[Mapping[str, Any]]], timeout_s: float = _ASK_TIMEOUT_S) -> None:
        self.problem = ""
        """What keeps rows from the table; empty while nothing is known to."""
        self.log: tuple[int, float] | None = None
        """Batches in the transparency log, and how long the oldest row without a batch has waited (seconds), as last heard."""
        self.storm = ""
        """What is pinned of a span data corruption storm, as last heard; empty while nothing is."""
        self.storm_at_s = 0.0
        """As of when that was so (Unix seconds): what is heard is older than the hearing."""
        self.rows: dict[str, int] | None = None
        """Rows that were read, accepted and set aside, as last heard."""
        self._ask = ask
        self._timeout_s = timeout_s

    async def look(self) -> None:
        """Ask once."""
        try:
            async with asyncio.timeout(self._timeout_s):
                health = await self._ask()
            self.problem, self.log, self.rows = span_problem(health), log_state(health), checked_rows(health)
            if "storm" in health:
                self.storm, self.storm_at_s = str(health["storm"]), float(health["last_tick_s"])
        except Exception as error:  # noqa: BLE001 - whatever keeps it from answering is what there is to say
            self.problem, self.log = f"SpanActor does not answer ({type(error).__name__})", None
            self.rows = None

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
    return _started(SpanProcess, SPAN_ACTOR, home, spans, log, store)


def start_health_actor(
    home: Path, health: HealthConfig, store: StoreConfig, max_concurrent: int, gateway: "Size"
) -> Any:  # noqa: ANN401
    """Start the one health actor, or return the handle of the one that runs; a replica takes ``max_concurrent`` requests."""
    return _started(HealthProcess, HEALTH_ACTOR, home, health, store, max_concurrent, gateway)


def _started(process: type, name: str, *arguments: object) -> Any:  # noqa: ANN401
    import ray

    actor = ray.remote(process).options(
        name=name,
        namespace=NAMESPACE,
        lifetime="detached",
        get_if_exists=True,
        num_cpus=0,
        resources=ON_HEAD,
        max_restarts=-1,
        max_concurrency=2,
    )
    return actor.remote(*arguments)
