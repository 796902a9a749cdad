"""Tightening without the gateway: the same desk that a replica has, over the same files, in this process.

Replicas that run follow it within a poll; a system that is stopped starts with it. Only tightenings go this way: the policy
key signs nothing else.
"""

from collections.abc import Callable
from dataclasses import dataclass
from types import TracebackType
from typing import Self

from actors.base.errors import InvalidRequest, StorageUnavailable
from actors.base.signing import SigningKey
from actors.policy.adapters.directory import SnapshotDirectory
from actors.policy.adapters.publisher import PolicyPublisher
from actors.policy.adapters.trust_file import TrustFile
from actors.policy.adapters.watcher import PolicyWatcher
from actors.policy.snapshot import PolicySnapshot
from actors.store.adapters.database import Database
from actors.store.adapters.incidents import IncidentQueue, Incidents
from actors.store.adapters.policy_history import PolicyHistory
from cluster.config import Config
from cluster.home import Home
from cluster.succession import noted_floor
from serve_apps.gateway.desk import PolicyDesk


@dataclass(frozen=True, slots=True)
class Applied:
    """What became of a tightening."""

    snapshot: PolicySnapshot
    how: str
    """In words, for who asked for it."""


class DirectDesk:
    """A policy desk of the command line's own."""

    def __init__(self, home: Home, config: Config) -> None:
        self._database = Database(config.store.url(home.root), pool_size=1, timeout_s=config.store.timeout_s)
        self._history = PolicyHistory(self._database)
        self._incidents = IncidentQueue(Incidents(self._database), config.store.incident_queue)
        directory = SnapshotDirectory(home.policy, config.policy.max_snapshot_bytes)
        trust = TrustFile(home.trust_file, self._incidents)
        self._watcher = PolicyWatcher(directory, trust, self._incidents, config.policy, noted_floor(self._history))
        publisher = PolicyPublisher(directory, trust)
        self._desk = PolicyDesk(self._watcher, publisher, lambda: SigningKey.load(home.keys / "policy.key"))

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
        try:
            made = change(self._desk)
        except InvalidRequest:
            made = self._desk.current()
            if not self._is_done(made, kind, target):
                raise
            return Applied(made, "in force already")  # the gateway may have done it after all, its answer was only late
        try:
            self._history.record(made, kind, target, reason, author)
        except StorageUnavailable as error:  # a halt must not depend on the database
            return Applied(made, f"signed and published here; NOT in the policy history: {error}")
        return Applied(made, "signed and published here")

    def _is_done(self, snapshot: PolicySnapshot, kind: str, target: str) -> bool:
        return snapshot.halt.on if kind == "halt" else snapshot.isolated(target)
