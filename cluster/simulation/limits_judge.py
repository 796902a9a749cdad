"""The judge of how many asks voters hold: what must hold of a replica's limits, counted apart from its guards.

Rules, each with the short word that a breach of it is named by:
- ``bulkhead``: no replica takes an ask of a voter that is more than its bulkhead holds, or than the limit that is learnt then.
- ``bounds``: a limit stays between the least that is configured and the bulkhead.
- ``recovery``: a limit that fell comes back. ``RECOVERS_S`` after the last answer that a slow spell held up, and after
  ``ENOUGH`` first tokens of a voter that was kept busy, it has reached the bulkhead once.

What keeps a voter busy is that at least half of what it may hold is under way: who is asked by few needs no more. What comes
while the replica's own loop is late is not counted, for nothing is learnt then.

Left out: how soon within that time a limit comes back, and that it falls soon enough.
"""

from collections.abc import Callable
from dataclasses import dataclass

from actors.admission.config import ConcurrencyConfig

RECOVERS_S = 60.0
ENOUGH = 40
"""First tokens: several times what takes a limit from its least to its most at the sites that are judged."""


@dataclass(slots=True, eq=False)
class Held:
    """One voter's asks at one incarnation of a replica, as the judge counts them."""

    replica: str
    voter: str
    limit: Callable[[], int]
    """What is learnt."""
    under_way: int = 0
    since_s: float = 0.0
    """When the last answer ended that a slow spell held up."""
    busy: int = 0
    """First tokens since then, of a voter that was kept busy."""
    most: int = 0
    """The highest limit since then."""


class LimitsJudge:
    """Looks on."""

    def __init__(
        self, config: ConcurrencyConfig, bulkhead: int, now_s: Callable[[], float], breach: Callable[[str, str], None]
    ) -> None:
        self._least, self._bulkhead = min(config.min_limit, bulkhead), bulkhead
        self._now_s, self._breach = now_s, breach

    def let_in(self, held: Held) -> None:
        """Hear that an ask is taken."""
        limit = self._limit(held)
        held.under_way += 1
        if held.under_way > min(limit, self._bulkhead):
            words = f"{held.under_way} asks of {held.voter}, its limit is {limit} and its bulkhead {self._bulkhead}"
            self._breach("bulkhead", f"{held.replica} took {words}")

    def ended(self, held: Held) -> None:
        """Hear that it is over."""
        held.under_way -= 1

    def told(self, held: Held, slow_until_s: float, *, is_late: bool) -> None:
        """Hear that a first token was told of, and until when answers come that a slow spell holds up."""
        limit, now_s = self._limit(held), self._now_s()
        if slow_until_s > held.since_s:
            held.since_s, held.busy, held.most = slow_until_s, 0, 0
        if now_s < held.since_s:
            return
        held.most = max(held.most, limit)
        held.busy += 2 * held.under_way > limit and not is_late
        if now_s - held.since_s >= RECOVERS_S and held.busy >= ENOUGH and held.most < self._bulkhead:
            words = f"is {limit} and was never more than {held.most} of {self._bulkhead}"
            self._breach(
                "recovery", f"{RECOVERS_S:g} s after {held.voter} was slow its limit at {held.replica} {words}"
            )
            held.since_s, held.busy = now_s, 0

    def _limit(self, held: Held) -> int:
        """Return what is learnt, and judge it."""
        limit = held.limit()
        if not self._least <= limit <= self._bulkhead:
            words = f"is {limit}, not from {self._least} to {self._bulkhead}"
            self._breach("bounds", f"the limit of {held.voter} at {held.replica} {words}")
        return limit
