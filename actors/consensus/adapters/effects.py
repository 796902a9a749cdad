"""Acting on deliberation's commands: asking voters, screening and comparing candidates. What comes of each is one event.

Rules:
- Every command ends in exactly one event, whatever its effect raises: a voter that raises costs its ballot; a screener that
  raises rejects; a comparison that raises is none; one that ran out of time ends the time.
- A voter that takes longer than it nearly ever does is told as slow once, if anybody stood by when it was asked. Whether an ask
  follows is deliberation's word; that ask is paid for, and no other.
- A voter that is cancelled because its time is up is told so: its breaker counts it.
- What was sent is told: an ask that our own side turned away (its breaker, its bulkhead, the day's money), or that was cancelled
  before it began, was not.
- Nothing outlives the request: closing cancels all that is under way.
- The salt that breaks ties and seeds the inputs is drawn when the ballots are closed, so no voter's answer can depend on it.

Left out: what follows from an event (``deliberation``).
"""

import asyncio
import logging
from collections.abc import Callable, Coroutine, Mapping, Sequence
from dataclasses import dataclass, field

from actors.consensus.adapters.guarded import OUT_OF_TIME
from actors.consensus.adapters.mailbox import Mailbox
from actors.consensus.behaviour.compare import Asked, Comparison, NotCompared
from actors.consensus.pieces import joined
from actors.consensus.ports import Clock, CodeScreener, Comparer, Hedges
from actors.consensus.readable import looked_at
from actors.consensus.reading.context import in_context
from actors.consensus.screening.findings import refusal
from actors.consensus.vocabulary import (
    Answered,
    Ask,
    Cancel,
    Command,
    Compare,
    Compared,
    DeadlinePassed,
    Event,
    Failed,
    Plan,
    Screen,
    Screened,
    Slow,
    TimedOut,
)
from models.errors import VoterError, VoterTimeout
from models.voter import Voter, VoterRequest

_log = logging.getLogger("weavergen.consensus")


@dataclass(frozen=True, slots=True)
class Bench:
    """Whom and what commands reach."""

    voters: Mapping[str, Voter]
    screener: CodeScreener
    comparer: Comparer
    clock: Clock
    randomness: Callable[[int], bytes]
    hedges: Hedges | None = None
    """Without it no voter is slow."""
    tasks: set[asyncio.Task[None]] = field(default_factory=set)
    """What is under way, held until it has ended, cancelled or not."""


