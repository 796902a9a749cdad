"""Stores of leases for tests: on files, or in a real Redis."""

from dataclasses import dataclass
from pathlib import Path

from actors.admission.adapters.leases import SharedLeases
from actors.admission.adapters.redis_leases import RedisLeases
from actors.admission.config import QuotaConfig, RedisConfig
from actors.admission.quotas import UNLIMITED, Amount, Want
from tests.shells.redis_server import PASSWORD

LIMIT = Amount(663, UNLIMITED)
WANTS = {"k": Want(LIMIT, Amount())}
CONFIG = QuotaConfig(lock_wait_s=5)
Store = SharedLeases | RedisLeases


@dataclass(frozen=True)
class Site:
    """A home, and the Redis in which it shares limits with others, if there is one."""

    folder: Path
    url: str | None = None
    first_slot: int = 0
    slots: int = 2
    timeout_ms: int = 1000
    own: int | None = None
    """How many slots the home has; without it, all from its first one on."""

    def store(self, name: str, config: QuotaConfig = CONFIG) -> Store:
        """Return the leases of a replica."""
        if self.url is None:
            return SharedLeases(self.folder / "admission", name, self.slots, config)
        redis = RedisConfig(url=self.url, slots=self.slots, first_slot=self.first_slot, timeout_ms=self.timeout_ms)
        own = self.slots - self.first_slot if self.own is None else self.own
        return RedisLeases(self.folder / "admission", name, own, config, redis, PASSWORD)


def drained(store: Store, minute: int) -> int:
    """Lease until nothing is left; return how much that was."""
    got = 0
    while more := store.lease(minute, WANTS).given["k"].requests:
        got += more
    return got
