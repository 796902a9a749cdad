"""``/readyz`` as a stranger and as the supervisor see it."""

from types import SimpleNamespace
from typing import Any

import httpx
import pytest

from actors.base.errors import InvalidKey
from serve_apps.gateway.access import Access
from serve_apps.gateway.app import create_app
from serve_apps.gateway.readiness import RESTART_HEADER, SYSTEM_HEADER, Readiness


def refuse(_: str) -> Any:
    """Know nobody's key."""
    raise InvalidKey("unknown key")


@pytest.mark.parametrize(
    ("judged", "status", "restart"),
    [
        (Readiness(True, [], []), 200, None),
        (Readiness(False, [], ["the log takes nothing: full"]), 503, "no"),
        (Readiness(False, [], ["the certificate has run out"], restart_helps=True), 503, "helps"),
    ],
)
async def test_a_stranger_learns_status_whose_it_is_and_whether_a_restart_helps(
    judged: Readiness, status: int, restart: str | None
) -> None:
    """No body, no reason in words."""
    backend: Any = SimpleNamespace(access=Access(refuse), chat=None, traces=None, system="s", readiness=lambda: judged)
    transport = httpx.ASGITransport(create_app(backend))
    async with httpx.AsyncClient(transport=transport, base_url="http://gateway") as client:
        answer = await client.get("/readyz")
    assert (answer.status_code, answer.content) == (status, b"")
    assert (answer.headers[SYSTEM_HEADER], answer.headers.get(RESTART_HEADER)) == ("s", restart)
