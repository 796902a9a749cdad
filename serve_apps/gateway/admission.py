"""Who is let in to deliberate: quota, then door, then the work; and what a request held is given back however it ends.

Rules:
- What is reserved of a key's limit is settled by what voters used, with an answer as without one: recorded, withheld, or not
  recorded in time. A request that was refused with 429, failed before anybody was asked, or was cancelled, gets everything back.
- Who is let in at once costs neither task nor timer nor lock. Who waits is one future; what he waited is off his deadline.
- Leases are fetched by a thread of their own, beside the requests; no request waits for them. A store that fails, in whatever
  way, is asked again after a pause that doubles, however many requests are refused meanwhile.
- A turn of the loop is measured from a timer to what the timer calls in the next one.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial

import msgspec

from actors.admission.brownout import Brownout, thrifty
from actors.admission.concurrency import Gradient
from actors.admission.config import AdmissionConfig, Cut, TierConfig
from actors.admission.door import Door, Refused
from actors.admission.estimate import most_tokens, used_tokens
from actors.admission.ports import LeaseStore, OutcomeUnknown
from actors.admission.queue import Priority, Ticket
from actors.admission.quotas import UNLIMITED, Amount, Book, Reserved, Short
from actors.admission.shedding import LoadLimit
from actors.base.errors import (
    InvalidRequest,
    Overloaded,
    RateLimited,
    RefusedAnswer,
    StorageUnavailable,
    WeaverGenError,
)
from actors.consensus.actor import Decision
from actors.consensus.request import GenerationRequest
from actors.consensus.vocabulary import Plan, State
from actors.store.auth import Principal
from serve_apps.gateway.complaints import Complaints
from serve_apps.gateway.problems import Header

_log = logging.getLogger("weavergen.gateway")
Work = Callable[[GenerationRequest, Callable[[State], None]], Awaitable[Decision]]
"""Deliberates on a request, and tells what voters were asked and answered as soon as that has ended."""
TOO_LATE = "it waited as long as it may"
UNLIMITED_BOTH = Amount(UNLIMITED, UNLIMITED)
DISPLACED = "a request that goes first, by its priority or because its key has less under way, took its place in line"


class AdmissionShown(msgspec.Struct, frozen=True):
    """How admission stands in the replica that answers."""

    limit: int
    """Requests that it takes now."""
    under_way: int
    waiting: int
    admitted: int
    waited: int
    """Of those that were let in, how many had waited."""
    shed: int
    rate_limited: int
    delay_ms: float
    """The shortest of the event loop's last turns."""
    usual_ms: float
    """How long a request usually takes."""
    pressure: float
    """Share of the recent requests that could not be let in at once."""
    brownout: int
    """Level; 0 saves nothing."""
    cuts: list[Cut]
    leasing: str
    """How the replica stands in this minute: ``kept`` and ``leases`` lease, ``alone`` has its share; empty without limits."""


