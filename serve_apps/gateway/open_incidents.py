"""How many incidents are open, as far as a replica knows: asked beside the requests, so that none waits for the database."""

import asyncio
import logging
from collections.abc import Callable

from actors.base.errors import StorageUnavailable

_log = logging.getLogger("weavergen.gateway")


class OpenIncidents:
    """The last count. While the database is away it stays what it was; before the first there is none."""

    def __init__(self, count: Callable[[], int]) -> None:
        self.problem = ""
        """What keeps the database from answering, as last heard; empty while nothing is known to."""
        self._count = count
        self._known: int | None = None

    def gauges(self) -> dict[str, float]:
        """Return the gauge, nothing while the number is not known."""
        return {} if self._known is None else {"incidents_open": float(self._known)}

    async def look(self) -> None:
        """Count once."""
        try:
            self._known = await asyncio.to_thread(self._count)
        except StorageUnavailable as error:
            self.problem = str(error.details.get("cause", error))
            _log.warning("open incidents cannot be counted: %s", error)
        else:
            self.problem = ""

    async def follow(self, every_s: float) -> None:
        """Count again and again."""
        while True:
            await self.look()
            await asyncio.sleep(every_s)
