"""What a check of the log finds: damage, batch by batch, and what is whole.

Rules:
- A batch is named as damaged once; so many damages are named and the others counted.
- What is held is nine bytes a batch: what state it is in, and how many rows its leaf says it has.

Left out: looking (``log_check``, ``rows_check``).
"""

from collections.abc import Container
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

MAX_DAMAGES = 10_000
"""Damages that are named; the others are counted."""
UNSEEN, OPEN, WHOLE, DAMAGED, EXPIRED = range(5)
"""States of a batch: of no row seen, of some, of all as they were sealed, otherwise; taken away in time, as an entry says."""


@dataclass(frozen=True, slots=True, order=True)
class Damage:
    """Something that is not as it was sealed."""

    batch: int
    """Number of the batch; −1 for the log as a whole."""
    kind: str
    """``checkpoint``, ``fork``, ``hashes``, ``leaves``, ``leaf``, ``missing``, ``changed``, ``unsealed``, ``file``,
    ``expired``, ``table``, ``cosignature``, ``more``."""
    why: str

    def __str__(self) -> str:
        return f"{'log' if self.batch < 0 else f'batch {self.batch}'}: {self.kind}: {self.why}"


@dataclass(frozen=True, slots=True)
class Answered:
    """A batch that was sealed though it was not what its commit said: an operator answered for it."""

    batch: int
    writer_id: str
    first_seq: int
    last_seq: int
    said: str
    """Leaf hash (hex) that its commit said; empty where none did."""
    found: str
    """That of what was sealed."""
    by: str
    reason: str

    def __str__(self) -> str:
        was = f"its commit said {self.said[:16]}" if self.said else "no commit told of it"
        rows = f"rows {self.first_seq} to {self.last_seq} of {self.writer_id}"
        return f"batch {self.batch}: {rows} were sealed as they lay ({self.found[:16]}; {was}), by {self.by}: {self.reason}"


class Whole(Container[int]):
    """The numbers of the batches that are what was sealed: a byte a batch."""

    def __init__(self, states: bytes = b"") -> None:
        self._states = states

    def __contains__(self, index: object) -> bool:
        return isinstance(index, int) and 0 <= index < len(self._states) and self._states[index] == WHOLE

    def __len__(self) -> int:
        return self._states.count(WHOLE)


class Findings:
    """What was found so far in a log of some size."""

    def __init__(self, size: int) -> None:
        self.size = size
        self.states: NDArray[np.uint8] = np.zeros(size, np.uint8)
        self.counts: NDArray[np.int64] = np.zeros(size, np.int64)
        """How many rows each batch has; 0 where its leaf cannot be read."""
        self.answered: dict[int, Answered] = {}
        """Batch → who answered for it."""
        self._damage: list[Damage] = []
        self._unlisted = 0

    def found(self, batch: int, kind: str, why: str) -> None:
        """Name damage."""
        if len(self._damage) < MAX_DAMAGES:
            self._damage.append(Damage(batch, kind, why))
        else:
            self._unlisted += 1

    def faulty(self, index: int, kind: str, why: str) -> None:
        """Name what is wrong with a batch, once."""
        if self.states[index] != DAMAGED:
            self.states[index] = DAMAGED
            self.found(index, kind, why)

    @property
    def damage(self) -> tuple[Damage, ...]:
        """Return all damage, the log's first, then by batch."""
        more = [Damage(-1, "more", f"{self._unlisted} damages are not listed")] if self._unlisted else []
        return tuple(sorted([*self._damage, *more]))

    @property
    def rows(self) -> int:
        """Return how many rows the batches that are whole have."""
        return int(self.counts[self.states == WHOLE].sum())

    @property
    def expired(self) -> int:
        """Return how many batches are gone as they should be."""
        return int((self.states == EXPIRED).sum())

    @property
    def whole(self) -> Whole:
        """Return which batches are whole."""
        return Whole(self.states.tobytes())
