"""What is sent for one request and how it ends: decided here, done by ``exchange``.

Rules:
- The right answer takes its recorded time; a fault takes none but the delay it is about.
- Half of an answer is never all of it: what makes it whole (finish reason, end mark, last byte) is not sent.
- A recorded error, silence or cut is sent like an ordered one.

Left out: who gets which fault (``faults``), sockets (``exchange``), refusing connections (``door``).
"""

import enum
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace

import msgspec

from models.protocol_servers.faults import Fault, Order
from models.protocol_servers.wire import Encoded, Problem, Wire, fill
from models.recorded import Answer

HTML = "text/html; charset=UTF-8"


class Ending(enum.Enum):
    """How a response ends."""

    PROPER = "as HTTP says"
    SILENCE = "not, until the client leaves"
    CLOSED = "the connection is closed inside the body"
    RESET = "the connection is reset inside the body"
    MISFRAMED = "a chunk whose length is no number, then the connection is closed"


@dataclass(frozen=True, slots=True)
class Plan:
    """One response."""

    status: int  # 0: not even a head
    content_type: str
    steps: tuple[bytes | float, ...]  # bytes to send, seconds to wait
    length: int | None = None  # the Content-Length that is promised; None: chunks
    ending: Ending = Ending.PROPER
    wait_s: float = 0.0  # before the head
    headers: Mapping[str, str] = field(default_factory=dict)
    right: bool = False  # whether it is the right and whole answer


SILENT = Plan(0, "", (), ending=Ending.SILENCE)
GONE = Plan(0, "", (), ending=Ending.RESET)


