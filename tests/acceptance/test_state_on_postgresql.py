"""The state database on a real PostgreSQL server, started here on a Unix socket and ended by its process id."""

import contextlib
import os
import pwd
import shutil
import signal
import subprocess
import tempfile
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy import text

from actors.base.errors import HomeError, InvalidRequest, StorageUnavailable
from actors.store.adapters.api_keys import ApiKeys, NewKey
from actors.store.adapters.database import Database
from actors.store.adapters.incidents import Incidents
from actors.store.adapters.tables import metadata
from cluster.migrations import current_revision, newest_revision, upgrade


def _binary(name: str) -> str | None:
    versions = sorted(Path("/usr/lib/postgresql").glob(f"*/bin/{name}"))
    return shutil.which(name) or (str(versions[-1]) if versions else None)


@pytest.fixture(scope="module")
def server() -> Iterator[Path]:
    """Start a server of this module's own; return the directory of its socket."""
    initdb, postgres = _binary("initdb"), _binary("postgres")
    if initdb is None or postgres is None:
        pytest.skip("PostgreSQL is not installed (Debian: postgresql)")
    user = "nobody" if os.geteuid() == 0 else pwd.getpwuid(os.geteuid()).pw_name  # the server refuses to run as root
    account = pwd.getpwnam(user)
    with tempfile.TemporaryDirectory(prefix="weavergen-pg-") as name:
        folder, data = Path(name), f"{name}/data"
        os.chown(folder, account.pw_uid, account.pw_gid)
        who = {"user": account.pw_uid, "group": account.pw_gid, "extra_groups": []} if os.geteuid() == 0 else {}
        make = [initdb, "-D", data, "-U", "weavergen", "--auth=trust", "--no-sync", "-E", "UTF8", "--no-locale"]
        subprocess.run(make, check=True, capture_output=True, cwd=folder, **who)  # type: ignore[call-overload]  # noqa: S603 - our own command
        serve = [postgres, "-D", data, "-k", name, "-c", "listen_addresses=", "-c", "fsync=off"]
        with folder.joinpath("log").open("wb") as log:
            process = subprocess.Popen(serve, stdout=log, stderr=log, cwd=folder, **who)  # type: ignore[call-overload]  # noqa: S603 - our own command
        try:
            _await_ready(process, folder)
            yield folder
        finally:
            process.send_signal(signal.SIGINT)  # its "fast" shutdown
            process.wait(30)


def _await_ready(process: "subprocess.Popen[bytes]", folder: Path) -> None:
    database = Database(_url(folder), pool_size=1, timeout_s=5)
    for _ in range(600):
        with contextlib.suppress(StorageUnavailable):
            database.ping()
            break
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(0.05)
            pytest.fail(f"PostgreSQL ended at its start: {folder.joinpath('log').read_text()}")
    else:
        pytest.fail("PostgreSQL did not become ready")
    database.close()


def _url(folder: Path, port: int = 5432, password: str = "") -> str:
    return f"postgresql://weavergen:{password}@/postgres?unix_sock={folder}/.s.PGSQL.{port}"


@pytest.fixture
def database(server: Path) -> Iterator[Database]:
    """Return an empty database of the server."""
    database = Database(_url(server), pool_size=8, timeout_s=10)
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


def test_a_server_that_is_gone(server: Path) -> None:
    """A socket nobody listens on is a storage error that shows no password."""
    gone = Database(_url(server, 1, "passw0rd"), timeout_s=1)
    with pytest.raises(StorageUnavailable) as caught:
        gone.ping()
    assert "passw0rd" not in str(caught.value)
