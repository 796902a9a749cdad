"""``Idempotency-Key`` in one replica: the first request is worked on, its like wait for it, and its answer is given again.

Rules:
- The database is asked in threads, within bounds of number and time. Without it no request that carries a key is answered (503):
  whoever asks for protection never goes without it. Requests without a key come by here not at all.
- Nothing is written for a request before its part of the key's limit is held. Replays, mismatches and waiting take nothing of it.
- Time is the database's where that has a clock for all, on PostgreSQL, and else the machine's; what is kept ends by neither alone
  (``Passed``), so a clock that runs ahead for a while gives no second answer, and what was kept meanwhile is given again
  when it is right.
- An answer is kept before it leaves; one that cannot be kept does not leave. Where the client went away meanwhile it is kept all
  the same, for that client comes again.
- No answer came: the claim is given back at once, and whoever waits, or tries again, begins anew. A replica that is killed gives
  nothing back; its claims lapse.
- Whatever leaves, the first time or again, is held against the policy in force as the last thing before it does. A first answer
  that may not leave is taken back, and that is put on record, whoever waits for it: its key is free. One that left once and
  may leave no more is refused (422): one key never gives two answers.

Left out: what is to be done with a slot (``actors.admission.idempotency``), and the table.
"""

import asyncio
import json
import logging
import math
import os
from collections.abc import Awaitable, Callable, Coroutine
from dataclasses import dataclass
from functools import partial
from typing import Any, Protocol, TypeVar

import msgspec

from actors.admission.adapters.kept_answers import KeptAnswers
from actors.admission.idempotency import (
    HEADER,
    Binding,
    Found,
    Held,
    Kept,
    Passed,
    Rested,
    Slot,
    decode_kept,
    encode_kept,
    objection,
    require_bound,
    rested_on,
)
from actors.admission.idempotency_config import IdempotencyConfig
from actors.admission.sealing import NONCE_BYTES, TenantKeys, seal, tenant_keys, unseal
from actors.base.errors import (
    DeadlineExceeded,
    GenerationHalted,
    IdempotencyMismatch,
    IntegrityError,
    InvalidRequest,
    NoConsensus,
    NotReady,
    Overloaded,
    StorageUnavailable,
)
from actors.base.ids import new_ulid
from actors.base.ports import IncidentSink
from actors.consensus.actor import Decision
from actors.consensus.ports import Clock, Committed, PolicySource, PolicyView
from actors.consensus.verification import verify_envelope
from actors.policy.adapters.trust_file import TrustSource
from actors.spans.record import DecisionRecord, read_envelope
from actors.store.auth import Principal
from actors.store.tenants import Tenants
from models.voter import Candidate
from serve_apps.gateway.lines import Line, Lines
from serve_apps.gateway.problems import SAME_KEY
from serve_apps.gateway.schemas import ChatCompletionBody
from serve_apps.gateway.threads import BoundedThreads

_log = logging.getLogger("weavergen.gateway")
_Result = TypeVar("_Result")
KEEP_SHARE, MAX_KEEP_MS = 10, 100
"""What of a deadline is left for keeping the answer: a tenth, at most so much."""
RENEW_SHARE, CHANCE_SHARE = 1 / 4, 1 / 3
"""Of a lease: how often a claim is renewed, and how long a lapsed one is watched before it is taken over. The time between is
what it stands for: two thirds."""
AWAY = (
    "the state database does not answer, and without it an Idempotency-Key protects nobody: try again later, or leave the "
    "header out"
)
TAMPERED = "kept_answer_refused"


@dataclass(frozen=True, slots=True)
class Asked:
    """A request that carries a key, on whose behalf, and everything that it asks for."""

    key: str
    principal: Principal
    request: str
    deadline_ms: int
    explain: bool


class Work(Protocol):
    """What it takes to answer a request anew."""

    def reserve(self) -> None:
        """Hold its part of the key's limit; raise ``RateLimited`` if too little is left."""

    def refund(self) -> None:
        """Give that part back, unless the work has it by now."""

    async def generate(self, left_ms: int) -> Decision:
        """Return the decision; what was held is settled however it ends."""

    async def withhold(self, decision: Decision) -> None:
        """Return once it is on record that a decision's answer does not leave."""


class Replayed(msgspec.Struct, frozen=True):
    """A kept answer that may leave again."""

    candidate: Candidate
    committed: Committed
    prompt_tokens: int
    completion_tokens: int
    told: dict[str, Any]

    def summary(self, *, explain: bool = False) -> dict[str, Any]:  # noqa: ARG002 - the request is the same, so is what it shows
        """Return the response's ``weavergen`` object as it was."""
        return self.told


