"""The gateway's ASGI application: the hot path as a bare endpoint, everything else as FastAPI routes.

Rules:
- Every path authenticates before anything else is looked at; ``/healthz`` and the bare status of ``/readyz`` are the
  only things a stranger gets.
- A body is read after the key and its role were checked, within bounds of size and time. Paths that take none refuse it:
  FastAPI would read it whole before it asks who is there, so no route declares one.
- ``Idempotency-Key`` is honoured on the hot path and refused wherever else something is sent: ignored, it would promise what
  nothing keeps.
- Every answer is JSON of the documented shape, a defect's too.
"""

import logging
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import asdict
from typing import Annotated, Any, Protocol

import msgspec
from fastapi import Depends, FastAPI, Request, Response
from starlette.exceptions import HTTPException
from starlette.routing import Route
from starlette.types import ASGIApp, Receive, Scope, Send

from actors.base.canonical import to_builtins
from actors.base.errors import InvalidRequest, ModelNotFound, NotFound, Overloaded, WeaverGenError
from actors.consensus.breakers.vocabulary import Force
from actors.policy.snapshot import PolicySnapshot
from actors.store.auth import Principal
from serve_apps.gateway.access import Access
from serve_apps.gateway.answers import FeedbackTaken
from serve_apps.gateway.chat import ChatCompletions
from serve_apps.gateway.documentation import openapi
from serve_apps.gateway.guards import BreakerShown
from serve_apps.gateway.layers import LayerStanding
from serve_apps.gateway.parsing import parse_breaker, parse_transition
from serve_apps.gateway.problems import problem
from serve_apps.gateway.published_log import FOR_EVER, FRESH, PublishedLog
from serve_apps.gateway.readiness import Readiness, signs
from serve_apps.gateway.responses import policy_shown
from serve_apps.gateway.schemas import TRANSITIONS, TransitionBody
from serve_apps.gateway.settings import GatewaySettings
from serve_apps.gateway.wire import ClientGone, read_body, require_no_body, require_no_idempotency_key, send_problem

_log = logging.getLogger("weavergen.gateway")
CHAT_COMPLETIONS = "/v1/chat/completions"
TRACES = "/v1/traces"
PUBLIC = frozenset({"/healthz", "/readyz"})
DECISION_ROLES = ("client", "auditor", "operator")


class Backend(Protocol):
    """What the routes show and change."""

    @property
    def settings(self) -> GatewaySettings:
        """The bounds."""

    @property
    def access(self) -> Access:
        """Who is asking."""

    @property
    def chat(self) -> ChatCompletions:
        """The endpoint of the hot path."""

    @property
    def traces(self) -> ASGIApp:
        """The endpoint that takes spans of other services."""

    @property
    def system(self) -> str:
        """Say whose gateway this is."""

    def crowded(self, why: str) -> Overloaded:
        """Return the refusal of a request for which there is no room, and count it."""

    def readiness(self) -> Readiness:
        """Judge this replica now."""

    def models(self) -> list[dict[str, Any]]:
        """Return ``consensus`` and every voter as OpenAI's model objects with a ``weavergen`` object."""

    async def decision(self, decision_id: str, principal: Principal) -> bytes:
        """Return a decision's envelope; raise ``NotFound`` if there is none the principal may see."""

    @property
    def published_log(self) -> PublishedLog:
        """The transparency log, as it is given out."""

    async def feedback(self, receive: Receive, principal: Principal) -> FeedbackTaken:
        """Read what a client says became of an answer; return once it is durable."""

    async def metrics(self) -> bytes:
        """Return the union of all processes' metrics."""

    async def incidents(self) -> list[dict[str, Any]]:
        """Return the newest incidents."""

    async def quarantine(self) -> dict[str, Any]:
        """Return what is quarantined."""

    async def predictions(self) -> dict[str, Any]:
        """Return the health actor's newest tick."""

    def status(self) -> dict[str, Any]:
        """Return versions, layers, voters and the log's state."""

    def layers(self) -> Sequence[LayerStanding]:
        """Return how every layer of the policy stands now."""

    def breakers(self) -> Sequence[BreakerShown]:
        """Return every voter's breaker."""

    async def force_breaker(self, voter: str, wanted: Force) -> Sequence[BreakerShown]:
        """Force a voter's breaker, or let it go; return the breakers as they then are."""

    def policy(self) -> PolicySnapshot:
        """Return the policy in force."""

    async def transition(self, verb: str, body: TransitionBody, principal: Principal) -> PolicySnapshot:
        """Apply halt, resume, isolate or readmit; return the policy then in force."""


def create_app(backend: Backend) -> FastAPI:
    """Build the application around a replica."""
    access = backend.access
    app = FastAPI(title="WeaverGen", version="2.0.0", docs_url=None, redoc_url=None, openapi_url=None)
    # For what is no POST, and for the document: ``create_entry`` takes every POST before it comes here.
    app.router.routes.insert(0, Route(CHAT_COMPLETIONS, backend.chat, methods=["POST"]))
    app.router.routes.insert(1, Route(TRACES, backend.traces, methods=["POST"]))
    _errors(app)
    _public(app, backend, access)
    _client(app, backend, access)
    _log_files(app, backend, access)
    _operator(app, backend, access)
    _transitions(app, backend, access)
    app.openapi = openapi  # type: ignore[method-assign]

    @app.get("/openapi.json", response_class=Response)
    async def described(_: Annotated[Principal, Depends(_role(access))]) -> Response:
        return Response(msgspec.json.encode(app.openapi()), media_type="application/json")

    return app


