"""A state database that has no connection left, hangs or is locked: the replica serves, says so, forgets nothing and recovers.

The server is a real PostgreSQL, the replica a real one.
"""

import asyncio
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack, closing, contextmanager
from pathlib import Path

import pytest
from sqlalchemy import text

from actors.store.adapters.database import Database
from tests.acceptance.postgresql import Server, frozen, locked, postgresql, sessions, taken
from tests.acceptance.replica import Replica, prepared, running, until

TIMEOUT_S = 0.5
AT_ONCE_S = 2.0
"""What no request may take, on a busy machine either."""
BOUND_S = 15.0
"""What a look into the database may take that has to wait for its turn, a connection and an answer."""
OPENED = "circuit_breaker_opened"


@pytest.fixture(scope="module")
def server() -> Iterator[Server]:
    """Start a server of this module's own."""
    with postgresql() as running_server:
        yield running_server


@pytest.fixture
def url(server: Server) -> str:
    """Return the URL of an empty database."""
    database = Database(server.url(), pool_size=1)
    with database.write() as connection:
        connection.execute(text("DROP SCHEMA public CASCADE"))
        connection.execute(text("CREATE SCHEMA public"))
    database.close()
    return server.url()


async def _served(replica: Replica, requests: int = 20) -> None:
    """Ask again and again: each request is answered, and none waits."""
    for _ in range(requests):
        began_s = time.monotonic()
        answer = await replica.ask()
        assert answer.status_code == 200, answer.text
        assert time.monotonic() - began_s < AT_ONCE_S


async def _incidents(replica: Replica) -> dict[str, int]:
    """Return kind → occurrences of what is in the table, nothing while it cannot be read."""
    answer = await replica.get("/ops/incidents")
    return {item["kind"]: item["occurrences"] for item in answer.json()} if answer.status_code == 200 else {}


@contextmanager
def _pool_taken(replica: Replica) -> Iterator[None]:
    """Hold every connection that the replica may have."""
    database = replica.gateway._parts.incidents._database
    with ExitStack() as stack:
        for _ in range(replica.gateway.settings.store.pool_size):
            stack.enter_context(database.read())
        yield


@pytest.mark.parametrize(
    ("fault", "said"),
    [
        (lambda server, _: taken(server), "sorry, too many clients already, SQLSTATE 53300"),
        (lambda _, replica: _pool_taken(replica), "every connection of this process is in use: store.pool_size"),
        (lambda server, _: frozen(server), "TimeoutError: timed out"),
        (lambda server, _: locked(server, "incidents"), "canceling statement due to statement timeout, SQLSTATE 57014"),
    ],
    ids=["no connection left", "its own connections are taken", "the server hangs", "a table is held"],
)
async def test_serving_goes_on_and_incidents_wait(
    server: Server, url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch,
    fault: Callable[[Server, Replica], AbstractContextManager[object]], said: str,
) -> None:  # fmt: skip
    """Every request is answered, ``/readyz`` says what is wrong, and what was raised meanwhile is stored once it is over."""
    async with running(prepared(tmp_path, url, TIMEOUT_S), monkeypatch) as replica:
        await until(lambda: _incidents_read(replica))
        assert await replica.degraded() == []
        with fault(server, replica):
            await _served(replica)
            await replica.break_a_voter()
            await until(lambda: _says(replica, said))
            began_s = time.monotonic()
            looked = await replica.get("/ops/incidents")
            assert (looked.status_code, looked.json()["error"]["code"]) == (503, "not_ready")
            assert time.monotonic() - began_s < BOUND_S
            await _served(replica)
            replica.gateway.check_health()
        await until(lambda: _whole(replica))
        assert (await _incidents(replica))[OPENED] == 1
        replica.gateway.check_health()


async def _incidents_read(replica: Replica) -> bool:
    return (await replica.get("/ops/incidents")).status_code == 200


async def _says(replica: Replica, said: str) -> bool:
    return any(said in line for line in await replica.degraded())


async def _whole(replica: Replica) -> bool:
    return OPENED in await _incidents(replica) and not await replica.degraded()


async def test_a_replica_starts_without_a_connection_left(
    server: Server, url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It serves all the same, by policy and keys that lie on disk, and is whole when there are connections again."""
    settings = prepared(tmp_path, url, TIMEOUT_S)
    with taken(server):
        async with running(settings, monkeypatch) as replica:
            await until(lambda: _says(replica, "too many clients"))
            await _served(replica)
    async with running(settings, monkeypatch) as replica:
        await until(lambda: _incidents_read(replica))
        assert await replica.degraded() == []


async def test_whoever_looks_waits_alone(
    server: Server, url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """While the database hangs, those who look into it take neither threads from whom else needs one nor its connections."""
    async with running(prepared(tmp_path, url, 1.0), monkeypatch) as replica:
        await until(lambda: _incidents_read(replica))
        with closing(server.connect()) as other, locked(server, "incidents", "health_ticks"):
            before = sessions(other)
            looking = [asyncio.create_task(replica.get("/ops/incidents")) for _ in range(20)]
            await asyncio.wait(looking, return_when=asyncio.FIRST_COMPLETED)
            began_s = time.monotonic()
            await asyncio.to_thread(lambda: None)
            assert time.monotonic() - began_s < 0.5
            looked = await asyncio.gather(*looking)
            assert {answer.status_code for answer in looked} == {429, 503}
            assert time.monotonic() - began_s < BOUND_S
            for _ in range(4):
                assert (await replica.get("/ops/predictions")).status_code == 503
            assert len(sessions(other) - before) <= 2  # of its pool, and nothing that it only left behind


async def test_a_halt_waits_for_no_note(
    server: Server, url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Transitions whose notes wait for the database hold up no other: it is in force at once, and is answered within bounds."""
    async with running(prepared(tmp_path, url, 3.0), monkeypatch) as replica:
        await until(lambda: _incidents_read(replica))
        with locked(server, "policy_versions"):
            isolating = [asyncio.create_task(replica.order("isolate", target=f"m{n}")) for n in range(1, 5)]
            await until(lambda: _isolated(replica, 4))
            began_s = time.monotonic()
            halting = asyncio.create_task(replica.order("halt"))
            await until(lambda: _halted(replica))
            assert time.monotonic() - began_s < 1.5
            ordered = await asyncio.gather(*isolating, halting)
            assert [answer.status_code for answer in ordered] == [200] * 5
            assert time.monotonic() - began_s < BOUND_S


async def _isolated(replica: Replica, voters: int) -> bool:
    return list(replica.gateway.policy().voter_state.values()).count("isolated") == voters


async def _halted(replica: Replica) -> bool:
    return replica.gateway.policy().halt.on
