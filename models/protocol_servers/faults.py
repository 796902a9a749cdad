"""The sixteen ways a provider fails, and who gets which when.

Rules:
- A fault has one meaning for streams and one for whole answers, both written beside it; ``plans`` makes bytes of them.
- An order for one model goes before the order for all; a new order for all replaces every other.
- An order ends after ``remaining`` requests, hits each with ``probability``, and is lifted by one without a fault.
- A refused connection asks for no model and cannot be counted, so that order concerns everybody until it is lifted.

Left out: the bytes (``plans``), the port (``door``), randomness (``chance`` is the caller's).
"""

import enum
from collections.abc import Callable
from typing import Annotated, Self

import msgspec

MAX_S = 3600.0


class Fault(enum.Enum):
    """What goes wrong; ``meaning`` says how, for a stream and for a whole answer."""

    RATE_LIMITED = ("rate_limited", "429, with the provider's word on when to come back if the order gives one")
    SERVER_ERROR = ("server_error", "500 in the provider's own shape")
    BAD_GATEWAY = ("bad_gateway", "502, a page of HTML from the proxy in front")
    UNAVAILABLE = ("unavailable", "503, a page of HTML from the proxy in front")
    OVERLOADED = ("overloaded", "529 in the provider's own shape")
    CONNECTION_REFUSED = ("connection_refused", "nobody listens; connections that wait for a request are closed")
    RESET_MID_BODY = ("reset_mid_body", "half of the stream or body, then the connection is reset (RST, not FIN)")
    SILENT = ("silent", "the request is taken, and not one byte comes back")
    SLOW_FIRST_TOKEN = (
        "slow_first_token",
        "the right answer, late: a stream begins at once and its first token is late",
    )
    STALLED_STREAM = ("stalled_stream", "half of the stream or body, then nothing, on an open connection")
    CUT_STREAM = (
        "cut_stream",
        "half of the stream, which HTTP ends properly but not the protocol; a body shorter than was promised",
    )
    MALFORMED_JSON = ("malformed_json", "one event in the middle, or the whole body, is JSON that breaks off")
    MALFORMED_SSE = (
        "malformed_sse",
        "the second half of the stream has no line ends; a body whose chunks are misframed",
    )
    EMPTY_ANSWER = ("empty_answer", "a right stream or body that says nothing")
    ERROR_EVENT = ("error_event", "an error after half of the stream; 200 with an error object for a body")
    WRONG_CONTENT_TYPE = ("wrong_content_type", "200 with a page of HTML instead of the stream or body")

    meaning: str

    def __new__(cls, value: str, meaning: str) -> Self:
        """Keep the meaning beside the value."""
        member = object.__new__(cls)
        member._value_ = value
        member.meaning = meaning
        return member


class Order(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What the next requests get; without a ``fault`` the right answers again."""

    fault: Fault | None
    model: str | None = None  # whose requests; None: everybody's
    remaining: Annotated[int, msgspec.Meta(ge=1)] | None = None  # so many requests; None: until lifted
    probability: Annotated[float, msgspec.Meta(gt=0, le=1)] = 1.0
    delay_s: Annotated[float, msgspec.Meta(ge=0, le=MAX_S)] = 5.0  # how late a slow first token is
    retry_after_s: Annotated[float, msgspec.Meta(ge=0, le=MAX_S)] | None = None  # 429: when to come back; None: unsaid

    def complaint(self) -> str | None:
        """Say what contradicts itself, ``None`` if nothing does."""
        counted = self.model is not None or self.remaining is not None or self.probability < 1
        if self.fault is Fault.CONNECTION_REFUSED and counted:
            return (
                "connection_refused concerns everybody until it is lifted: leave model, remaining and probability out"
            )
        return None


class Switches:
    """The orders that stand."""

    def __init__(self) -> None:
        self._orders: dict[str | None, Order] = {}

    @property
    def orders(self) -> list[Order]:
        """What is ordered now, ``remaining`` counted down."""
        return list(self._orders.values())

    def put(self, order: Order) -> None:
        """Let an order stand from now on."""
        if order.model is None:
            self._orders.clear()
        self._orders.pop(order.model, None)
        if order.fault is not None:
            self._orders[order.model] = order

    def draw(self, model: str, chance: Callable[[], float]) -> Order | None:
        """Return the order that a request for ``model`` gets; ``chance`` draws from [0, 1)."""
        order = self._orders.get(model) or self._orders.get(None)
        if order is None or (order.probability < 1 and chance() >= order.probability):
            return None
        if order.remaining is not None:
            self._count_down(order, order.remaining - 1)
        return order

    def _count_down(self, order: Order, remaining: int) -> None:
        if remaining:
            self._orders[order.model] = msgspec.structs.replace(order, remaining=remaining)
        else:
            del self._orders[order.model]


class Counts(msgspec.Struct):
    """What became of one model's requests; ``faulted`` and ``cancelled`` are counted beside the others, not apart."""

    received: int = 0  # requests that named the model and showed a right key
    answered: int = 0  # right and whole answers, slow ones included
    faulted: int = 0  # got a fault, ordered or recorded
    cancelled: int = 0  # the client left before the end