def request_text(body: ChatCompletionBody) -> str:
    """Return everything that a body asks for: the same for every spelling of it, and where it names a default."""
    return json.dumps(body.model_dump(exclude_defaults=True), sort_keys=True)


class IdempotentAnswers:
    """Gives one answer for one key. One per gateway replica; used from one event loop."""

    def __init__(
        self, table: KeptAnswers, config: IdempotencyConfig, places: int, *, tenants: Tenants, policy: PolicySource,
        trust: TrustSource, screening_version: Callable[[], str], pseudonym: Callable[[str], str], sink: IncidentSink,
        clock: Clock, randomness: Callable[[int], bytes] = os.urandom,
    ) -> None:  # fmt: skip
        self._table, self._config, self._tenants = table, config, tenants
        self._policy, self._trust, self._sink, self._clock = policy, trust, sink, clock
        self._screening_version, self._pseudonym, self._randomness = screening_version, pseudonym, randomness
        self._looks = BoundedThreads(config.connections // 2, config.max_looks, "idempotency-look")
        # Apart: whoever holds a claim renews, keeps or gives back, one at a time, and is never refused.
        keepers = config.connections - config.connections // 2
        # Each place's claim is renewed, kept or taken back, and given back; so is each that was made for nobody. And the sweep.
        self._keeps = BoundedThreads(keepers, 3 * places + config.max_looks + 1, "idempotency-keep")
        self._lines = Lines(
            self._look, clock.monotonic, pause_s=config.poll_ms / 1000, max_pause_s=config.max_poll_ms / 1000,
            max_waiting=min(config.max_waiting, places // 2), max_waiting_by_key=config.max_waiting_by_key,
        )  # fmt: skip
        self._unended: set[asyncio.Future[Any]] = set()
        self._replays = self._withholdings = 0
        self._passed = Passed(round(config.keep_s * 1000))
        self._is_set = False
        self._ahead_ms: int | None = None
        """The database's clock less the steady one, where it has a clock of its own."""

    @property
    def max_key_chars(self) -> int:
        """Characters that a key may have."""
        return self._config.max_key_chars

    async def once(self, asked: Asked, work: Work) -> Decision | Replayed:
        """Return the one answer under a key: ``work``'s, or the one that is kept.

        Raises ``IdempotencyMismatch`` for another request, ``DeadlineExceeded`` when its like are not answered in time,
        ``Overloaded`` if too many wait for them, ``NoConsensus`` for an answer that may leave no more, and whatever ``work``
        raises.
        """
        keys = tenant_keys(self._tenants(asked.principal.tenant))
        key_id = asked.principal.key_id
        slot = Slot(keys.name("slot", key_id, asked.key), key_id, keys.name("request", asked.request))
        until_s, found = self._clock.monotonic() + asked.deadline_ms / 1000, None
        with self._lines.member(slot) as line:
            turn = _Turn(asked, keys, slot, until_s, line)
            while (answer := await self._take_turn(turn, found, work)) is None:
                found = await self._lines.wait(line, until_s)
            return answer

    def gauges(self) -> dict[str, float]:
        """Return how many kept answers were given again, and how many might leave no more."""
        return {"idempotent_replays": float(self._replays), "idempotent_withheld": float(self._withholdings)}

    async def follow(self) -> None:
        """Remove what has expired, again and again."""
        while True:
            try:
                while await self._sweep() == self._config.sweep_rows:
                    continue
            except (StorageUnavailable, NotReady) as error:
                _log.warning("expired answers are not removed: %s", error.__cause__ or error)
            await asyncio.sleep(self._config.sweep_s)

    async def close(self) -> None:
        """Wait for what is under way, within bounds, and end the threads."""
        if self._unended:
            await asyncio.wait(self._unended, timeout=self._patience_s)
        self._looks.close()
        self._keeps.close()

    @property
    def _patience_s(self) -> float:
        return 2 * self._config.timeout_s

    async def _take_turn(self, turn: "_Turn", found: Found | None, work: Work) -> Decision | Replayed | None:
        """Work, replay or refuse, by what was found already, if anything was; ``None`` if there is nothing to do but wait."""
        # Before the answer is begun: what is invalidated meanwhile counts as later.
        rested = rested_on(self._view().snapshot)
        if found is None:
            found = await self._in_time(self._lines.look(turn.line), turn.until_s)
        verdict, held = found
        if verdict == "claim":
            return None if turn.line.at_work else await self._work(turn, rested, work)
        if verdict == "mismatch":
            raise IdempotencyMismatch(
                f"another request was sent with this {HEADER}; use a new key for each request", HEADER
            )
        return await self._again(turn, held) if verdict == "replay" and held is not None else None

    async def _look(self, line: Line) -> Found:
        """Look into a slot, for all in line, who are refused while generation is halted."""
        self._view()
        if not self._is_set:
            await self._in_thread(self._looks, self._set_clock)
        now_ms, now_s, slot = self._now_ms(), self._clock.monotonic(), line.slot
        passed_ms, given_up = self._passed_ms(), self._given_up(line)
        verdict, held = await self._in_thread(
            self._looks, lambda: self._table.look(slot, now_ms, given_up, passed_ms=passed_ms)
        )
        line.chance = line.chance.looked(held, now_ms, now_s)
        return verdict, held

    async def _work(self, turn: "_Turn", rested: Rested, work: Work) -> Decision | None:
        """Claim and work on a request, alone among those in line; ``None`` if another replica was quicker."""
        claim_id = new_ulid()
        turn.line.at_work = True
        try:
            work.reserve()
            claimed = await self._claim(turn, claim_id)
            return await self._first(turn, claim_id, rested, work) if claimed else None
        finally:
            work.refund()
            turn.line.at_work = False

    async def _claim(self, turn: "_Turn", claim_id: str) -> bool:
        now_ms, slot, given_up = self._now_ms(), turn.slot, self._given_up(turn.line)
        passed_ms = self._passed_ms()

        def claim() -> bool:
            return self._table.claim(slot, claim_id, now_ms, now_ms + self._stands_ms, given_up, passed_ms=passed_ms)

        def claimed_for_nobody(done: "asyncio.Future[bool]") -> None:
            if not done.cancelled() and done.exception() is None and done.result():
                self._release(slot.id, claim_id)

        claiming = self._begin(self._looks, claim)
        try:
            return await self._waited(claiming, turn.until_s)
        except BaseException:  # whatever ended the wait, also that the client left
            claiming.add_done_callback(claimed_for_nobody)
            raise

    def _given_up(self, line: Line) -> Held | None:
        return line.chance.given_up(self._clock.monotonic(), self._config.lease_s * CHANCE_SHARE)

    async def _first(self, turn: "_Turn", claim_id: str, rested: Rested, work: Work) -> Decision | None:
        """Work on a claimed request; ``None`` if the claim was lost meanwhile, so that another's answer counts."""
        slot = turn.slot
        renewing = asyncio.create_task(self._renew(slot.id, claim_id))
        try:
            try:
                decision = await work.generate(self._left_ms(turn))
                content = self._to_keep(decision, rested, explain=turn.asked.explain)
            except BaseException:  # whatever ended it, also that the client left: nothing was answered
                self._release(slot.id, claim_id)
                raise
            record = decision.committed.record
            self._passed_ms()
            held = Held(slot.request, claim_id, self._now_ms() + round(self._config.keep_s * 1000), record.id)
            if not await self._in_thread(self._keeps, lambda: self._keep(turn, held, content), turn.until_s):
                return None
        finally:
            renewing.cancel()
        try:
            why = self._objection(turn, record, rested)
        except (NotReady, GenerationHalted) as error:
            await self._withhold(turn, claim_id, decision, work)
            raise type(error)(f"{error.message}; the answer did not leave", details=_withheld(record.id)) from error
        if why:
            await self._withhold(turn, claim_id, decision, work)
            raise NoConsensus(f"the answer did not leave: {why}; ask again", HEADER, _withheld(record.id))
        return decision

    async def _withhold(self, turn: "_Turn", claim_id: str, decision: Decision, work: Work) -> None:
        """Take back what was kept and did not leave, and put that on record: both goes on, whoever waits no more for it."""
        self._withholdings += 1
        withdrawn = self._begin(self._keeps, lambda: self._table.withdraw(turn.slot.id, claim_id))

        async def on_record() -> None:
            await withdrawn
            await work.withhold(decision)

        recorded = self._hold(on_record())
        recorded.add_done_callback(partial(_note, "what may not leave is not taken back, or not recorded as withheld"))
        await self._waited(withdrawn)
        await asyncio.shield(recorded)

    async def _again(self, turn: "_Turn", held: Held) -> Replayed:
        """Return a kept answer after every check."""
        try:
            opening = turn.line.share("open", lambda: self._in_thread(self._looks, lambda: self._opened(turn, held)))
            kept, committed = await self._in_time(opening, turn.until_s)
        except IntegrityError as error:
            evidence = {"decision_id": held.decision_id, "reason": str(error)}
            self._sink.open(TAMPERED, "level_2_major", evidence, f"{TAMPERED}:{held.decision_id}")
            raise self._kept_in("it does not check", held.decision_id) from error
        if why := self._objection(turn, committed.record, kept.rested):
            raise self._kept_in(why, held.decision_id)
        self._replays += 1
        return Replayed(
            Candidate(kept.content, kept.finish_reason, kept.prompt_tokens, kept.completion_tokens),
            committed, kept.prompt_tokens, kept.completion_tokens, msgspec.json.decode(kept.told),
        )  # fmt: skip

    def _objection(self, turn: "_Turn", record: DecisionRecord, rested: Rested) -> str:
        """Return why an answer may not leave now, by the policy in force; empty if it may. Raise if nothing may."""
        tenant = turn.asked.principal.tenant
        names = (tenant, self._pseudonym(tenant))
        return objection(record, rested, self._view().snapshot, self._screening_version(), names)

    def _kept_in(self, why: str, decision_id: str) -> NoConsensus:
        self._withholdings += 1
        message = f"the answer under this {HEADER} may leave no more: {why}; ask with a new key"
        return NoConsensus(message, HEADER, _withheld(decision_id))

    def _view(self) -> PolicyView:
        view = self._policy.current
        if view is None:
            raise NotReady("no verified policy snapshot yet; see /readyz")
        if view.halted(self._clock.monotonic()):
            raise GenerationHalted("generation is halted by an operator or a detector; do not retry before it resumes")
        return view

    def _left_ms(self, turn: "_Turn") -> int:
        left_ms = round((turn.until_s - self._clock.monotonic()) * 1000)
        left_ms -= min(left_ms // KEEP_SHARE, MAX_KEEP_MS)
        if left_ms < 1:
            raise _late("no time is left to answer; ask again with the same key")
        return left_ms

    def _to_keep(self, decision: Decision, rested: Rested, *, explain: bool) -> bytes:
        """Return an answer as it is kept; raise ``InvalidRequest`` if that is too large."""
        answer = decision.candidate
        content = encode_kept(
            Kept(
                envelope=decision.committed.data, content=answer.content, finish_reason=answer.finish_reason,
                prompt_tokens=decision.prompt_tokens, completion_tokens=decision.completion_tokens,
                told=msgspec.json.encode(decision.summary(explain=explain)), rested=rested,
            )
        )  # fmt: skip
        if len(content) > self._config.max_answer_bytes:
            raise InvalidRequest(
                f"the answer takes {len(content)} bytes with its record, and {self._config.max_answer_bytes} are kept under an "
                f"{HEADER}: ask for less, without explain, or without a key", HEADER,
            )  # fmt: skip
        return content

    def _keep(self, turn: "_Turn", held: Held, content: bytes) -> bool:
        box = seal(turn.keys, self._randomness(NONCE_BYTES), content, turn.belongs_to(held))
        return self._table.keep(turn.slot.id, held.claim_id, msgspec.structs.replace(held, box=box))

    def _opened(self, turn: "_Turn", held: Held) -> tuple[Kept, Committed]:
        """Open and verify a kept answer, offline as anybody would; raise ``IntegrityError`` at the first thing amiss."""
        kept = decode_kept(unseal(turn.keys, held.box, turn.belongs_to(held)))
        envelope = read_envelope(kept.envelope)
        # By a clock that was ahead then, and was set right: whoever sealed the box saw it issued.
        now_s = max(self._clock.time_ns() // 1_000_000_000, envelope.read().issued_at // 1000)
        record = verify_envelope(kept.envelope, self._trust(), now_s).record
        require_bound(kept, record, held.decision_id, self._pseudonym(turn.asked.principal.tenant))
        return kept, Committed(record, envelope, kept.envelope)

    async def _renew(self, slot_id: str, claim_id: str) -> None:
        """Let a claim stand for as long as it is worked on; once it is lost there is nothing to renew."""
        standing = True
        while standing:
            await asyncio.sleep(self._config.lease_s * RENEW_SHARE)
            until_ms = self._now_ms() + self._stands_ms
            try:
                standing = await self._in_thread(self._keeps, lambda: self._table.renew(slot_id, claim_id, until_ms))  # noqa: B023 - awaited here
            except (StorageUnavailable, NotReady) as error:
                _log.warning("a claim is not renewed, and lapses if that goes on: %s", error.__cause__ or error)

    def _release(self, slot_id: str, claim_id: str) -> None:
        """Give a claim back, beside whatever goes on."""
        releasing = self._begin(self._keeps, lambda: self._table.release(slot_id, claim_id))
        releasing.add_done_callback(partial(_note, "a claim is not given back; it lapses by itself"))

    async def _sweep(self) -> int:
        """Remove some of what has expired; return how many went. What time it is is asked before."""
        await self._in_thread(self._keeps, self._set_clock)
        # A claim's last chance outlasts its time.
        lapsed_ms, passed_ms = self._now_ms() - round(self._config.lease_s * 1000), self._passed_ms()
        rows = self._config.sweep_rows
        return await self._in_thread(self._keeps, lambda: self._table.sweep(lapsed_ms, rows, passed_ms=passed_ms))

    def _set_clock(self) -> None:
        """Ask the database what time it is."""
        began_s = self._clock.monotonic()
        clock_ms = self._table.clock_ms()
        if clock_ms is not None:
            self._ahead_ms = clock_ms - round((began_s + self._clock.monotonic()) * 500)
        self._is_set = True

    async def _in_time(self, finding: Awaitable[_Result], until_s: float) -> _Result:
        """Return what somebody finds who may go on for others."""
        try:
            async with asyncio.timeout(max(0.0, until_s - self._clock.monotonic())):
                return await finding
        except TimeoutError as error:
            raise _late(f"the deadline passed; ask again with the same {HEADER}") from error

    async def _in_thread(
        self, threads: BoundedThreads, call: Callable[[], _Result], until_s: float = math.inf
    ) -> _Result:
        """Return what a thread found, within bounds of time; it goes on if nobody waits any more."""
        return await self._waited(self._begin(threads, call), until_s)

    async def _waited(self, working: "asyncio.Future[_Result]", until_s: float = math.inf) -> _Result:
        left_s = until_s - self._clock.monotonic()
        try:
            async with asyncio.timeout(max(0.0, min(left_s, self._patience_s))):
                return await asyncio.shield(working)
        except (TimeoutError, StorageUnavailable) as error:
            if isinstance(error, TimeoutError) and left_s < self._patience_s:
                raise _late(f"the deadline passed; ask again with the same {HEADER}") from error
            raise StorageUnavailable(AWAY) from error
        except Overloaded as error:
            raise NotReady(AWAY, retry_after_s=1) from error

    def _begin(self, threads: BoundedThreads, call: Callable[[], _Result]) -> "asyncio.Future[_Result]":
        return self._hold(threads.run(call))

    def _hold(self, work: Coroutine[Any, Any, _Result]) -> "asyncio.Future[_Result]":
        """Begin what goes on whoever waits for it."""
        working = asyncio.ensure_future(work)
        self._unended.add(working)
        working.add_done_callback(self._unended.discard)
        return working

    @property
    def _stands_ms(self) -> int:
        return round(self._config.lease_s * (1 - CHANCE_SHARE) * 1000)

    def _now_ms(self) -> int:
        if self._ahead_ms is None:
            return self._clock.time_ns() // 1_000_000
        return round(self._clock.monotonic() * 1000) + self._ahead_ms

    def _passed_ms(self) -> int:
        """Return what kept answers are held against. Whoever keeps one looks, too: by that clock it will end."""
        return self._passed.at(self._now_ms(), round(self._clock.monotonic() * 1000))


@dataclass(frozen=True, slots=True)
class _Turn:
    """One request on its way: what it asks, its tenant's keys, its slot, until when (monotonic), and with whom it waits."""

    asked: Asked
    keys: TenantKeys
    slot: Slot
    until_s: float
    line: Line

    def belongs_to(self, held: Held) -> bytes:
        principal, slot = self.asked.principal, self.slot
        return Binding(
            principal.tenant, principal.key_id, slot.id, slot.request, held.decision_id, held.expires_at_ms
        ).data


def _late(message: str) -> DeadlineExceeded:
    """Return the error after which the key makes asking again safe: what was begun under it is not begun twice."""
    return DeadlineExceeded(message, HEADER, SAME_KEY)


def _withheld(decision_id: str) -> dict[str, str]:
    return {"decision_id": decision_id, "result": "withheld"}


def _note(what: str, done: "asyncio.Future[None]") -> None:
    if not done.cancelled() and (error := done.exception()) is not None:
        _log.warning("%s: %s", what, error)
