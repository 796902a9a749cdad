"""The gateway's ASGI application: the hot path as a bare endpoint, everything else as FastAPI routes.

Every route authenticates; ``/healthz`` and the bare status of ``/readyz`` are the only things a stranger gets.
"""

from collections.abc import Awaitable, Callable
from dataclasses import asdict
from typing import Annotated, Any, Protocol

import msgspec
from fastapi import Depends, FastAPI, Request, Response
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.routing import Route
from starlette.types import ASGIApp, Receive, Scope, Send

from actors.base.canonical import to_builtins
from actors.base.errors import InvalidRequest, NotFound, WeaverGenError
from actors.policy.snapshot import PolicySnapshot
from actors.store.auth import Principal
from serve_apps.gateway.access import Access
from serve_apps.gateway.chat import ChatCompletions
from serve_apps.gateway.documentation import publish_chat_completions
from serve_apps.gateway.problems import problem
from serve_apps.gateway.readiness import Readiness
from serve_apps.gateway.schemas import TransitionBody

CHAT_COMPLETIONS = "/v1/chat/completions"
DECISION_ROLES = ("client", "auditor", "operator")


class Backend(Protocol):
    """What the routes show and change."""

    @property
    def access(self) -> Access:
        """Who is asking."""

    @property
    def chat(self) -> ChatCompletions:
        """The endpoint of the hot path."""

    def readiness(self) -> Readiness:
        """Judge this replica now."""

    def models(self) -> list[dict[str, Any]]:
        """Return ``consensus`` and every voter as OpenAI's model objects with a ``weavergen`` object."""

    async def decision(self, decision_id: str, principal: Principal) -> bytes:
        """Return a decision's envelope; raise ``NotFound`` if there is none the principal may see."""

    async def metrics(self) -> bytes:
        """Return the union of all processes' metrics."""

    async def incidents(self) -> list[dict[str, Any]]:
        """Return the newest incidents."""

    def status(self) -> dict[str, Any]:
        """Return versions, layers, voters and the log's state."""

    def policy(self) -> PolicySnapshot:
        """Return the policy in force."""

    async def transition(self, verb: str, body: TransitionBody, principal: Principal) -> PolicySnapshot:
        """Apply halt, resume, isolate or readmit; return the policy then in force."""


def create_app(backend: Backend) -> FastAPI:
    """Build the application around a replica."""
    access = backend.access
    app = FastAPI(title="WeaverGen", version="2.0.0", docs_url=None, redoc_url=None, openapi_url=None)
    app.router.routes.insert(0, Route(CHAT_COMPLETIONS, backend.chat, methods=["POST"]))
    _errors(app)
    _public(app, backend, access)
    _client(app, backend, access)
    _operator(app, backend, access)
    publish_chat_completions(app)

    @app.get("/openapi.json", include_in_schema=False)
    def openapi(_: Annotated[Principal, Depends(_role(access))]) -> dict[str, Any]:
        return app.openapi()

    return app


def create_entry(backend: Backend) -> ASGIApp:
    """Return what serves: the hot path at once, everything else through the application, whose layers cost a tenth of a ms."""
    app = create_app(backend)

    async def entry(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http" and scope["path"] == CHAT_COMPLETIONS and scope["method"] == "POST":
            await backend.chat(scope, receive, send)
        else:
            await app(scope, receive, send)

    return entry


def _role(access: Access, *roles: str) -> Callable[[Request], Principal]:
    def check(request: Request) -> Principal:
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

    @app.exception_handler(RequestValidationError)
    async def body(_: Request, error: RequestValidationError) -> Response:
        first = error.errors()[0]
        field = ".".join(str(part) for part in first["loc"] if part != "body") or None
        return answer(InvalidRequest(f"{field or 'body'}: {first['msg']}", field))

    @app.exception_handler(HTTPException)
    async def framework(_: Request, error: HTTPException) -> Response:
        if error.status_code == 404:
            return answer(NotFound("there is no such path; /openapi.json lists them"))
        body = answer(InvalidRequest(str(error.detail)))
        return Response(body.body, error.status_code, {"content-type": "application/json"})


def _public(app: FastAPI, backend: Backend, access: Access) -> None:
    @app.get("/healthz")
    def healthz() -> dict[str, str]:
        """Tell that the process is alive."""
        return {"status": "alive"}

    @app.get("/readyz", response_model=None)
    def readyz(request: Request) -> Response | dict[str, Any]:
        """200 or 503; with any key also why, and what is degraded."""
        judged = backend.readiness()
        status = 200 if judged.ready else 503
        try:
            access.principal(request.scope["headers"])
        except WeaverGenError:
            return Response(status_code=status)
        return Response(msgspec.json.encode(asdict(judged)), status, media_type="application/json")


def _client(app: FastAPI, backend: Backend, access: Access) -> None:
    @app.get("/v1/models")
    def models(_: Annotated[Principal, Depends(_role(access, "client"))]) -> dict[str, Any]:
        """List ``consensus`` and every voter."""
        return {"object": "list", "data": backend.models()}

    @app.get("/v1/models/{model}")
    def model(model: str, _: Annotated[Principal, Depends(_role(access, "client"))]) -> dict[str, Any]:
        """Describe one model."""
        found = next((item for item in backend.models() if item["id"] == model), None)
        if found is None:
            raise NotFound(f"there is no model {model!r}; GET /v1/models lists them")
        return found

    @app.get("/v1/decisions/{decision_id}", response_class=Response)
    async def decision(
        decision_id: str, principal: Annotated[Principal, Depends(_role(access, *DECISION_ROLES))]
    ) -> Response:
        """Return the signed record of a decision: one's own tenant's, or any for an auditor."""
        return Response(await backend.decision(decision_id, principal), media_type="application/json")


def _operator(app: FastAPI, backend: Backend, access: Access) -> None:
    reader = Depends(_role(access, "operator", "auditor"))
    operator = Depends(_role(access, "operator"))

    @app.get("/metrics", response_class=Response)
    async def metrics(_: Annotated[Principal, operator]) -> Response:
        """Prometheus text: the union over all processes."""
        return Response(await backend.metrics(), media_type="text/plain; version=0.0.4")

    @app.get("/ops/status")
    def status(_: Annotated[Principal, reader]) -> dict[str, Any]:
        """Versions, layers, voters, the log, readiness."""
        return backend.status()

    @app.get("/ops/voters")
    def voters(_: Annotated[Principal, reader]) -> list[dict[str, Any]]:
        """Voters with family, lineage, layers and state."""
        return [item["weavergen"] | {"id": item["id"]} for item in backend.models() if item["id"] != "consensus"]

    @app.get("/ops/policy")
    def policy(_: Annotated[Principal, reader]) -> dict[str, Any]:
        """Return the policy snapshot in force."""
        return _shown(backend.policy())

    @app.get("/ops/incidents")
    async def incidents(_: Annotated[Principal, reader]) -> list[dict[str, Any]]:
        """Newest incidents first."""
        return await backend.incidents()

    def transition(verb: str) -> Callable[..., Awaitable[dict[str, Any]]]:
        async def apply(body: TransitionBody, principal: Annotated[Principal, operator]) -> dict[str, Any]:
            return _shown(await backend.transition(verb, body, principal))

        apply.__doc__ = f"Apply the transition ``{verb}`` and return the policy then in force."
        return apply

    for verb in ("halt", "resume", "isolate", "readmit"):
        app.post(f"/ops/{verb}", name=verb)(transition(verb))


def _shown(snapshot: PolicySnapshot) -> dict[str, Any]:
    return {"sha256": snapshot.sha256, **to_builtins(snapshot)}
