"""What a breaker does, as the rules say it: every call kept, everything counted anew each time. Slow, and plain to read."""

from dataclasses import dataclass, field

from actors.consensus.breakers.config import BreakerConfig
from actors.consensus.breakers.merging import Report
from actors.consensus.breakers.window import Counts


@dataclass
class Ended:
    """A call that counts."""

    number: int
    """In a count window its place in the order, in a time window the part it is in."""
    failed: bool
    slow: bool


@dataclass
class Let:
    """A call that was let in."""

    stay: int
    """Which stay in a state it belongs to; −1 if health was ignored."""
    began_s: float
    settled: bool = False


@dataclass
class Reference:
    """The breaker again."""

    config: BreakerConfig
    state: str = "closed"
    stay: int = 0
    since_s: float = 0.0
    cool_downs: list[float] = field(default_factory=lambda: [0.0])
    """Every end of a cool-down that anybody wanted."""
    own_cool_downs: list[float] = field(default_factory=lambda: [0.0])
    rests: list[float] = field(default_factory=lambda: [0.0])
    ended: list[Ended] = field(default_factory=list)
    probing: int = 0
    newest_part: int | None = None
    moved: list[tuple[str, str, str]] = field(default_factory=list)

    def go(self, state: str, cause: str, now_s: float) -> None:
        """Begin another stay."""
        self.moved.append((self.state, state, cause))
        self.state, self.stay, self.since_s = state, self.stay + 1, now_s
        self.ended, self.probing, self.newest_part = [], 0, None

    def open(self, until_s: float, cause: str, now_s: float) -> None:
        """Want the breaker open until then."""
        if self.state in ("forced_open", "forced_closed"):
            return
        self.cool_downs.append(until_s)
        if cause != "replicas":
            self.own_cool_downs.append(until_s)
        if self.state != "open":
            self.go("open", cause, now_s)

    def admit(self, now_s: float, ignore_health: bool) -> Let | None:
        """Let a call in, or not."""
        if self.state == "open" and now_s >= max(self.cool_downs):
            self.go("half_open", "cooled", now_s)
        if self.state in ("closed", "forced_closed"):
            return Let(self.stay, now_s)
        if self.state == "half_open":
            if self.probing + len(self.ended) < self.config.half_open_permits:
                self.probing += 1
                return Let(self.stay, now_s)
            if now_s - self.since_s >= self.config.half_open_max_s:
                self.open(now_s + self.config.open_s, "probes_silent", now_s)
        if ignore_health and self.state != "forced_open" and now_s >= max(self.rests):
            return Let(-1, now_s)
        return None

    def settle(self, let: Let, verdict: str, now_s: float, asked_s: float | None) -> None:
        """Take a call's end."""
        if let.settled:
            return
        let.settled = True
        asked_s = None if asked_s is None else min(max(asked_s, 0.0), 3600.0)
        if let.stay == self.stay and self.state == "half_open":
            self.probing -= 1
        if let.stay == self.stay and self.state in ("closed", "half_open"):
            if verdict != "says_nothing":
                slow = now_s - let.began_s > self.config.slow_call_s
                self.ended.append(Ended(self.number(now_s), verdict == "sick", slow))
                self.judge(now_s)
            may_open = True
        else:
            may_open = self.state == "open"
        if asked_s is not None and may_open:
            self.rests.append(now_s + asked_s)
            self.open(now_s + asked_s, "retry_after", now_s)

    def judge(self, now_s: float) -> None:
        """Open, or close, or neither."""
        counts = self.counts(now_s)
        if self.state == "closed" and counts.calls >= self.config.minimum_calls and (cause := self.bad(counts)):
            self.open(now_s + self.config.open_s, cause, now_s)
        elif self.state == "half_open" and counts.calls == self.config.half_open_permits:
            if self.bad(counts):
                self.open(now_s + self.config.open_s, "probes_failed", now_s)
            else:
                self.go("closed", "probes_passed", now_s)

    def bad(self, counts: Counts) -> str:
        """Name the rate that is too high."""
        if counts.failed / counts.calls >= self.config.failure_rate:
            return "failure_rate"
        return "slow_call_rate" if counts.slow / counts.calls >= self.config.slow_call_rate else ""

    def number(self, now_s: float) -> int:
        """Return the place of a call that ends now."""
        if self.config.window == "count" or self.state == "half_open":
            return len(self.ended)
        part = int(now_s // (self.config.window_s / self.config.window_buckets))
        self.newest_part = part if self.newest_part is None else max(part, self.newest_part)
        return self.newest_part

    def counts(self, now_s: float) -> Counts:
        """Count every call that is still in the window."""
        newest = self.number(now_s)
        if self.state == "half_open":
            kept = self.ended
        elif self.config.window == "count":
            kept = self.ended[-self.config.window_calls :]
        else:
            kept = [call for call in self.ended if call.number > newest - self.config.window_buckets]
        return Counts(len(kept), sum(call.failed for call in kept), sum(call.slow for call in kept))

    def force(self, force: str, now_s: float) -> None:
        """Do what an operator wants."""
        let_go = {"forced_open": "half_open", "forced_closed": "closed"}.get(self.state, self.state)
        wanted = {"open": "forced_open", "closed": "forced_closed", "none": let_go}[force]
        if wanted != self.state:
            self.cool_downs, self.own_cool_downs, self.rests = [now_s], [now_s], [now_s]
            self.go(wanted, "operator", now_s)

    def hear(self, reports: tuple[Report, ...], now_s: float) -> None:
        """Take what others saw."""
        own = self.counts(now_s)
        calls, failed, slow = (
            getattr(own, name) + sum(getattr(report.counts, name) for report in reports)
            for name in ("calls", "failed", "slow")
        )
        if self.state == "closed" and calls >= self.config.minimum_calls and self.bad(Counts(calls, failed, slow)):
            self.open(now_s + self.config.open_s, "replicas", now_s)
        longest_s = max([0.0, *(report.open_left_s for report in reports)])
        if longest_s > 0:
            self.open(now_s + min(longest_s, 3600.0), "replicas", now_s)

    def shown(self, now_s: float) -> tuple[str, Counts, float, int, float]:
        """Return state, counts, what is left of the cool-down, free permits and what is reported of the cool-down."""
        is_open = self.state == "open"
        left_s = max(max(self.cool_downs) - now_s, 0.0) if is_open else 0.0
        own_s = max(max(self.own_cool_downs) - now_s, 0.0) if is_open else 0.0
        free = self.config.half_open_permits - self.probing - len(self.ended) if self.state == "half_open" else 0
        return self.state, self.counts(now_s), left_s, free, own_s