def create_entry(backend: Backend) -> ASGIApp:
    """Return what serves: the hot path at once, everything else through the application, whose layers cost a tenth of a ms.

    Spans of others go their own way, too: whatever is wrong with such a request is told as OTLP tells it.
    """
    app, access = create_app(backend), backend.access
    chat = _bounded(backend, backend.settings.places)

    async def entry(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http" and scope["path"] == CHAT_COMPLETIONS and scope["method"] == "POST":
            await chat(scope, receive, send)
            return
        if scope["type"] == "http" and scope["path"] == TRACES and scope["method"] == "POST":
            await backend.traces(scope, receive, send)
            return
        try:
            if scope["type"] == "http":
                _admit(scope, access)
            await app(scope, receive, send)
        except WeaverGenError as error:
            await send_problem(send, error)
        except ClientGone:
            _log.debug("a client went away while sending its request")
        except Exception:  # noqa: BLE001 - the application answered with a generic error; here the defect is logged whole
            _log.exception("a request failed inside the gateway")

    return entry


def _bounded(backend: Backend, limit: int) -> ASGIApp:
    """Refuse requests beyond ``limit`` at once, instead of letting them wait in a queue of Serve's that has no deadline.

    Requests that wait to be let in count, and those whose body is still on its way: whatever clients do, operators' requests find
    the replica free.
    """
    chat, access, under_way = backend.chat, backend.access, 0

    async def bounded(scope: Scope, receive: Receive, send: Send) -> None:
        nonlocal under_way
        if under_way >= limit:
            try:
                access.require(scope["headers"], "client")
                raise backend.crowded("too many requests are under way")
            except WeaverGenError as error:
                await send_problem(send, error)
            return
        under_way += 1
        try:
            await chat(scope, receive, send)
        finally:
            under_way -= 1

    return bounded


def _admit(scope: Scope, access: Access) -> None:
    """Raise unless a request of the application may be looked at: its key is known, and what it brings is not ignored."""
    if scope["path"] not in PUBLIC:
        access.principal(scope["headers"])
    if scope["method"] == "POST":
        require_no_idempotency_key(scope["headers"])
    else:
        require_no_body(scope["headers"])


def _role(access: Access, *roles: str) -> Callable[[Request], Awaitable[Principal]]:
    async def check(request: Request) -> Principal:  # async: a plain function would wait for a thread
        headers = request.scope["headers"]
        return access.require(headers, *roles) if roles else access.principal(headers)

    return check


def _errors(app: FastAPI) -> None:
    def answer(error: WeaverGenError) -> Response:
        told = problem(error)
        headers = {name.decode(): value.decode() for name, value in told.headers}
        return Response(told.body, told.status, headers)

    @app.exception_handler(WeaverGenError)
    async def ours(_: Request, error: WeaverGenError) -> Response:
        return answer(error)

    @app.exception_handler(HTTPException)
    async def framework(_: Request, error: HTTPException) -> Response:
        if error.status_code == 404:
            return answer(NotFound("there is no such path; /openapi.json lists them"))
        body = answer(InvalidRequest(str(error.detail)))
        return Response(body.body, error.status_code, {"content-type": "application/json"})

    @app.exception_handler(Exception)
    async def defect(_: Request, error: Exception) -> Response:  # noqa: ARG001 - whoever serves the application logs it
        return answer(WeaverGenError("internal error"))


def _public(app: FastAPI, backend: Backend, access: Access) -> None:
    @app.get("/healthz")
    async def healthz() -> dict[str, str]:
        """Tell that the process is alive."""
        return {"status": "alive"}

    @app.get("/readyz", response_model=None)
    async def readyz(request: Request) -> Response | dict[str, Any]:
        """200 or 503; with any key also why, and what is degraded."""
        judged = backend.readiness()
        status = 200 if judged.ready else 503
        headers = signs(judged, backend.system)
        try:
            access.principal(request.scope["headers"])
        except WeaverGenError:
            return Response(status_code=status, headers=headers)
        return Response(msgspec.json.encode(asdict(judged)), status, headers, media_type="application/json")


def _client(app: FastAPI, backend: Backend, access: Access) -> None:
    @app.get("/v1/models")
    async def models(_: Annotated[Principal, Depends(_role(access, "client"))]) -> dict[str, Any]:
        """List ``consensus`` and every voter."""
        return {"object": "list", "data": backend.models()}

    @app.get("/v1/models/{model}")
    async def model(model: str, _: Annotated[Principal, Depends(_role(access, "client"))]) -> dict[str, Any]:
        """Describe one model."""
        found = next((item for item in backend.models() if item["id"] == model), None)
        if found is None:
            raise ModelNotFound(f"there is no model {model!r}; GET /v1/models lists them", "model")
        return found

    @app.get("/v1/decisions/{decision_id}", response_class=Response)
    async def decision(
        decision_id: str, principal: Annotated[Principal, Depends(_role(access, *DECISION_ROLES))]
    ) -> Response:
        """Return the signed record of a decision: one's own tenant's, or any for an auditor."""
        return Response(await backend.decision(decision_id, principal), media_type="application/json")

    @app.post("/v1/feedback")
    async def feedback(
        request: Request, principal: Annotated[Principal, Depends(_role(access, "client"))]
    ) -> dict[str, Any]:
        """Take what a client says became of an answer."""
        return to_builtins(await backend.feedback(request.receive, principal))


def _log_files(app: FastAPI, backend: Backend, access: Access) -> None:
    anyone = Depends(_role(access))
    text = "text/plain; charset=utf-8"

    @app.get("/v1/log/checkpoint", response_class=Response)
    async def log_checkpoint(_: Annotated[Principal, anyone]) -> Response:
        """Return the transparency log's newest checkpoint."""
        return Response(await backend.published_log.checkpoint(), headers=FRESH, media_type=text)

    @app.get("/v1/log/tile/{path:path}", response_class=Response)
    async def log_tile(path: str, _: Annotated[Principal, anyone]) -> Response:
        """Return a tile of its hashes, or a bundle of its leaves."""
        return Response(await backend.published_log.tile(path), headers=FOR_EVER, media_type="application/octet-stream")

    @app.get("/v1/log/key", response_class=Response)
    async def log_key(_: Annotated[Principal, anyone]) -> Response:
        """Return the keys that its checkpoints are signed with."""
        return Response(backend.published_log.keys(), headers=FRESH, media_type=text)


def _operator(app: FastAPI, backend: Backend, access: Access) -> None:
    reader = Depends(_role(access, "operator", "auditor"))
    operator = Depends(_role(access, "operator"))

    @app.get("/metrics", response_class=Response)
    async def metrics(_: Annotated[Principal, operator]) -> Response:
        """Prometheus text: the union over all processes."""
        return Response(await backend.metrics(), media_type="text/plain; version=0.0.4")

    @app.get("/ops/status")
    async def status(_: Annotated[Principal, reader]) -> dict[str, Any]:
        """Versions, layers, voters, the log, readiness."""
        return backend.status()

    @app.get("/ops/layers")
    async def layers(_: Annotated[Principal, reader]) -> list[dict[str, Any]]:
        """How every layer stands."""
        return [to_builtins(layer) for layer in backend.layers()]

    @app.get("/ops/breakers")
    async def breakers(_: Annotated[Principal, reader]) -> list[dict[str, Any]]:
        """Every voter's circuit breaker in the replica that answers."""
        return [to_builtins(breaker) for breaker in backend.breakers()]

    @app.get("/ops/voters")
    async def voters(_: Annotated[Principal, reader]) -> list[dict[str, Any]]:
        """Voters with family, lineage, layers and state."""
        return [item["weavergen"] | {"id": item["id"]} for item in backend.models() if item["id"] != "consensus"]

    @app.get("/ops/policy")
    async def policy(_: Annotated[Principal, reader]) -> dict[str, Any]:
        """Return the policy snapshot in force."""
        return policy_shown(backend.policy())

    @app.get("/ops/incidents")
    async def incidents(_: Annotated[Principal, reader]) -> list[dict[str, Any]]:
        """Newest incidents first."""
        return await backend.incidents()

    @app.get("/ops/quarantine")
    async def quarantine(_: Annotated[Principal, reader]) -> dict[str, Any]:
        """Spans that were set aside or quarantined in the table, newest first."""
        return await backend.quarantine()

    @app.get("/ops/predictions")
    async def predictions(_: Annotated[Principal, reader]) -> dict[str, Any]:
        """Health score, checks and forecasts of the newest tick."""
        return await backend.predictions()


def _transitions(app: FastAPI, backend: Backend, access: Access) -> None:
    operator = Depends(_role(access, "operator"))

    @app.post("/ops/breakers", name="force_breaker")
    async def force_breaker(request: Request, _: Annotated[Principal, operator]) -> list[dict[str, Any]]:
        """Force a voter's circuit breaker in every replica, or let it go."""
        settings = backend.settings
        body = parse_breaker(await read_body(request.receive, settings.max_body_bytes, settings.body_timeout_s))
        return [to_builtins(breaker) for breaker in await backend.force_breaker(body.voter, body.force)]

    def transition(verb: str) -> Callable[..., Awaitable[dict[str, Any]]]:
        async def apply(request: Request, principal: Annotated[Principal, operator]) -> dict[str, Any]:
            settings = backend.settings
            data = await read_body(request.receive, settings.max_body_bytes, settings.body_timeout_s)
            return policy_shown(await backend.transition(verb, parse_transition(verb, data), principal))

        apply.__doc__ = f"Apply the transition ``{verb}`` and return the policy then in force."
        return apply

    for verb in TRANSITIONS:
        app.post(f"/ops/{verb}", name=verb)(transition(verb))
