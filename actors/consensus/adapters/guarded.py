"""Voters behind their breakers: ``bulkhead → permit → ask → verdict``, and again where that is worth it.

Rules:
- One voter holds so many asks at a time; more are turned away at once, so a hung voter never holds what others need. How many it
  takes may be learnt from the time to its first token, within that bound (``Limiter``).
- A voter whose breaker is open is not asked: ``CircuitBreakerOpenError``, at once.
- An ask that ends because its asker's time is up (``OUT_OF_TIME``) says that the voter is sick if it was given more time than it
  ever took lately, and ``patience_s`` at least.
- What an end says of the voter (``verdict_of``): an answer or a refusal that it is well; an error, a time-out or something
  that is no answer that it is sick. Nothing say a cancellation, whoever cancelled; a busy voter; a prompt that is too long;
  an empty answer (a caller can ask for one, and must not open breakers for everybody); money that is spent;
  another breaker that is open.
- Whatever the end, what it says comes to the breaker once, with the time that the voter asked to be left alone for.
- This is the one layer that retries: failures that pass, not time-outs, not a full queue of our own, not what the breaker
  denies, out of the budget and within the time for retries. A retry that does not go out, because its breaker denies it, money
  is spent or our own queue is full, costs nothing and leaves the failure before it standing. Every try has its own permit.

Left out: deadlines of requests (they cancel), time-outs of calls (each voter has its own), hedges (a hedge is a second voter's
ask: ``hedge_due_s`` says when).
"""

import asyncio
import math
import random
from collections.abc import Awaitable, Callable
from typing import ParamSpec, TypeVar

from actors.consensus.breakers.breaker import Breaker
from actors.consensus.breakers.budget import RetryBudget, retry_wait_s
from actors.consensus.breakers.config import BreakerConfig, consecutive
from actors.consensus.breakers.hedging import Latencies
from actors.consensus.breakers.ports import BreakerListener, Gate, Limiter
from actors.consensus.breakers.vocabulary import Denied, Moves, Permit, Verdict
from actors.consensus.ports import Clock
from models.errors import (
    CircuitBreakerBusyError,
    CircuitBreakerOpenError,
    SpendCapReached,
    VoterBusy,
    VoterEmpty,
    VoterError,
    VoterFailed,
    VoterFull,
    VoterRefused,
    VoterTooLong,
)
from models.voter import Candidate, Voter, VoterInfo, VoterRequest

P = ParamSpec("P")
T = TypeVar("T")
OPENED = "circuit_breaker_opened"
OUT_OF_TIME = "the asker's time is up"
"""Message of a cancellation: nobody waits any longer, and nobody changed his mind."""
SAYS_NOTHING = (VoterBusy, VoterTooLong, VoterEmpty, SpendCapReached, CircuitBreakerOpenError)
PASSING = (VoterFailed, VoterBusy)


def verdict_of(error: Exception) -> Verdict:
    """Return what a failure says of the voter."""
    if isinstance(error, SAYS_NOTHING):
        return "says_nothing"
    return "healthy" if isinstance(error, VoterRefused) else "sick"


def publish(service: str, moves: Moves, listener: BreakerListener) -> None:
    """Tell a listener what a breaker did, and raise an alert for every opening."""
    for move in moves:
        listener.moved(service, move)
        if move.after in ("open", "forced_open"):
            lasts = "until let go" if move.until_s is None else f"{move.until_s - move.at_s:g}"
            evidence = {"service": service, "cause": move.cause, "before": move.before, "open_s": lasts}
            listener.alert(OPENED, service, evidence)


def _asked_for(error: Exception) -> float | None:
    """Return how long the voter itself asked to be left alone for; our own queue and our own money are no words of its."""
    ours = isinstance(error, (VoterFull, SpendCapReached))
    return error.retry_after_s if isinstance(error, VoterError) and not ours else None


