"""Migrations of the state database, on SQLite."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy import inspect, text

from actors.base.errors import HomeError
from actors.store.adapters.api_keys import ApiKeys, NewKey
from actors.store.adapters.database import Database
from actors.store.adapters.incidents import Incidents
from actors.store.adapters.tables import metadata
from cluster.migrations import _config, check, current_revision, newest_revision, upgrade


@pytest.fixture
def database(tmp_path: Path) -> Iterator[Database]:
    """Return an empty database."""
    database = Database(f"sqlite:///{tmp_path}/state.db")
    yield database
    database.close()


def test_an_empty_database_gets_every_table(database: Database) -> None:
    """Upgrading creates what the repositories need, and upgrading again changes nothing."""
    assert current_revision(database) is None
    assert [upgrade(database), upgrade(database)] == [newest_revision()] * 2
    assert set(inspect(database.engine).get_table_names()) == {*metadata.tables, "alembic_version"}
    key, _ = ApiKeys(database).create(NewKey("client"))
    Incidents(database).record("k", "level_2_major", {}, "k")
    check(database)
    assert ApiKeys(database).get(key.id) == key


def test_migrations_and_tables_agree(database: Database) -> None:
    """Alembic finds no difference between what migrations build and what the code declares."""
    upgrade(database)
    with database.read() as connection:
        assert compare_metadata(MigrationContext.configure(connection, {"compare_type": True}), metadata) == []


def test_the_index_of_open_incidents_is_partial(database: Database) -> None:
    """The migrated index is unique among open incidents only (comparison does not see its condition)."""
    upgrade(database)
    with database.read() as connection:
        sql = connection.execute(text("SELECT sql FROM sqlite_master WHERE name = 'ux_incidents_open'")).scalar_one()
    assert "UNIQUE" in sql
    assert sql.endswith("WHERE acked_at_ms IS NULL")


def test_kept_answers_from_before_count_with_what_they_take(database: Database) -> None:
    """A row that an earlier version kept takes its box of its API key's room."""
    with database.write() as connection:
        command.upgrade(_config(connection), "0004")
        connection.execute(
            text(
                "INSERT INTO kept_answers (slot, api_key_id, request, claim_id, expires_at_ms, box)"
                " VALUES ('s', 'k', 'r', 'c', 5, x'010203'), ('t', 'k', 'r', 'd', 5, NULL)"
            )
        )
    upgrade(database)
    with database.read() as connection:
        taken = connection.execute(text("SELECT room_bytes FROM kept_answers ORDER BY slot")).scalars().all()
    assert taken == [3, 0]


def test_a_newer_database_is_left_alone(database: Database) -> None:
    """A revision this version does not know is refused with what to do, and the database is not touched."""
    upgrade(database)
    with database.write() as connection:
        connection.execute(text("UPDATE alembic_version SET version_num = '9999'"))
    for refuse in (upgrade, check):
        with pytest.raises(HomeError, match="a newer version made it"):
            refuse(database)
    assert current_revision(database) == "9999"


def test_an_old_database_is_told(database: Database) -> None:
    """Checking a database that was never migrated says how to migrate it."""
    with pytest.raises(HomeError, match="weavergen up"):
        check(database)
