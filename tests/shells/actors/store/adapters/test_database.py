"""The state database."""

import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import Event, Thread

import pytest
from sqlalchemy import func, insert, select, text

from actors.base.errors import ConfigurationError, StorageUnavailable
from actors.store.adapters.database import Database
from actors.store.adapters.tables import auth_versions


def row(version: int) -> dict[str, object]:
    """Make a row."""
    return {"version": version, "sha256": "ab" * 32, "issued_at_ms": 0, "keys": 0}


def count(database: Database) -> int:
    """Count rows."""
    with database.read() as connection:
        return connection.execute(select(func.count()).select_from(auth_versions)).scalar_one()


def test_a_transaction_is_whole(database: Database) -> None:
    """A failure inside a transaction leaves nothing of it."""
    with database.write() as connection:
        connection.execute(insert(auth_versions).values(**row(1)))

    def fail() -> None:
        with database.write() as connection:
            connection.execute(insert(auth_versions).values(**row(2)))
            raise ValueError("on purpose")

    with pytest.raises(ValueError, match="on purpose"):
        fail()
    assert count(database) == 1


def test_readers_do_not_wait_for_a_writer(database: Database) -> None:
    """While a transaction is open, others read what was committed before it."""
    inside, done = Event(), Event()

    def write() -> None:
        with database.write() as connection:
            connection.execute(insert(auth_versions).values(**row(1)))
            inside.set()
            done.wait(10)

    thread = Thread(target=write)
    thread.start()
    assert inside.wait(10)
    assert count(database) == 0
    done.set()
    thread.join()
    assert count(database) == 1


def test_writers_wait_for_each_other(database: Database) -> None:
    """Read-then-write transactions from many threads all succeed and none is lost."""

    def add(_: int) -> None:
        with database.write() as connection:
            highest = connection.execute(select(func.max(auth_versions.c.version))).scalar_one() or 0
            connection.execute(insert(auth_versions).values(**row(highest + 1)))

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(add, range(40)))
    assert count(database) == 40


def test_sqlite_is_durable_and_concurrent(database: Database) -> None:
    """Every connection runs with the write-ahead log and full synchronisation."""
    with database.write() as connection:
        assert connection.execute(text("PRAGMA journal_mode")).scalar_one() == "wal"
        assert connection.execute(text("PRAGMA synchronous")).scalar_one() == 2


def test_a_busy_database_is_unavailable_in_bounded_time(tmp_path: Path, database: Database) -> None:
    """A lock that is not given back costs a bounded wait and a StorageUnavailable that says what to do."""
    impatient = Database(f"sqlite:///{tmp_path}/home/state.db", timeout_s=0.05)
    with database.write() as connection:
        connection.execute(insert(auth_versions).values(**row(1)))
        with (
            pytest.raises(StorageUnavailable, match=r"state\.db failed \(OperationalError: database is locked\)"),
            impatient.write(),
        ):
            pytest.fail("two writers at once")
    impatient.close()


def test_an_exhausted_pool_is_unavailable(tmp_path: Path) -> None:
    """More users than connections wait a bounded time, and hear which bound it is."""
    small = Database(f"sqlite:///{tmp_path}/x.db", pool_size=1, timeout_s=0.05)
    began_s = time.monotonic()
    with small.read(), pytest.raises(StorageUnavailable, match=r"in use: store\.pool_size") as caught, small.read():
        pytest.fail("two connections from a pool of one")
    assert time.monotonic() - began_s < 5
    assert str(caught.value.details["cause"]).startswith("every connection of this process")
    small.close()


def test_errors_do_not_show_parameters(database: Database) -> None:
    """A failing statement's values stay out of every error in the chain."""
    twice = [row(1) | {"sha256": "a-secret-value"}] * 2
    with pytest.raises(StorageUnavailable) as caught, database.write() as connection:
        connection.execute(insert(auth_versions), twice)
    assert "a-secret-value" not in f"{caught.value} {caught.value.__cause__} {caught.value.details}"


@pytest.mark.parametrize("url", ["mysql://u:passw0rd@h/d", "passw0rd", "", "postgresql+psycopg2://u:passw0rd@h/d"])
def test_other_databases_are_refused(url: str) -> None:
    """Only SQLite and PostgreSQL are supported, and the refusal does not show the URL."""
    with pytest.raises(ConfigurationError) as caught:
        Database(url)
    assert "passw0rd" not in str(caught.value)


def test_passwords_do_not_show() -> None:
    """A database's representation hides its password."""
    database = Database("postgresql://u:passw0rd@127.0.0.1:1/d", timeout_s=1)
    assert "passw0rd" not in repr(database)
    with pytest.raises(StorageUnavailable) as caught:
        database.ping()
    assert "passw0rd" not in f"{caught.value} {caught.value.__cause__}"
