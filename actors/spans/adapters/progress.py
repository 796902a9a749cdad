"""How far ingest has come: what a tick did, where each writer stands, what the next commit will hold.

Left out: doing any of it (``ingest``, ``actor``).
"""

import hashlib
import time
from collections.abc import Callable, Mapping
from dataclasses import astuple, dataclass, field, replace

import msgspec

from actors.base.certificates import TrustBundle
from actors.base.errors import HomeError, WeaverGenError
from actors.base.signing import SigningKey
from actors.spans import conventions as names
from actors.spans.adapters.reader import SegmentRef
from actors.spans.columns import Rows
from actors.spans.entry import sign_entry
from actors.spans.sequence import FIRST_SEQ
from actors.spans.span import Span


@dataclass(frozen=True, slots=True)
class Instant:
    """One moment on both clocks."""

    wall_s: float
    """Unix seconds: dates rows, may step either way."""
    steady_s: float
    """Monotonic seconds: measures ages."""

    @classmethod
    def now(cls) -> "Instant":
        """Read the machine's clocks."""
        return cls(time.time(), time.monotonic())


@dataclass(slots=True)
class IngestReport:
    """What one tick did, or all ticks together."""

    rows_read: int = 0
    """New rows of writers."""
    rows_external: int = 0
    """Of these, what other services sent."""
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
    """Rows that were set aside: ``rows_read`` is these and ``rows_accepted``."""
    rows_accepted: int = 0
    rows_unchecked: int = 0
    """Accepted rows that a checker did not see, quarantined where they lie."""
    rows_set_apart: int = 0
    """Rows that were found bad only after they had been accepted, quarantined where they lie."""

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
    said: int = 0
    """The last number that the table said at first."""
    found: int = 0
    """The number up to which its rows were found to be there."""

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
    again: dict[str, Rows] = field(default_factory=dict)
    """Application id → a row from before what its writer reached, which an operator let go."""
    unsigned: list[int] = field(default_factory=list)
    """Places in ``rows`` of the actor's own words that the log's key has to sign before they are committed."""


class Outgoing:
    """The buffer of the next commit, and the rows that the actor enters itself: its id is their writer."""

    def __init__(self, actor_id: str) -> None:
        self.buffer = Buffer()
        self.entered = 0
        """Rows of the actor's own so far."""
        self._id = actor_id

    def enter(self, name: str, attributes: Mapping[str, str], now: Instant, *, signed: bool = False) -> None:
        """Add a row of the actor's own to the next commit; ``signed`` if nobody else may say what it says (``sign``)."""
        seq = FIRST_SEQ + self.entered
        seed = hashlib.sha256(f"{self._id}/{seq}".encode()).digest()
        now_ns = int(now.wall_s * 1e9)
        span = Span(seed[:16], seed[16:24], b"", name, "internal", now_ns, now_ns, "ok", "", "", dict(attributes))
        self.buffer.unsigned += [len(self.buffer.rows)] if signed else []
        self.buffer.rows.append(Rows(self._id, seq, names.SPAN_SCHEMA_VERSION, [span]))
        self.buffer.count += 1
        self.note(self._id, seq, now)
        self.entered += 1

    def sign(self, key: Callable[[], SigningKey], trust: Callable[[], TrustBundle], now: Instant) -> None:
        """Sign the words of the next commit that have to be; raise ``HomeError`` while nobody can so that it is believed."""
        rows, places = self.buffer.rows, self.buffer.unsigned
        if not places:
            return
        try:
            signing, believed = key(), trust()
            made = [_signed(rows[place].spans[0], signing, believed, int(now.wall_s)) for place in places]
        except (OSError, WeaverGenError) as error:
            raise HomeError(
                f"nothing is committed, for keys/log.key cannot sign what is said of rows ({error})"
            ) from error
        for place, span in zip(places, made, strict=True):
            rows[place] = replace(rows[place], spans=[span])
        places.clear()

    def note(self, app_id: str, number: int, now: Instant) -> None:
        """Have the next commit say how far an application id got."""
        if not self.buffer.reached:
            self.buffer.since_s = now.steady_s
        self.buffer.reached[app_id] = number


def _signed(span: Span, key: SigningKey, trust: TrustBundle, now_s: int) -> Span:
    return msgspec.structs.replace(span, attributes=sign_entry(key, trust, span.name, span.attributes, now_s))
