"""Whether the table has the rows that it says it has: asked where a writer's log still holds rows that are to be passed over.

Delta's log says how far each writer is, with no digest and no signature. Whoever raises that number has rows passed over that
nobody ever committed, and their log removed.

Rules:
- What the table said of a writer first is believed no further than its rows go: the last row of the log that would be passed
  over is looked for, or what the actor entered of it. What is taken afterwards is known from having taken it (``table``).
- Rows that are not there come in as any others: the commit that takes them tells of it, and says the true number.
- Rows of before retention's moment are gone from the table in time. Which rows expired under another retention, or another clock,
  the log still knows: a row that was sealed is never taken in again, and where no entry says that it has expired it is named.
- A file of the table that cannot be read tells nothing: a check names it. While the log cannot tell, the writer waits.

Left out: while a backup is in use, for the first storage may be away; numbers that are too low (rows that are there twice are
damage of the log, ``check``).
"""

import contextlib
from collections.abc import Callable, Iterator, Sequence
from typing import Protocol

import pyarrow as pa
import pyarrow.compute as pc

from actors.base.certificates import TrustBundle
from actors.base.errors import IntegrityError, StorageUnavailable
from actors.spans import conventions as names
from actors.spans.adapters.progress import Instant, Progress
from actors.spans.adapters.reader import SegmentRead
from actors.spans.adapters.reading import TableReader
from actors.spans.adapters.reporting import AGAIN_AFTER_S, Reports
from actors.spans.adapters.retention import expired_before
from actors.spans.adapters.scrub import ProvenLeaves
from actors.spans.frames import Frame, FrameKind, decode_spans
from actors.spans.retention import last_kept_ms

ENTRIES = (names.ROW_QUARANTINED, names.WAL_DAMAGED)
"""Names of the rows that account for rows that are not in the table."""


class Held(Protocol):
    """The table, as it is asked and told."""

    def whole(self) -> TableReader | None:
        """Return the table that holds all rows; ``None`` where they lie in two."""

    def hold_back(self, writer_id: str, last: int) -> None:
        """Believe no number above that of a writer, whatever Delta's log says."""


class Reached:
    """Asks the table for rows that it is said to have."""

    def __init__(
        self, table: Held, retention_days: int, leaves: Callable[[], ProvenLeaves], trust: Callable[[], TrustBundle],
        reports: Reports,
    ) -> None:  # fmt: skip
        """``leaves`` are those that are sealed; it raises while nobody knows which."""
        self._table, self._retention_days = table, retention_days
        self._leaves, self._trust, self._reports = leaves, trust, reports
        self._untold: dict[str, tuple[float, StorageUnavailable | IntegrityError]] = {}
        """Writer → when the log could not tell of its rows (steady), and why: it is not read at every tick for it."""

    def is_untrue(self, read: SegmentRead, progress: Progress, now: Instant) -> bool:
        """Tell whether the table has not what it says it has of the rows of a segment; their writer is set back then.

        Raises ``StorageUnavailable`` or ``IntegrityError`` while nobody can tell.
        """
        frames = [
            frame for frame in read.scan.frames if frame.first_seq <= progress.said and _last(frame) > progress.found
        ]
        if not frames:
            return False
        last = self._last(read, frames, progress.said, now)
        if last < progress.said:
            progress.next_seq, progress.said, progress.found = last + 1, last, last
            return True
        progress.found = min(last, max(map(_last, frames)))
        return False

    def _last(self, read: SegmentRead, frames: Sequence[Frame], said: int, now: Instant) -> int:
        """Return ``said`` where the last row of the frames up to there is there or accounted for, else the last that is."""
        writer_id, frame = read.header.writer_id, max(frames, key=_last)
        self._hold_off(writer_id, now)
        seq = min(said, _last(frame))
        if (table := self._table.whole()) is None:
            return said
        try:
            if table.has_row(writer_id, seq) or self._has_expired(frame, read.header.schema_version, now.wall_s):
                return said
            told = [(first, last) for writer, first, last in told_of(_entries(table)) if writer == writer_id]
        except IntegrityError:
            return said
        if any(first <= seq <= last for first, last in told):
            return said
        sealed, batch = self._sealed(writer_id, seq, now)
        if sealed == seq:
            self._tell_missing(table, writer_id, seq, batch)
            return said
        before = min(each.first_seq for each in frames) - 1
        entered = [last for _, last in told if last < seq]
        last = max([before, sealed, table.last_row(writer_id, seq), *entered])
        self._table.hold_back(writer_id, last)
        return last

    def _hold_off(self, writer_id: str, now: Instant) -> None:
        """Raise once more why the log could not tell, for a while."""
        at_s, error = self._untold.get(writer_id, (now.steady_s - AGAIN_AFTER_S, None))
        if error is not None and now.steady_s - at_s < AGAIN_AFTER_S:
            raise error

    def _sealed(self, writer_id: str, seq: int, now: Instant) -> tuple[int, int]:
        """See ``ProvenLeaves.last_of``."""
        self._untold.pop(writer_id, None)
        try:
            return self._leaves().last_of(writer_id, seq)
        except (StorageUnavailable, IntegrityError) as error:
            self._untold[writer_id] = now.steady_s, error
            raise

    def _tell_missing(self, table: TableReader, writer_id: str, seq: int, batch: int) -> None:
        """Name a row that was sealed and is not in the table, unless its batch has expired."""
        with contextlib.suppress(IntegrityError):  # nobody signed which have: a check names that
            if batch not in expired_before(table, self._trust()):
                cause = f"row {seq} was sealed in batch {batch}, and is not in the table: it does not come in again"
                self._reports.open("span_storage_contradicted", {"writer_id": writer_id, "cause": cause}, writer_id)

    def _has_expired(self, frame: Frame, version: int, now_s: float) -> bool:
        if not self._retention_days or frame.kind is not FrameKind.SPANS:
            return False
        try:
            ended_ns = max((span.end_unix_nano for span in decode_spans(frame, version)), default=0)
        except IntegrityError:
            return False
        return ended_ns < last_kept_ms(int(now_s * 1000), self._retention_days) * 1_000_000


def _last(frame: Frame) -> int:
    return frame.first_seq + frame.count - 1


def _entries(table: TableReader) -> pa.Table:
    return table.read(["name", "attributes"], pc.field("name").isin(list(ENTRIES)))


def told_of(entries: pa.Table) -> Iterator[tuple[str, int, int]]:
    """Yield writer, first and last number of rows that entries say were set aside or lost. Pure."""
    for row in entries.to_pylist():
        said = dict(row["attributes"])
        try:
            if row["name"] == names.WAL_DAMAGED:
                first, lost = int(said[names.WAL_NEXT_SEQ]), int(said[names.WAL_LOST_ROWS])
                yield said[names.WAL_WRITER], first, first + lost - 1
            elif row["name"] == names.ROW_QUARANTINED and said.get(names.ROW_PLACE) == "aside":
                yield said[names.ROW_WRITER], int(said[names.ROW_FIRST]), int(said[names.ROW_LAST])
        except (KeyError, ValueError):  # it accounts for nothing
            continue