class Admission:
    """The admission of one replica. Used from one event loop."""

    def __init__(
        self, config: AdmissionConfig, max_limit: int, slots: int, store: LeaseStore, voters: int,
        monotonic: Callable[[], float], wall: Callable[[], float],
    ) -> None:  # fmt: skip
        self._config, self._store, self._voters = config, store, voters
        self._monotonic, self._wall = monotonic, wall
        self._batch_tiers = frozenset(number for number, tier in config.tiers.items() if tier.priority == "batch")
        self._limits = {number: _limit(tier) for number, tier in config.tiers.items() if _limit(tier) != UNLIMITED_BOTH}
        self.door = Door(config, max_limit, monotonic())
        self.brownout = Brownout(config.brownout)
        self._book = Book(slots, wall(), config.quotas.ahead_keys)
        self._rate_limited = 0
        self._hungry = asyncio.Event()
        self._thread = ThreadPoolExecutor(1, "leases")
        self._complaints = Complaints(_log, clock=monotonic)
        self._failures = 0
        """How often in a row the store could not be asked."""
        self._timer: asyncio.TimerHandle | None = None

    async def start(self) -> None:
        """Begin to measure, and join the minute."""
        self._look()
        if self._limits:
            await self.lease()

    async def follow(self) -> None:
        """Lease again and again, ahead of need."""
        while True:
            await self.lease()
            if self._failures:
                await asyncio.sleep(self._pause_s())
                continue
            try:
                async with asyncio.timeout(self._config.quotas.look_s if self._limits else None):
                    await self._hungry.wait()
            except TimeoutError:
                continue

    def _pause_s(self) -> float:
        """Return how long a store that failed is left alone."""
        quotas = self._config.quotas
        return min(quotas.max_backoff_s, quotas.look_s * 2.0 ** min(self._failures - 1, 16))

    def close(self) -> None:
        """Measure no more and let go of the slot."""
        if self._timer is not None:
            self._timer.cancel()
        self._thread.shutdown(wait=False, cancel_futures=True)
        self._store.close()

    def require_room(self, principal: Principal) -> None:
        """Raise ``Overloaded`` if nobody could be let in or wait now with a key: what is to be refused need not be read."""
        if self.door.is_shut(principal.key_id):
            raise self.crowded("the replica has all that it can do")

    def crowded(self, why: str) -> Overloaded:
        """Return the refusal of somebody who is not let into line, and count it."""
        return _overloaded(self.door.refuse(why))

    async def through(self, request: GenerationRequest, principal: Principal, asked: Priority, work: Work) -> Decision:
        """Do the work of a request that is let in; raise ``RateLimited`` or ``Overloaded`` if it is not."""
        return await self.let_in(request, principal, asked, work, self.reserve(request, principal))

    async def let_in(
        self, request: GenerationRequest, principal: Principal, asked: Priority, work: Work, held: Reserved | None
    ) -> Decision:
        """Do the work of a request for which ``held`` is reserved; raise ``Overloaded`` if it is not let in."""
        priority: Priority = "batch" if principal.tier in self._batch_tiers else asked
        key, now_s = principal.key_id, self._monotonic()
        heard: list[State] = []
        try:
            if not self.door.enter(priority, key, now_s):
                request = await self._waited(request, priority, key, now_s)
            decision = await self._done(priority, key, partial(work, request, heard.append))
        except BaseException as error:
            if held is not None:
                self._give_back(held, error, used_tokens(heard[0], request) if heard else 0)
            raise
        if held is not None:
            self._book.settle(held, used_tokens(decision.state, request))
        return decision

    def reserve(self, request: GenerationRequest, principal: Principal) -> Reserved | None:
        """Take what a request may use of its key's limit, if the key has one; raise ``RateLimited`` if too little is left."""
        return self._reserve(principal, request) if principal.tier in self._limits else None

    def refund(self, held: Reserved) -> None:
        """Give back what was reserved for a request that comes to nothing before it is let in."""
        self._book.refund(held)

    def saved(self, plan: Plan) -> Plan:
        """Return a plan without what is saved now."""
        cuts = self.brownout.cuts
        if not cuts:
            return plan
        fewer = thrifty(plan) if "voters" in cuts else plan
        made = tuple(cut for cut in cuts if cut != "voters" or fewer is not plan)
        return msgspec.structs.replace(fewer, saved=made)

    def voter_limit(self, max_calls: int) -> "VoterLimit | None":
        """Return what learns how many asks one voter takes."""
        config = self._config.concurrency
        return VoterLimit(Gradient(config, max_calls), self.door.load) if config.enabled else None

    def headers(self, principal: Principal) -> list[Header]:
        """Return what OpenAI's clients know of limits, if the key has any."""
        limit = self._limits.get(principal.tier)
        if limit is None:
            return []
        left, reset_s = self._book.shown(principal.key_id, limit, self._wall())
        told: list[Header] = []
        for name, of, is_left in (("requests", limit.requests, left.requests), ("tokens", limit.tokens, left.tokens)):
            if of != UNLIMITED:
                values = (("limit", str(of)), ("remaining", str(is_left)), ("reset", f"{reset_s}s"))
                told += [(f"x-ratelimit-{what}-{name}".encode(), value.encode()) for what, value in values]
        return told

    def shown(self) -> AdmissionShown:
        """Return how admission stands."""
        door = self.door
        return AdmissionShown(
            limit=door.load.limit, under_way=door.under_way, waiting=len(door.line), admitted=door.at_once + door.waited,
            waited=door.waited, shed=door.refused, rate_limited=self._rate_limited,
            delay_ms=round(door.load.delay_s * 1000, 1), usual_ms=round(door.load.usual_s * 1000, 1),
            pressure=round(door.pressure, 3), brownout=self.brownout.level, cuts=list(self.brownout.cuts),
            leasing=(self._book.standing or "") if self._limits else "",
        )  # fmt: skip

    def gauges(self) -> dict[str, float]:
        """Return what is shown of it as numbers."""
        shown = self.shown()
        return {
            "admission_limit": shown.limit, "admission_waiting": shown.waiting, "admission_admitted": shown.admitted,
            "admission_waited": shown.waited, "admission_shed": shown.shed,
            "admission_rate_limited": shown.rate_limited, "admission_delay_ms": shown.delay_ms,
            "admission_pressure": shown.pressure, "brownout_level": shown.brownout,
        }  # fmt: skip

    async def lease(self) -> None:
        """Ask the store once, if anything is needed of it."""
        self._hungry.clear()
        asked = self._book.to_ask(self._wall(), self._config.quotas.ahead_s) if self._limits else None
        if asked is None:
            return
        minute, wants = asked
        self._book.asked(minute)
        try:
            leases = await asyncio.get_running_loop().run_in_executor(self._thread, self._store.lease, minute, wants)
        except Exception as error:  # noqa: BLE001 - whatever keeps the store from being asked, serving goes on alone
            self._failed(minute, error)
        else:
            self._failures = 0
            self._book.answered(leases)

    def _failed(self, minute: int, error: Exception) -> None:
        """Go on without the store; what it did is known only where it says so."""
        is_defect = not isinstance(error, StorageUnavailable | OutcomeUnknown)
        words = f"limits are this replica's share alone for now: {repr(error) if is_defect else error}"
        self._complaints.tell("leases", words, cause=error if is_defect else None)
        self._failures += 1
        is_certain = isinstance(error, StorageUnavailable)
        self._book.failed(minute, for_certain=is_certain, has_share=self._store.has_share(minute))

    def _reserve(self, principal: Principal, request: GenerationRequest) -> Reserved:
        limit = self._limits[principal.tier]
        voters = self._voters if request.model == "consensus" else 1
        tokens = most_tokens(request, voters) if limit.tokens != UNLIMITED else 0
        held = self._book.reserve(principal.key_id, limit, tokens, self._wall())
        if isinstance(held, Short):
            self._rate_limited += held.why != "too_much"
            self._hungry.set()
            raise _refusal(held, limit, tokens)
        if held.account.runs_short():
            self._hungry.set()
        return held

    def _give_back(self, held: Reserved, error: BaseException, used: int) -> None:
        """Settle a request that brought no answer, for which voters used so many tokens."""
        if _is_free(error) or not (used or _is_decision(error)):
            self._book.refund(held)
        else:
            self._book.settle(held, used)

    async def _done(self, priority: Priority, key: str, work: Callable[[], Awaitable[Decision]]) -> Decision:
        """Do the work of a request that was let in, and let in the next one.

        A refusal that is a decision is an end as an answer is. What requests usually take is told by those that voters answered:
        a deadline says what a caller wanted, and that nobody could be asked is told at once.
        """
        began_s = self._monotonic()
        has_ended = is_answered = False
        try:
            decision = await work()
            has_ended = is_answered = True
        except WeaverGenError as error:
            has_ended = _is_decision(error)
            is_answered = has_ended and isinstance(error, RefusedAnswer)
            raise
        finally:
            took_s = self._monotonic() - began_s if is_answered else None
            self._wake(self.door.leave(priority, key, took_s, has_ended=has_ended))
        return decision

    async def _waited(
        self, request: GenerationRequest, priority: Priority, key: str, now_s: float
    ) -> GenerationRequest:  # fmt: skip
        """Return the request with what is left of its deadline, once it is let in."""
        let_in: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        ticket = self.door.wait(priority, key, request.deadline_ms / 1000, now_s, let_in)
        if isinstance(ticket, Refused):
            raise _overloaded(ticket)
        if ticket.displaced is not None:
            self._refuse(ticket.displaced, DISPLACED)
        try:
            await let_in
        except asyncio.CancelledError:
            was_let_in = not self.door.line.leave(ticket) and let_in.done() and not let_in.cancelled()
            if was_let_in and let_in.exception() is None:
                self._wake(self.door.leave(priority, key, None, has_ended=False))
            raise
        left_ms = request.deadline_ms - round((self._monotonic() - now_s) * 1000)
        return msgspec.structs.replace(request, deadline_ms=max(1, left_ms))

    def _look(self) -> None:
        """Measure, let in who may come, refuse who waited too long; again and again."""
        loop, now_s = asyncio.get_running_loop(), self._monotonic()
        self._timer = loop.call_later(self._config.shedding.look_ms / 1000, self._look)
        loop.call_soon(self._turned, now_s)
        let_in, late = self.door.look(now_s)
        for ticket in let_in:
            self._wake(ticket)
        for ticket in late:
            self._refuse(ticket, TOO_LATE)
        self.brownout.look(self.door.pressure)

    def _turned(self, since_s: float) -> None:
        """Take how long the turn of the loop took in which it was looked."""
        now_s = self._monotonic()
        self.door.turned(now_s - since_s, now_s)

    def _wake(self, ticket: Ticket | None) -> None:
        """Let somebody in for whom there is room; if he is gone by now, the next."""
        while ticket is not None:
            waiting = _future(ticket)
            if not waiting.done():
                waiting.set_result(None)
                return
            ticket = self.door.leave(ticket.priority, ticket.key, None, has_ended=False)

    def _refuse(self, ticket: Ticket, why: str) -> None:
        waiting, refused = _future(ticket), self.door.refuse(why)
        if not waiting.done():
            waiting.set_exception(_overloaded(refused))


