"""One voter's circuit breaker. Pure: every method takes the time, what changed comes back as transitions.

Rules (resilience4j's, where it has one):
- Closed: calls pass and are counted. It opens once the window holds the minimum of calls and the share of failures or of
  slow calls is at its threshold or above.
- Open: nothing passes until the cool-down is over; the first call after it is the first probe.
- Half-open: exactly so many calls pass as there are permits. A cancelled probe, or one that says nothing, gives its permit
  back. When every permit has its result, the same two rates decide: closed, or open for another cool-down. Probes that are
  all out and silent for too long have failed.
- A voter that asks to be left alone (Retry-After) opens its breaker for that time, 0 included. A cool-down is lengthened by
  whatever comes later and shortened by nothing but an operator.
- Only calls let in under the present state count. A late result may lengthen a cool-down that is under way, nothing else.
- A call settles once. Cancelled calls count neither way.
- Forced open lets nothing pass, forced closed everything, and neither counts. Let go, the first is probed, the second closed.

Left out: what says which verdict (``adapters/guarded.py``), and what only shows across voters (``circuits``).
"""

from actors.consensus.breakers.config import BreakerConfig
from actors.consensus.breakers.merging import Report, longest_left_s, pooled
from actors.consensus.breakers.vocabulary import (
    Admission,
    Cause,
    Denied,
    Force,
    Moves,
    Permit,
    State,
    Transition,
    Verdict,
    View,
)
from actors.consensus.breakers.window import Counts, CountWindow, Window, window_of
from models.errors import bounded_retry_after_s

HEALTH_IGNORED = -1
"""The generation of calls that pass although the breaker is not closed: they count as late ones do."""


