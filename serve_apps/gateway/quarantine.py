"""What is quarantined, as operators and auditors read it: asked of the table, beside the requests."""

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from actors.base.certificates import TrustBundle
from actors.base.errors import IntegrityError, NotReady
from actors.spans.config import SpansConfig
from actors.spans.quarantined import listed
from serve_apps.gateway.threads import BoundedThreads

if TYPE_CHECKING:
    from actors.spans.adapters.quarantined import Entries

MAX_SHOWN = 500
MAX_LOOKUPS = 4


class QuarantineView:
    """Reads the table's own word in one thread; its libraries are loaded when it is first asked."""

    def __init__(self, home: Path, spans: SpansConfig, trust: Callable[[], TrustBundle]) -> None:
        self._home, self._spans, self._trust = home, spans, trust
        self._threads = BoundedThreads(1, MAX_LOOKUPS, "quarantine")
        self._entries: Entries | None = None

    async def listed(self) -> dict[str, Any]:
        """Return the newest entries; raise ``NotReady`` if the table cannot be read."""
        return await self._threads.run(self._listed)

    def close(self) -> None:
        """End the thread."""
        self._threads.close()

    def _listed(self) -> dict[str, Any]:
        try:
            if self._entries is None:
                from actors.spans.adapters.quarantined import Entries
                from actors.spans.adapters.stores import SpanStores

                commits, location = self._spans.table_checkpoint_commits, self._spans.location
                self._entries = Entries(SpanStores(self._home, commits, location=location))
            return listed(self._entries.read(self._trust()), MAX_SHOWN)
        except IntegrityError as error:
            raise NotReady(f"the table is damaged ({error}); `weavergen log verify` tells") from error
