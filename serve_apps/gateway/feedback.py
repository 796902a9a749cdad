"""``POST /v1/feedback``: what became of an answer, durable before its client is told that it was taken.

Rules:
- A client speaks of what it could read: a decision that is not its tenant's does not exist (``decisions``).
- It is no answer: it asks no policy, so it is taken while generation is halted.
- Those under way, their bodies still arriving among them, have a bound of their own; beyond it a client is told to wait.
- The log has as long as a disk may hang. What is not durable by then is refused, though it may become durable later:
  told again, it is another row.
"""

import asyncio
import os
from collections.abc import Awaitable, Callable
from typing import Protocol

from actors.base.errors import Overloaded, StorageUnavailable
from actors.base.ids import new_ulid
from actors.spans.feedback import Feedback, feedback_span
from actors.spans.span import Span
from actors.store.auth import Principal
from actors.store.tenants import Tenants
from serve_apps.gateway.answers import FeedbackTaken
from serve_apps.gateway.parsing import parse_feedback
from serve_apps.gateway.schemas import FeedbackBody
from serve_apps.gateway.settings import GatewaySettings
from serve_apps.gateway.wire import Receive, read_body

MAX_BODY_BYTES = 16 * 1024
"""The longest note, every character of it escaped twice over, and the rest."""

Find = Callable[[str, Principal, int], Awaitable[bytes]]
"""Decision id, who asks, Unix milliseconds → the envelope; raises ``NotFound`` if this principal has none."""


class SpanLog(Protocol):
    """Where rows become durable."""

    async def append(self, rows: int, build: Callable[[int], list[Span]]) -> None:
        """Write rows and return when they are durable; raise ``StorageUnavailable`` if they cannot be made so."""


class FeedbackDesk:
    """Takes words on decisions."""

    def __init__(
        self, find: Find, log: SpanLog, tenants: Tenants, settings: GatewaySettings,
        time_ns: Callable[[], int], randomness: Callable[[int], bytes] = os.urandom,
    ) -> None:  # fmt: skip
        self._find = find
        self._log = log
        self._tenants = tenants
        self._time_ns = time_ns
        self._randomness = randomness
        self._limit = settings.max_feedback
        self._max_body_bytes = min(MAX_BODY_BYTES, settings.max_body_bytes)
        self._body_timeout_s = settings.body_timeout_s
        self._log_timeout_s = settings.spans.stall_after_ms / 1000
        self._under_way = 0

    async def take(self, receive: Receive, principal: Principal) -> FeedbackTaken:
        """Read a body, look its decision up, and return once the word on it is durable.

        Raises ``RequestError`` naming the field at fault, ``NotFound`` like the look-up of the decision,
        ``Overloaded`` beyond the bound and ``StorageUnavailable`` if the word cannot be made durable.
        """
        if self._under_way >= self._limit:
            raise Overloaded("too many words of feedback are under way; try again shortly")
        self._under_way += 1
        try:
            body = parse_feedback(await read_body(receive, self._max_body_bytes, self._body_timeout_s))
            await self._find(body.decision_id, principal, self._time_ns() // 1_000_000)
            feedback = self._feedback(body, principal)
            await self._record(feedback)
        finally:
            self._under_way -= 1
        return FeedbackTaken(feedback.decision_id, feedback.outcome, feedback.id)

    def _feedback(self, body: FeedbackBody, principal: Principal) -> Feedback:
        tenant = self._tenants(principal.tenant)
        note = tenant.note_commitment(body.note or "")
        return Feedback(new_ulid(), body.decision_id, tenant.pseudonym, body.outcome, note)

    async def _record(self, feedback: Feedback) -> None:
        row = feedback_span(feedback, self._randomness(16), self._randomness(8), self._time_ns())
        try:
            async with asyncio.timeout(self._log_timeout_s):
                await self._log.append(1, lambda _: [row])
        except TimeoutError as error:
            raise StorageUnavailable("the feedback could not be recorded in time; try again later") from error
