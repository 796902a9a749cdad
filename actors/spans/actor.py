"""SpanActor: the only reader, adopter and remover of log segments, and the only writer of the spans table.

One tick: read what is new in every writer's log, check that its sequence goes on, commit rows when enough or old enough,
then remove segments that are wholly in the table.

Rules:
- Where a writer's sequence stands is what the table's application transactions say; a restart begins there, reads again
  what is still in the log and skips what is in the table.
- A segment that its writer left without finishing it is adopted: read to its last good frame and entered as a row
  ``weavergen.wal.adopted``. Such rows are the actor's own: its id is their writer, and they are in the same commit as
  the adopted rows, so they are as durable, and happen once.
- Rows that are missing or can no longer be read are counted, entered as a row ``weavergen.wal.damaged`` and opened as an
  incident; the segment goes to ``quarantine/wal`` instead of being removed. A torn tail was never acknowledged: it is
  counted and named in the adoption entry, and is no incident.
- While the table cannot be written, rows wait here up to one roll and then in the log, on disk.

Left out: signatures of writers, sealing into a log, judging rows.
"""

import fcntl
import hashlib
import os
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import astuple, dataclass, field
from pathlib import Path
from typing import Any

from actors.base.errors import HomeError, IntegrityError, StorageUnavailable
from actors.base.ids import is_ulid, ulid_time_ms
from actors.base.ports import IncidentSink
from actors.spans import conventions as names
from actors.spans.adapters.reader import SegmentRead, SegmentRef, WalReader
from actors.spans.adapters.segments import UNBORN_SUFFIX, sync_directory
from actors.spans.adapters.table import SpanTable
from actors.spans.columns import Rows
from actors.spans.config import SpansConfig
from actors.spans.frames import Damage, Frame, FrameKind, decode_spans
from actors.spans.sequence import FIRST_SEQ, advance
from actors.spans.span import Span

UNBORN_MAX_AGE_S = 3600
"""Age at which the directory of a writer that died while it was opening its log is removed."""


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

    def __add__(self, other: "IngestReport") -> "IngestReport":
        return IngestReport(*(left + right for left, right in zip(astuple(self), astuple(other), strict=True)))


@dataclass(slots=True)
class _Progress:
    """How far one writer has been read."""

    next_seq: int
    offsets: dict[int, int] = field(default_factory=dict)
    """Segment number → offset read up to."""
    finished: dict[int, SegmentRef] = field(default_factory=dict)
    """Segments read to their end, to be removed once their rows are committed."""
    damaged: set[int] = field(default_factory=set)


@dataclass(slots=True)
class _Buffer:
    """What the next commit will hold."""

    rows: list[Rows] = field(default_factory=list)
    count: int = 0
    bytes: int = 0
    since_s: float = 0.0
    """When its first row was read."""
    reached: dict[str, int] = field(default_factory=dict)


