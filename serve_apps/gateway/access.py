"""Who is asking, from the ``Authorization`` header alone. No other header is believed, ``X-Forwarded-For`` least of all."""

from collections.abc import Callable, Iterable

from actors.base.errors import InvalidKey, RoleRequired
from actors.store.auth import Principal

Authenticate = Callable[[str], Principal]
"""Key text → principal; raises ``InvalidKey`` for an unknown or revoked key, ``NotReady`` without an AuthSnapshot."""

_BEARER = b"bearer "


class Access:
    """Authenticates requests and checks roles."""

    def __init__(self, authenticate: Authenticate) -> None:
        self._authenticate = authenticate

    def principal(self, headers: Iterable[tuple[bytes, bytes]]) -> Principal:
        """Return who holds the presented key; raise ``InvalidKey`` saying what to send."""
        for name, value in headers:
            if name == b"authorization":
                if value[:7].lower() != _BEARER:
                    break
                return self._authenticate(value[7:].strip().decode("latin-1"))
        raise InvalidKey("send 'Authorization: Bearer <key>'; keys are made with `weavergen keys create`")

    def require(self, headers: Iterable[tuple[bytes, bytes]], *roles: str) -> Principal:
        """Return the principal if it holds one of the roles; raise ``RoleRequired`` otherwise."""
        principal = self.principal(headers)
        if principal.role not in roles:
            raise RoleRequired(f"this needs a key with role {' or '.join(roles)}; yours is {principal.role}")
        return principal
