"""The state database on a real PostgreSQL server."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy import text

from actors.base.errors import HomeError, InvalidRequest, StorageUnavailable
from actors.store.adapters.api_keys import ApiKeys, NewKey
from actors.store.adapters.database import Database
from actors.store.adapters.incidents import Incidents
from actors.store.adapters.revocations import NotedRevocations
from actors.store.adapters.tables import metadata
from cluster.migrations import current_revision, newest_revision, upgrade
from tests.acceptance.postgresql import Server, frozen, postgresql, taken


@pytest.fixture(scope="module")
def server() -> Iterator[Server]:
    """Start a server of this module's own."""
    with postgresql() as running:
        yield running


@pytest.fixture
def database(server: Server) -> Iterator[Database]:
    """Return an empty database of the server."""
    database = Database(server.url(), pool_size=8, timeout_s=10)
    with database.write() as connection:
        connection.execute(text("DROP SCHEMA public CASCADE"))
        connection.execute(text("CREATE SCHEMA public"))
    yield database
    database.close()


def test_migrations_and_tables_agree(database: Database) -> None:
    """An empty database gets exactly the declared tables, once."""
    assert current_revision(database) is None
    assert [upgrade(database), upgrade(database)] == [newest_revision()] * 2
    with database.read() as connection:
        context = MigrationContext.configure(connection, opts={"compare_type": True})
        assert compare_metadata(context, metadata) == []
        index = connection.execute(text("SELECT indexdef FROM pg_indexes WHERE indexname = 'ux_incidents_open'"))
        assert "WHERE (acked_at_ms IS NULL)" in index.scalar_one()


def test_nodes_that_migrate_at_once(database: Database) -> None:
    """Four nodes that start together migrate once; none fails."""
    with ThreadPoolExecutor(4) as pool:
        assert set(pool.map(lambda _: upgrade(database), range(4))) == {newest_revision()}


def test_a_newer_database_is_left_alone(database: Database) -> None:
    """A revision this version does not know is refused."""
    upgrade(database)
    with database.write() as connection:
        connection.execute(text("UPDATE alembic_version SET version_num = '9999'"))
    with pytest.raises(HomeError, match="a newer version made it"):
        upgrade(database)


def test_keys(database: Database) -> None:
    """Keys are made, rotated once and revoked as on SQLite."""
    upgrade(database)
    keys = ApiKeys(database)
    old, _ = keys.create(NewKey("client", "acme", ("strict", "direct"), 2))
    new, _ = keys.rotate(old.id)
    with pytest.raises(InvalidRequest):
        keys.rotate(old.id)
    assert [entry.id for entry in keys.valid()] == [new.id]
    assert keys.revoke(new.id).revoked_at_ms is not None
    assert list(keys.valid()) == []


def test_concurrent_reporters_open_one_incident(database: Database) -> None:
    """Eight reporters of the same thing open one incident and every occurrence is counted."""
    upgrade(database)
    table = Incidents(database)
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda _: table.record("k", "level_2_major", {}, "same"), range(40)))
    assert [incident.occurrences for incident in table.list()] == [40]


def test_a_server_that_is_gone(server: Server) -> None:
    """A socket nobody listens on is a storage error that shows no password."""
    gone = Database(server.url(1, "passw0rd"), timeout_s=1)
    with pytest.raises(StorageUnavailable) as caught:
        gone.ping()
    assert "passw0rd" not in str(caught.value)


def test_what_another_process_noted_first(database: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    """A row that is there already is told apart from a database that fails, and changes nothing."""
    upgrade(database)
    noted = NotedRevocations(database)
    noted.note({"f" * 16: 1})
    with monkeypatch.context() as late:
        late.setattr(NotedRevocations, "since", lambda _: {})
        noted.note({"f" * 16: 2})
    assert noted.since() == {"f" * 16: 1}


def test_a_server_without_a_connection_left(server: Server) -> None:
    """It says so itself, at once, and gives connections again when there are any."""
    database = Database(server.url(), pool_size=2, timeout_s=5)
    database.ping()
    with taken(server):
        for _ in range(2):
            with pytest.raises(StorageUnavailable, match="too many clients already, SQLSTATE 53300"):
                database.ping()
    database.ping()
    database.close()


def test_a_server_that_hangs(server: Server) -> None:
    """Silence costs a bounded wait, and the connection that it broke is not used again."""
    database = Database(server.url(), pool_size=1, timeout_s=0.2)
    database.ping()
    with frozen(server):
        for _ in range(2):
            with pytest.raises(StorageUnavailable, match="timed out"):
                database.ping()
    database.ping()
    database.close()


def test_a_server_that_hangs_in_the_middle(server: Server) -> None:
    """A connection that broke while it was used is not given to the next one."""
    database = Database(server.url(), pool_size=1, timeout_s=0.2)

    def ask_twice() -> None:
        with database.read() as connection:
            connection.execute(text("SELECT 1"))
            with frozen(server):
                connection.execute(text("SELECT 2"))

    with pytest.raises(StorageUnavailable, match="timed out"):
        ask_twice()
    database.ping()
    database.close()


def test_a_statement_that_takes_too_long(server: Server) -> None:
    """The server ends it, before we give up, so that nothing of it is left there: the connection is good for the next one."""
    database = Database(server.url(), pool_size=1, timeout_s=0.1)
    with database.read() as connection:
        session = connection.execute(text("SELECT pg_backend_pid()")).scalar_one()
    for _ in range(20):
        with pytest.raises(StorageUnavailable, match="timeout, SQLSTATE 57014"), database.read() as connection:
            connection.execute(text("SELECT pg_sleep(60)"))
    with database.read() as connection:
        assert connection.execute(text("SELECT pg_backend_pid()")).scalar_one() == session
    database.close()


def test_values_do_not_show(database: Database) -> None:
    """What the server says of a statement's values stays out of the error: only its code is told."""
    with pytest.raises(StorageUnavailable, match="SQLSTATE 22P02") as caught, database.read() as connection:
        connection.execute(text("SELECT CAST(:value AS integer)"), {"value": "a-secret-value"})
    assert "a-secret-value" not in f"{caught.value} {caught.value.details}"
