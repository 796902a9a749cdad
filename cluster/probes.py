"""HTTP from outside: plain, without proxies, each exchange bounded as a whole in time and size.

Whatever answers may be broken or hostile: a line that is no HTTP, a body that breaks off, a byte a second. All of that is
"no answer", status 0; nothing is raised but for a mistake of the caller's.
"""

import http.client
import json
import socket
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

if TYPE_CHECKING:
    from _typeshed import WriteableBuffer

_MAX_BODY_BYTES = 64 << 20


@dataclass(frozen=True, slots=True)
class Answer:
    """What came back; status 0 if no whole answer did."""

    status: int = 0
    headers: Mapping[str, str] = field(default_factory=dict)
    """Names in lower case."""
    body: bytes = b""


class _BoundedSocket(socket.socket):
    """A socket whose reads all end by one point in time: a time-out of each read would let a slow sender go on for ever."""

    give_up_s: float

    def recv_into(self, buffer: "WriteableBuffer", nbytes: int = 0, flags: int = 0) -> int:
        left = self.give_up_s - time.monotonic()
        if left <= 0:
            raise TimeoutError("the answer took too long")
        self.settimeout(left)
        return super().recv_into(buffer, nbytes, flags)


class _Connection(http.client.HTTPConnection):
    """A connection that is over, answer read or not, after its time-out."""

    def connect(self) -> None:
        give_up_s = time.monotonic() + float(self.timeout or 0)
        plain = socket.create_connection((self.host, self.port), self.timeout)
        self.sock = _BoundedSocket(plain.family, plain.type, plain.proto, plain.detach())
        self.sock.give_up_s = give_up_s
        self.sock.settimeout(self.timeout)


def fetch(
    method: str, url: str, headers: Mapping[str, str] | None = None, body: bytes | None = None, timeout_s: float = 3.0
) -> Answer:
    """Make one request that takes ``timeout_s`` at most, connecting and reading included."""
    try:
        parts = urlsplit(url)
        connection = _Connection(parts.hostname or "", parts.port or 80, timeout=timeout_s)
    except (ValueError, http.client.HTTPException):
        return Answer()
    try:
        path = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
        connection.request(method, path, body, dict(headers or {}))
        response = connection.getresponse()
        told = {name.lower(): value for name, value in response.getheaders()}
        return Answer(response.status, told, _whole_body(response))
    except (OSError, ValueError, http.client.HTTPException):
        return Answer()
    finally:
        connection.close()


def _whole_body(response: http.client.HTTPResponse) -> bytes:
    """Read a body to its end; one that ends before the length it was announced with, or is too large, is none."""
    announced = response.length
    data = response.read(_MAX_BODY_BYTES + 1) if announced is None or announced > _MAX_BODY_BYTES else response.read()
    if len(data) > _MAX_BODY_BYTES or (announced is not None and len(data) != announced):
        raise ValueError("the body is too large or broke off")
    return data


def connects(host: str, port: int, timeout_s: float = 1.0) -> bool:
    """Tell whether something listens there."""
    try:
        with socket.create_connection((host, port), timeout_s):
            return True
    except OSError:
        return False


def http_status(url: str, timeout_s: float = 3.0) -> int:
    """Return a GET's status, 0 if there was no answer."""
    return fetch("GET", url, timeout_s=timeout_s).status


def call(
    method: str, url: str, key: str = "", body: dict[str, Any] | None = None, timeout_s: float = 10.0
) -> tuple[int, bytes]:
    """Make a request authenticated with ``key``; return status and body, status 0 if there was no whole answer."""
    headers = {"Content-Type": "application/json"} | ({"Authorization": f"Bearer {key}"} if key else {})
    answer = fetch(method, url, headers, None if body is None else json.dumps(body).encode(), timeout_s)
    return answer.status, answer.body


def parsed(data: bytes) -> dict[str, Any]:
    """Return a JSON object, empty for anything else."""
    try:
        body = json.loads(data)
    except ValueError:
        return {}
    return body if isinstance(body, dict) else {}
