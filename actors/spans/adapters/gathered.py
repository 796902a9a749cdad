"""What ingest reads together: looks at segments, the new frames in them, and how much of it goes on to be judged and taken.

Rules:
- What is read together, and so what is committed together, has a bound in rows and one in bytes. A segment is read whole; the
  frames behind the bound in bytes are left for the next round, as if it had not been read that far. A frame that is larger than
  that alone comes alone.
- Bytes are those of the log; of other services' rows more, for the table shows in text what their message says.
- Frames that another of the same numbers stays instead of are not left for later: they would look like rows read twice.

Left out: reading (``reader``), which of two frames stays (``rivals``), taking (``ingest``).
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

import msgspec

from actors.base.errors import IntegrityError
from actors.spans.adapters.reader import SegmentRead, SegmentRef
from actors.spans.columns import Rows
from actors.spans.frames import Frame, FrameKind, ScanResult, decode_spans
from actors.spans.sequence import Step, advance
from actors.spans.span import Span

SHOWN_TIMES = 6
"""How much longer the text that the table shows of another service's message may be than the message: six letters of JSON stand
for one byte of a control character."""


class Most(msgspec.Struct, frozen=True):
    """What is read together, at most."""

    rows: int
    """Exceeded by one segment's."""
    bytes: int
    """Exceeded by one frame, if it is alone."""


class Fresh(msgspec.Struct, frozen=True, gc=False):
    """A frame, and what is new in it."""

    frame: Frame
    rows: Rows
    why: str
    """Why nothing in it can be read; empty if it can."""
    rival: str = ""
    """Which frame stays instead of this one; empty if this one does."""
    bytes: int = 0
    """What it takes in a commit, about; 0 if nothing in it is new."""


@dataclass(frozen=True, slots=True)
class Piece:
    """What one look at a segment gave."""

    ref: SegmentRef
    later: Sequence[SegmentRef]
    """Its writer's segments behind it."""
    read: SegmentRead | None
    """``None`` if it is gone, or if its header cannot be believed."""
    frames: tuple[Fresh, ...] = ()
    fault: str = ""
    """What is wrong with its header."""


@dataclass(slots=True)
class Gathered:
    """What was read of all writers together."""

    pieces: list[Piece] = field(default_factory=list)
    blocked: list[tuple[str, Exception]] = field(default_factory=list)
    """Writers whose logs could not be read on, and why."""
    count: int = 0
    bytes: int = 0
    more: bool = False
    """There was no room for all there is."""

    @property
    def rows(self) -> list[Rows]:
        """Return all new rows, in the order they are taken."""
        return [fresh.rows for piece in self.pieces for fresh in piece.frames if fresh.rows.spans]


def frames_of(
    ref: SegmentRef, read: SegmentRead, next_seq: int, passed: Mapping[int, str] | None = None
) -> tuple[Fresh, ...]:
    """Return what is new in a segment's frames, one behind the other; ``passed`` are those that others stay instead of."""
    frames = list[Fresh]()
    for frame in read.scan.frames:
        if why := (passed or {}).get(frame.offset):
            nothing = Rows(ref.writer_id, frame.first_seq, read.header.schema_version, ())
            frames.append(Fresh(frame, nothing, "", why))
            continue
        step = advance(next_seq, frame.first_seq, frame.count)
        frames.append(fresh_of(ref, read, frame, step))
        next_seq = step.next_seq
    return tuple(frames)


def behind(frames: Sequence[Fresh], next_seq: int) -> int:
    """Return the first number that is expected behind frames."""
    ends = (fresh.frame.first_seq + fresh.frame.count for fresh in frames if not fresh.rival)
    return max((next_seq, *ends))


def passed_over(where: SegmentRef, stays: Frame, frame: Frame) -> str:
    """Say which frame stays instead of one of the same numbers."""
    last = frame.first_seq + frame.count - 1
    return (
        f"rows {frame.first_seq} to {last} at {frame.offset} are there twice, and not the same: "
        f"those at {stays.offset} of segment {where.number} stay"
    )


def fresh_of(ref: SegmentRef, read: SegmentRead, frame: Frame, step: Step) -> Fresh:
    """Return a frame's new rows, or why none can be read."""
    spans, why = list[Span](), ""
    if frame.kind is FrameKind.SPANS:
        try:
            spans = decode_spans(frame, read.header.schema_version)
        except IntegrityError as error:
            why = str(error)
    fresh = spans[step.skip :] if step.skip else spans
    is_others = any(span.sender for span in fresh)
    size = len(frame.payload) * (1 + SHOWN_TIMES * is_others) if fresh else 0
    rows = Rows(ref.writer_id, frame.first_seq + step.skip, read.header.schema_version, fresh)
    return Fresh(frame, rows, why, bytes=size)


def is_full(gathered: Gathered, room: Most) -> bool:
    """Tell whether there is no room for more."""
    return gathered.count >= room.rows or gathered.bytes >= room.bytes


def cut(gathered: Gathered, begun: int, room: int, *, alone: bool) -> None:
    """Leave for the next round what of a writer's frames, those of the pieces from ``begun`` on, has no room.

    The first of all stays if it would be alone in its commit. Of two frames of one number both stay, or it would look as if
    the second had been read before.
    """
    pieces = gathered.pieces
    total = sum(fresh.bytes for piece in pieces[:begun] for fresh in piece.frames)
    placed = [(at, place) for at in range(begun, len(pieces)) for place in range(len(pieces[at].frames))]
    rivals = [(at, place) for at, place in placed if pieces[at].frames[place].rival]
    for at, place in placed:
        size = pieces[at].frames[place].bytes
        fits = total + size <= room or (alone and not total)
        if size and not fits and (not rivals or (at, place) > rivals[-1]):
            gathered.more = True
            kept = _shortened(pieces[at], place)
            pieces[at:] = [kept] if place else []
            break
        total += size
    gathered.bytes = total
    gathered.count = sum(len(fresh.rows.spans) for piece in pieces for fresh in piece.frames)


def _shortened(piece: Piece, count: int) -> Piece:
    """Return a look at a segment as if it had read no further than its first frames."""
    if piece.read is None or not count:
        return piece
    frames = piece.frames[:count]
    end = frames[-1].frame.end
    damage = tuple(item for item in piece.read.scan.damage if item.offset < end)
    scan = ScanResult(tuple(fresh.frame for fresh in frames), end, False, 0, "", damage)
    return replace(piece, frames=frames, read=SegmentRead(piece.read.header, scan, free=False))
