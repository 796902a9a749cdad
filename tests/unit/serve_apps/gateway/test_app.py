"""Which requests take the short way."""

from types import SimpleNamespace
from typing import Any

import pytest

from actors.base.errors import InvalidKey
from serve_apps.gateway.access import Access
from serve_apps.gateway.app import create_entry


def refuse(_: str) -> Any:
    """Know nobody's key."""
    raise InvalidKey("unknown key")


async def send_through(method: str, path: str) -> tuple[list[tuple[str, str]], int | None]:
    """Return what reached the hot path, and the status that came back."""
    taken: list[tuple[str, str]] = []
    told: list[int] = []

    async def chat(scope: Any, receive: Any, send: Any) -> None:
        taken.append((scope["method"], scope["path"]))

    async def receive() -> dict[str, Any]:
        return {"type": "http.request", "body": b"", "more_body": False}

    async def send(message: dict[str, Any]) -> None:
        if message["type"] == "http.response.start":
            told.append(message["status"])

    backend: Any = SimpleNamespace(access=Access(refuse), chat=chat)
    scope = {
        "type": "http", "method": method, "path": path, "raw_path": path.encode(), "query_string": b"", "headers": [],
        "http_version": "1.1", "scheme": "http", "root_path": "", "server": ("127.0.0.1", 1), "client": ("127.0.0.1", 2),
    }  # fmt: skip
    await create_entry(backend)(scope, receive, send)
    return taken, told[0] if told else None


async def test_chat_completions_go_straight_to_their_endpoint() -> None:
    """The framework is passed by."""
    assert await send_through("POST", "/v1/chat/completions") == ([("POST", "/v1/chat/completions")], None)


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("GET", "/v1/chat/completions", 405),
        ("GET", "/v1/models", 401),
        ("POST", "/ops/halt", 401),
        ("GET", "/healthz", 200),
        ("POST", "/v1/chat/completions/x", 404),
    ],
)
async def test_everything_else_goes_through_the_application(method: str, path: str, status: int) -> None:
    """Other methods and paths are routed, and authenticated, as ever."""
    assert await send_through(method, path) == ([], status)
