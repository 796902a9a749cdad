"""HTTP from outside: plain, without proxies, with a bound on every wait."""

import json
import socket
import urllib.error
import urllib.request
from typing import Any

_NO_PROXY = urllib.request.build_opener(urllib.request.ProxyHandler({}))


def connects(host: str, port: int, timeout_s: float = 1.0) -> bool:
    """Tell whether something listens there."""
    try:
        with socket.create_connection((host, port), timeout_s):
            return True
    except OSError:
        return False


def http_status(url: str, timeout_s: float = 3.0) -> int:
    """Return a GET's status, 0 if there was no answer."""
    try:
        with _NO_PROXY.open(url, timeout=timeout_s) as response:
            return int(response.status)
    except urllib.error.HTTPError as error:
        return error.code
    except (OSError, ValueError):
        return 0


def call(
    method: str, url: str, key: str = "", body: dict[str, Any] | None = None, timeout_s: float = 10.0
) -> tuple[int, bytes]:
    """Make a request authenticated with ``key``; return status and body, status 0 if there was no answer."""
    headers = {"Content-Type": "application/json"} | ({"Authorization": f"Bearer {key}"} if key else {})
    data = None if body is None else json.dumps(body).encode()
    request = urllib.request.Request(url, data, headers, method=method)  # noqa: S310 - our own URL
    try:
        with _NO_PROXY.open(request, timeout=timeout_s) as response:
            return int(response.status), response.read()
    except urllib.error.HTTPError as error:
        return error.code, error.read()
    except (OSError, ValueError):
        return 0, b""


def parsed(data: bytes) -> dict[str, Any]:
    """Return a JSON object, empty for anything else."""
    try:
        body = json.loads(data)
    except ValueError:
        return {}
    return body if isinstance(body, dict) else {}