@dataclass(frozen=True, slots=True)
class Reply:
    """Everything a plan is made from."""

    wire: Wire
    model: str
    answer: Answer
    encoded: Encoded
    stream: bool
    usage: bool  # whether a stream counts its tokens
    ident: bytes  # the answer's id
    request_id: bytes

    def body(self) -> bytes:
        """Return the whole answer."""
        return fill(self.encoded.body, self.ident)

    def half_body(self) -> bytes:
        """Return the answer up to the middle of what it says, of an empty one the first half."""
        body = self.body()
        said = msgspec.json.encode(self.answer.content or "")[1:-1]
        return body[: body.find(said) + len(said) // 2 if said else len(body) // 2]

    def events(self) -> tuple[bytes, list[bytes], bytes]:
        """Return the stream: opening, pieces, closing."""
        stream = self.encoded.stream if self.usage else self.encoded.uncounted
        pieces = [fill(piece, self.ident) for piece in stream.pieces]
        return fill(stream.opening, self.ident), pieces, fill(stream.closing, self.ident)

    def halves(self) -> tuple[bytes, list[bytes]]:
        """Return the first half of the stream, and the events of the second."""
        opening, pieces, closing = self.events()
        half = (len(pieces) + 1) // 2
        return opening + b"".join(pieces[:half]), [*pieces[half:], closing]


def plan(reply: Reply, order: Order | None) -> Plan:
    """Return what is sent: by the order that was drawn for it, or else as recorded."""
    if order is not None and order.fault is not None:
        return _ORDERED[order.fault](reply, order)
    answer = reply.answer
    if answer.hang:
        return SILENT
    if answer.error is not None:
        problem = reply.wire.problem(answer.error.status, retry_after_s=answer.error.retry_after_s)
        return refusal(reply.wire, problem, reply.request_id, wait_s=answer.delay_ms / 1000)
    if answer.cut_after_chars is not None:
        return _recorded_cut(reply, answer.cut_after_chars)
    return _right_stream(reply) if reply.stream else _right_body(reply)


def refusal(wire: Wire, problem: Problem, request_id: bytes, wait_s: float = 0.0) -> Plan:
    """Return an error in the provider's own shape."""
    body = fill(problem.body, request_id)
    return Plan(problem.status, wire.json_type, (body,), len(body), wait_s=wait_s, headers=problem.headers)


def _right_body(reply: Reply) -> Plan:
    body = reply.body()
    return Plan(200, reply.wire.json_type, (body,), len(body), wait_s=reply.answer.delay_ms / 1000, right=True)


def _right_stream(reply: Reply) -> Plan:
    opening, pieces, closing = reply.events()
    wait_s, pause_s = _pace(reply.answer, len(pieces))
    if pause_s:
        steps: tuple[bytes | float, ...] = (opening, *(step for piece in pieces for step in (piece, pause_s)), closing)
    else:
        steps = (b"".join((opening, *pieces, closing)),)
    return Plan(200, reply.wire.stream_type, steps, wait_s=wait_s, right=True)


def _pace(answer: Answer, pieces: int) -> tuple[float, float]:
    """Return the seconds before the first token and between two."""
    first_ms = answer.delay_ms if answer.first_token_ms is None else answer.first_token_ms
    return first_ms / 1000, (answer.delay_ms - first_ms) / 1000 / max(1, pieces)


def _recorded_cut(reply: Reply, after_chars: int) -> Plan:
    wait_s = reply.answer.delay_ms / 1000
    if reply.stream:  # encoded was what is shown, no more
        opening, pieces, _closing = reply.events()
        return Plan(200, reply.wire.stream_type, (opening + b"".join(pieces),), None, Ending.CLOSED, wait_s)
    body = reply.body()
    shown = msgspec.json.encode((reply.answer.content or "")[:after_chars])[:-1]
    end = body.find(shown) + len(shown)
    return Plan(200, reply.wire.json_type, (body[:end],), len(body), Ending.CLOSED, wait_s)


def _status(status: int) -> Callable[[Reply, Order], Plan]:
    def error(reply: Reply, order: Order) -> Plan:
        problem = reply.wire.problem(status, retry_after_s=order.retry_after_s if status == 429 else None)
        return refusal(reply.wire, problem, reply.request_id)

    return error


def _page(status: int) -> Callable[[Reply, Order], Plan]:
    def page(reply: Reply, _order: Order) -> Plan:
        body = reply.wire.page(status)
        return Plan(status, HTML, (body,), len(body))

    return page


def _always(same: Plan) -> Callable[[Reply, Order], Plan]:
    return lambda _reply, _order: same


def _halfway(ending: Ending) -> Callable[[Reply, Order], Plan]:
    """Send half; what is left of a stream that ends properly is only missed by who knows the protocol."""

    def half(reply: Reply, _order: Order) -> Plan:
        if reply.stream:
            end = Ending.PROPER if ending is Ending.CLOSED else ending
            return Plan(200, reply.wire.stream_type, (reply.halves()[0],), None, end)
        return Plan(200, reply.wire.json_type, (reply.half_body(),), len(reply.body()), ending)

    return half


def _slow(reply: Reply, order: Order) -> Plan:
    if not reply.stream:
        body = reply.body()
        return Plan(200, reply.wire.json_type, (body,), len(body), wait_s=order.delay_s, right=True)
    opening, pieces, closing = reply.events()
    steps = (opening, order.delay_s, b"".join((*pieces, closing)))
    return Plan(200, reply.wire.stream_type, steps, right=True)


def _malformed_json(reply: Reply, _order: Order) -> Plan:
    if not reply.stream:
        body = reply.half_body()
        return Plan(200, reply.wire.json_type, (body,), len(body))
    first, rest = reply.halves()
    end = reply.wire.line_end * 2
    broken, _end, after = rest[0].partition(end)
    return Plan(200, reply.wire.stream_type, (b"".join((first, broken[:-2], end, after, *rest[1:])),))


def _malformed_sse(reply: Reply, _order: Order) -> Plan:
    if not reply.stream:
        return Plan(200, reply.wire.json_type, (reply.half_body(),), None, Ending.MISFRAMED)
    first, rest = reply.halves()
    run_on = b"".join(rest).replace(b"\r", b"").replace(b"\n", b"")
    return Plan(200, reply.wire.stream_type, (first + run_on,))


def _empty(reply: Reply, _order: Order) -> Plan:
    answer = Answer(content="", usage=msgspec.structs.replace(reply.answer.usage, completion_tokens=0))
    empty = replace(reply, answer=answer, encoded=reply.wire.encode(reply.model, answer))
    return replace(_right_stream(empty) if reply.stream else _right_body(empty), right=False)


def _error_event(reply: Reply, _order: Order) -> Plan:
    problem = reply.wire.problem(reply.wire.late_status)
    if reply.stream:
        error = fill(reply.wire.error_event(problem), reply.request_id)
        return Plan(200, reply.wire.stream_type, (reply.halves()[0] + error,))
    body = fill(problem.body, reply.request_id)
    return Plan(200, reply.wire.json_type, (body,), len(body))


_ORDERED: dict[Fault, Callable[[Reply, Order], Plan]] = {
    Fault.RATE_LIMITED: _status(429),
    Fault.SERVER_ERROR: _status(500),
    Fault.BAD_GATEWAY: _page(502),
    Fault.UNAVAILABLE: _page(503),
    Fault.OVERLOADED: _status(529),
    Fault.CONNECTION_REFUSED: _always(GONE),  # a request that was under way when the port closed
    Fault.RESET_MID_BODY: _halfway(Ending.RESET),
    Fault.SILENT: _always(SILENT),
    Fault.SLOW_FIRST_TOKEN: _slow,
    Fault.STALLED_STREAM: _halfway(Ending.SILENCE),
    Fault.CUT_STREAM: _halfway(Ending.CLOSED),
    Fault.MALFORMED_JSON: _malformed_json,
    Fault.MALFORMED_SSE: _malformed_sse,
    Fault.EMPTY_ANSWER: _empty,
    Fault.ERROR_EVENT: _error_event,
    Fault.WRONG_CONTENT_TYPE: _page(200),
}
