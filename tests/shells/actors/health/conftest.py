"""The fixtures of this domain's tests: a database with every table."""

from tests.unit.actors.store.conftest import database

__all__ = ["database"]
