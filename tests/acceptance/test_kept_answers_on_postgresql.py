"""Kept answers on a real PostgreSQL server: the table as on SQLite, and two real replicas that share it."""

import asyncio
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
from sqlalchemy import text

from actors.store.adapters.database import Database
from tests.acceptance.postgresql import Server, frozen, locked, postgresql, taken
from tests.acceptance.replica import Replica, prepared, running, until
from tests.shells.actors.admission.adapters.test_kept_answers import *  # noqa: F403 - the same tests, over another database

del test_how_much_an_api_key_holds_is_read_from_an_index_alone  # noqa: F821 - SQLite's words for how it will read


@pytest.fixture(scope="module")
def server() -> Iterator[Server]:
    """Start a server of this module's own."""
    with postgresql() as running_server:
        yield running_server


@pytest.fixture
def url(server: Server) -> str:
    """Return the URL of an empty database of the server."""
    database = Database(server.url(), pool_size=1)
    with database.write() as connection:
        connection.execute(text("DROP SCHEMA public CASCADE"))
        connection.execute(text("CREATE SCHEMA public"))
    database.close()
    return server.url()


BODY = {"model": "consensus", "messages": [{"role": "user", "content": "How many days are in a week?"}],
        "weavergen": {"answer_kind": "value"}}  # fmt: skip


async def ask(replica: Replica, key: str = "") -> httpx.Response:
    """Ask a replica, with an idempotency key if one is given."""
    headers = {"Authorization": f"Bearer {replica.keys['client']}"} | ({"Idempotency-Key": key} if key else {})
    return await replica.http.post("/v1/chat/completions", json=BODY, headers=headers)


async def test_two_replicas_give_one_answer(url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Asked at once, ten times each, under three keys: one answer a key, worked on once."""
    settings = prepared(tmp_path, url, 5)
    async with running(settings, monkeypatch) as one, running(settings, monkeypatch) as two:
        for key in "abc":
            told = await asyncio.gather(*(ask(replica, key) for replica in (one, two) for _ in range(10)))
            assert {answer.status_code for answer in told} == {200}
            assert len({answer.content for answer in told}) == 1
            assert sum("idempotent-replayed" not in answer.headers for answer in told) == 1


@pytest.mark.parametrize("fault", ["no connection left", "the server hangs", "the table is held"])
async def test_without_the_server_a_key_is_refused(
    fault: str, server: Server, url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """503 in bounded time for whoever carries a key, answers for everybody else, and the kept one again when it is back."""
    settings = prepared(tmp_path, url, 1)
    settings = settings.model_copy(update={"idempotency": settings.idempotency.model_copy(update={"timeout_s": 0.5})})
    faults = {
        "no connection left": taken(server),
        "the server hangs": frozen(server),
        "the table is held": locked(server, "kept_answers"),
    }
    async with running(settings, monkeypatch) as replica:
        first = await ask(replica, "k")
        assert first.status_code == 200
        with faults[fault]:
            told = await asyncio.wait_for(ask(replica, "k"), 10)
            assert (told.status_code, told.json()["error"]["code"]) == (503, "not_ready")
            assert (await ask(replica)).status_code == 200
            replica.gateway.check_health()

        async def back() -> bool:
            return (await ask(replica, "k")).content == first.content

        await until(back)
