"""The port of what stands between a voter and its provider: one call, whole or as events, nothing retried."""

from collections.abc import AsyncGenerator
from typing import Protocol

from models.providers.dialect import Wire


class Upstream(Protocol):
    """One provider's address, with whatever speaks to it; every failure is a ``Fault``.

    ``give_up`` is the running loop's time after which nobody waits any more: ``TimeoutError`` then. Cancelling closes the
    connection.
    """

    async def whole(self, body: Wire, give_up: float) -> object:
        """Return the response as it was decoded."""

    def events(self, body: Wire, give_up: float) -> AsyncGenerator[Wire, None]:
        """Yield the events of the response without its end marker, if the protocol has one; end only where it came."""

    async def close(self) -> None:
        """Close every connection."""
