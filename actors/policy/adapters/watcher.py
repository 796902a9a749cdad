"""The policy in force, as every replica follows it: polled from disk, independent of actors and databases."""

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import Self

from actors.base.ports import IncidentSink
from actors.policy.adapters.directory import SnapshotDirectory
from actors.policy.adapters.loading import advance, load
from actors.policy.adapters.polling import Found, SnapshotWatcher
from actors.policy.adapters.trust_file import TrustSource
from actors.policy.config import OnStale, PolicyConfig
from actors.policy.snapshot import PolicySnapshot


@dataclass(frozen=True, slots=True)
class PolicyView:
    """The policy in force as of the last poll."""

    snapshot: PolicySnapshot
    sha256: str
    """The snapshot's digest, as records name it (computed once)."""
    read_at_s: float
    """Monotonic second at which the source last confirmed it."""
    stale: bool
    """Whether that was too long ago at the last poll; ``halted`` judges for itself, should polls have ended."""
    max_stale_s: int
    on_stale: OnStale

    def halted(self, now_s: float) -> bool:
        """Tell whether nothing may be answered at ``now_s`` (monotonic seconds): halted, or stale where that halts."""
        return self.snapshot.halt.on or (self.on_stale == "halt" and self._is_stale(now_s))

    def at(self, now_s: float, *, confirmed: bool) -> Self:
        """Return the view as of a poll at ``now_s``."""
        if confirmed:
            return replace(self, read_at_s=now_s, stale=False)
        return replace(self, stale=self._is_stale(now_s))

    def _is_stale(self, now_s: float) -> bool:
        return now_s - self.read_at_s > self.max_stale_s


class _Policy:
    """Believes policy snapshots."""

    name = "policy"

    def __init__(self, directory: SnapshotDirectory, trust: TrustSource, config: PolicyConfig, floor: int) -> None:
        self._directory, self._trust, self._config, self._floor = directory, trust, config, floor

    def load(self, now_s: int) -> Found[PolicyView]:
        snapshot, digest = load(self._directory, self._trust(), now_s, self._floor, self._config.max_chain)
        return self._found(snapshot, digest)

    def advance(self, current: Found[PolicyView], newest: int, now_s: int) -> Iterator[Found[PolicyView]]:
        for snapshot, digest in advance(self._directory, self._trust(), now_s, current.view.snapshot, newest):
            yield self._found(snapshot, digest)

    def _found(self, snapshot: PolicySnapshot, digest: str) -> Found[PolicyView]:
        config = self._config
        view = PolicyView(snapshot, snapshot.sha256, 0.0, False, config.policy_max_stale_s, config.on_stale)
        return Found(snapshot.version, digest, view)


class PolicyWatcher(SnapshotWatcher[PolicyView]):
    """Follows ``home/policy``; ``current`` is ``None`` (not ready) until a snapshot could be believed."""

    def __init__(
        self,
        directory: SnapshotDirectory,
        trust: TrustSource,
        incidents: IncidentSink,
        config: PolicyConfig,
        floor: int = 0,
        clock: Callable[[], float] = time.time,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        """``floor`` is the highest version ever seen, below which nothing is believed at a start."""
        kind = _Policy(directory, trust, config, floor)
        super().__init__(kind, directory, incidents, config.poll_ms, clock, monotonic)
