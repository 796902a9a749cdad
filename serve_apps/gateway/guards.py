"""Everything of one replica that stands between its panel and its voters: breakers, retries, bulkheads, hedges.

Rules:
- Every voter is asked through its guard, engines and servers alike. State is this replica's own.
- What breakers of other replicas of this home saw may open ours sooner and keep it open, nothing else: reports lie in
  ``run/breakers``, one file a replica, and count while they are fresh. A report that cannot be read is no report.
- What an operator forces (``run/breakers/forced``) holds in every replica until it is let go. A note of that which cannot be
  read lets nobody go.
- Every opening is an incident (``circuit_breaker_opened``) and a span, every move is counted; none of it holds up an ask.

Left out: when a breaker opens (``actors.consensus.breakers``).
"""

import asyncio
import logging
import os
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TypeVar

import msgspec

from actors.base.files import Folders, write_atomic
from actors.base.ports import IncidentSink
from actors.consensus.adapters.guarded import GuardedVoter, publish
from actors.consensus.breakers.budget import RetryBudget
from actors.consensus.breakers.circuits import Circuits
from actors.consensus.breakers.config import BreakerConfig
from actors.consensus.breakers.merging import Report
from actors.consensus.breakers.ports import Limiter
from actors.consensus.breakers.vocabulary import Force, State, Transition, View
from actors.consensus.ports import Clock
from actors.consensus.telemetry import breaker_span
from actors.spans.span import Span
from models.voter import Voter

_log = logging.getLogger("weavergen.gateway")
T = TypeVar("T")
_REPORTS, _FORCES = msgspec.json.Decoder(dict[str, Report]), msgspec.json.Decoder(dict[str, Force])
FRESH_S = 5.0
"""Older reports are of a replica that is gone or hangs."""
MAX_FILES, MAX_BYTES = 64, 262_144
FORCED = "forced"
_NUMBERS: Mapping[State, int] = {"closed": 0, "forced_closed": 0, "half_open": 1, "open": 2, "forced_open": 2}
STATES: tuple[State, ...] = ("closed", "half_open", "open", "forced_open", "forced_closed")


class BreakerShown(msgspec.Struct, frozen=True):
    """One voter's breaker."""

    voter: str
    state: str
    cause: str
    """Of the last move; empty before the first."""
    calls: int
    failed: int
    slow: int
    """Counted in the window; while half-open, of the probes."""
    open_left_s: float
    permits_left: int
    under_way: int
    """Asks of it that this replica holds."""
    limit: int
    """How many it takes now."""
    forced: str
    """What an operator forces; empty if nothing."""


