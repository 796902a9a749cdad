"""The command line's client of the gateway on this machine."""

from dataclasses import dataclass
from typing import Any

from actors.base.errors import WeaverGenError
from cluster.probes import call, parsed

MARGIN_S = 15.0
"""Waited beyond a request's own deadline."""


class NotRunning(WeaverGenError):
    """Nothing answers at the gateway's address, or the answer broke off."""

    code = "not_running"


class Refused(WeaverGenError):
    """The gateway refused; ``details`` is its body, with the HTTP status as ``status``."""

    code = "refused"

    @property
    def is_the_gateway_s_trouble(self) -> bool:
        """Tell whether it failed or is overloaded, rather than refused what was asked."""
        status = int(self.details.get("status", 0))
        return status >= 500 or status == 429


@dataclass(frozen=True, slots=True)
class GatewayClient:
    """One key's view of one gateway."""

    base_url: str
    key: str

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
        status, data = call("POST", f"{self.base_url}/v1/chat/completions", self.key, body, timeout_s + MARGIN_S)
        if status == 0:
            raise self._nobody()
        return status, parsed(data)

    def _checked(self, method: str, path: str, body: dict[str, Any] | None, timeout_s: float) -> bytes:
        status, data = call(method, f"{self.base_url}{path}", self.key, body, timeout_s)
        if status == 0:
            raise self._nobody()
        if status != 200:
            error = parsed(data).get("error") or {}
            raise Refused(
                f"{error.get('code', status)}: {error.get('message', f'status {status}')}",
                None,
                parsed(data) | {"status": status},
            )
        return data

    def _nobody(self) -> NotRunning:
        return NotRunning(
            f"no whole answer came from {self.base_url}; run `weavergen up`, or `weavergen status` to see why"
        )
