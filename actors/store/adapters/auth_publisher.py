"""Publishes the AuthSnapshot: the valid keys of the database, signed, as the next version in ``home/policy/auth``.

Order matters twice: the version is chosen before the keys are read, so that a publication that lost a race reads them
again and no revocation is undone; and the database changes before the snapshot, so that ``publish`` after a crash (every
``up`` does it) brings what was left out.
"""

import time
from collections.abc import Callable

from sqlalchemy import func, insert, select

from actors.base.canonical import canonical_json
from actors.base.certificates import TrustBundle
from actors.base.digests import sha256_hex
from actors.base.errors import IntegrityError, VersionConflict
from actors.base.signing import SigningKey
from actors.policy.adapters.directory import SnapshotDirectory
from actors.store.adapters.api_keys import ApiKeys
from actors.store.adapters.database import Database
from actors.store.adapters.tables import auth_versions
from actors.store.auth import AuthSnapshot, accept_auth, sign_auth

ATTEMPTS = 16


def auth_high_water(database: Database) -> int:
    """Return the highest version ever published, 0 if there is none: nothing below it is believed at a start."""
    with database.read() as connection:
        return connection.execute(select(func.max(auth_versions.c.version))).scalar_one() or 0


class AuthPublisher:
    """Brings changes of keys into force."""

    def __init__(
        self,
        database: Database,
        directory: SnapshotDirectory,
        policy_key: SigningKey,
        trust: TrustBundle,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._database, self._directory, self._key, self._trust, self._clock = (
            database, directory, policy_key, trust, clock,
        )  # fmt: skip
        self._keys = ApiKeys(database, clock)

    def publish(self) -> AuthSnapshot:
        """Publish the valid keys, unless the newest snapshot holds just these; return what is in force."""
        for attempt in range(ATTEMPTS):
            try:
                return self._attempt()
            except VersionConflict:
                if attempt == ATTEMPTS - 1:
                    raise
        raise AssertionError("unreachable")

    def _attempt(self) -> AuthSnapshot:
        newest = self._newest_on_disk()
        version = max(newest, auth_high_water(self._database)) + 1
        keys = list(self._keys.valid())
        in_force = self._in_force(newest) if newest == version - 1 else None
        if in_force is not None and in_force.keys == keys:
            return in_force
        snapshot = AuthSnapshot(version=version, issued_at=int(self._clock() * 1000), keys=keys)
        data = canonical_json(sign_auth(snapshot, self._key))
        self._directory.publish(version, data)
        with self._database.write() as connection:
            row = {
                "version": version,
                "sha256": sha256_hex(data),
                "issued_at_ms": snapshot.issued_at,
                "keys": len(keys),
            }
            connection.execute(insert(auth_versions).values(**row))
        return snapshot

    def _newest_on_disk(self) -> int:
        try:
            return self._directory.newest_version() or 0
        except FileNotFoundError:
            return 0

    def _in_force(self, version: int) -> AuthSnapshot | None:
        """Return the newest snapshot if it can be believed; one that cannot is followed by a good one."""
        if version == 0:
            return None
        try:
            return accept_auth(self._directory.read(version), self._trust, int(self._clock()))
        except (IntegrityError, FileNotFoundError):
            return None
