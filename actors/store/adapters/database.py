"""The state database: SQLite on one machine, PostgreSQL on several, the same tables in both.

Rules:
- Every foreign exception becomes ``StorageUnavailable`` with what to do; statements' parameters are never shown.
- SQLite runs with a write-ahead log; a writing transaction takes the write lock at its beginning, so that it waits for
  its turn instead of failing half-way.
- Connections and waits are bounded.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from sqlite3 import Connection as SqliteConnection

from sqlalchemy import Connection, Engine, create_engine, event, text
from sqlalchemy.engine import URL, make_url
from sqlalchemy.exc import ArgumentError, DBAPIError, SQLAlchemyError
from sqlalchemy.pool import ConnectionPoolEntry

from actors.base.errors import ConfigurationError, StorageUnavailable


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
        except SQLAlchemyError as error:
            cause = error.orig if isinstance(error, DBAPIError) else error
            raise StorageUnavailable(
                f"state database {self} failed ({type(cause).__name__}): check that it runs, has space, and is migrated "
                "(`weavergen up` does that)"
            ) from error

    def __str__(self) -> str:
        return self._url.render_as_string(hide_password=True)

    def __repr__(self) -> str:
        return f"Database({self})"


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
        connect_args={"timeout": timeout_s},
    )
    if sqlite:
        event.listen(engine, "connect", _prepare_sqlite)
        event.listen(engine, "begin", _take_write_lock)
    return engine


def _prepare_sqlite(connection: SqliteConnection, _entry: ConnectionPoolEntry) -> None:
    connection.isolation_level = None  # the driver begins nothing by itself: see _take_write_lock
    connection.execute("PRAGMA journal_mode = WAL")
    connection.execute("PRAGMA synchronous = FULL")
    connection.execute("PRAGMA foreign_keys = ON")


def _take_write_lock(connection: Connection) -> None:
    if connection.get_execution_options().get("isolation_level") != "AUTOCOMMIT":
        connection.exec_driver_sql("BEGIN IMMEDIATE")
