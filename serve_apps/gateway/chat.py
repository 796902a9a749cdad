"""``POST /v1/chat/completions``: authenticate, parse, admit, deliberate, answer. Nothing is sent before the decision is made."""

import logging
from collections.abc import Awaitable
from dataclasses import dataclass

from msgspec.structs import replace

from actors.admission.idempotency import key_of
from actors.admission.queue import Priority
from actors.admission.quotas import Reserved
from actors.base.errors import WeaverGenError
from actors.consensus.actor import ConsensusCoordinator, Decision
from actors.consensus.config import ConsensusConfig
from actors.consensus.request import Caller, GenerationRequest
from actors.store.auth import Principal
from serve_apps.gateway.access import Access
from serve_apps.gateway.admission import Admission
from serve_apps.gateway.complaints import Complaints
from serve_apps.gateway.idempotency import Asked, IdempotentAnswers, Replayed, request_text
from serve_apps.gateway.parsing import parse_body, to_request
from serve_apps.gateway.problems import JSON_HEADER, Header, status_of
from serve_apps.gateway.responses import Answered, completion, decision_headers, event_stream
from serve_apps.gateway.schemas import ChatCompletionBody
from serve_apps.gateway.wire import (
    ClientGone,
    Receive,
    Scope,
    Send,
    read_body,
    send_problem,
    send_response,
    unless_client_leaves,
)

_log = logging.getLogger("weavergen.gateway")
_STREAM_HEADERS: tuple[Header, ...] = (
    (b"content-type", b"text/event-stream; charset=utf-8"),
    (b"cache-control", b"no-cache"),
)
REPLAYED: Header = (b"idempotent-replayed", b"true")
"""With an answer that was kept under the request's idempotency key."""


class ChatCompletions:
    """The ASGI endpoint of the hot path."""

    def __init__(
        self, coordinator: ConsensusCoordinator, access: Access, admission: Admission, idempotent: IdempotentAnswers,
        config: ConsensusConfig, max_body_bytes: int, body_timeout_s: float,
    ) -> None:  # fmt: skip
        self._coordinator = coordinator
        self._admission = admission
        self._idempotent = idempotent
        self._access = access
        self._config = config
        self._max_body_bytes = max_body_bytes
        self._body_timeout_s = body_timeout_s
        self._complaints = Complaints(_log)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request; whatever goes wrong becomes an error of the documented shape."""
        try:
            status, headers, body = await self._answer(scope, receive)
        except WeaverGenError as error:
            if status_of(error) >= 500:  # the service's fault, not the caller's
                self._complaints.about(error)
            await send_problem(send, error)
        except ClientGone:
            _log.debug("a client went away before it was answered")
        except Exception:  # noqa: BLE001 - a defect is logged whole and answered with an error, never with silence
            _log.exception("a request failed inside the gateway")
            await send_problem(send, WeaverGenError("internal error"))
        else:
            await send_response(send, status, headers, body)

    async def _answer(self, scope: Scope, receive: Receive) -> tuple[int, list[Header], bytes]:
        headers: list[Header] = scope["headers"]
        principal = self._access.require(headers, "client")
        self._admission.require_room(principal)
        body = parse_body(await read_body(receive, self._max_body_bytes, self._body_timeout_s))
        trace_parent, keys = "", []
        for name, value in headers:
            if name == b"idempotency-key":
                keys.append(value)
            if name == b"traceparent":
                trace_parent = value.decode("latin-1")
        request = to_request(body, self._config, trace_parent)
        if keys:
            answering: Awaitable[Answered] = self._once(keys, principal, body, request)
        else:
            answering = self._admitted(request, principal, body.weavergen.priority)
        decision = await unless_client_leaves(receive, answering)
        explain = body.weavergen.explain
        replayed = (REPLAYED,) if isinstance(decision, Replayed) else ()
        told = [*decision_headers(decision), *replayed, *self._admission.headers(principal)]
        if body.stream:
            usage = body.stream_options is not None and body.stream_options.include_usage
            events = event_stream(decision, body.model, explain=explain, include_usage=usage)
            return 200, [*_STREAM_HEADERS, *told], events
        answer = completion(decision, body.model, explain=explain)
        return 200, [JSON_HEADER, *told], answer

    def _admitted(self, request: GenerationRequest, principal: Principal, priority: Priority) -> Awaitable[Decision]:
        """Deliberate on a request once it is let in."""
        caller = Caller(principal.tenant, principal.key_id, principal.policies)
        return self._admission.through(
            request,
            principal,
            priority,
            lambda admitted, ended: self._coordinator.generate(admitted, caller, ended),
        )

    async def _once(
        self, keys: list[bytes], principal: Principal, body: ChatCompletionBody, request: GenerationRequest
    ) -> Answered:  # fmt: skip
        """Answer a request that carries an idempotency key: work on it, or give the one answer under that key again."""
        key = key_of(keys, self._idempotent.max_key_chars)
        asked = Asked(key, principal, request_text(body), request.deadline_ms, request.explain)
        caller = Caller(principal.tenant, principal.key_id, principal.policies)
        work = _Work(self._coordinator, self._admission, request, principal, caller, body.weavergen.priority)
        return await self._idempotent.once(asked, work)


@dataclass(slots=True)
class _Work:
    """What it takes to answer a request anew: a part of its key's limit, and then a deliberation, which settles that part."""

    coordinator: ConsensusCoordinator
    admission: Admission
    request: GenerationRequest
    principal: Principal
    caller: Caller
    priority: Priority
    held: Reserved | None = None

    def reserve(self) -> None:
        self.held = self.admission.reserve(self.request, self.principal)

    def refund(self) -> None:
        held, self.held = self.held, None
        if held is not None:
            self.admission.refund(held)

    async def withhold(self, decision: Decision) -> None:
        await self.coordinator.withhold(decision)

    async def generate(self, left_ms: int) -> Decision:
        held, self.held = self.held, None
        return await self.admission.let_in(
            replace(self.request, deadline_ms=left_ms), self.principal, self.priority,
            lambda admitted, ended: self.coordinator.generate(admitted, self.caller, ended), held,
        )  # fmt: skip
