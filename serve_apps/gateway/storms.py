"""Freezes learning when the span actor tells of a storm: a tightening, signed with the policy key that a replica has anyway.

Rules:
- It does so as long as the storm's pin is there and policy does not freeze learning. Several replicas may: one is first, the
  others find it done.
- Nobody is asked. Letting learning go on takes an operator's signature (``weavergen policy unfreeze``), as every loosening.
- What was so before the policy in force was issued is no reason to change it: else what an operator has just let go on would be
  frozen again by the word of a moment before. The span actor's next word counts.
- Requests wait for none of it.

Left out: when there is a storm, and pinning what was clean before (``spans.adapters.storm``).
"""

import asyncio
import logging
from collections.abc import Callable
from typing import Protocol

from actors.base.errors import InvalidRequest, StorageUnavailable, WeaverGenError
from actors.policy.snapshot import PolicySnapshot

_log = logging.getLogger("weavergen.gateway")
KIND = "freeze"
AUTHOR = "SpanIntegrityGuard"
LOOK_S = 5.0


class Desk(Protocol):
    """Where policy is tightened."""

    def current(self) -> PolicySnapshot:
        """Return the policy in force."""

    def freeze_learning(self) -> PolicySnapshot:
        """Freeze learning; raise ``InvalidRequest`` if it is frozen."""


class History(Protocol):
    """Where it is noted what was done to policy."""

    def record(self, snapshot: PolicySnapshot, kind: str, target: str, reason: str, author: str) -> None:
        """Note a version."""


class StormFreeze:
    """Follows what a replica hears of the span actor."""

    def __init__(self, storm: Callable[[], tuple[str, float]], desk: Desk, history: History) -> None:
        """``storm`` says what is pinned, as last heard, empty while nothing is; and as of when (Unix seconds)."""
        self._storm, self._desk, self._history = storm, desk, history

    async def look(self) -> None:
        """Freeze learning if there is a storm and it goes on."""
        storm, at_s = self._storm()
        if storm:
            await asyncio.to_thread(self._freeze, storm, at_s)

    async def follow(self, every_s: float) -> None:
        """Look again and again."""
        while True:
            await self.look()
            await asyncio.sleep(every_s)

    def _freeze(self, storm: str, at_s: float) -> None:
        try:
            current = self._desk.current()
            if current.learning_frozen or at_s * 1000 <= current.issued_at:
                return
            made = self._desk.freeze_learning()
        except InvalidRequest:
            return  # another replica was first
        except (OSError, WeaverGenError) as error:  # looked at again: a storm stays pinned
            _log.warning("learning is not frozen by policy, though rows were corrupted: %s", error)
            return
        _log.error("learning is frozen by policy version %d: %s", made.version, storm)
        try:
            self._history.record(made, KIND, "", storm, AUTHOR)
        except StorageUnavailable as error:  # it is in force; its note can wait for the database
            _log.warning("policy version %d is in force and not in the history: %s", made.version, error)
