"""Rows that no commit can hold, for a reason that nobody foresaw: kept apart, so that only their writer waits.

Rules:
- Each writer's rows are tried alone. Those that nothing can be made of leave the next commit, with what their writer reached;
  what was entered about them goes on. Where every writer's can be written alone nothing is taken out: all wait, and that is said.
- They stay in the log on disk, and are tried again each ``AGAIN_AFTER_S``; meanwhile nothing more of their writer is read and
  nothing of its log is removed. A process that ends forgets them and reads them again.

Left out: committing them (``actor``), rows that are refused for what they say (``guard``).
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from actors.spans.adapters.progress import Buffer, Instant
from actors.spans.adapters.reporting import AGAIN_AFTER_S
from actors.spans.columns import Rows


@dataclass(slots=True)
class Held:
    """What is held of one writer."""

    buffer: Buffer
    why: str
    tried_s: float
    """When it was tried last (steady)."""


class HeldRows:
    """Writer → what is held of it."""

    def __init__(self, own_id: str, unwritable: Callable[[Sequence[Rows]], str]) -> None:
        """``unwritable`` says why nothing can be made of rows; rows of ``own_id`` are never held: they tell of others'."""
        self.writers: dict[str, Held] = {}
        self._own_id, self._unwritable = own_id, unwritable

    def take_from(self, buffer: Buffer, now: Instant) -> bool:
        """Take out of what is to be committed what cannot be; tell whether there was any such."""
        by_writer: dict[str, list[Rows]] = {}
        for part in buffer.rows:
            by_writer.setdefault(part.writer_id, []).append(part)
        by_writer.pop(self._own_id, None)
        causes = {writer_id: self._unwritable(rows) for writer_id, rows in by_writer.items()}
        causes = {writer_id: why for writer_id, why in causes.items() if why}
        for writer_id, why in causes.items():
            rows = by_writer[writer_id]
            count = sum(len(part.spans) for part in rows)
            own = Buffer(rows, count, 0, buffer.since_s, {writer_id: buffer.reached.pop(writer_id)})
            self.writers[writer_id] = Held(own, why, now.steady_s)
            buffer.count -= count
        buffer.rows = [part for part in buffer.rows if part.writer_id not in causes]
        return bool(causes)

    def due(self, now: Instant) -> list[str]:
        """Return writers whose rows are to be tried again."""
        return [writer_id for writer_id, held in self.writers.items() if now.steady_s - held.tried_s >= AGAIN_AFTER_S]

    @property
    def count(self) -> int:
        """Return how many rows are held."""
        return sum(held.buffer.count for held in self.writers.values())

    @property
    def since_s(self) -> list[float]:
        """Return when each writer's were read (steady)."""
        return [held.buffer.since_s for held in self.writers.values()]

    @property
    def why(self) -> str:
        """Say which writers wait, and why; empty if none does."""
        return "; ".join(
            f"rows of {writer_id} cannot be committed: {held.why}" for writer_id, held in self.writers.items()
        )
