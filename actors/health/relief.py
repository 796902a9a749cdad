"""Relieves a queue that fills: asks for one more gateway replica, and gives it back when the queue was quiet for long.

Rules:
- What is decided is in ``scaling``; here it is read, asked for and told.
- Asking is not waiting: a replica takes seconds to start, and a tick waits for nothing. That it runs shows in the queue's
  level, which is a share of what all replicas take.
- A queue that cannot be read is not quiet.
- What was refused or failed is asked again every ``AGAIN_S`` while the queue, once it has alarmed, is at its limit.
- A restart forgets how long it was quiet, never how many replicas there are: those are counted anew each time.
"""

from collections.abc import Callable

from actors.base.errors import NotReady
from actors.health.config import HealthConfig
from actors.health.ports import DeploymentScaler
from actors.health.scaling import Size, grown, shrunk

AGAIN_S = 60.0


class QueueRelief:
    """The ``Mitigation`` of a queue; ``available_mib`` tells how much memory is free."""

    def __init__(
        self, scaler: DeploymentScaler, size: Size, available_mib: Callable[[], int], config: HealthConfig
    ) -> None:
        self._scaler, self._size, self._available_mib, self._config = scaler, size, available_mib, config
        self._quiet_since_s: float | None = None
        self._asked_s: float | None = None

    def carry_out(self, now_s: float) -> str:
        """Ask for one more replica; return that, or why not."""
        self._asked_s = now_s
        decided = grown(self._scaler.look(), self._size, self._available_mib(), self._config)
        if decided.to is None:
            return f"nothing: {decided.why}"
        self._scaler.scale(decided.to)
        return f"asked for gateway replica {decided.to}: {decided.why}"

    def settle(self, now_s: float, level: float | None) -> str:
        """Ask again while the queue is full, give one replica back after a long quiet; what fails is told, and tried again."""
        if level is not None and level >= self._config.queue_limit:
            self._quiet_since_s = None
            return self._ask_again(now_s)
        quiet = level is not None and level < self._config.scale_back_below
        if not quiet or self._quiet_since_s is None or now_s < self._quiet_since_s:
            self._quiet_since_s = now_s if quiet else None
            return ""
        quiet_s = now_s - self._quiet_since_s
        if quiet_s < self._config.scale_back_after_s:
            return ""
        self._asked_s = None
        self._quiet_since_s = now_s
        try:
            decided = shrunk(self._scaler.look(), self._size, quiet_s, self._config)
            if decided.to is None:
                return ""
            self._scaler.scale(decided.to)
        except NotReady as error:
            return f"whether a gateway replica can go is not known: {error}"
        return f"the gateway goes back to {decided.to} replicas: {decided.why}"

    def _ask_again(self, now_s: float) -> str:
        if self._asked_s is None or 0 <= now_s - self._asked_s < AGAIN_S:
            return ""
        try:
            return self.carry_out(now_s)
        except NotReady as error:
            return f"no gateway replica could be asked for: {error}"
