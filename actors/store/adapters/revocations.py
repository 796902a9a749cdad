"""Which keys were ever seen revoked: no start believes a trust bundle that lacks one of them."""

import time
from collections.abc import Callable, Mapping

from sqlalchemy import insert, select
from sqlalchemy.exc import IntegrityError as UniqueViolation

from actors.base.errors import StorageUnavailable
from actors.store.adapters.database import Database
from actors.store.adapters.tables import revoked_keys


class NotedRevocations:
    """The table of revoked keys. The revocations themselves, signed by root, lie in ``trust.json``."""

    def __init__(self, database: Database, clock: Callable[[], float] = time.time) -> None:
        self._database, self._clock = database, clock

    def note(self, since: Mapping[str, int]) -> None:
        """Note from which Unix second each key is revoked; what is noted already stays."""
        for key_id in sorted(since.keys() - self.since().keys()):
            row = {"key_id": key_id, "since_s": since[key_id], "noted_at_ms": int(self._clock() * 1000)}
            try:
                with self._database.write() as connection:
                    connection.execute(insert(revoked_keys).values(**row))
            except StorageUnavailable as error:
                if not isinstance(error.__cause__, UniqueViolation):  # else another process noted it meanwhile
                    raise

    def since(self) -> dict[str, int]:
        """Return key id → the Unix second from which it is revoked."""
        query = select(revoked_keys.c.key_id, revoked_keys.c.since_s)
        with self._database.read() as connection:
            return {row.key_id: row.since_s for row in connection.execute(query)}
