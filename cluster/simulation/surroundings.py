"""What a simulated replica stands on: clocks, a log that may be slow or away, and policy as it is published and polled.

Rules:
- Wall clocks may jump, monotonic ones do not.
- A row is durable once its wait is over and its replica still lives; nothing else is.
- A replica sees policy as of its last poll, believes it by the same rules as everybody (``policy.acceptance``), and nothing new
  while the source is away.
- What somebody forged is offered to a replica at a poll beside what was published; whether it is believed is production's word.
- What was really in force, and when, is kept beside, for whoever judges.
"""

import asyncio
from bisect import bisect_right
from collections.abc import Callable
from dataclasses import dataclass

import msgspec

from actors.base.canonical import MICRO, decimal_str
from actors.base.errors import IntegrityError, StorageUnavailable
from actors.policy.acceptance import accept
from actors.policy.adapters.watcher import PolicyView
from actors.policy.config import PolicyConfig
from actors.policy.snapshot import Halt, PolicySnapshot, SignedSnapshot, sign_snapshot
from actors.spans.adapters.wal import WriterIdentity
from actors.spans.span import Span
from cluster.simulation import authority
from cluster.simulation.loop import TICK_S, VirtualLoop
from cluster.simulation.weather import Weather

DURABLE_S = 0.002
"""How long a write takes in fair weather."""


@dataclass(slots=True)
class SimulatedClock:
    """Clocks of a machine."""

    loop: VirtualLoop
    jumped_s: float = 0.0

    def time_ns(self) -> int:
        """Return Unix nanoseconds."""
        return round((authority.EPOCH_S + self.loop.now_s + self.jumped_s) * 1e9)

    def time(self) -> float:
        """Return Unix seconds."""
        return self.time_ns() / 1e9

    def monotonic(self) -> float:
        """Return seconds that only rise."""
        return self.loop.now_s


class SimulatedWal:
    """A write-ahead log in memory."""

    def __init__(self, weather: Weather, name: str, durable: Callable[[list[Span]], None]) -> None:
        self._weather = weather
        self._name = name
        self._durable = durable
        self._rows = 1
        self._lost: list[asyncio.Future[None]] = []
        """What writes of a dead replica wait for: held, or the garbage collector would end them at any time."""
        self.is_dead = False

    async def append(self, rows: int, build: Callable[[int], list[Span]]) -> None:
        """Write rows and return when they are durable."""
        if self._weather.worst("log_away", self._name) is not None:
            raise StorageUnavailable("the log takes nothing: no space is left; free the disk")
        spans = build(self._rows)
        if len(spans) != rows:
            raise ValueError(f"{rows} rows were announced and {len(spans)} built")
        self._rows += rows
        slow = self._weather.worst("log_slow", self._name)
        write = asyncio.ensure_future(self._written(spans, slow.value if slow else DURABLE_S))
        await asyncio.shield(write)

    async def _written(self, spans: list[Span], takes_s: float) -> None:
        await asyncio.sleep(takes_s)
        if self.is_dead:
            self._lost.append(asyncio.get_running_loop().create_future())
            await self._lost[-1]
        self._durable(spans)


class Government:
    """Policy as it was published: signed, in a chain, each with its time."""

    def __init__(self, first: PolicySnapshot, loop: VirtualLoop) -> None:
        self._loop = loop
        self.chain: list[SignedSnapshot] = [sign_snapshot(first, authority.OPERATOR)]
        self.snapshots: list[PolicySnapshot] = [first]
        self.since_s: list[float] = [0.0]

    @property
    def current(self) -> PolicySnapshot:
        """Return what is in force."""
        return self.snapshots[-1]

    def publish(self, snapshot: PolicySnapshot, *, by_operator: bool) -> None:
        """Put a successor in force."""
        key = authority.OPERATOR if by_operator else authority.POLICY
        self.chain.append(sign_snapshot(snapshot, key))
        self.snapshots.append(snapshot)
        self.since_s.append(self._loop.now_s)

    def published(self, time_s: float) -> int:
        """Return how many snapshots were published by then."""
        return bisect_right(self.since_s, time_s)


class PolledPolicy:
    """One replica's view of the policy in force."""

    def __init__(
        self, government: Government, loop: VirtualLoop, weather: Weather, config: PolicyConfig, phase_s: float
    ) -> None:
        self._government = government
        self._loop = loop
        self._weather = weather
        self._config = config
        self._phase_s = phase_s
        self._view: PolicyView | None = None
        self._seen = 0
        self._polled_s = loop.now_s - TICK_S
        """Whatever was to be read before a replica began it did not read."""
        self._poll(loop.now_s)
        self._polled_s = loop.now_s

    @property
    def current(self) -> PolicyView | None:
        """Return the view as of the last poll; polls that nobody looked at are made up for."""
        due_s = self._last_poll_s(self._loop.now_s)
        if due_s > self._polled_s:
            self._poll(due_s)
            self._polled_s = due_s
        return self._view

    def _last_poll_s(self, time_s: float) -> float:
        every_s = self._config.poll_ms / 1000
        return max((time_s - self._phase_s) // every_s * every_s + self._phase_s, 0.0)

    def _poll(self, now_s: float) -> None:
        away_s = self._weather.since_s("policy_away")
        read_s = now_s if away_s is None else self._last_poll_s(away_s)
        if read_s > self._polled_s:
            for signed in self._government.chain[self._seen : self._government.published(read_s)]:
                self._accept(signed, read_s)
            self._view = self._view and self._view.at(read_s, confirmed=True)
        if away_s is not None:
            self._view = self._view and self._view.at(now_s, confirmed=False)
        elif self._view is not None:
            self._offered(self._view.snapshot, now_s)

    def _offered(self, current: PolicySnapshot, now_s: float) -> None:
        """Find what is no successor, if there is such: the first snapshot again, or one that a machine loosened."""
        if self._weather.worst("rolled_back") is not None:
            self._accept(self._government.chain[0], now_s)
        if self._weather.worst("loosened") is not None:
            self._accept(loosened(current), now_s)

    def _accept(self, signed: SignedSnapshot, now_s: float) -> None:
        """Believe a snapshot, or go on by the one before."""
        before = self._view.snapshot if self._view else None
        wall_s = int(authority.EPOCH_S + now_s)
        try:
            found = accept(before, signed, authority.trust(), wall_s)
        except IntegrityError:
            return
        self._seen = found.version
        self._view = PolicyView(
            found, found.sha256, now_s, False, self._config.policy_max_stale_s, self._config.on_stale
        )


def loosened(policy: PolicySnapshot) -> SignedSnapshot:
    """Return a successor that asks for less, signed by the key of what may only tighten."""
    layers = [msgspec.structs.replace(layer, quorum=decimal_str(MICRO // 10)) for layer in policy.layers]
    successor = msgspec.structs.replace(
        policy, version=policy.version + 1, prev_sha256=policy.sha256, layers=layers,
        halt=Halt(on=False, reason="", by=""), voter_state=dict.fromkeys(policy.voter_state, "active"),
    )  # fmt: skip
    return sign_snapshot(successor, authority.POLICY)


@dataclass(slots=True)
class Renewed:
    """A writer's identity, certified again in good time."""

    replica: int
    incarnation: int
    clock: SimulatedClock

    def now(self) -> WriterIdentity:
        """Return the identity with a certificate from now on."""
        return authority.writer(self.replica, self.incarnation, int(self.clock.time()))
