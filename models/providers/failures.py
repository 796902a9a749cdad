"""What a fault of a provider means for a ballot. Pure.

Rules:
- Nothing of what a provider said is repeated: error texts echo keys and prompts. Messages carry the status and our words.
- The time to come back is the later of ``Retry-After`` and what the body asks for, inside our own bounds.
- 429 with a time is busy; without one it is a quota that is used up, no passing state. Server errors (500, 502, 503, 529)
  are failures, with the time if one was given; 408 and 504 too: it was the provider that gave up.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from email.utils import parsedate_to_datetime
from typing import Literal

from models.errors import (
    VoterBusy,
    VoterError,
    VoterFailed,
    VoterInvalid,
    VoterRefused,
    VoterTooLong,
    bounded_retry_after_s,
)
from models.providers.faults import (
    Broken,
    Cut,
    ErrorEvent,
    Fault,
    Malformed,
    Oversized,
    Rejected,
    Unaskable,
    Unreachable,
)

MAX_COMPLAINT_BYTES = 4096
"""Most bytes of an error's body that are looked at."""


@dataclass(frozen=True, slots=True)
class Complaint:
    """What an error's body says beyond its status."""

    kind: Literal["", "key", "too_long", "refused"] = ""
    retry_after_s: float | None = None


_WORDS = {
    401: "its key was refused",
    403: "its key was refused",
    404: "has no such model or address",
    408: "gave up waiting",
    504: "gave up waiting",
    529: "is overloaded",
}


def failure_of_status(voter: str, status: int, headers: Mapping[bytes, bytes], complaint: Complaint) -> VoterError:
    """Return what a status that is no success means."""
    if status == 413 or complaint.kind == "too_long":
        return VoterTooLong(voter, "the prompt is too long for it")
    if complaint.kind == "refused":
        return VoterRefused(voter, f"declined (content filter, status {status})")
    waits = [wait for wait in (retry_after_s(headers), complaint.retry_after_s) if wait is not None]
    wait_s = max(waits, default=None)
    words = _WORDS[401] if complaint.kind == "key" else _WORDS.get(status)
    message = f"answered with status {status}" + (f": {words}" if words else "")
    return (VoterBusy if status == 429 and wait_s is not None else VoterFailed)(voter, message, wait_s)


_MEANINGS: dict[type[Fault], tuple[type[VoterError], str]] = {
    Unreachable: (VoterFailed, "cannot be connected to"),
    Unaskable: (VoterFailed, "its SDK refused the request"),
    Broken: (VoterFailed, "the connection broke off"),
    Cut: (VoterFailed, "the stream ended before the answer was whole"),
    ErrorEvent: (VoterFailed, "reported an error in the middle of its answer"),
    Oversized: (VoterInvalid, "answered with more bytes than are taken"),
}


def failure_of(voter: str, fault: Fault, complaint: Complaint) -> VoterError:
    """Return what any fault means."""
    if isinstance(fault, Rejected):
        return failure_of_status(voter, fault.status, fault.headers, complaint)
    if isinstance(fault, Malformed):
        return VoterInvalid(voter, str(fault))
    kind, message = _MEANINGS[type(fault)]
    return kind(voter, message)


def retry_after_s(headers: Mapping[bytes, bytes]) -> float | None:
    """Read ``Retry-After``: seconds, or a date told against the response's own ``Date``; ``None`` if absent or unreadable."""
    text = headers.get(b"retry-after", b"").decode("latin-1")
    if not text:
        return None
    try:
        seconds = float(text)
    except ValueError:
        try:
            date = headers.get(b"date", b"").decode("latin-1")
            seconds = (parsedate_to_datetime(text) - parsedate_to_datetime(date)).total_seconds()
        except (TypeError, ValueError, OverflowError):
            return None
    return bounded_retry_after_s(seconds)
