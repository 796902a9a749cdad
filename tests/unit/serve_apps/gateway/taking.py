"""An endpoint for spans of others over a log that remembers, and how it is asked."""

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import msgspec

from actors.consensus.retention.config import ContentConfig
from actors.spans.otlp.config import OtlpConfig
from actors.spans.span import Span
from actors.store.auth import Principal
from actors.store.tenants import TenantSalts, derived
from serve_apps.gateway.access import Access
from serve_apps.gateway.traces import TraceIntake
from tests.unit.actors.spans.otlp.sent import NOW_NS

PROTOBUF, JSON = "application/x-protobuf", "application/json"


@dataclass
class Log:
    """Rows that were kept; what it raises, and what it waits for before."""

    rows: list[Span] = field(default_factory=list)
    error: Exception | None = None
    gate: asyncio.Event | None = None
    writer_id: str = ""
    queued_bytes: int = 0
    unavailable_because: str = ""

    async def append(self, rows: Sequence[Span]) -> None:
        """Keep rows."""
        if self.gate is not None:
            await self.gate.wait()
        if self.error is not None:
            raise self.error
        self.rows += rows


class Clock:
    """A clock that is set."""

    def __init__(self) -> None:
        self.now_s = 0.0

    def __call__(self) -> float:
        """Return the time."""
        return self.now_s


@dataclass(frozen=True)
class Told:
    """What a sender was told, and whether its body was read."""

    status: int
    headers: dict[str, str]
    body: bytes
    was_read: bool


def salts(tenant: str) -> TenantSalts:
    """Return a tenant's salts."""
    return msgspec.structs.replace(derived(b"secret", tenant), pseudonym=f"pseudonym of {tenant}")


def taking(
    authenticate: Callable[[str], Principal], config: OtlpConfig | None = None, replicas: int = 1, timeout_s: float = 5.0,
    *, kept: tuple[str, ...] = (),
) -> tuple[TraceIntake, Log, Clock]:  # fmt: skip
    """Return an endpoint, its log and its clock."""
    log, clock = Log(), Clock()
    made = TraceIntake(
        Access(authenticate), log, salts, ContentConfig(tenants=kept).keeps, config or OtlpConfig(), replicas, timeout_s,
        clock, lambda: NOW_NS,
    )  # fmt: skip
    return made, log, clock


async def post(
    intake: TraceIntake, body: bytes, content_type: str = PROTOBUF, key: str = "writer", *, gone: bool = False,
    **headers: str,
) -> Told:  # fmt: skip
    """Send one request; ``gone`` is a sender that goes away instead of sending its body."""
    sent: list[Any] = []
    read = False

    async def receive() -> dict[str, Any]:
        nonlocal read
        read = True
        return {"type": "http.disconnect"} if gone else {"type": "http.request", "body": body}

    async def send(message: Any) -> None:
        sent.append(message)

    given = {"content-type": content_type, **({"authorization": f"Bearer {key}"} if key else {})}
    given |= {name.replace("_", "-"): value for name, value in headers.items()}
    encoded = [(name.encode(), value.encode()) for name, value in given.items() if value]
    await intake({"type": "http", "headers": encoded}, receive, send)
    if not sent:
        return Told(0, {}, b"", read)
    told = {name.decode(): value.decode() for name, value in sent[0]["headers"]}
    return Told(sent[0]["status"], told, sent[1]["body"], read)