class AIServiceCircuitBreaker:
    """A breaker around the calls of one service. Used from one event loop.

    Alone, it opens after ``failure_threshold`` failures in a row, for ``recovery_timeout`` seconds, and one success closes it
    again. ``gate`` puts another breaker in the place of that one: a voter's among others (``Circuits.of``).
    """

    def __init__(
        self,
        failure_threshold: int = 5,
        recovery_timeout: float = 60.0,
        *,
        service: str,
        clock: Clock,
        listener: BreakerListener,
        gate: Gate | None = None,
        patience_s: Callable[[], float] = lambda: math.inf,
    ) -> None:
        self._patience_s = patience_s
        self._service = service
        self._clock = clock
        self._listener = listener
        self._gate = Breaker(consecutive(failure_threshold, recovery_timeout)) if gate is None else gate

    async def call_ai_service(self, service_func: Callable[P, Awaitable[T]], *args: P.args, **kwargs: P.kwargs) -> T:
        """Call the service unless its breaker is open (``CircuitBreakerOpenError``); its own errors pass through."""
        permit = self._permit()
        verdict: Verdict = "says_nothing"
        asked_s: float | None = None
        try:
            result = await service_func(*args, **kwargs)
            verdict = "healthy"
        except asyncio.CancelledError as cancelled:
            waited_s = self._clock.monotonic() - permit.began_s
            if OUT_OF_TIME in cancelled.args and waited_s >= self._patience_s():
                verdict = "sick"
            raise
        except Exception as error:
            verdict, asked_s = verdict_of(error), _asked_for(error)
            raise
        finally:
            publish(self._service, self._gate.settle(permit, verdict, self._clock.monotonic(), asked_s), self._listener)
        return result

    def _permit(self) -> Permit:
        permit, moves = self._gate.admit(self._clock.monotonic())
        publish(self._service, moves, self._listener)
        if isinstance(permit, Denied):
            words = f"its circuit breaker is {permit.state} ({permit.cause})"
            raise (CircuitBreakerBusyError if permit.cause == "retry_after" else CircuitBreakerOpenError)(
                self._service, words, permit.retry_after_s
            )
        return permit


class GuardedVoter:
    """A voter behind bulkhead, breaker and retries. Used from one event loop; ``budget`` may be shared among voters."""

    def __init__(
        self,
        voter: Voter,
        gate: Gate,
        budget: RetryBudget,
        config: BreakerConfig,
        clock: Clock,
        listener: BreakerListener,
        limiter: Limiter | None = None,
        *,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
        draw: Callable[[], float] = random.random,
    ) -> None:
        self._voter = voter
        self._budget = budget
        self._config = config
        self._clock = clock
        self._sleep = sleep
        self._draw = draw
        self._limiter = limiter
        self._latencies = Latencies(config.hedge)
        self._breaker = AIServiceCircuitBreaker(
            service=voter.info.id, clock=clock, listener=listener, gate=gate,
            patience_s=lambda: max(config.patience_s, self._latencies.longest_s()),
        )  # fmt: skip
        self._under_way = 0

    @property
    def info(self) -> VoterInfo:
        """Who this is."""
        return self._voter.info

    @property
    def under_way(self) -> int:
        """How many asks it holds now."""
        return self._under_way

    @property
    def limit(self) -> int:
        """How many asks it takes now."""
        most = self._config.bulkhead.max_calls
        return most if self._limiter is None else min(most, self._limiter.limit)

    def hedge_due_s(self, left_s: float) -> float | None:
        """Return how long after an ask another voter should be asked beside this one; ``None`` if not at all."""
        return self._latencies.hedge_due_s(left_s)

    async def ask(self, request: VoterRequest) -> Candidate:
        """Ask the voter; raise ``VoterError``."""
        if self._under_way >= self.limit:
            raise VoterFull(self.info.id, f"{self._under_way} asks of it are under way here, as many as may be")
        self._under_way += 1
        try:
            return await self._asked(request)
        finally:
            self._under_way -= 1

    async def _asked(self, request: VoterRequest) -> Candidate:
        began_s = self._clock.monotonic()
        failure: VoterError | None = None
        cost: int | None = None
        retry = 0
        while True:
            try:
                candidate = await self._once(request)
            except (CircuitBreakerOpenError, SpendCapReached, VoterFull) as denied:
                if failure is None or cost is None:
                    raise
                self._budget.give_back(cost)
                raise failure from denied
            except PASSING as error:
                failure, cost = error, await self._waited(error, retry, began_s)
                if cost is None:
                    raise
                retry += 1
            else:
                self._budget.answered(cost)
                return candidate

    async def _once(self, request: VoterRequest) -> Candidate:
        began_s, under_way = self._clock.monotonic(), self._under_way
        candidate = await self._breaker.call_ai_service(self._voter.ask, request)
        self._latencies.add(self._clock.monotonic() - began_s)
        if self._limiter is not None and candidate.first_token_ms is not None:
            self._limiter.observe(candidate.first_token_ms, under_way)
        return candidate

    async def _waited(self, error: VoterError, retry: int, began_s: float) -> int | None:
        """Wait until a retry is due and return what it took from the budget; ``None``, at once, if there is to be none."""
        throttled = isinstance(error, VoterBusy)
        wait_s = retry_wait_s(
            retry, self._clock.monotonic() - began_s, self._draw(), self._config.retries,
            throttled=throttled, asked_s=error.retry_after_s,
        )  # fmt: skip
        cost = None if wait_s is None else self._budget.take(throttled=throttled)
        if wait_s is None or cost is None:
            return None
        try:
            await self._sleep(wait_s)
        except asyncio.CancelledError:
            self._budget.give_back(cost)
            raise
        return cost
