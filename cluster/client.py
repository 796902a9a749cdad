"""The command line's client of the gateway on this machine.

Whoever listens where the gateway should is asked first, without a key, which system it is: a key is sent to this home's
gateway and to nobody else.
"""

import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from actors.base.errors import HomeError, WeaverGenError
from cluster.config import Config
from cluster.home import Home
from cluster.probes import call, fetch, parsed
from cluster.status import gateway_url, system_ids
from serve_apps.gateway.readiness import SYSTEM_HEADER

MARGIN_S = 15.0
"""Waited beyond a request's own deadline."""
_LEAST_S = 0.1
_NO_KEY, _OVERLOADED, _FAILED = 401, 429, 500


class NotRunning(WeaverGenError):
    """Nothing answers at the gateway's address, or the answer broke off."""

    code = "not_running"


class Stranger(NotRunning):
    """Somebody answers there, and it is not this home's gateway."""


class Refused(WeaverGenError):
    """The gateway refused; ``details`` is its body, with the HTTP status as ``status``."""

    code = "refused"

    @property
    def is_on_the_merits(self) -> bool:
        """Tell whether it refused what was asked, rather than failed, was overloaded or did not know the key."""
        status = int(self.details.get("status", 0))
        return status < _FAILED and status not in (_NO_KEY, _OVERLOADED)


@dataclass(frozen=True, slots=True)
class GatewayClient:
    """One key's view of one gateway."""

    base_url: str
    key: str
    systems: frozenset[str]
    """What the gateway may say of itself in ``x-weavergen-system``; whoever says anything else is not shown the key."""

    def get(self, path: str, timeout_s: float = 10.0) -> dict[str, Any]:
        """GET a JSON object."""
        return parsed(self.get_bytes(path, timeout_s))

    def get_bytes(self, path: str, timeout_s: float = 10.0) -> bytes:
        """GET exact bytes."""
        return self._checked("GET", path, None, timeout_s)

    def post(self, path: str, body: dict[str, Any], timeout_s: float = 10.0) -> dict[str, Any]:
        """POST a JSON object."""
        return parsed(self._checked("POST", path, body, timeout_s))

    def ask(self, body: dict[str, Any], timeout_s: float) -> tuple[int, dict[str, Any]]:
        """Ask for a completion; a refusal is an answer too."""
        status, data = self._exchange("POST", "/v1/chat/completions", body, timeout_s + MARGIN_S)
        return status, parsed(data)

    def _checked(self, method: str, path: str, body: dict[str, Any] | None, timeout_s: float) -> bytes:
        status, data = self._exchange(method, path, body, timeout_s)
        if status != 200:
            error = parsed(data).get("error") or {}
            raise Refused(
                f"{error.get('code', status)}: {error.get('message', f'status {status}')}",
                None,
                parsed(data) | {"status": status},
            )
        return data

    def _exchange(self, method: str, path: str, body: dict[str, Any] | None, timeout_s: float) -> tuple[int, bytes]:
        """Make one request with the key, the question before it included in its time."""
        give_up_s = time.monotonic() + timeout_s
        self._require_ours(timeout_s)
        left_s = max(give_up_s - time.monotonic(), _LEAST_S)
        status, data = call(method, f"{self.base_url}{path}", self.key, body, left_s)
        if status == 0:
            raise self._nobody()
        return status, data

    def _require_ours(self, timeout_s: float) -> None:
        answer = fetch("GET", f"{self.base_url}/readyz", timeout_s=timeout_s)
        whose = answer.headers.get(SYSTEM_HEADER)
        if whose in self.systems:
            return
        if answer.status == 0:
            raise self._nobody()
        if whose is None and answer.status >= _FAILED:
            raise NotRunning(
                f"no gateway answers behind {self.base_url} (status {answer.status}): it is starting or being restarted"
            )
        raise Stranger(
            f"what answers at {self.base_url} is not this home's gateway, and got no key; stop it, or run `weavergen down` "
            "and `weavergen up --port N`"
        )

    def _nobody(self) -> NotRunning:
        return NotRunning(
            f"no whole answer came from {self.base_url}; run `weavergen up`, or `weavergen status` to see why"
        )


def gateway_client(home: Home, config: Config, key_file: Path) -> GatewayClient:
    """Return a client of a home's own gateway, with the API key that lies in a file."""
    return GatewayClient(gateway_url(config), read_key(key_file), system_ids(home, config))


def read_key(path: Path) -> str:
    """Read the text of an API key that lies in a file."""
    try:
        return path.read_text().strip()
    except OSError as error:
        raise HomeError(f"API key {path} cannot be read ({error.strerror}); name another with --key-file") from error
