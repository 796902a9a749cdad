"""``Idempotency-Key`` at a simulated replica: production's ``IdempotentAnswers`` on a real table, under the virtual clock.

Rules:
- What decides is production's: ``IdempotentAnswers`` with its lines, claims, seals and objections, and ``KeptAnswers`` on SQLite,
  which all replicas share.
- The table is asked in no thread: a call is done at once, and its answer comes a little later, as from a database. While the
  table is away nothing is done. A replica that was killed does nothing there any more, so its claims lapse.

Left out: admission before a request that carries a key (its reservation and refund are tests of the shells), and the sweep.
"""

import asyncio
import json
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

from msgspec.structs import replace
from sqlalchemy import event
from sqlalchemy.engine.interfaces import DBAPIConnection

from actors.admission.adapters.kept_answers import KeptAnswers
from actors.admission.idempotency_config import IdempotencyConfig
from actors.admission.sealing import BOX_BYTES
from actors.base.errors import StorageUnavailable
from actors.base.ports import IncidentLevel
from actors.consensus.actor import ConsensusCoordinator, Decision
from actors.consensus.request import GenerationRequest
from actors.consensus.screening.version import SCREENING_VERSION
from actors.store.adapters.database import Database
from actors.store.adapters.tables import metadata
from actors.store.tenants import Tenants
from cluster.simulation import authority
from cluster.simulation.loop import LateThread
from cluster.simulation.surroundings import PolledPolicy, SimulatedClock
from cluster.simulation.voters import ASKED
from cluster.simulation.weather import Weather
from serve_apps.gateway.idempotency import Asked, IdempotentAnswers
from serve_apps.gateway.threads import BoundedThreads

Found = TypeVar("Found")
STATE = "state.db"
"""The state database, beside the folder of what replicas spend."""
TABLE_S = 0.002
"""How long the table takes to answer."""


class TableThreads(BoundedThreads):
    """Threads that are none."""

    def __init__(self, limit: int, weather: Weather, is_dead: Callable[[], bool]) -> None:
        super().__init__(1, limit, "simulated")
        self._weather, self._is_dead = weather, is_dead
        self._thread = LateThread(lambda: TABLE_S)

    async def run(self, call: Callable[[], Found]) -> Found:
        """Return what ``call`` returns, a little later."""

        def asked() -> Found:
            if self._is_dead() or self._weather.worst("table_away") is not None:
                raise StorageUnavailable("the state database is away")
            return call()

        return await asyncio.get_running_loop().run_in_executor(self._thread, asked)


class NobodyTampers:
    """Is told of incidents: each is a breach, for here whatever was kept lies there as it was."""

    def __init__(self, breach: Callable[[str, str], None]) -> None:
        self._breach = breach

    def open(self, kind: str, level: IncidentLevel, evidence: Mapping[str, str], dedup_key: str) -> None:  # noqa: ARG002 - the port's signature
        """Hear of one."""
        self._breach("replay", f"{kind}, {level}: {', '.join(f'{name} {said}' for name, said in evidence.items())}")


class SimulatedAnswers(IdempotentAnswers):
    """One replica's."""

    def __init__(
        self, table: KeptAnswers, config: IdempotencyConfig, places: int, tenants: Tenants, policy: PolledPolicy,
        coordinator: ConsensusCoordinator, clock: SimulatedClock, weather: Weather, is_dead: Callable[[], bool],
        breach: Callable[[str, str], None],
    ) -> None:  # fmt: skip
        super().__init__(
            table, config, places, tenants=tenants, policy=policy, trust=authority.trust,
            screening_version=lambda: SCREENING_VERSION, pseudonym=coordinator.tenant_pseudonym, sink=NobodyTampers(breach),
            clock=clock, randomness=_randomness,
        )  # fmt: skip
        self._looks = TableThreads(config.max_looks, weather, is_dead)
        self._keeps = TableThreads(3 * places + config.max_looks + 1, weather, is_dead)

    @property
    def waiting(self) -> int:
        """Requests that wait for their like."""
        return self._lines.waiting


@dataclass(frozen=True, slots=True)
class Repeated:
    """What it takes to work on a request that carries a key."""

    coordinator: ConsensusCoordinator
    request: GenerationRequest
    deliberate: Callable[[GenerationRequest], Awaitable[Decision]]

    def reserve(self) -> None:
        """Hold nothing: there is no limit."""

    def refund(self) -> None:
        """Give nothing back."""

    async def generate(self, left_ms: int) -> Decision:
        """Deliberate in the time that is left."""
        return await self.deliberate(replace(self.request, deadline_ms=left_ms))

    async def withhold(self, decision: Decision) -> None:
        """Put on record that an answer does not leave."""
        await self.coordinator.withhold(decision)


def asked_under(key: str, request: GenerationRequest, who: object) -> Asked:
    """Return a request as it is asked under a key."""
    text = json.dumps([request.messages[0].content, request.policy, request.deadline_ms])
    return Asked(key, who, text, request.deadline_ms, explain=False)  # type: ignore[arg-type]


def state_of(file: Path) -> Database:
    """Return a state database in a file, with its tables; nothing waits for the disk, for no power is lost here."""
    database = Database(f"sqlite:///{file}")
    event.listen(database.engine, "connect", _hurry)
    metadata.create_all(database.engine)
    return database


def _hurry(connection: DBAPIConnection, _: object) -> None:
    connection.cursor().execute("PRAGMA synchronous=OFF")


def table_of(database: Database, config: IdempotencyConfig) -> KeptAnswers:
    """Return the table that all replicas share."""
    return KeptAnswers(database, config.max_keys, config.max_kept_bytes, config.max_answer_bytes + BOX_BYTES)


def _randomness(size: int) -> bytes:
    return ASKED.get().random_bytes(size)
