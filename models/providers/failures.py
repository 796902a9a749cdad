"""What a fault of a provider means for a ballot. Pure.

Rules:
- Nothing of what a provider said is repeated: error texts echo keys and prompts. Messages carry the status and our words.
- The time to come back is the latest of ``Retry-After``, ``retry-after-ms`` and what the body asks for, inside our own bounds.
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
    Unverified,
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
    Unverified: (VoterFailed, "its certificate does not verify"),
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
    """Read when to come back, the later of the two headers that say so; ``None`` if absent or unreadable.

    ``Retry-After`` has seconds, or a date told against the response's own ``Date``; ``retry-after-ms`` has milliseconds
    and is in no standard, but the SDKs of OpenAI and Anthropic read it first.
    """
    texts = [headers.get(name, b"").decode("latin-1") for name in (b"retry-after", b"retry-after-ms", b"date")]
    asked = (_seconds(texts[0], texts[2]), _seconds(texts[1], "", per_s=1000.0))
    waits = [wait for seconds in asked if seconds is not None if (wait := bounded_retry_after_s(seconds)) is not None]
    return max(waits, default=None)


def _seconds(text: str, date: str, per_s: float = 1.0) -> float | None:
    try:
        return float(text) / per_s
    except ValueError:
        try:
            return (parsedate_to_datetime(text) - parsedate_to_datetime(date)).total_seconds()
        except (TypeError, ValueError, OverflowError):
            return None
