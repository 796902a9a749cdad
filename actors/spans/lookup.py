"""Finds the signed envelope of a decision: recent ones lie in the log, older ones in the table.

Rules:
- Sources are asked in the given order. Rows leave the log only after they are in the table, so asking the log first and
  the table second misses nothing.

Left out: who may see a decision (the gateway compares the record's tenant).
"""

from collections.abc import Sequence
from typing import Protocol


class DecisionSource(Protocol):
    """Somewhere decisions are kept."""

    def find(self, decision_id: str) -> bytes | None:
        """Return the envelope's canonical bytes, or ``None`` if this source does not hold the decision."""


class DecisionLookup:
    """Asks several sources like one. Blocks on disks: call it from a thread."""

    def __init__(self, sources: Sequence[DecisionSource]) -> None:
        if not sources:
            raise ValueError("a look-up needs at least one source")
        self._sources = tuple(sources)

    def find(self, decision_id: str) -> bytes | None:
        """Return the envelope's canonical bytes from the first source that holds the decision."""
        for source in self._sources:
            if (found := source.find(decision_id)) is not None:
                return found
        return None
