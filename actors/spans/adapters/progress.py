"""How far ingest has come: what a tick did, where each writer stands, what the next commit will hold.

Left out: doing any of it (``actor``).
"""

from dataclasses import astuple, dataclass, field

from actors.spans.adapters.reader import SegmentRef
from actors.spans.columns import Rows


@dataclass(slots=True)
class IngestReport:
    """What one tick did, or all ticks together."""

    rows_read: int = 0
    """New rows of writers."""
    rows_committed: int = 0
    """Rows that are in the table now, the actor's own among them."""
    own_rows: int = 0
    commits: int = 0
    duplicates: int = 0
    """Rows read again that had been taken before."""
    adopted: int = 0
    torn_bytes: int = 0
    damage: int = 0
    """Places where durable bytes or rows are missing or unreadable."""
    lost_rows: int = 0
    segments_removed: int = 0
    batches_sealed: int = 0
    rows_quarantined: int = 0

    def __add__(self, other: "IngestReport") -> "IngestReport":
        return IngestReport(*(left + right for left, right in zip(astuple(self), astuple(other), strict=True)))


@dataclass(slots=True)
class Progress:
    """How far one writer has been read."""

    next_seq: int
    offsets: dict[int, int] = field(default_factory=dict)
    """Segment number → offset read up to."""
    finished: dict[int, SegmentRef] = field(default_factory=dict)
    """Segments read to their end, to be removed once their rows are committed."""
    damaged: set[int] = field(default_factory=set)

    def forget(self, number: int) -> None:
        """Hold nothing more about a segment that is gone."""
        self.finished.pop(number, None)
        self.offsets.pop(number, None)
        self.damaged.discard(number)


@dataclass(slots=True)
class Buffer:
    """What the next commit will hold."""

    rows: list[Rows] = field(default_factory=list)
    count: int = 0
    bytes: int = 0
    since_s: float = 0.0
    """When its first row was read (steady)."""
    reached: dict[str, int] = field(default_factory=dict)
