"""Who gets which decision's envelope.

Rules:
- A decision is its own tenant's, whatever the key's role, and an auditor's; for everybody else it does not exist.
- What cannot exist is not looked for: a name that is no ULID.
- A name from the future is told to come back, not that it does not exist: a clock that was set back makes delivered
  decisions look like that. Those in memory are found all the same; no disk is asked for it, or for its
  proof.
- Once a decision's row is sealed its envelope comes with the proof. Where that cannot be had the record is given without,
  and says so by what it lacks: a record is worth having all the same.
- The disks are asked in threads of their own and a bounded number of times at once; beyond that a client is told to wait,
  for a record's proof as for the record: whether an answer has one is not left to who else asks.
"""

import logging
from collections.abc import Callable

from actors.base.errors import NotFound, NotReady, Overloaded, WeaverGenError
from actors.base.ids import is_ulid, ulid_time_ms
from actors.spans.lookup import DecisionSource
from actors.spans.record import read_envelope
from actors.store.auth import Principal
from serve_apps.gateway.threads import BoundedThreads

_log = logging.getLogger("weavergen.gateway")
THREADS = 2
MAX_CLOCK_SKEW_MS = 60_000
"""How far ahead of this machine's clock another replica's may have been when it named a decision."""


class Decisions:
    """Finds envelopes for those who may see them."""

    def __init__(
        self,
        recent: Callable[[str], bytes | None],
        older: DecisionSource,
        prove: Callable[[bytes], bytes],
        pseudonym: Callable[[str], str],
        max_lookups: int,
    ) -> None:
        self._recent = recent
        self._older = older
        self._prove = prove
        self._pseudonym = pseudonym
        self._threads = BoundedThreads(THREADS, max_lookups, "lookup")

    async def find(self, decision_id: str, principal: Principal, now_ms: int) -> bytes:
        """Return the envelope; raise ``NotFound`` if this principal has none by that name.

        Raises ``Overloaded`` beyond the bound, ``NotReady`` for a name from the future.
        """
        missing = NotFound(f"there is no decision {decision_id[:32]!r} of this tenant")
        if not is_ulid(decision_id):
            raise missing
        data = self._recent(decision_id)
        if data is None and _from_the_future(decision_id, now_ms):
            raise NotReady(
                "this decision's name is from the future by this machine's clock; set the clock, or ask again later"
            )
        if data is None:
            data = await self._threads.run(lambda: self._older.find(decision_id))
        if data is None:
            raise missing
        if principal.role != "auditor" and read_envelope(data).read().tenant != self._pseudonym(principal.tenant):
            raise missing
        return data

    async def proven(self, decision_id: str, principal: Principal, now_ms: int) -> bytes:
        """Return the envelope, with its proof if there is one yet; raises like ``find``."""
        data = await self.find(decision_id, principal, now_ms)
        if _from_the_future(decision_id, now_ms):
            return data
        try:
            return await self._threads.run(lambda: self._prove(data))
        except Overloaded:
            raise
        except WeaverGenError as error:
            _log.warning("decision %s is given without a proof: %s", decision_id, error)
            return data

    def close(self) -> None:
        """End the threads."""
        self._threads.close()


def _from_the_future(decision_id: str, now_ms: int) -> bool:
    return ulid_time_ms(decision_id) > now_ms + MAX_CLOCK_SKEW_MS
