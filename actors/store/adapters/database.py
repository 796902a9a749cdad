"""The state database: SQLite on one machine, PostgreSQL on several, the same tables in both.

Rules:
- Every foreign exception becomes ``StorageUnavailable`` with what to do; statements' parameters are never shown.
- SQLite runs with a write-ahead log; a writing transaction takes the write lock at its beginning, so that it waits for
  its turn instead of failing half-way.
- Connections and waits are bounded. PostgreSQL itself ends a statement that takes longer: if only we went away, it would keep
  our session waiting, and each new try would take one more of its connections.
"""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from sqlite3 import Connection as SqliteConnection

from sqlalchemy import Connection, Engine, create_engine, event, text
from sqlalchemy.engine import URL, make_url
from sqlalchemy.engine.interfaces import DBAPIConnection
from sqlalchemy.exc import ArgumentError, DBAPIError, SQLAlchemyError
from sqlalchemy.exc import TimeoutError as PoolExhausted
from sqlalchemy.pool import ConnectionPoolEntry

from actors.base.errors import ConfigurationError, StorageUnavailable

LAST_WORD_S = 1.0
"""How much longer than its own bound PostgreSQL is waited for, to say that it ended a statement."""
_OF_THE_SERVER = ("08", "28", "3D", "53", "57")
"""Classes of SQLSTATE whose messages tell of connections, access and resources: never of a statement's values."""


class Database:
    """Bounded access to the state database."""

    def __init__(self, url: str, pool_size: int = 4, timeout_s: float = 5.0) -> None:
        self._url = _driver_url(url)
        self.engine = _engine(self._url, pool_size, timeout_s)

    @contextmanager
    def read(self) -> Iterator[Connection]:
        """Give a connection whose every statement stands alone; it takes no lock that writers wait for."""
        with self._translated(), self.engine.connect() as connection:
            yield connection.execution_options(isolation_level="AUTOCOMMIT")

    @contextmanager
    def write(self) -> Iterator[Connection]:
        """Give a connection in a transaction that is committed at the end and rolled back on an error."""
        with self._translated(), self.engine.begin() as connection:
            yield connection

    def ping(self) -> None:
        """Raise ``StorageUnavailable`` unless the database answers."""
        with self.read() as connection:
            connection.execute(text("SELECT 1"))

    def close(self) -> None:
        """Close every connection."""
        self.engine.dispose()

    @contextmanager
    def _translated(self) -> Iterator[None]:
        try:
            yield
        # The driver for PostgreSQL lets most failures of a socket through as they are.
        except (SQLAlchemyError, OSError) as error:
            cause = _cause(error)
            raise StorageUnavailable(
                f"state database {self} failed ({cause}): check that it runs, has connections left and space, and is "
                "migrated (`weavergen up` does that)",
                details={"cause": cause},
            ) from error

    def __str__(self) -> str:
        return self._url.render_as_string(hide_password=True)

    def __repr__(self) -> str:
        return f"Database({self})"


def _cause(error: Exception) -> str:
    """Return what failed, in the words of whom it failed for where these cannot hold a statement's values. Pure."""
    if isinstance(error, PoolExhausted):
        return "every connection of this process is in use: store.pool_size"
    said = error.orig if isinstance(error, DBAPIError) else error
    for each in _chain(said):
        if told := _told(each):
            code = told.get("C", "")
            return f"{told.get('M')}, SQLSTATE {code}" if code.startswith(_OF_THE_SERVER) else f"SQLSTATE {code}"
    name = type(said).__name__
    return f"{name}: {said}" if isinstance(said, OSError) or name in ("InterfaceError", "OperationalError") else name


def _chain(error: BaseException | None) -> Iterator[BaseException]:
    """Yield an error and what it came in the middle of: a refused driver hangs up, and tells of that if it fails, too."""
    while error is not None:
        yield error
        error = error.__context__


def _told(said: BaseException) -> Mapping[str, str]:
    """Return the fields of PostgreSQL's error message, by their letters; none where the error is not its."""
    return said.args[0] if said.args and isinstance(said.args[0], Mapping) else {}


def _driver_url(url: str) -> URL:
    try:
        parsed = make_url(url)
    except (ArgumentError, ValueError) as error:
        raise ConfigurationError("store.database_url is no database URL (sqlite:///FILE or postgresql://…)") from error
    if parsed.drivername in ("sqlite", "sqlite+pysqlite"):
        return parsed.set(drivername="sqlite+pysqlite")
    if parsed.drivername in ("postgresql", "postgres", "postgresql+pg8000"):
        return parsed.set(drivername="postgresql+pg8000")
    raise ConfigurationError(f"store.database_url: {parsed.drivername!r} is neither sqlite nor postgresql")


def _engine(url: URL, pool_size: int, timeout_s: float) -> Engine:
    sqlite = url.get_backend_name() == "sqlite"
    if sqlite and url.database:
        Path(url.database).parent.mkdir(parents=True, exist_ok=True)
    engine = create_engine(
        url,
        pool_size=pool_size,
        max_overflow=0,
        pool_timeout=timeout_s,
        pool_pre_ping=not sqlite,
        hide_parameters=True,
        connect_args={"timeout": timeout_s if sqlite else timeout_s + LAST_WORD_S},
    )
    if sqlite:
        event.listen(engine, "connect", _prepare_sqlite)
        event.listen(engine, "begin", _take_write_lock)
    else:
        event.listen(engine, "connect", lambda connection, _entry: _bound_statements(connection, timeout_s))
    return engine


def _bound_statements(connection: DBAPIConnection, timeout_s: float) -> None:
    cursor = connection.cursor()
    cursor.execute(f"SET statement_timeout = {round(timeout_s * 1000)}")
    cursor.close()
    connection.commit()


def _prepare_sqlite(connection: SqliteConnection, _entry: ConnectionPoolEntry) -> None:
    connection.isolation_level = None  # the driver begins nothing by itself: see _take_write_lock
    connection.execute("PRAGMA journal_mode = WAL")
    connection.execute("PRAGMA synchronous = FULL")
    connection.execute("PRAGMA foreign_keys = ON")


def _take_write_lock(connection: Connection) -> None:
    if connection.get_execution_options().get("isolation_level") != "AUTOCOMMIT":
        connection.exec_driver_sql("BEGIN IMMEDIATE")
