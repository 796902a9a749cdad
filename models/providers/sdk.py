"""What one call of a provider's SDK saw on the wire, and what follows from that.

Rules:
- An SDK only sees what our own adapter would take: successes, of the right type, in no encoding, inside the bound, of
  well-formed events. So an SDK that forgives more does not make a candidate out of less.
- What happened is told by the ``Tap``, not by the SDK's exceptions: these differ, and carry what the provider said.

Left out: the wire itself (``sdk_transport``).
"""

from collections import deque
from collections.abc import Mapping
from contextvars import ContextVar
from dataclasses import dataclass, field
from typing import Literal

import httpx2

from models.providers.dialect import decoded
from models.providers.failures import MAX_COMPLAINT_BYTES
from models.providers.faults import Cut, ErrorEvent, Fault, Malformed, Oversized, Rejected, Unaskable
from models.providers.sse import Event, EventDecoder
from models.providers.thin import require

CURRENT: ContextVar["Tap"] = ContextVar("tap")


@dataclass(slots=True)
class Tap:
    """What one call saw on the wire."""

    kind: Literal["json", "events"]
    max_bytes: int
    keep: bool = False
    """Whether the response is kept beside what the SDK makes of it."""
    status: int = 0
    headers: Mapping[bytes, bytes] = field(default_factory=dict)
    received: int = 0
    body: bytearray = field(default_factory=bytearray)
    """The body where it is kept, else the beginning of an error's."""
    events: deque[Event] = field(default_factory=deque)
    end_marker: str = ""
    ended: bool = False
    """Whether the end marker came; what comes after it is passed over."""
    complete: bool = False
    """Whether the body has come to its end."""
    fault: Fault | None = None
    response: httpx2.Response | None = None
    _decoder: EventDecoder = field(default_factory=EventDecoder)

    def begin(self, status: int, headers: Mapping[bytes, bytes]) -> None:
        """Take status and headers; raises ``Malformed`` where a success is of the wrong kind."""
        self.status, self.headers = status, headers
        if status == 200:
            require(status, headers, b"", self.kind)

    def take(self, part: bytes) -> None:
        """Take a part of the body; raises ``Oversized`` or ``Malformed``."""
        self.received += len(part)
        if self.received > self.max_bytes:
            raise Oversized
        if self.status != 200 or self.keep:
            room = self.max_bytes if self.status == 200 else MAX_COMPLAINT_BYTES
            self.body += part[: max(0, room - len(self.body))]
        if self.status == 200 and self.kind == "events" and not self.ended:
            events = self._decoder.feed(part)
            self.ended = bool(self.end_marker) and any(event.data == self.end_marker for event in events)
            if self.keep:
                self.events.extend(events)

    def next_event(self) -> object:
        """Return the event that the SDK has just given, as it came; raises ``Cut`` if it never came whole."""
        if not self.events:
            raise Cut
        return decoded(self.events.popleft().data)

    def require_success(self) -> None:
        """Raise what the SDK passed over."""
        if self.fault is not None:
            raise self.fault
        if self.status != 200:
            raise Rejected(self.status, self.headers, bytes(self.body))

    def require_end(self) -> None:
        """Raise ``Cut`` if the stream ended anywhere but at its end."""
        self.require_success()
        if not self.ended and (self._decoder.pending or self.end_marker):
            raise Cut

    async def close(self) -> None:
        """Close the response, whoever forgot to."""
        if self.response is not None:
            await self.response.aclose()

    def explained(self, error: Exception, stream_errors: tuple[type[Exception], ...]) -> Fault:
        """Return the fault behind what an SDK raised; ``stream_errors`` are how it tells of an error event."""
        if isinstance(error, Fault):
            return error
        if self.fault is not None:
            return self.fault
        if self.status not in {0, 200}:
            return Rejected(self.status, self.headers, bytes(self.body))
        if self.status == 200 and self.kind == "events" and isinstance(error, stream_errors):
            return ErrorEvent()
        if self.complete and self._decoder.pending:
            return Cut()
        return Malformed("answered something that is no JSON") if self.status else Unaskable()


class watching:  # noqa: N801 - reads as a statement
    """Make ``tap`` the one that the requests begun inside belong to, and turn whatever is raised into a ``Fault``."""

    def __init__(self, tap: Tap, stream_errors: tuple[type[Exception], ...]) -> None:
        self._tap = tap
        self._stream_errors = stream_errors

    def __enter__(self) -> Tap:
        self._token = CURRENT.set(self._tap)
        return self._tap

    def __exit__(self, kind: object, error: BaseException | None, trace: object) -> None:
        CURRENT.reset(self._token)
        if isinstance(error, Exception) and not isinstance(error, TimeoutError):
            fault = self._tap.explained(error, self._stream_errors)
            # An SDK's own exception repeats what the provider said; only where nothing was asked it says something else.
            raise fault from (error if self._tap.status == 0 else None)