class VoterLimit:
    """One voter's limit: while this replica's own loop is late, what takes long is not the voter's doing."""

    def __init__(self, gradient: Gradient, load: LoadLimit) -> None:
        self._gradient, self._load = gradient, load

    @property
    def limit(self) -> int:
        """Return how many asks the voter takes now."""
        return self._gradient.limit

    def observe(self, first_token_ms: float, under_way: int) -> None:
        """Take the time to a first token."""
        if self._load.is_calm:
            self._gradient.observe(first_token_ms, under_way)


def _future(ticket: Ticket) -> "asyncio.Future[None]":
    assert isinstance(ticket.caller, asyncio.Future)  # noqa: S101 - every ticket is made in `_waited`
    return ticket.caller


def _is_free(error: BaseException) -> bool:
    """Tell whether a request uses nothing because of how it ended: refused with 429, or cancelled."""
    return isinstance(error, Overloaded) or not isinstance(error, Exception)


def _is_decision(error: BaseException) -> bool:
    return isinstance(error, WeaverGenError) and "decision_id" in error.details


def _limit(tier: TierConfig) -> Amount:
    requests, tokens = tier.requests_per_minute, tier.tokens_per_minute
    return Amount(UNLIMITED if requests is None else requests, UNLIMITED if tokens is None else tokens)


def _overloaded(refused: Refused) -> Overloaded:
    again_s = refused.retry_after_s
    return Overloaded(
        f"more comes than can be answered: {refused.why}; try again in {again_s} s", retry_after_s=again_s
    )


def _refusal(short: Short, limit: Amount, tokens: int) -> WeaverGenError:
    """Say what is short; a request that could not pass in any minute is to be changed, not to be sent again."""
    again = f"try again in {short.retry_after_s} s"
    most = limit.requests if short.of == "requests" else limit.tokens
    match short.why:
        case "too_much":
            beside = "" if short.most == most else f", of which one replica can have {short.most} beside the others"
            words = f"the request may use {tokens} tokens and its key {most} a minute{beside}"
            return InvalidRequest(f"{words}: shorten the prompt or lower max_tokens", "max_tokens")
        case "spent":
            words = f"the key may use {most} {short.of} a minute, and what this replica could have of them is used"
        case "alone":
            words = (
                f"the key may use {most} {short.of} a minute; limits are shared with nobody for now, and this replica's"
            )
            words += " part is used"
        case "fetching":
            words = f"of the {most} {short.of} a minute that the key may use this replica has too little at hand, and gets more"
    return RateLimited(f"{words}; {again}", retry_after_s=short.retry_after_s)
