"""Counts what was answered, over HTTP, whatever answered it.

Rules:
- A request counts once, by surface and by the status its answer began with. A client that went away before is ``gone``.
- Surfaces are a closed list: paths of strangers make no new series.
- ``/healthz`` and ``/readyz`` do not count: probes ask them all the time.
"""

from collections.abc import Callable

from starlette.types import ASGIApp, Message, Receive, Scope, Send

GONE = "gone"
_SURFACES = {
    "/v1/chat/completions": "chat", "/v1/feedback": "feedback", "/v1/decisions": "decisions", "/v1/models": "models",
    "/v1/log": "log", "/v1/traces": "traces", "/ops": "ops", "/metrics": "metrics", "/openapi.json": "openapi",
}  # fmt: skip
_PROBED = frozenset({"/healthz", "/readyz"})


def surface(path: str) -> str | None:
    """Return what part of the gateway a path belongs to, ``None`` if it does not count. Pure."""
    if path in _PROBED:
        return None
    if exact := _SURFACES.get(path):
        return exact
    return next((name for prefix, name in _SURFACES.items() if path.startswith(f"{prefix}/")), "other")


def counted(app: ASGIApp, answered: Callable[[str, str], None]) -> ASGIApp:
    """Return the application, telling ``answered`` the surface and status of each request."""

    async def counting(scope: Scope, receive: Receive, send: Send) -> None:
        part = surface(scope["path"]) if scope["type"] == "http" else None
        if part is None:
            await app(scope, receive, send)
            return
        status = GONE

        async def noting(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = str(message["status"])
            await send(message)

        try:
            await app(scope, receive, noting)
        finally:
            answered(part, status)

    return counting
