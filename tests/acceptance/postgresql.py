"""A real PostgreSQL server of a test's own: on a Unix socket, ended by its process id; and three ways in which one fails."""

import contextlib
import os
import pwd
import shutil
import signal
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil
import pytest
from pg8000 import native

from actors.base.errors import StorageUnavailable
from actors.store.adapters.database import Database

CONNECTIONS = 12
"""As many as the server gives, to whomever: none is kept for its superuser, who we are."""
_BOUNDS = {
    "listen_addresses": "", "fsync": "off", "max_connections": str(CONNECTIONS), "superuser_reserved_connections": "0",
    "max_wal_senders": "0",
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Server:
    """A running server."""

    folder: Path
    """Where its socket lies."""
    pid: int

    def url(self, port: int = 5432, password: str = "") -> str:
        """Return the URL of its one database."""
        return f"postgresql://weavergen:{password}@/postgres?unix_sock={self._socket(port)}"

    def connect(self) -> native.Connection:
        """Return a connection that is nobody's but the test's."""
        return native.Connection("weavergen", database="postgres", unix_sock=self._socket(5432), timeout=10)

    def _socket(self, port: int) -> str:
        return f"{self.folder}/.s.PGSQL.{port}"


@contextmanager
def postgresql() -> Iterator[Server]:
    """Start a server; end it."""
    initdb, postgres = _binary("initdb"), _binary("postgres")
    if initdb is None or postgres is None:
        pytest.skip("PostgreSQL is not installed (Debian: postgresql)")
    user = "nobody" if os.geteuid() == 0 else pwd.getpwuid(os.geteuid()).pw_name  # the server refuses to run as root
    account = pwd.getpwnam(user)
    who: dict[str, Any] = (
        {"user": account.pw_uid, "group": account.pw_gid, "extra_groups": []} if os.geteuid() == 0 else {}
    )
    with tempfile.TemporaryDirectory(prefix="weavergen-pg-") as name:
        folder, data = Path(name), f"{name}/data"
        os.chown(folder, account.pw_uid, account.pw_gid)
        make = [initdb, "-D", data, "-U", "weavergen", "--auth=trust", "--no-sync", "-E", "UTF8", "--no-locale"]
        subprocess.run(make, check=True, capture_output=True, cwd=folder, **who)  # noqa: S603 - our own command
        serve = [postgres, "-D", data, "-k", name]
        serve += [word for key, value in _BOUNDS.items() for word in ("-c", f"{key}={value}")]
        with folder.joinpath("log").open("wb") as log:
            process = subprocess.Popen(serve, stdout=log, stderr=log, cwd=folder, **who)  # noqa: S603 - our own command
        try:
            server = Server(folder, process.pid)
            _await_ready(process, server)
            yield server
        finally:
            process.send_signal(signal.SIGINT)  # its "fast" shutdown
            process.wait(30)


@contextmanager
def taken(server: Server) -> Iterator[None]:
    """Take every connection: whoever holds one loses it, as at a restart, and somebody else is faster."""
    held = [server.connect()]
    try:
        for _ in range(100):
            with contextlib.suppress(native.DatabaseError, native.InterfaceError):
                while True:
                    held.append(server.connect())
            ours = {connection.run("SELECT pg_backend_pid()")[0][0] for connection in held}
            others = sessions(held[0]) - ours
            for session in others:
                held[0].run("SELECT pg_terminate_backend(:session)", session=session)
            if not others:
                break
        else:
            pytest.fail("somebody else holds a connection still")
        yield
    finally:
        for connection in held:
            connection.close()


def sessions(connection: native.Connection) -> set[int]:
    """Return the process ids of all clients' sessions; in a transaction it would be those at its beginning."""
    rows = connection.run("SELECT pid FROM pg_stat_activity WHERE backend_type = 'client backend'")
    return {pid for (pid,) in rows}


@contextmanager
def frozen(server: Server) -> Iterator[None]:
    """Stop every process of the server: who connects, or waits for an answer, hears nothing."""
    parent = psutil.Process(server.pid)
    parent.suspend()  # first: from here on it starts no other
    children = parent.children(recursive=True)
    try:
        for child in children:
            child.suspend()
        yield
    finally:
        for each in (*children, parent):
            each.resume()


@contextmanager
def locked(server: Server, *tables: str) -> Iterator[None]:
    """Hold tables: every statement of others that reads or writes them waits."""
    connection = server.connect()
    try:
        connection.run("BEGIN")
        for table in tables:
            connection.run(f"LOCK TABLE {table} IN ACCESS EXCLUSIVE MODE")
        yield
    finally:
        connection.close()


def _await_ready(process: "subprocess.Popen[bytes]", server: Server) -> None:
    database = Database(server.url(), pool_size=1, timeout_s=5)
    for _ in range(600):
        with contextlib.suppress(StorageUnavailable):
            database.ping()
            break
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(0.05)
            pytest.fail(f"PostgreSQL ended at its start: {server.folder.joinpath('log').read_text()}")
    else:
        pytest.fail("PostgreSQL did not become ready")
    database.close()


def _binary(name: str) -> str | None:
    versions = sorted(Path("/usr/lib/postgresql").glob(f"*/bin/{name}"))
    return shutil.which(name) or (str(versions[-1]) if versions else None)
