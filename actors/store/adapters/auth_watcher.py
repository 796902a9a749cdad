"""The valid API keys, as every replica follows them: polled from disk, independent of actors and databases.

Each snapshot stands alone (no chain): the newest that can be believed counts, and versions only rise.
"""

import time
from collections.abc import Callable, Iterator

from actors.base.digests import sha256_hex
from actors.base.errors import IntegrityError
from actors.base.ports import IncidentSink
from actors.policy.adapters.directory import SnapshotDirectory
from actors.policy.adapters.loading import blamed
from actors.policy.adapters.polling import Found, SnapshotWatcher
from actors.policy.adapters.trust_file import TrustSource
from actors.store.auth import PAYLOAD, AuthView, accept_auth

ROLLBACK = "auth rollback"


class _Auth:
    """Believes AuthSnapshots."""

    name = "auth"

    def __init__(self, directory: SnapshotDirectory, trust: TrustSource, floor: int) -> None:
        self._directory, self._trust, self._floor = directory, trust, floor

    def load(self, now_s: int) -> Found[AuthView]:
        newest = self._directory.newest_version()
        if newest is None:
            raise FileNotFoundError(f"{self._directory.path} holds no AuthSnapshot")
        if newest < self._floor:
            message = f"{ROLLBACK}: version {newest} comes after version {self._floor} was seen"
            raise IntegrityError(message, ROLLBACK, {"version": str(newest)})
        return self._read(newest, now_s)

    def advance(self, current: Found[AuthView], newest: int, now_s: int) -> Iterator[Found[AuthView]]:
        if newest > current.version:
            yield self._read(newest, now_s)

    def _read(self, version: int, now_s: int) -> Found[AuthView]:
        data = self._directory.read(version)
        with blamed(version, data):
            snapshot = accept_auth(data, self._trust(), now_s)
            if snapshot.version != version:
                raise IntegrityError(f"{PAYLOAD}: the file of version {version} holds another version", PAYLOAD)
        return Found(version, sha256_hex(data), AuthView(snapshot))


class AuthWatcher(SnapshotWatcher[AuthView]):
    """Follows ``home/policy/auth``; ``current`` is ``None`` (not ready) until a snapshot could be believed."""

    def __init__(
        self,
        directory: SnapshotDirectory,
        trust: TrustSource,
        incidents: IncidentSink,
        poll_ms: int = 250,
        floor: int = 0,
        clock: Callable[[], float] = time.time,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        """``floor`` is the highest version ever seen, below which nothing is believed at a start."""
        super().__init__(_Auth(directory, trust, floor), directory, incidents, poll_ms, clock, monotonic)
