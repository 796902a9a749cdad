"""Which keys were ever seen revoked."""

from actors.store.adapters.database import Database
from actors.store.adapters.revocations import NotedRevocations


def test_a_revocation_is_noted_once(database: Database) -> None:
    """Each key keeps the second that was noted first, and none is ever taken back."""
    noted = NotedRevocations(database, lambda: 9.0)
    assert noted.since() == {}
    noted.note({"a": 5, "b": 6})
    noted.note({"b": 7, "c": 8})
    noted.note({})
    assert noted.since() == {"a": 5, "b": 6, "c": 8}
