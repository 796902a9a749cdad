"""Requests with an ``Idempotency-Key`` to live replicas, and what stands in the table behind them."""

import asyncio
import json
import time
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sqlalchemy import select, update

from actors.base.canonical import canonical_json
from actors.base.signing import SigningKey
from actors.policy.adapters.directory import SnapshotDirectory
from actors.policy.snapshot import sign_snapshot
from actors.policy.transitions import successor
from actors.store.adapters.api_keys import NewKey
from actors.store.adapters.database import Database
from actors.store.adapters.tables import kept_answers
from actors.store.config import StoreConfig
from cluster.access import access
from serve_apps.gateway.replica import Gateway
from tests.shells.serve_apps.gateway.live import Live
from tests.unit.actors.consensus.world import until

QUESTION = "What is the capital of France?"
SECTION = {"lease_s": 1.5, "poll_ms": 10, "max_poll_ms": 50, "sweep_s": 0.05}
"""Short enough to see a claim lapse."""


@dataclass(frozen=True)
class Reply:
    """What came back, byte for byte."""

    status: int
    headers: Mapping[str, str]
    raw: bytes

    @property
    def body(self) -> Any:
        """Return the body as JSON."""
        return json.loads(self.raw)

    @property
    def code(self) -> str:
        """Return an error's code."""
        return str(self.body["error"]["code"])

    @property
    def replayed(self) -> bool:
        """Tell whether it was kept."""
        return self.headers.get("idempotent-replayed") == "true"


class Client:
    """Asks replicas, as one API key."""

    def __init__(self, system: Live, api_key: str = "") -> None:
        self._system = system
        self._api_key = api_key or (system.home.keys / "client.key").read_text().strip()

    async def ask(
        self, *keys: str, number: int = 0, question: str = QUESTION, left: asyncio.Event | None = None,
        deadline_ms: int = 10_000, explain: bool = False, **body: Any,
    ) -> Reply:  # fmt: skip
        """Ask a replica, with these idempotency keys; ``left`` is set when the client goes away."""
        options = {"deadline_ms": deadline_ms, "answer_kind": "value", "explain": explain}
        asked = {"model": "consensus", "messages": [{"role": "user", "content": question}], "weavergen": options}
        messages = [{"type": "http.request", "body": json.dumps(asked | body).encode()}]
        headers = [(b"authorization", f"Bearer {self._api_key}".encode())]
        headers += [(b"idempotency-key", key.encode()) for key in keys]
        sent: list[Any] = []

        async def receive() -> dict[str, Any]:
            if messages:
                return messages.pop(0)
            await (left or asyncio.Event()).wait()
            return {"type": "http.disconnect"}

        async def send(message: Any) -> None:
            sent.append(message)

        await self._system.replicas[number].chat({"headers": headers}, receive, send)
        if not sent:
            return Reply(0, {}, b"")
        told = {name.decode().lower(): value.decode() for name, value in sent[0]["headers"]}
        return Reply(sent[0]["status"], told, sent[1]["body"])


def another_key(system: Live, tenant: str) -> str:
    """Make an API key of a tenant's; return its text. Replicas follow within a moment."""
    with access(system.home, StoreConfig()) as opened:
        _, text = opened.keys.create(NewKey("client", tenant))
        opened.publisher.publish()
    return text


def section(**changes: Any) -> dict[str, Any]:
    """Return the section of a profile."""
    bounds = SECTION | changes
    return {"idempotency": {"timeout_s": min(2.0, bounds["lease_s"] / 3)} | bounds}


async def in_force(system: Live, version: int) -> None:
    """Wait until every replica follows a policy version."""
    await until(lambda: all(gateway.policy().version >= version for gateway in system.replicas))


async def until_known(client: "Client") -> None:
    """Wait until replicas know a client's key."""

    async def known() -> bool:
        return (await client.ask(model="nobody")).status != 401

    await eventually(known)


def tighten(system: Live, **changes: object) -> int:
    """Bring a change into force, signed by the policy key; return its version."""
    return _publish(system, SigningKey.load(system.home.keys / "policy.key"), changes)


def loosen(system: Live, operators: Path, **changes: object) -> int:
    """Bring a change into force that takes an operator."""
    return _publish(system, SigningKey.load(operators / "operator.key"), changes)


def _publish(system: Live, key: SigningKey, changes: Mapping[str, object]) -> int:
    new = successor(system.replicas[0].policy(), int(time.time() * 1000), **changes)
    SnapshotDirectory(system.home.policy).publish(new.version, canonical_json(sign_snapshot(new, key)))
    return new.version


def change_row(system: Live, **values: object) -> None:
    """Change what the table holds."""
    database = Database(StoreConfig().url(system.home.root))
    with database.write() as connection:
        connection.execute(update(kept_answers).values(**values))
    database.close()


def rows(system: Live) -> list[Any]:
    """Return what the table holds."""
    database = Database(StoreConfig().url(system.home.root))
    try:
        with database.read() as connection:
            return list(connection.execute(select(kept_answers).order_by(kept_answers.c.slot)))
    finally:
        database.close()


def claims(system: Live) -> int:
    """Count the requests that are worked on."""
    return sum(row.box is None for row in rows(system))


async def eventually(holds: Callable[[], Awaitable[object]]) -> None:
    """Wait for something that has to be asked for."""
    async with asyncio.timeout(20):
        while not await holds():  # noqa: ASYNC110 - what is asked runs in other threads, too
            await asyncio.sleep(0)


def killed(gateway: Gateway) -> None:
    """Let a replica never reach the table again, as if it had been killed."""

    def gone(*_: object, **__: object) -> Any:
        raise ConnectionError("killed")

    table: Any = gateway._idempotent._table
    for name in ("look", "claim", "renew", "keep", "release", "sweep"):
        setattr(table, name, gone)