class Effects:
    """The effects of one deliberation. Used from one event loop."""

    def __init__(self, bench: Bench, request: VoterRequest, plan: Plan, deadline_ms: int) -> None:
        self._bench = bench
        self._request = request
        self._plan = plan
        self._deadline_ms = deadline_ms
        self._hedges = bench.hedges if plan.spares and plan.max_substitutes else None
        self._salt = ""
        self._started = bench.clock.monotonic()
        self._asks: dict[int, asyncio.Task[None]] = {}
        self._others: list[asyncio.Task[None]] = []
        self._sent: set[int] = set()
        self._timers: list[asyncio.TimerHandle] = []
        self.events: Mailbox[Event] = Mailbox()

    @property
    def elapsed_s(self) -> float:
        """Seconds since the deliberation began."""
        return self._bench.clock.monotonic() - self._started

    @property
    def salt(self) -> str:
        """The tie salt, in hex: the last one drawn. To be read once the ballots are closed."""
        self._salt = self._salt or self._bench.randomness(16).hex()
        return self._salt

    @property
    def sent(self) -> frozenset[int]:
        """Asks that went out so far, whatever came of them."""
        return frozenset(self._sent)

    def act(self, commands: Sequence[Command]) -> None:
        """Begin every effect; their events come into the mailbox."""
        for command in commands:
            match command:
                case Ask():
                    self._asks[command.ask_id] = self._begin(self._ask(command))
                    self._hedge(command)
                case Cancel() if command.ask_id in self._asks:
                    self._asks[command.ask_id].cancel(OUT_OF_TIME if self._is_out_of_time() else None)
                case Screen():
                    self._others.append(self._begin(self._screen(command)))
                case Compare():
                    self._salt = ""
                    self._others.append(self._begin(self._compare(command, int(self.salt[:16], 16))))

    def _begin(self, effect: Coroutine[None, None, None]) -> asyncio.Task[None]:
        task = asyncio.create_task(effect)
        self._bench.tasks.add(task)
        task.add_done_callback(self._bench.tasks.discard)
        return task

    def close(self) -> None:
        """Cancel whatever is still under way."""
        for timer in self._timers:
            timer.cancel()
        for task in (*self._asks.values(), *self._others):
            task.cancel()

    def _is_out_of_time(self) -> bool:
        return self._elapsed_ms() >= self._plan.deadline_ms

    def affords(self, commands: Sequence[Command]) -> bool:
        """Tell whether what follows a slow voter may happen: a further ask only in time, and if it can be paid for, as it is."""
        if not any(isinstance(command, Ask) for command in commands):
            return True
        return self._hedges is not None and not self._is_out_of_time() and self._hedges.pay()

    def _hedge(self, ask: Ask) -> None:
        """Have it told when a voter takes longer than it nearly ever does, if anybody stands by."""
        if self._hedges is None or "hedges" in self._plan.saved:
            return
        due_s = self._hedges.due_s(ask.voter, self._plan.deadline_ms / 1000 - self.elapsed_s)
        if due_s is not None:
            self._timers.append(asyncio.get_running_loop().call_later(due_s, self._tell_slow, ask.ask_id))

    def _tell_slow(self, ask_id: int) -> None:
        if not self._asks[ask_id].done():
            self.events.put(Slow(ask_id))

    def _elapsed_ms(self) -> int:
        return round(self.elapsed_s * 1000)

    async def _ask(self, ask: Ask) -> None:
        voter = self._bench.voters.get(ask.voter)
        try:
            if voter is None:
                raise VoterError(ask.voter, "not deployed")
            self._sent.add(ask.ask_id)
            candidate = await voter.ask(self._request)
            event: Event = Answered(ask.ask_id, candidate, self._elapsed_ms())
        except VoterTimeout as error:
            event = TimedOut(ask.ask_id, self._elapsed_ms(), error.message[:200])
        except VoterError as error:
            if not error.was_sent:
                self._sent.discard(ask.ask_id)
            said, again_s = error.message[:200], error.retry_after_s
            event = Failed(ask.ask_id, error.outcome, said, self._elapsed_ms(), error.cause, again_s)
        except Exception as error:  # noqa: BLE001 - whatever a voter raises costs its ballot, not the request
            _log.warning("voter %s raised %s", ask.voter, type(error).__name__)
            event = Failed(ask.ask_id, "failed", f"raised {type(error).__name__}", self._elapsed_ms())
        self.events.put(event)

    async def _screen(self, screen: Screen) -> None:
        screener = self._bench.screener
        pieces = looked_at(screen.code, screen.language, screen.beside)
        try:
            screening = joined(pieces, [await screener.screen(piece.code, piece.language) for piece in pieces])
        except Exception as error:  # noqa: BLE001 - a check that failed counts as failed
            _log.error("screening raised %s", type(error).__name__)
            screening = refusal("scanner-error", f"raised {type(error).__name__}", screener.version)
        self.events.put(Screened(screen.ask_id, screening))

    async def _compare(self, compare: Compare, seed: int) -> None:
        asked, left_s = Asked(self._plan.entry_point, self._plan.examples), self._deadline_ms / 1000 - self.elapsed_s
        sources = {ask_id: in_context(self._plan.context, code) for ask_id, code in compare.candidates.items()}
        try:
            found = await self._bench.comparer.compare(asked, sources, seed, left_s)
        except Exception as error:  # noqa: BLE001 - without a comparison equal forms count at most
            _log.error("comparing behaviour raised %s", type(error).__name__)
            found = NotCompared("sandbox")
        self.events.put(self._of(found))

    def _of(self, found: Comparison | NotCompared) -> Event:
        """Return the event of a comparison: one that did not end in time ends the time."""
        if isinstance(found, Comparison):
            return Compared(found)
        _log.warning("behaviour was not compared: %s", found.reason)
        return Compared(None) if found.reason == "sandbox" else DeadlinePassed(self._elapsed_ms())
