"""The control endpoint: ``POST /control`` orders a fault, ``GET /control`` tells orders and counts.

Rules: from loopback only, with the control key as a bearer key; without a control key there is no such endpoint. A body is
``faults.Order`` as JSON, bad ones are told what to change. Every answer is the state after it.
"""

import hmac
import ipaddress

import msgspec
from aiohttp import web

from models.protocol_servers.faults import Fault, Order

PATH = "/control"
_JSON = {"Content-Type": "application/json"}
_decode = msgspec.json.Decoder(Order).decode


class BadOrder(Exception):
    """An order that cannot stand; the message says what to change."""


class Guard:
    """Lets the holder of the control key in, from loopback."""

    def __init__(self, key: str | None) -> None:
        self._key = None if key is None else f"Bearer {key}".encode()

    def refuse(self, request: web.BaseRequest) -> web.Response | None:
        """Return why a request may not control, ``None`` if it may."""
        if self._key is None:
            return told(404, "no control key was given to this server; start it with one")
        if not is_loopback(request.remote):
            return told(403, "control is for loopback only")
        shown = request.headers.get("Authorization", "").encode("utf-8", "surrogateescape")
        if not hmac.compare_digest(shown, self._key):
            return told(401, "show the control key: Authorization: Bearer KEY")
        return None


def is_loopback(address: str | None) -> bool:
    """Tell whether a peer's address is one of this machine's loopback."""
    return address is not None and ipaddress.ip_address(address).is_loopback


def read_order(body: bytes, models: list[str]) -> Order:
    """Return the order in a request's body; raises ``BadOrder``."""
    try:
        order = _decode(body)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        names = ", ".join(fault.value for fault in Fault)
        raise BadOrder(f"{error}; an order is JSON with a fault (null or one of {names})") from error
    return checked(order, models)


def checked(order: Order, models: list[str]) -> Order:
    """Return the order if it can stand; raises ``BadOrder``."""
    complaint = order.complaint()
    if order.model is not None and order.model not in models:
        complaint = f"no model {order.model!r}; there are: {', '.join(models)}"
    if complaint is not None:
        raise BadOrder(complaint)
    return order


def told(status: int, message: str) -> web.Response:
    """Return an error of the control endpoint."""
    return web.Response(status=status, headers=_JSON, body=msgspec.json.encode({"error": message}))


def shown(state: object) -> web.Response:
    """Return the state."""
    return web.Response(headers=_JSON, body=msgspec.json.encode(state))
