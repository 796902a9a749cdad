"""A voter behind a provider's protocol, whatever carries it: an SDK or the thin adapter, whole answers or streams.

Rules:
- One call, no retry, as ``models.openai_http``: only a request that does not fit is asked again, without ``max_tokens``,
  where the protocol knows that.
- Every failure is a ``VoterError``; what was cut, stalled, malformed or an error after a good beginning is never a candidate.
- Three limits of time: the whole call, the first of the answer (streams), the silence between two events (streams). Events
  that carry nothing (``ping``) break no silence.
- Cancelling ``ask`` closes the connection. What a provider said in an error is never repeated, and the key is nowhere
  but in the request's header.
- ``Bill`` says what a call may have cost, whenever and however it ends.
"""

import asyncio
import contextlib
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

from models.context import require_room
from models.errors import VoterError, VoterInvalid, VoterTimeout, VoterTooLong
from models.providers.answer import ProviderAnswer, Usage, candidate_of
from models.providers.dialect import Dialect, Wire, answer_of
from models.providers.failures import Complaint, failure_of
from models.providers.faults import Fault, Rejected
from models.providers.upstream import Upstream
from models.voter import Candidate, Sampling, VoterInfo, VoterRequest


@dataclass(frozen=True, slots=True)
class Limits:
    """How long a call may take, in seconds."""

    total_s: float = 120.0
    first_token_s: float = 60.0
    """From the request to the first of the answer, in a stream."""
    stall_s: float = 30.0
    """Between two events of a stream, once the answer has begun."""

    def __post_init__(self) -> None:
        if min(self.total_s, self.first_token_s, self.stall_s) <= 0:
            raise ValueError("every limit must be above 0 s")


@dataclass(slots=True)
class Bill:
    """What one call may have cost: nothing, an unknown part of what it could have, or what the provider counted."""

    asked: bool = False
    """Whether a request went out that the provider may charge for."""
    usage: Usage | None = None


class CloudVoter:
    """One model of one provider."""

    def __init__(
        self, info: VoterInfo, dialect: Dialect, upstream: Upstream, model: str, limits: Limits, *, stream: bool = False
    ) -> None:
        self._info = info
        self._dialect = dialect
        self._upstream = upstream
        self._model = model
        self._limits = limits
        self._stream = stream

    @property
    def info(self) -> VoterInfo:
        """Who this is."""
        return self._info

    @property
    def unsupported(self) -> tuple[str, ...]:
        """Return the fields of ``Sampling`` that this provider has no word for; they are never sent."""
        return self._dialect.unsupported

    def left_out(self, sampling: Sampling) -> tuple[str, ...]:
        """Return what of this sampling will not be sent."""
        return self._dialect.left_out(sampling)

    async def ask(self, request: VoterRequest) -> Candidate:
        """Ask once; raises ``VoterError``."""
        wire, first_token_ms = await self._asked(request, Bill())
        return candidate_of(self._read(wire), self._info.id, first_token_ms)

    async def ask_billed(self, request: VoterRequest, bill: Bill) -> Candidate:
        """Do what ``ask`` does, and write into ``bill`` what it may have cost as soon as that is known."""
        wire, first_token_ms = await self._asked(request, bill)
        answer = self._read(wire)
        bill.usage = answer.usage
        return candidate_of(answer, self._info.id, first_token_ms)

    async def answer(self, request: VoterRequest) -> ProviderAnswer:
        """Return everything the provider said; raises ``VoterError``."""
        wire, _ = await self._asked(request, Bill())
        return self._understood(partial(answer_of, self._dialect), wire)

    async def close(self) -> None:
        """Close the connections that are this voter's own."""
        await self._upstream.close()

    async def _asked(self, request: VoterRequest, bill: Bill) -> tuple[object, int | None]:
        require_room(self._info, request.messages)
        give_up = asyncio.get_running_loop().time() + self._limits.total_s
        try:
            return await self._once(request, request.sampling.max_tokens, bill, give_up)
        except VoterTooLong as error:
            asked = error.__cause__
            if self._dialect.max_tokens_required or not isinstance(asked, Rejected) or asked.status == 413:
                raise
        return await self._once(request, None, bill, give_up)

    async def _once(
        self, request: VoterRequest, max_tokens: int | None, bill: Bill, give_up: float
    ) -> tuple[object, int | None]:
        body = self._dialect.body(self._model, request, max_tokens, stream=self._stream)
        bill.asked = True
        try:
            if self._stream:
                return await self._streamed(body, give_up)
            return await self._upstream.whole(body, give_up), None
        except TimeoutError as error:
            raise VoterTimeout(self._info.id, f"no answer within {self._limits.total_s:g} s") from error
        except Fault as fault:
            bill.asked = not fault.free
            raise self._failure(fault) from fault
        except RecursionError as error:
            raise VoterInvalid(self._info.id, "answered something that is nested too deep") from error

    async def _streamed(self, body: Wire, give_up: float) -> tuple[Wire, int | None]:
        loop = asyncio.get_running_loop()
        begun, first_token_s = loop.time(), None
        accumulator = self._dialect.accumulator()
        async with contextlib.aclosing(self._upstream.events(body, give_up)) as events:
            while True:
                until = (
                    loop.time() + self._limits.stall_s if accumulator.started else begun + self._limits.first_token_s
                )
                try:
                    async with asyncio.timeout_at(min(until, give_up)):
                        event = await anext(events, None)
                except TimeoutError as error:
                    raise self._silence(started=accumulator.started, at_limit=give_up <= until) from error
                if event is None:
                    break
                accumulator.add(event)
                if first_token_s is None and accumulator.started:
                    first_token_s = loop.time() - begun
        return accumulator.finish(), None if first_token_s is None else round(first_token_s * 1000)

    def _silence(self, *, started: bool, at_limit: bool) -> VoterTimeout:
        if at_limit:
            return VoterTimeout(self._info.id, f"no answer within {self._limits.total_s:g} s")
        if started:
            return VoterTimeout(self._info.id, f"silent for {self._limits.stall_s:g} s in the middle of its answer")
        return VoterTimeout(self._info.id, f"nothing of an answer within {self._limits.first_token_s:g} s")

    def _read(self, wire: object) -> ProviderAnswer:
        return self._understood(self._dialect.read, wire)

    def _understood(self, read: Callable[[object], ProviderAnswer], wire: object) -> ProviderAnswer:
        try:
            return read(wire)
        except Fault as fault:
            raise self._failure(fault) from fault
        except RecursionError as error:
            raise VoterInvalid(self._info.id, "answered something that is nested too deep") from error

    def _failure(self, fault: Fault) -> VoterError:
        complaint = self._dialect.complaint(fault.status, fault.body) if isinstance(fault, Rejected) else Complaint()
        return failure_of(self._info.id, fault, complaint)
