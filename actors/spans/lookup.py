"""Finds the signed envelope of a decision: recent ones lie in the log, older ones in the table.

Rules:
- Sources are asked in the given order. Rows leave the log only after they are in the table, so asking the log first and
  the table second misses nothing.
- "Not found" means that every source was asked and looked everywhere. One that could not does not keep the others from
  being asked; if none of them has the decision, its error is the answer.

Left out: who may see a decision (the gateway compares the record's tenant).
"""

from collections.abc import Sequence
from typing import Protocol

from actors.base.errors import StorageUnavailable


class DecisionSource(Protocol):
    """Somewhere decisions are kept."""

    def find(self, decision_id: str) -> bytes | None:
        """Return the envelope's canonical bytes, or ``None`` if this source does not hold the decision.

        Raises ``StorageUnavailable`` if it cannot tell.
        """


class DecisionLookup:
    """Asks several sources like one. Blocks on disks: call it from a thread."""

    def __init__(self, sources: Sequence[DecisionSource]) -> None:
        if not sources:
            raise ValueError("a look-up needs at least one source")
        self._sources = tuple(sources)

    def find(self, decision_id: str) -> bytes | None:
        """Return the envelope's canonical bytes from the first source that holds the decision."""
        missed: StorageUnavailable | None = None
        for source in self._sources:
            try:
                if (found := source.find(decision_id)) is not None:
                    return found
            except StorageUnavailable as error:
                missed = missed or error
        if missed is not None:
            raise missed
        return None