class SpanActor:
    """Moves rows from ``home/wal`` to ``home/spans``. One instance a home; ``actor_id`` is a fresh ULID."""

    def __init__(self, home: Path, actor_id: str, config: SpansConfig, incidents: IncidentSink) -> None:
        self.totals = IngestReport()
        self._home = home
        self._id = actor_id
        self._config = config
        self._incidents = incidents
        self._lock = _take_lock(home / "run" / "span-actor.lock")
        self._reader = WalReader(home / "wal", config.lookup_max_bytes)
        self._table = SpanTable(home / "spans", config.table_checkpoint_commits)
        self.orphans_removed = len(self._table.recover())
        self._writers: dict[str, _Progress] = {}
        self._buffer = _Buffer()
        self._own_seq = FIRST_SEQ
        self._report = IngestReport()
        self._last_tick_s = 0.0
        self._table_error = ""

    def tick(self, now_s: float, *, flush: bool = False) -> IngestReport:
        """Take in everything new; commit if a roll is due (or ``flush``); remove what is wholly in the table."""
        self._report = IngestReport()
        self._last_tick_s = now_s
        for writer_id in self._reader.writers():
            try:
                self._read_writer(writer_id, now_s)
            except StorageUnavailable as error:
                self._open("span_ingest_blocked", {"writer_id": writer_id, "cause": str(error)}, writer_id)
        if self._roll_due(now_s, flush=flush):
            self._commit(now_s)
        if not self._buffer.reached:
            self._clear_away(now_s)
        self.totals += self._report
        return self._report

    def run(self, stop: threading.Event, clock: Callable[[], float] = time.time) -> None:
        """Tick until ``stop`` is set, then commit what is there."""
        while not stop.wait(self._config.ingest_poll_ms / 1000):
            self.tick(clock())
        self.tick(clock(), flush=True)
        self.close()

    def close(self) -> None:
        """Let another instance take over."""
        os.close(self._lock)

    def health(self, now_s: float) -> dict[str, Any]:
        """Return lag and totals, for status, metrics and the supervisor."""
        buffer = self._buffer
        return {
            "actor_id": self._id,
            "last_tick_s": self._last_tick_s,
            "lag_rows": buffer.count,
            "lag_bytes": buffer.bytes,
            "lag_s": max(0.0, now_s - buffer.since_s) if buffer.reached else 0.0,
            "writers": len(self._writers),
            "table_error": self._table_error,
            "orphans_removed": self.orphans_removed,
            **{name: getattr(self.totals, name) for name in IngestReport.__slots__},
        }

    # Reading.

    def _read_writer(self, writer_id: str, now_s: float) -> None:
        """Read a writer's segments in order, up to the first that may still grow."""
        progress = self._progress(writer_id)
        for ref in self._reader.segments(writer_id):
            if ref.number in progress.finished:
                continue
            if self._buffer.count >= self._config.table_roll_rows and not self._commit(now_s):
                return
            if not self._read_segment(ref, progress, now_s):
                return

    def _read_segment(self, ref: SegmentRef, progress: _Progress, now_s: float) -> bool:
        """Take what is new in a segment; return whether the next one may be read."""
        try:
            read = self._reader.read(ref, progress.offsets.get(ref.number, 0))
        except IntegrityError as error:
            self._damage(ref, progress, 0, str(error), now_s)
            progress.finished[ref.number] = ref
            return True
        if read is None:
            return True
        self._take(ref, read, progress, now_s)
        if read.scan.frames or read.scan.damage:
            progress.offsets[ref.number] = read.scan.valid_bytes
        if not read.finished:
            return False
        if read.abandoned:
            self._adopt(ref, read, progress, now_s)
        progress.finished[ref.number] = ref
        return True

    def _take(self, ref: SegmentRef, read: SegmentRead, progress: _Progress, now_s: float) -> None:
        """Buffer the frames that are new, in order, and report what is missing between them."""
        damage = list(read.scan.damage)
        for frame in read.scan.frames:
            before = [item for item in damage if item.offset < frame.offset]
            damage = damage[len(before) :]
            step = advance(progress.next_seq, frame.first_seq, frame.count)
            if step.lost or (before and step.skip == 0):
                self._damage(ref, progress, step.lost, _reasons(before), now_s)
            self._report.duplicates += step.skip
            if frame.kind is FrameKind.SPANS and step.skip < frame.count:
                self._take_frame(ref, read, frame, step.skip, progress, now_s)
            progress.next_seq = step.next_seq
            if step.lost or step.skip < frame.count:
                self._note(ref.writer_id, progress.next_seq - 1, now_s)

    def _take_frame(
        self, ref: SegmentRef, read: SegmentRead, frame: Frame, skip: int, progress: _Progress, now_s: float
    ) -> None:
        try:
            spans = decode_spans(frame)[skip:]
        except IntegrityError as error:
            self._damage(ref, progress, frame.count - skip, str(error), now_s)
            return
        self._buffer.rows.append(Rows(ref.writer_id, frame.first_seq + skip, read.header.schema_version, spans))
        self._buffer.count += len(spans)
        self._buffer.bytes += len(frame.payload)
        self._report.rows_read += len(spans)

    def _progress(self, writer_id: str) -> _Progress:
        known = self._writers.get(writer_id)
        if known is None:
            last = self._table.last_committed(writer_id)
            known = self._writers[writer_id] = _Progress(FIRST_SEQ if last is None else last + 1)
        return known

    # What is reported.

    def _adopt(self, ref: SegmentRef, read: SegmentRead, progress: _Progress, now_s: float) -> None:
        """Enter the adoption of a segment, once; of an unused reserve only if it is all its writer left unfinished."""
        key = f"adopted/{ref.writer_id}"
        last = self._buffer.reached.get(key, self._table.last_committed(key))
        unused = ref.number not in progress.offsets and not read.scan.torn
        if last is not None and (unused or ref.number <= last):
            return
        self._report.adopted += 1
        self._report.torn_bytes += read.scan.torn_bytes
        evidence = _evidence(ref, progress) | {
            names.WAL_TORN_BYTES: str(read.scan.torn_bytes),
            names.WAL_REASON: read.scan.reason,
        }
        self._enter(names.WAL_ADOPTED, evidence, now_s)
        self._note(key, ref.number, now_s)

    def _damage(self, ref: SegmentRef, progress: _Progress, lost: int, reason: str, now_s: float) -> None:
        """Count, enter and report rows that are gone or bytes that no longer check."""
        progress.damaged.add(ref.number)
        self._report.damage += 1
        self._report.lost_rows += lost
        evidence = _evidence(ref, progress) | {names.WAL_LOST_ROWS: str(lost), names.WAL_REASON: reason}
        self._enter(names.WAL_DAMAGED, evidence, now_s)
        self._open("wal_damaged", evidence, f"{ref.writer_id}/{ref.number}")

    def _enter(self, name: str, attributes: dict[str, str], now_s: float) -> None:
        """Add a row of the actor's own to the next commit."""
        seed = hashlib.sha256(f"{self._id}/{self._own_seq}".encode()).digest()
        now_ns = int(now_s * 1e9)
        span = Span(seed[:16], seed[16:24], b"", name, "internal", now_ns, now_ns, "ok", "", "", attributes)
        self._buffer.rows.append(Rows(self._id, self._own_seq, names.SPAN_SCHEMA_VERSION, [span]))
        self._buffer.count += 1
        self._report.own_rows += 1
        self._note(self._id, self._own_seq, now_s)
        self._own_seq += 1

    def _note(self, app_id: str, number: int, now_s: float) -> None:
        """Have the next commit say how far an application id got."""
        if not self._buffer.reached:
            self._buffer.since_s = now_s
        self._buffer.reached[app_id] = number

    def _open(self, kind: str, evidence: Mapping[str, str], dedup_key: str) -> None:
        self._incidents.open(kind, "level_2_major", evidence, f"{kind}/{dedup_key}")

    # Committing and removing.

    def _roll_due(self, now_s: float, *, flush: bool) -> bool:
        buffer = self._buffer
        old = now_s - buffer.since_s >= self._config.table_roll_age_s
        return bool(buffer.reached) and (flush or old or buffer.count >= self._config.table_roll_rows)

    def _commit(self, now_s: float) -> bool:
        """Commit the buffer; on failure keep it, say so and return False."""
        buffer = self._buffer
        try:
            self._table.append(buffer.rows, buffer.reached, int(now_s * 1000))
        except StorageUnavailable as error:
            self._table_error = str(error)
            self._open("span_table_unavailable", {"cause": str(error)}, str(self._home))
            return False
        self._table_error = ""
        self._report.commits += 1
        self._report.rows_committed += buffer.count
        self._buffer = _Buffer()
        return True

    def _clear_away(self, now_s: float) -> None:
        """Remove what is wholly in the table; if the disk refuses, say so and try again at the next tick."""
        try:
            self._remove_finished()
            self._remove_unborn(now_s)
        except OSError as error:
            self._open("span_ingest_blocked", {"cause": str(error)}, str(self._home))

    def _remove_finished(self) -> None:
        """Remove segments whose rows are all in the table, and the directories of writers that are gone."""
        for writer_id, progress in list(self._writers.items()):
            for number, ref in list(progress.finished.items()):
                if number not in progress.damaged:
                    ref.path.unlink(missing_ok=True)
                elif self._reader.is_free(ref):
                    self._quarantine(ref)
                else:
                    continue
                del progress.finished[number]
                self._report.segments_removed += 1
            if not self._reader.segments(writer_id):
                self._remove_directory(self._home / "wal" / writer_id)
                del self._writers[writer_id]

    def _quarantine(self, ref: SegmentRef) -> None:
        kept = self._home / "quarantine" / "wal"
        kept.mkdir(parents=True, exist_ok=True)
        if ref.path.exists():
            ref.path.rename(kept / f"{ref.writer_id}-{ref.path.name}")
            sync_directory(kept)

    def _remove_directory(self, directory: Path) -> None:
        """Remove what a dead writer left; a live one always holds a segment, so its directory is never empty."""
        if directory.exists():
            for leftover in directory.iterdir():
                leftover.unlink()
            directory.rmdir()

    def _remove_unborn(self, now_s: float) -> None:
        """Remove directories of writers that died before their first segment was ready."""
        for directory in (self._home / "wal").glob(f".*{UNBORN_SUFFIX}"):
            writer_id = directory.name.removeprefix(".").removesuffix(UNBORN_SUFFIX)
            if is_ulid(writer_id) and now_s - ulid_time_ms(writer_id) / 1000 > UNBORN_MAX_AGE_S:
                self._remove_directory(directory)


def _take_lock(path: Path) -> int:
    """Take the lock that makes the actor the only one of its home."""
    path.parent.mkdir(parents=True, exist_ok=True)
    fd = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError as error:
        os.close(fd)
        raise HomeError(f"another SpanActor holds {path}; end it first") from error
    return fd


def _evidence(ref: SegmentRef, progress: _Progress) -> dict[str, str]:
    return {
        names.WAL_WRITER: ref.writer_id,
        names.WAL_SEGMENT: str(ref.number),
        names.WAL_NEXT_SEQ: str(progress.next_seq),
    }


def _reasons(damage: list[Damage]) -> str:
    return "; ".join(f"{item.reason} at {item.offset}" for item in damage) or "rows are missing before this segment's"