class Guards:
    """The guards of one replica's voters. Used from one event loop."""

    def __init__(
        self, voters: Mapping[str, Voter], layers: Sequence[Sequence[str]], config: BreakerConfig, clock: Clock,
        sink: IncidentSink, emit: Callable[[Span], None], directory: Path, replica: str,
        limiter: Callable[[int], Limiter | None] = lambda _: None,
    ) -> None:  # fmt: skip
        alone = [voter for voter in voters if not any(voter in layer for layer in layers)]
        self._circuits = Circuits(config, [*layers, *([alone] if alone else [])])
        self._budget = RetryBudget(config.retries)
        self._clock, self._sink, self._emit = clock, sink, emit
        self._moves = self._hedges = 0
        self._directory, self._replica = directory, replica
        self._forced: dict[str, Force] = {}
        self.voters = {
            name: GuardedVoter(
                voter, self._circuits.of(name), self._budget, config, clock, self, limiter(config.bulkhead.max_calls)
            )
            for name, voter in voters.items()
        }

    def moved(self, service: str, transition: Transition) -> None:
        """Hear that a breaker went from one state to another."""
        _log.warning("breaker of %s: %s → %s (%s)", service, transition.before, transition.after, transition.cause)
        self._moves += 1
        info = self.voters[service].info
        self._emit(breaker_span(info, transition, os.urandom(16), os.urandom(8), self._clock.time_ns()))

    def alert(self, kind: str, service: str, evidence: Mapping[str, str]) -> None:
        """Open an incident, or count one more occurrence of it."""
        self._sink.open(kind, "level_3_minor", evidence, f"{kind}:{service}")

    def due_s(self, voter: str, left_s: float) -> float | None:
        """Return how long after its ask a voter is slow; ``None`` for never."""
        guarded = self.voters.get(voter)
        return None if guarded is None else guarded.hedge_due_s(left_s)

    def pay(self) -> bool:
        """Take what a hedge costs from the budget that retries come out of."""
        paid = self._budget.take(throttled=False) is not None
        self._hedges += paid
        return paid

    def denying(self) -> list[str]:
        """Return the voters that are not asked now."""
        return [voter for voter, view in self._views().items() if view.state in ("open", "forced_open")]

    def shown(self) -> list[BreakerShown]:
        """Return every breaker as operators see it."""
        return [
            BreakerShown(
                voter, view.state, view.cause or "", view.calls, view.failed, view.slow, round(view.open_left_s, 3),
                view.permits_left, self.voters[voter].under_way, self.voters[voter].limit, self._forced.get(voter, ""),
            )
            for voter, view in sorted(self._views().items())
        ]  # fmt: skip

    def gauges(self) -> dict[str, float]:
        """Return what is shown of all breakers together."""
        states = [view.state for view in self._views().values()]
        return {f"breakers_{state}": float(states.count(state)) for state in STATES} | {
            "retry_tokens": float(self._budget.tokens), "breaker_moves": float(self._moves), "hedges": float(self._hedges),
        }  # fmt: skip

    def states(self) -> dict[str, int]:
        """Return each voter's breaker as a number: 0 closed, 1 half open, 2 open."""
        return {voter: _NUMBERS[view.state] for voter, view in self._views().items()}

    def asks(self) -> dict[str, int]:
        """Return how many asks each voter holds."""
        return {name: guarded.under_way for name, guarded in self.voters.items()}

    def _views(self) -> Mapping[str, View]:
        return self._circuits.views(self._clock.monotonic())

    async def follow(self, every_s: float) -> None:
        """Exchange reports with the other replicas again and again."""
        while True:
            await self.exchange()
            await asyncio.sleep(every_s)

    async def exchange(self) -> None:
        """Tell what was seen here, hear what the others saw, and do what an operator forces."""
        now_s = self._clock.monotonic()
        own = msgspec.json.encode(self._circuits.reports(now_s))
        try:
            reports, forced = await asyncio.to_thread(_swap, self._directory, self._replica, own)
        except OSError as error:  # a full disk: every replica goes by what it sees itself
            _log.warning("breakers cannot be compared among replicas: %s", error.strerror)
            return
        for voter, moves in self._circuits.hear(reports, now_s).items():
            publish(voter, moves, self)
        if forced is not None:
            self._force(forced, now_s)

    def _force(self, forced: Mapping[str, Force], now_s: float) -> None:
        for voter in self._forced.keys() | forced.keys():
            wanted = forced.get(voter, "none")
            if voter in self.voters and wanted != self._forced.get(voter, "none"):
                publish(voter, self._circuits.force(voter, wanted, now_s), self)
        self._forced = {voter: force for voter, force in forced.items() if force != "none"}


def force(directory: Path, voter: str, wanted: Force) -> None:
    """Keep what an operator wants of a voter's breaker, for every replica of the home; raise ``OSError`` if it cannot be kept."""
    Folders(directory.parent, mode=0o700).ensure(directory)
    forced = (_read_forced(directory) or {}) | {voter: wanted}
    kept = {name: value for name, value in forced.items() if value != "none"}
    write_atomic(directory / f"{FORCED}.json", msgspec.json.encode(kept))


def _swap(directory: Path, replica: str, own: bytes) -> tuple[dict[str, list[Report]], dict[str, Force] | None]:
    """Write this replica's reports; return the others' fresh ones by voter, and what is forced, if that can be read."""
    directory.mkdir(
        mode=0o700, exist_ok=True
    )  # what lies there counts for seconds: it need not outlive a loss of power
    write_atomic(directory / f"{replica}.json", own)
    found: dict[str, list[Report]] = {}
    with os.scandir(directory) as entries:
        others = [
            e for e in entries if e.name.endswith(".json") and e.name not in (f"{replica}.json", f"{FORCED}.json")
        ]
    for entry in others[:MAX_FILES]:
        for voter, report in _read_reports(Path(entry.path)).items():
            found.setdefault(voter, []).append(report)
    return found, _read_forced(directory)


def _read_reports(path: Path) -> dict[str, Report]:
    """Return a fresh file's reports; an old one, whose replica is gone, is removed."""
    try:
        age_s = time.time() - path.stat().st_mtime
        if age_s > FRESH_S:
            if age_s > 100 * FRESH_S:
                path.unlink(missing_ok=True)
            return {}
        return _decoded(path, _REPORTS) or {}
    except FileNotFoundError:
        return {}


def _read_forced(directory: Path) -> dict[str, Force] | None:
    try:
        return _decoded(directory / f"{FORCED}.json", _FORCES)
    except FileNotFoundError:
        return {}


def _decoded(path: Path, decoder: msgspec.json.Decoder[dict[str, T]]) -> dict[str, T] | None:
    with path.open("rb") as file:
        data = file.read(MAX_BYTES + 1)
    try:
        return decoder.decode(data)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        _log.warning("%s is no report of breakers: %s", path.name, error)
        return None
