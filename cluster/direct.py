"""Tightening without the gateway: the same desk that a replica has, over the same files, in this process.

Replicas that run follow it within a poll; a system that is stopped starts with it. Only tightenings go this way: the policy
key signs nothing else.

Where the newest file cannot be believed, replicas that run hold the version before it and a process that starts, as this
one does, holds none. Rules for that case:
- A tightening goes on from the newest version that can be believed, if that is not below the highest one noted: then
  replicas hold it, and what follows it reaches them.
- While the history cannot be read nobody knows whether a version was lost, which may have been a halt: only a halt goes on.
- Else only recovery helps, and that is said.
"""

import time
from collections.abc import Callable
from dataclasses import dataclass
from types import TracebackType
from typing import Self

from actors.base.errors import HomeError, IntegrityError, InvalidRequest, NotReady, StorageUnavailable
from actors.base.signing import SigningKey
from actors.policy.adapters.directory import SnapshotDirectory
from actors.policy.adapters.loading import load
from actors.policy.adapters.publisher import PolicyPublisher
from actors.policy.adapters.trust_file import TrustFile
from actors.policy.adapters.watcher import PolicyWatcher
from actors.policy.snapshot import PolicySnapshot
from actors.store.adapters.database import Database
from actors.store.adapters.incidents import IncidentQueue, Incidents
from actors.store.adapters.policy_history import PolicyHistory
from cluster.home import Home
from cluster.salvage import Salvaged
from cluster.succession import WHAT_TO_DO, noted_floor
from serve_apps.gateway.desk import PolicyDesk


@dataclass(frozen=True, slots=True)
class Applied:
    """What became of a tightening."""

    snapshot: PolicySnapshot
    how: str
    """In words, for who asked for it."""


class _Desk(PolicyDesk):
    """A desk that knows where to go on when the newest file cannot be believed."""

    def __init__(
        self,
        watcher: PolicyWatcher,
        publisher: PolicyPublisher,
        policy_key: Callable[[], SigningKey],
        newest_believed: Callable[[], PolicySnapshot],
    ) -> None:
        super().__init__(watcher, publisher, policy_key)
        self._newest_believed = newest_believed

    def current(self) -> PolicySnapshot:
        """Return the snapshot in force, else the newest one that can be believed."""
        try:
            return super().current()
        except NotReady:
            return self._newest_believed()


class DirectDesk:
    """A policy desk of the command line's own."""

    def __init__(self, home: Home, config: Salvaged) -> None:
        store, self._policy = config.store, config.policy
        self._key_file = home.keys / "policy.key"
        self._database = Database(store.url(home.root), pool_size=1, timeout_s=store.timeout_s)
        self._history = PolicyHistory(self._database)
        self._incidents = IncidentQueue(Incidents(self._database), store.incident_queue)
        self._directory = SnapshotDirectory(home.policy, self._policy.max_snapshot_bytes)
        self._trust = TrustFile(home.trust_file, self._incidents)
        self._floor = noted_floor(self._history)
        self._watcher = PolicyWatcher(self._directory, self._trust, self._incidents, self._policy, self._floor or 0)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, _kind: type[BaseException] | None, _error: BaseException | None, _trace: TracebackType | None
    ) -> None:
        self._incidents.close()
        self._database.close()

    def apply(
        self, change: Callable[[PolicyDesk], PolicySnapshot], kind: str, target: str, reason: str, author: str
    ) -> Applied:
        """Make a tightening; return what is in force then. That it was in force already is no error here."""
        desk = self._desk(kind)
        try:
            made = change(desk)
        except InvalidRequest:
            made = desk.current()
            if not self._is_done(made, kind, target):
                raise
            return Applied(made, "in force already")  # the gateway may have done it after all, its answer was only late
        try:
            self._history.record(made, kind, target, reason, author)
        except StorageUnavailable as error:  # a halt must not depend on the database
            return Applied(made, f"signed and published here; NOT in the policy history: {error}")
        return Applied(made, "signed and published here")

    def _desk(self, kind: str) -> PolicyDesk:
        publisher = PolicyPublisher(self._directory, self._trust)
        return _Desk(
            self._watcher, publisher, lambda: SigningKey.load(self._key_file), lambda: self._newest_believed(kind)
        )

    def _newest_believed(self, kind: str) -> PolicySnapshot:
        if self._floor is None and kind != "halt":
            raise HomeError(f"the newest policy cannot be believed, nor the history be read: halt, or {WHAT_TO_DO}")
        bundle, now_s, cause = self._trust(), int(time.time()), IntegrityError("there is none")
        for version in reversed(self._directory.versions()):
            try:
                return load(self._directory, bundle, now_s, self._floor or 0, self._policy.max_chain, version)[0]
            except IntegrityError as error:
                cause = error
        raise HomeError(f"no policy that is in force can be believed ({cause}): {WHAT_TO_DO}") from cause

    def _is_done(self, snapshot: PolicySnapshot, kind: str, target: str) -> bool:
        return snapshot.halt.on if kind == "halt" else snapshot.isolated(target)
