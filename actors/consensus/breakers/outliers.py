"""What only shows across voters: ejection of one that fails while others do not, and panic when too few are left. Pure.

Rules (Envoy's, "Outlier detection" and "Panic threshold"):
- So many failures in a row eject a voter for ``base_s`` times the number of ejections in a row, ``max_s`` at most. Each
  ``interval_s`` in service takes one from that number.
- At most ``max_ejected_share`` of the voters are ejected at a time, but one may always be. One that may not be ejected now is
  looked at again with its next failure.
- A layer is in panic if a share below ``panic_below`` of it is available and all layers together lack room: each counts as
  1.4 × its available share, 1 at most, and the sum is below 1. While later layers can take over, nobody panics. Nor does a
  layer of one voter (ours): panic keeps load off the others, there are none, and a single voter must be able to cool.

Left out: what ejection and panic do (an open breaker, a call past one: ``circuits``).
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

from actors.consensus.breakers.config import OutlierConfig

OVERPROVISIONING_PERCENT = 140


@dataclass(slots=True)
class _Host:
    failures: int = 0
    """In a row."""
    ejections: int = 0
    """In a row, when last ejected."""
    until_s: float = float("-inf")


class Outliers:
    """Failures in a row and ejections of every voter."""

    def __init__(self, config: OutlierConfig, voters: Iterable[str]) -> None:
        self._config = config
        self._hosts = {voter: _Host() for voter in voters}
        self._room = max(1, int(len(self._hosts) * config.max_ejected_share + 1e-9))

    def succeeded(self, voter: str) -> None:
        """Take note of a call that went well."""
        self._hosts[voter].failures = 0

    def failed(self, voter: str, now_s: float) -> float | None:
        """Count a failure; return until when the voter is ejected if that begins now."""
        host = self._hosts[voter]
        if not self._config.enabled or now_s < host.until_s:
            return None
        host.failures += 1
        if host.failures < self._config.consecutive_failures or self._ejected(now_s) >= self._room:
            return None
        in_service_s = now_s - host.until_s
        rested = host.ejections if in_service_s == float("inf") else int(in_service_s // self._config.interval_s)
        host.failures = 0
        host.ejections = max(host.ejections - rested, 0) + 1
        duration_s = min(self._config.base_s * host.ejections, self._config.max_s)
        if duration_s == self._config.max_s and self._config.base_s > 0:
            host.ejections = int(-(-self._config.max_s // self._config.base_s))
        host.until_s = now_s + duration_s
        return host.until_s

    def _ejected(self, now_s: float) -> int:
        return sum(now_s < host.until_s for host in self._hosts.values())


def in_panic(layers: Sequence[Sequence[str]], available: Callable[[str], bool], panic_below: float) -> tuple[bool, ...]:
    """Return of each layer whether it ignores health."""
    counts = [(sum(map(available, layer)), len(layer)) for layer in layers]
    healths = [min(OVERPROVISIONING_PERCENT * well // size, 100) if size else 0 for well, size in counts]
    if sum(healths) >= 100:
        return (False,) * len(counts)
    return tuple(size > 1 and well / size < panic_below for well, size in counts)
