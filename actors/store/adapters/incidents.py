"""Incidents: what a person must know, kept in the database and reported without ever stopping the reporter.

``Incidents`` is the table; ``IncidentQueue`` is the sink that domains are given: it hands over to a thread of its own, so
that a slow or dead database costs the reporter nothing. What cannot be stored is in the log in any case.
"""

import json
import logging
import queue
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from sqlalchemy import Row, func, insert, select, update
from sqlalchemy.exc import IntegrityError as UniqueViolation

from actors.base.digests import sha256_hex
from actors.base.errors import NotFound, StorageUnavailable
from actors.base.ids import new_ulid
from actors.base.ports import IncidentLevel
from actors.store.adapters.database import Database
from actors.store.adapters.tables import incidents

MAX_EVIDENCE = 2000
MAX_LISTED = 1000

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Incident:
    """One incident; open until it is acknowledged."""

    id: str
    kind: str
    level: IncidentLevel
    evidence: dict[str, str]
    """As of the first occurrence."""
    occurrences: int
    opened_at_ms: int
    last_seen_ms: int
    acked_at_ms: int | None
    acked_by: str | None


class Incidents:
    """The table of incidents."""

    def __init__(self, database: Database, clock: Callable[[], float] = time.time) -> None:
        self._database, self._clock = database, clock

    def record(self, kind: str, level: IncidentLevel, evidence: Mapping[str, str], dedup_key: str) -> None:
        """Open an incident, or count one more occurrence of the open one with the same ``dedup_key``."""
        key, now_ms = sha256_hex(dedup_key.encode()), self._now_ms()
        if self._count(key, now_ms):
            return
        row = {
            "id": new_ulid(), "kind": kind[:64], "level": level, "dedup_key": key, "evidence": _bounded(evidence),
            "occurrences": 1, "opened_at_ms": now_ms, "last_seen_ms": now_ms,
        }  # fmt: skip
        try:
            with self._database.write() as connection:
                connection.execute(insert(incidents).values(**row))
        except StorageUnavailable as error:
            if not isinstance(error.__cause__, UniqueViolation):
                raise
            self._count(key, now_ms)  # another process opened it between the two statements

    def list(self, limit: int = 100, open_only: bool = False) -> list[Incident]:
        """Return the newest incidents first, at most ``limit``."""
        query = select(incidents).order_by(incidents.c.id.desc()).limit(min(limit, MAX_LISTED))
        if open_only:
            query = query.where(incidents.c.acked_at_ms.is_(None))
        with self._database.read() as connection:
            return [_incident(row) for row in connection.execute(query)]

    def get(self, incident_id: str) -> Incident:
        """Return an incident; raise ``NotFound``."""
        with self._database.read() as connection:
            row = connection.execute(select(incidents).where(incidents.c.id == incident_id)).one_or_none()
        if row is None:
            raise NotFound(f"there is no incident {incident_id[:64]!r}; list the incidents there are")
        return _incident(row)

    def open_about(self, dedup_key: str) -> Incident:
        """Return the open incident with a ``dedup_key``; raise ``NotFound``."""
        query = select(incidents).where(
            incidents.c.dedup_key == sha256_hex(dedup_key.encode()), incidents.c.acked_at_ms.is_(None)
        )
        with self._database.read() as connection:
            row = connection.execute(query).first()
        if row is None:
            raise NotFound(f"there is no open incident about {dedup_key[:128]!r}")
        return _incident(row)

    def count_open(self) -> int:
        """Return how many are open: nobody has acknowledged them."""
        query = select(func.count()).select_from(incidents).where(incidents.c.acked_at_ms.is_(None))
        with self._database.read() as connection:
            return int(connection.execute(query).scalar_one())

    def ack(self, incident_id: str, by: str) -> Incident:
        """Acknowledge an incident; the first acknowledgement stands."""
        with self._database.write() as connection:
            connection.execute(
                update(incidents)
                .where(incidents.c.id == incident_id, incidents.c.acked_at_ms.is_(None))
                .values(acked_at_ms=self._now_ms(), acked_by=by[:200])
            )
        return self.get(incident_id)

    def _count(self, key: str, now_ms: int) -> bool:
        with self._database.write() as connection:
            counted = connection.execute(
                update(incidents)
                .where(incidents.c.dedup_key == key, incidents.c.acked_at_ms.is_(None))
                .values(occurrences=incidents.c.occurrences + 1, last_seen_ms=now_ms)
            )
            return counted.rowcount > 0

    def _now_ms(self) -> int:
        return int(self._clock() * 1000)


@dataclass(frozen=True, slots=True)
class _Report:
    kind: str
    level: IncidentLevel
    evidence: dict[str, str]
    dedup_key: str


class IncidentQueue:
    """The ``IncidentSink`` of a process: logs at once, stores from a thread, never waits, never raises.

    While the database takes nothing an incident waits, and those behind it, for ever ``retry_s`` apart; closing tries once more.
    """

    def __init__(self, table: Incidents, capacity: int = 256, retry_s: float = 2.0) -> None:
        self._table = table
        self._retry_s = retry_s
        self._closing = threading.Event()
        self._waiting: queue.Queue[_Report | None] = queue.Queue(capacity)
        self._thread = threading.Thread(target=self._run, name="incidents", daemon=True)
        self._thread.start()

    def open(self, kind: str, level: IncidentLevel, evidence: Mapping[str, str], dedup_key: str) -> None:
        """Log the incident and have it stored; a full queue drops it, saying so in the log."""
        report = _Report(kind, level, dict(evidence), dedup_key)
        _log.error("incident %s (%s): %s", kind, level, _bounded(evidence))
        try:
            self._waiting.put_nowait(report)
        except queue.Full:
            _log.exception("incident %s is not stored: %d are waiting for the database", kind, self._waiting.maxsize)

    def close(self, timeout_s: float = 10.0) -> None:
        """Store what waits, for at most ``timeout_s``, and end the thread."""
        self._closing.set()
        try:
            self._waiting.put(None, timeout=timeout_s)
        except queue.Full:
            _log.exception("%d incidents are not stored: the database does not take them", self._waiting.qsize())
        self._thread.join(timeout_s)

    def _run(self) -> None:
        while (report := self._waiting.get()) is not None:
            while not self._stored(report) and not self._closing.is_set():
                self._closing.wait(self._retry_s)

    def _stored(self, report: _Report) -> bool:
        try:
            self._table.record(report.kind, report.level, report.evidence, report.dedup_key)
        except StorageUnavailable:
            _log.exception("incident %s is not stored", report.kind)
            return False
        return True


def _bounded(evidence: Mapping[str, str]) -> str:
    return json.dumps({key[:64]: str(value)[:MAX_EVIDENCE] for key, value in evidence.items()}, sort_keys=True)


def _incident(row: Row[tuple[object, ...]]) -> Incident:
    return Incident(
        id=row.id, kind=row.kind, level=row.level, evidence=json.loads(row.evidence), occurrences=row.occurrences,
        opened_at_ms=row.opened_at_ms, last_seen_ms=row.last_seen_ms, acked_at_ms=row.acked_at_ms, acked_by=row.acked_by,
    )  # fmt: skip
