"""What the health actor reads of the running system: the machine it runs on, and what every process publishes."""

import asyncio
import logging
import threading
import time
from collections.abc import Awaitable, Callable, Mapping
from typing import TYPE_CHECKING, Any

from actors.base.errors import NotReady
from actors.health.exposition import BallotWindow, Page, parse, queue_level
from actors.health.monitors import Readings, Unread
from actors.health.ports import Tick

if TYPE_CHECKING:
    from actors.health.adapters.machine import Machine

_log = logging.getLogger("weavergen.health")
UNREAD = ("weavergen_metrics_agents_unread", ())
"""The series that says how much of a page is missing: such a page would make counters begin again and hide replicas."""
PAGES = 4096
"""Pages that a window of ballots holds at most."""


class MetricsReader:
    """The newest page of metrics, read by a thread of its own: asking Ray may take long, and a tick waits for nothing."""

    def __init__(self, fetch: Callable[[], Awaitable[bytes]], every_s: float, max_age_s: float) -> None:
        self._fetch, self._every_s, self._max_age_s = fetch, every_s, max_age_s
        self._last: tuple[float, Page] | None = None
        self._why = "no metrics were read yet"

    def start(self) -> None:
        """Begin to read, for as long as the process lives."""
        threading.Thread(target=self._run, name="metrics", daemon=True).start()

    def look(self) -> None:
        """Read once; what fails is kept as the reason, and an older page counts until it is too old."""
        try:
            page = parse(asyncio.run(self._fetch_one()).decode("utf-8", "replace"))
            if missing := page.get(UNREAD, 0.0):
                raise NotReady(f"{missing:.0f} metrics agents do not answer")
        except Exception as error:  # noqa: BLE001 - whatever keeps metrics from being read is what there is to say
            self._why = f"{type(error).__name__}: {error}"[:300]
            _log.warning("metrics cannot be read: %s", self._why)
        else:
            self._last, self._why = (time.monotonic(), page), "nothing was read since"

    def newest(self, now_s: float) -> tuple[float, Page]:
        """Return the newest page and its age on the steady clock; raise ``NotReady`` if there is none that is young enough."""
        if self._last is None or now_s - self._last[0] > self._max_age_s:
            raise NotReady(f"metrics cannot be read: {self._why}")
        return self._last

    async def _fetch_one(self) -> bytes:
        return await self._fetch()

    def _run(self) -> None:
        while True:
            self.look()
            time.sleep(self._every_s)


class SystemProbe:
    """The ``Probe`` of a running system."""

    def __init__(
        self, machine: "Machine", metrics: MetricsReader, capacity: int, ballots: BallotWindow,
        steady: Callable[[], float] = time.monotonic,
    ) -> None:  # fmt: skip
        self._machine, self._metrics, self._capacity, self._ballots = machine, metrics, capacity, ballots
        self._steady = steady
        self._taken_s = -1.0

    def read(self, now_s: float) -> Readings:  # noqa: ARG002 - the port's; pages are dated on the steady clock
        """Return levels and ballots; what cannot be read says why."""
        levels = dict(self._machine.levels())
        try:
            at_s, page = self._metrics.newest(self._steady())
        except NotReady as error:
            return Readings({**levels, "queue": Unread(str(error))}, Unread(str(error)))
        if at_s > self._taken_s:
            self._ballots.add(at_s, page)
            self._taken_s = at_s
        return Readings({**levels, "queue": queue_level(page, self._capacity)}, self._ballots.voters())


def health_gauges(tick: Tick) -> dict[str, float]:
    """Return the gauges of a tick: score, levels, and how many alarms are open. Pure."""
    opened = sum(watch.open for watch in tick.alarms.watches.values())
    levels = {f"signal_{name}": level for name, level in tick.levels.items()}
    blind = sum(check.blind for check in tick.checks)
    return {"health_score": tick.score, "health_blind": float(blind), "health_alarms_open": float(opened), **levels}


def health_now(newest: Mapping[str, Any] | None, now_s: float) -> dict[str, Any]:
    """Return what is shown of the newest tick, with its age. Pure."""
    if newest is None:
        nothing: dict[str, Any] = {"at_ms": None, "age_s": None, "score": None, "levels": {}}
        return nothing | {"checks": [], "predictions": [], "alarms": []}
    return {**newest, "age_s": round(max(now_s - newest["at_ms"] / 1000, 0.0), 1)}


def prediction_gauges(tick: Tick) -> dict[tuple[str, str], float]:
    """Return (signal, horizon in seconds) → probability. Pure."""
    return {
        (prediction.signal.name, str(horizon)): probability
        for prediction in tick.predictions
        for horizon, probability in prediction.probabilities
    }
