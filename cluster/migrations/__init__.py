"""Migrations of the state database (Alembic): ``upgrade`` brings a database to the tables of this version.

Rules:
- A database that a newer version made is left alone: ``HomeError`` says what to do.
- Migrations only go forward; going back is restoring a backup.
"""

from pathlib import Path

from alembic import command
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from alembic.util.exc import CommandError
from sqlalchemy import Connection, text

from actors.base.errors import HomeError
from actors.store.adapters.database import Database

LOCK_KEY = 0x77656176  # "weav"


def upgrade(database: Database) -> str:
    """Bring the database to the newest revision and return that; a new database gets every table."""
    with database.write() as connection:
        if (
            connection.dialect.name == "postgresql"
        ):  # one node migrates, the others wait; SQLite's transaction does that
            connection.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": LOCK_KEY})
        found = _revision(connection)
        _refuse_unknown(found)
        try:
            command.upgrade(_config(connection), "head")
        except CommandError as error:
            raise HomeError(f"state database {database} cannot be migrated: {error}") from error
        return _revision(connection) or ""


def current_revision(database: Database) -> str | None:
    """Return the database's revision, ``None`` if it was never migrated."""
    with database.read() as connection:
        return _revision(connection)


def newest_revision() -> str:
    """Return the revision this version of the project works with."""
    return ScriptDirectory.from_config(_config()).get_current_head() or ""


def check(database: Database) -> None:
    """Raise ``HomeError`` unless the database has exactly this version's tables."""
    found = current_revision(database)
    _refuse_unknown(found)
    if found != newest_revision():
        raise HomeError(
            f"state database {database} is at revision {found}, not {newest_revision()}: run `weavergen up`"
        )


def _refuse_unknown(revision: str | None) -> None:
    known = {script.revision for script in ScriptDirectory.from_config(_config()).walk_revisions()}
    if revision is not None and revision not in known:
        raise HomeError(
            f"the state database is at revision {revision}, which this version does not know: a newer version made it. "
            "Run that version, or restore a backup made by this one"
        )


def _revision(connection: Connection) -> str | None:
    return MigrationContext.configure(connection).get_current_revision()


def _config(connection: Connection | None = None) -> Config:
    config = Config()
    config.set_main_option("script_location", str(Path(__file__).parent))
    config.set_main_option("path_separator", "os")
    config.attributes["connection"] = connection
    return config
