"""What the three protocols have in common: the port, and answers encoded once with a gap where each one's id goes.

Rules: everything an answer needs is encoded when it is loaded; a request fills in its id. What a provider refuses, it
refuses in its own shape (``Refused``).

Left out: sending (``exchange``), failing (``plans``).
"""

import secrets
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Protocol

import msgspec

from models.recorded import Answer

Template = tuple[bytes, ...]
"""Encoded bytes, taken apart where an id goes."""

GAP = secrets.token_hex(16)
"""Stands for the id while an answer is encoded; drawn anew by each process, so that no answer can hold it."""


def template(encoded: bytes) -> Template:
    """Take encoded bytes apart at their gaps."""
    return tuple(encoded.split(GAP.encode()))


def fill(parts: Template, ident: bytes) -> bytes:
    """Return the bytes with an id in every gap."""
    return parts[0] if len(parts) == 1 else ident.join(parts)


def event(data: object, name: str = "", end: str = "\n") -> bytes:
    """Encode one server-sent event."""
    head = f"event: {name}{end}" if name else ""
    return head.encode() + b"data: " + msgspec.json.encode(data) + (end + end).encode()


@dataclass(frozen=True, slots=True)
class Call:
    """One HTTP request."""

    method: str
    path: str
    query: Mapping[str, str]
    headers: Mapping[str, str]
    body: bytes


@dataclass(frozen=True, slots=True)
class Asked:
    """What a request asks for."""

    model: str
    prompt: str  # the last user message
    stream: bool
    seed: int | None = None
    usage: bool = True  # whether a stream is to count its tokens


@dataclass(frozen=True, slots=True)
class Stream:
    """One answer as server-sent events."""

    opening: Template  # what comes before the first token
    pieces: tuple[Template, ...]  # the tokens
    closing: Template  # finish reason, usage, end


@dataclass(frozen=True, slots=True)
class Encoded:
    """One answer in every form it may be asked for."""

    body: Template
    stream: Stream
    uncounted: Stream  # the stream without token counts


@dataclass(frozen=True, slots=True)
class Problem:
    """One error in a provider's own shape."""

    status: int
    body: Template
    headers: Mapping[str, str] = field(default_factory=dict)


class Refused(Exception):
    """A request the provider would not take; ``problem`` is its answer."""

    def __init__(self, problem: Problem) -> None:
        super().__init__(problem)
        self.problem = problem


class Wire(Protocol):
    """One provider's protocol."""

    name: str
    ids: str  # what the ids of its answers begin with
    json_type: str
    stream_type: str
    line_end: bytes
    late_status: int  # the error that typically comes when a stream has begun

    def read(self, call: Call) -> Asked:
        """Return what is asked; raise ``Refused`` for a wrong key, route or body."""
        ...

    def encode(self, model: str, answer: Answer) -> Encoded:
        """Return an answer as the provider would send it."""
        ...

    def problem(self, status: int, message: str = "", retry_after_s: float | None = None) -> Problem:
        """Return an error as the provider would send it; an empty ``message`` is replaced by a typical one."""
        ...

    def error_event(self, problem: Problem) -> Template:
        """Return the error as an event in a stream."""
        ...

    def headers(self, request_id: str) -> dict[str, str]:
        """Return the headers every response has."""
        ...

    def page(self, status: int) -> bytes:
        """Return the HTML page of the proxy in front of the provider."""
        ...


CLOUDFLARE = """<html>\r
<head><title>{title}</title></head>\r
<body>\r
<center><h1>{title}</h1></center>\r
<hr><center>cloudflare</center>\r
</body>\r
</html>\r
"""
TITLES = {200: "Just a moment...", 502: "502 Bad Gateway", 503: "503 Service Temporarily Unavailable"}


def cloudflare_page(status: int) -> bytes:
    """Return the page of the proxy in front of OpenAI and Anthropic."""
    return CLOUDFLARE.format(title=TITLES.get(status, str(status))).encode()