class Breaker:
    """The breaker. For one thread; ``now_s`` is monotonic."""

    def __init__(self, config: BreakerConfig) -> None:
        self._config = config
        self._state: State = "closed"
        self._cause: Cause | None = None
        self._generation = 0
        self._window: Window = window_of(config)
        self._since_s = 0.0
        self._until_s = 0.0
        self._rest_until_s = 0.0
        """Until when the voter itself asked to be left alone."""
        self._own_until_s = 0.0
        """Until when it would be open by what this replica saw."""
        self._issued = 0

    def admit(self, now_s: float, *, ignore_health: bool = False) -> Admission:
        """Let a call in or not. ``ignore_health`` lets it in past a breaker that is open by health alone."""
        if self._state in ("closed", "forced_closed"):
            return Permit(self._generation, now_s), ()
        moves = self._cooled(now_s)
        if self._state == "half_open" and self._issued < self._config.half_open_permits:
            self._issued += 1
            return Permit(self._generation, now_s), moves
        moves = self._given_up(now_s)
        if ignore_health and self._state != "forced_open" and now_s >= self._rest_until_s:
            return Permit(HEALTH_IGNORED, now_s), moves
        return Denied(self._state, self._cause or "operator", self._wait_s(now_s)), moves

    def settle(self, permit: Permit, verdict: Verdict, now_s: float, retry_after_s: float | None = None) -> Moves:
        """Take a call's end. What settles a second time changes nothing."""
        if permit.settled:
            return ()
        permit.settled = True
        rest_s = None if retry_after_s is None else bounded_retry_after_s(retry_after_s)
        if not self.counts(permit):
            return () if rest_s is None or self._state != "open" else self._rest(rest_s, now_s)
        if self._state == "forced_closed":
            return ()
        moves: Moves = ()
        if verdict == "says_nothing":
            self._issued -= self._state == "half_open"
        else:
            self._window.add(verdict == "sick", now_s - permit.began_s > self._config.slow_call_s, now_s)
            moves = self._judged(now_s, rest_s or 0.0)
        return moves if rest_s is None else moves + self._rest(rest_s, now_s)

    def counts(self, permit: Permit) -> bool:
        """Tell whether a call was let in under the present state."""
        return permit.generation == self._generation

    def open(self, until_s: float, cause: Cause, now_s: float) -> Moves:
        """Open until then at least; a cool-down under way only becomes longer, and what an operator forced stays."""
        if self._state in ("forced_open", "forced_closed"):
            return ()
        if cause != "replicas":
            self._own_until_s = max(self._own_until_s, until_s)
        self._until_s = max(self._until_s, until_s)
        return () if self._state == "open" else self._move("open", cause, now_s)

    def force(self, force: Force, now_s: float) -> Moves:
        """Do what an operator wants; wanting what is already so changes nothing."""
        wanted = _wanted(force, self._state)
        if wanted == self._state:
            return ()
        self._until_s = self._own_until_s = self._rest_until_s = now_s
        return self._move(wanted, "operator", now_s)

    def hear(self, reports: tuple[Report, ...], now_s: float) -> Moves:
        """Take what other replicas saw: it may open the breaker or keep it open, and never closes it."""
        moves: Moves = ()
        if self._state == "closed" and self._over(pooled(self._window.counts(now_s), reports)):
            moves = self.open(now_s + self._config.open_s, "replicas", now_s)
        left_s = longest_left_s(reports)
        return moves + self.open(now_s + left_s, "replicas", now_s) if left_s > 0 else moves

    def report(self, now_s: float) -> Report:
        """Return what this replica itself saw, without what it heard: replicas that echo each other never close."""
        own = self._window.counts(now_s) if self._state == "closed" else Counts()
        return Report(own, max(self._own_until_s - now_s, 0.0))

    def available(self, now_s: float) -> bool:
        """Tell whether the voter is in service: not open, or about to be probed."""
        if self._state == "open":
            return now_s >= self._until_s
        return self._state != "forced_open"

    def view(self, now_s: float) -> View:
        """Return what is shown."""
        counts = self._window.counts(now_s)
        left = self._config.half_open_permits - self._issued if self._state == "half_open" else 0
        wait_s = self._wait_s(now_s) or 0.0
        return View(self._state, self._cause, counts.calls, counts.failed, counts.slow, wait_s, left)

    def _judged(self, now_s: float, rest_s: float) -> Moves:
        counts = self._window.counts(now_s)
        if self._state == "closed":
            cause = self._over(counts)
        elif counts.calls < self._config.half_open_permits:
            return ()
        elif self._rate_over(counts):
            cause = "probes_failed"
        else:
            return self._move("closed", "probes_passed", now_s)
        return () if cause is None else self.open(now_s + max(self._config.open_s, rest_s), cause, now_s)

    def _over(self, counts: Counts) -> Cause | None:
        return None if counts.calls < self._config.minimum_calls else self._rate_over(counts)

    def _rate_over(self, counts: Counts) -> Cause | None:
        # Divided, not multiplied: 7 of 100 is at a threshold of 0.07, and 0.07 × 100 is above 7.
        calls, failed, slow = counts
        if failed / calls >= self._config.failure_rate:
            return "failure_rate"
        return "slow_call_rate" if slow / calls >= self._config.slow_call_rate else None

    def _rest(self, rest_s: float, now_s: float) -> Moves:
        self._rest_until_s = max(self._rest_until_s, now_s + rest_s)
        return self.open(now_s + rest_s, "retry_after", now_s)

    def _cooled(self, now_s: float) -> Moves:
        if self._state == "open" and now_s >= self._until_s:
            return self._move("half_open", "cooled", now_s)
        return ()

    def _given_up(self, now_s: float) -> Moves:
        if self._state == "half_open" and now_s - self._since_s >= self._config.half_open_max_s:
            return self.open(now_s + self._config.open_s, "probes_silent", now_s)
        return ()

    def _wait_s(self, now_s: float) -> float | None:
        return max(self._until_s - now_s, 0.0) if self._state == "open" else None

    def _move(self, state: State, cause: Cause, now_s: float) -> Moves:
        before, self._state, self._cause = self._state, state, cause
        self._generation += 1
        self._since_s = now_s
        self._issued = 0
        self._window = CountWindow(self._config.half_open_permits) if state == "half_open" else window_of(self._config)
        return (Transition(before, state, cause, now_s, self._until_s if state == "open" else None),)


def _wanted(force: Force, state: State) -> State:
    if force == "open":
        return "forced_open"
    if force == "closed":
        return "forced_closed"
    if state == "forced_open":
        return "half_open"
    return "closed" if state == "forced_closed" else state
