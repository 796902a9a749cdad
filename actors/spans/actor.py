"""SpanActor: the only adopter and remover of log segments, and the only writer of the spans table.

One tick: read what is new in every writer's log, check that its sequence goes on, commit rows when enough or old enough,
seal what was committed into the transparency log, then remove segments that are wholly in the table.

Rules:
- Where a writer's sequence stands is what the table's application transactions say; a restart begins there, reads again
  what is still in the log and skips what is in the table.
- A segment that its writer left without finishing it is adopted: read to its last good frame and entered as a row
  ``weavergen.wal.adopted``. Such rows are the actor's own: its id is their writer, and they are in the same commit as
  the adopted rows, so they are as durable, and happen once.
- Rows that are missing or can no longer be read are counted, entered as a row ``weavergen.wal.damaged`` and opened as an
  incident; the segment goes to ``quarantine/wal`` instead of being removed. A torn tail was never acknowledged: it is
  counted and named in the adoption entry, and is no incident.
- A row whose decision is provably not its writer's word goes to ``quarantine/rows`` with the reason, is entered as a row
  ``weavergen.row.quarantined`` and opened as an incident of its writer: rows read = rows of writers in the table + rows
  set aside. A writer whose rows nobody can judge now waits (``adapters.guard``): nothing of it is committed or removed.
- A segment in a format of a newer version is no damage: it stays, and its writer waits for the version that reads it.
- Every commit's rows are sealed batch by batch (``adapters.sealer``). A log that cannot be sealed stops neither ingest nor
  serving: it is an incident, the delay is shown, and the batches are sealed once it can be.
- Witnesses are asked for their signatures in a thread of their own; one that has seen another log than this one is an incident.
- While the table cannot be written, rows wait here up to one roll and then in the log, on disk.
- Small files of the table are merged between ticks, a little at a time (``adapters.compaction``).
- Ages are measured on the steady clock; the wall clock only dates rows.

Left out: rows that carry no signature, and looking decisions up, which gateways do in the same segments
(``WalReader.find``).
"""

import fcntl
import hashlib
import logging
import os
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from actors.base.errors import HomeError, IntegrityError, StorageUnavailable
from actors.base.ids import is_ulid
from actors.base.ports import IncidentSink
from actors.spans import conventions as names
from actors.spans.adapters.compaction import Compactor
from actors.spans.adapters.guard import SpanIntegrityGuard
from actors.spans.adapters.log import LogFiles
from actors.spans.adapters.progress import Buffer, IngestReport, Progress
from actors.spans.adapters.quarantine import QuarantinedRows
from actors.spans.adapters.reader import SegmentRead, SegmentRef, WalReader
from actors.spans.adapters.reporting import Reports
from actors.spans.adapters.sealer import Authority, Sealer
from actors.spans.adapters.segments import UNBORN_SUFFIX, Disk
from actors.spans.adapters.table import SpanTable
from actors.spans.adapters.witnesses import Witnesses
from actors.spans.batch import without
from actors.spans.columns import Rows
from actors.spans.config import LogConfig, SpansConfig
from actors.spans.frames import Damage, Frame, FrameKind, UnknownFormat, decode_spans
from actors.spans.sequence import FIRST_SEQ, advance
from actors.spans.span import Span

UNBORN_MAX_AGE_S = 3600
"""How long the directory of a writer that died while it was opening its log is looked at before it is removed."""

_log = logging.getLogger("weavergen.spans")


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


class SpanActor:
    """Moves rows from ``home/wal`` to ``home/spans``. One instance a home; ``actor_id`` is a fresh ULID."""

    def __init__(
        self, home: Path, actor_id: str, config: SpansConfig, incidents: IncidentSink, authority: Authority,
        log: LogConfig | None = None, disk: Disk | None = None,
    ) -> None:  # fmt: skip
        self.totals = IngestReport()
        self._home = home
        self._id = actor_id
        self._config = config
        self._reports = Reports(incidents)
        self._lock = _take_lock(home / "run" / "span-actor.lock")
        self._reader = WalReader(home / "wal", config.lookup_max_bytes)
        self._disk = disk or Disk()
        self._table = SpanTable(
            home / "spans", config.table_checkpoint_commits, self._disk, config.removed_files_keep_s
        )
        self.orphans_removed = len(self._table.recover())
        log = log or LogConfig()
        kept = QuarantinedRows(home / "quarantine" / "rows", self._disk)
        late_after_s = log.merge_promise_s + config.wal_max_age_s
        self._guard = SpanIntegrityGuard(authority, kept, late_after_s, config.quarantine_max_rows)
        files = LogFiles(home / "log", self._disk)
        self._sealer = Sealer(files, self._table, authority, log.catch_up_batches, config.table_roll_rows)
        self._compactor = Compactor(self._table, files, self._sealer, authority, config, self._reports, self._disk)
        asked = [(witness.url, witness.note_key) for witness in log.witnesses]
        self._witnesses = Witnesses(
            LogFiles(home / "log", self._disk), asked, log.witness_timeout_s, log.witness_interval_s
        )
        self._merge_target_s = log.merge_target_s
        self._unsealed_since_s: float | None = None
        """When the oldest row that is not sealed was read (steady); ``None`` while all of the table's are."""
        self._log_error = ""
        self._writers: dict[str, Progress] = {}
        self._buffer = Buffer()
        self._own_seq = FIRST_SEQ
        self._report = IngestReport()
        self._unborn: dict[Path, float] = {}
        """Directory of a log that was never opened → when it was first seen (steady)."""
        self._last_tick_s = 0.0
        self._table_error = ""

    def tick(self, now: Instant, *, flush: bool = False) -> IngestReport:
        """Take in everything new; commit if a roll is due (or ``flush``); remove what is wholly in the table."""
        self._report = IngestReport()
        self._last_tick_s = now.wall_s
        self._guard.begin()
        if self._unsealed_since_s is not None or not self._sealer.begun:
            self._seal((), now)
        for writer_id in self._writers_on_disk(now):
            before = self._report.rows_quarantined
            try:
                self._read_writer(writer_id, now)
            except (StorageUnavailable, IntegrityError) as error:
                self._blocked(writer_id, error, now)
            if count := self._report.rows_quarantined - before:
                self._reports.open("span_quarantined", {names.WAL_WRITER: writer_id, "rows": str(count)}, writer_id)
        if self._roll_due(now, flush=flush):
            self._commit(now)
        if not flush:
            self._compact(now)
        self._follow_witnesses(now)
        if not self._buffer.reached:
            self._remove_finished(now)
            self._remove_unborn(now)
        self.totals += self._report
        return self._report

    def run(
        self, stop: threading.Event, clock: Callable[[], Instant] = Instant.now,
        show: Callable[[Mapping[str, Any]], None] = lambda _: None,
    ) -> None:  # fmt: skip
        """Tick until ``stop`` is set, handing ``health`` to ``show`` each time; then commit what is there."""
        while not stop.wait(self._config.ingest_poll_ms / 1000):
            self.tick(now := clock())
            show(self.health(now))
        self.tick(clock(), flush=True)
        self.close()

    def close(self) -> None:
        """Let another instance take over."""
        os.close(self._lock)

    def health(self, now: Instant) -> dict[str, Any]:
        """Return lag and totals, for status, metrics and the supervisor."""
        buffer = self._buffer
        return {
            "actor_id": self._id,
            "last_tick_s": self._last_tick_s,
            "lag_rows": buffer.count,
            "lag_bytes": buffer.bytes,
            "lag_s": max(0.0, now.steady_s - buffer.since_s) if buffer.reached else 0.0,
            "writers": len(self._writers),
            "table_error": self._table_error,
            "log_size": self._sealer.size,
            "log_error": self._log_error,
            "log_witnesses": self._witnesses.count,
            "log_witnessed": len(self._witnesses.last.signed),
            "log_contradicted": len(self._witnesses.last.contradicted),
            "merge_delay_s": self._merge_delay_s(now),
            "merge_late": self._merge_delay_s(now) > self._merge_target_s,
            "orphans_removed": self.orphans_removed,
            **self._compactor.health(),
            **{name: getattr(self.totals, name) for name in IngestReport.__slots__},
        }

    # Reading.

    def _writers_on_disk(self, now: Instant) -> list[str]:
        try:
            return self._reader.writers()
        except StorageUnavailable as error:
            self._blocked("", error, now)
            return []

    def _read_writer(self, writer_id: str, now: Instant) -> None:
        """Read a writer's segments in order, up to the first that may still grow."""
        progress = self._progress(writer_id)
        refs = self._reader.segments(writer_id)
        for place, ref in enumerate(refs):
            if ref.number in progress.finished:
                continue
            if self._buffer.count >= self._config.table_roll_rows and not self._commit(now):
                return
            if not self._read_segment(ref, refs[place + 1 :], progress, now):
                return

    def _read_segment(self, ref: SegmentRef, later: Sequence[SegmentRef], progress: Progress, now: Instant) -> bool:
        """Take what is new in a segment; return whether the next one may be read."""
        try:
            read = self._reader.read(ref, progress.offsets.get(ref.number, 0))
        except UnknownFormat:
            raise
        except IntegrityError as error:
            self._damage(ref, progress, 0, str(error), now)
            progress.finished[ref.number] = ref
            return True
        if read is None:
            progress.forget(ref.number)
            return True
        self._take(ref, read, progress, now)
        if read.scan.frames or read.scan.damage:
            progress.offsets[ref.number] = read.scan.valid_bytes
        if not read.finished:
            return False
        if read.abandoned and all(map(self._reader.is_free, later)):  # else its writer went on behind a failed write
            self._adopt(ref, read, progress, now)
        progress.finished[ref.number] = ref
        return True

    def _take(self, ref: SegmentRef, read: SegmentRead, progress: Progress, now: Instant) -> None:
        """Buffer the frames that are new, in order, and report what is missing between them."""
        damage = list(read.scan.damage)
        if damage:  # evidence is kept, reported now or by an instance before this one
            progress.damaged.add(ref.number)
        for frame in read.scan.frames:
            before = [item for item in damage if item.offset < frame.offset]
            damage = damage[len(before) :]
            step = advance(progress.next_seq, frame.first_seq, frame.count)
            # First, for it may fail: then all of this is read again, and nothing of it was reported before.
            rows, faults, why = self._judged(ref, read, frame, step.skip, now)
            if step.lost or (before and step.skip == 0):
                self._damage(ref, progress, step.lost, _reasons(before), now)
            self._report.duplicates += step.skip
            if why:
                progress.damaged.add(ref.number)
                if step.skip < frame.count:
                    self._damage(ref, progress, frame.count - step.skip, why, now)
            elif frame.kind is FrameKind.SPANS:
                self._take_rows(rows, faults, len(frame.payload), now)
            progress.next_seq, progress.offsets[ref.number] = step.next_seq, frame.end
            if step.lost or step.skip < frame.count:
                self._note(ref.writer_id, progress.next_seq - 1, now)

    def _judged(
        self, ref: SegmentRef, read: SegmentRead, frame: Frame, skip: int, now: Instant
    ) -> tuple[Rows, dict[int, str], str]:
        """Return a frame's new rows, why some of them were set aside, and why none could be read if none could."""
        rows = Rows(ref.writer_id, frame.first_seq + skip, read.header.schema_version, ())
        if frame.kind is not FrameKind.SPANS:
            return rows, {}, ""
        try:
            rows = replace(rows, spans=decode_spans(frame)[skip:])
        except IntegrityError as error:
            return rows, {}, str(error)
        return rows, self._guard.faults(rows, now.wall_s), ""

    def _take_rows(self, rows: Rows, faults: Mapping[int, str], size: int, now: Instant) -> None:
        """Buffer rows, but for those that were set aside: those are counted and entered."""
        self._report.rows_read += len(rows.spans)
        self._buffer.bytes += size
        for part in without(rows, faults):
            self._buffer.rows.append(part)
            self._buffer.count += len(part.spans)
        for seq, fault in faults.items():
            evidence = {names.WAL_WRITER: rows.writer_id, names.WAL_NEXT_SEQ: str(seq), names.WAL_REASON: fault}
            self._report.rows_quarantined += 1
            self._enter(names.ROW_QUARANTINED, evidence, now)

    def _progress(self, writer_id: str) -> Progress:
        known = self._writers.get(writer_id)
        if known is None:
            last = self._table.last_committed(writer_id)
            known = self._writers[writer_id] = Progress(FIRST_SEQ if last is None else last + 1)
        return known

    # What is reported.

    def _adopt(self, ref: SegmentRef, read: SegmentRead, progress: Progress, now: Instant) -> None:
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
        self._enter(names.WAL_ADOPTED, evidence, now)
        self._note(key, ref.number, now)

    def _damage(self, ref: SegmentRef, progress: Progress, lost: int, reason: str, now: Instant) -> None:
        """Count, enter and report rows that are gone or bytes that no longer check."""
        progress.damaged.add(ref.number)
        self._report.damage += 1
        self._report.lost_rows += lost
        evidence = _evidence(ref, progress) | {names.WAL_LOST_ROWS: str(lost), names.WAL_REASON: reason}
        self._enter(names.WAL_DAMAGED, evidence, now)
        self._reports.open("wal_damaged", evidence, f"{ref.writer_id}/{ref.number}")

    def _enter(self, name: str, attributes: dict[str, str], now: Instant) -> None:
        """Add a row of the actor's own to the next commit."""
        seed = hashlib.sha256(f"{self._id}/{self._own_seq}".encode()).digest()
        now_ns = int(now.wall_s * 1e9)
        span = Span(seed[:16], seed[16:24], b"", name, "internal", now_ns, now_ns, "ok", "", "", attributes)
        self._buffer.rows.append(Rows(self._id, self._own_seq, names.SPAN_SCHEMA_VERSION, [span]))
        self._buffer.count += 1
        self._report.own_rows += 1
        self._note(self._id, self._own_seq, now)
        self._own_seq += 1

    def _note(self, app_id: str, number: int, now: Instant) -> None:
        """Have the next commit say how far an application id got."""
        if not self._buffer.reached:
            self._buffer.since_s = now.steady_s
        self._buffer.reached[app_id] = number

    def _blocked(self, writer_id: str, error: Exception, now: Instant) -> None:
        """Say what keeps a writer's log from being read or removed; it is tried again at the next tick."""
        evidence = {"writer_id": writer_id, "cause": str(error)}
        self._reports.lasting("span_ingest_blocked", evidence, writer_id, now.steady_s)

    # Committing and removing.

    def _roll_due(self, now: Instant, *, flush: bool) -> bool:
        buffer = self._buffer
        old = now.steady_s - buffer.since_s >= self._config.table_roll_age_s
        return bool(buffer.reached) and (flush or old or buffer.count >= self._config.table_roll_rows)

    def _commit(self, now: Instant) -> bool:
        """Commit the buffer; on failure keep it, say so and return False."""
        buffer = self._buffer
        try:
            if not self._sealer.may_number:
                return False
            batches = self._table.append(buffer.rows, buffer.reached, int(now.wall_s * 1000), self._compactor.ready)
        except (StorageUnavailable, IntegrityError) as error:
            self._table_error = str(error)
            self._reports.lasting("span_table_unavailable", {"cause": str(error)}, str(self._home), now.steady_s)
            return False
        self._table_error = ""
        self._compactor.committed()
        self._report.commits += 1
        self._report.rows_committed += buffer.count
        self._buffer = Buffer()
        if self._unsealed_since_s is None:
            self._unsealed_since_s = buffer.since_s
        self._seal(batches, now)
        return True

    def _compact(self, now: Instant) -> None:
        """Go on merging files; what a merge takes in the table's place goes with the next commit, and the entry that says so."""
        if (entry := self._compactor.work(now.wall_s, now.steady_s)) is not None:
            self._enter(*entry, now)

    def _seal(self, batches: Sequence[Rows], now: Instant) -> None:
        """Seal what is committed; where that cannot be, whatever keeps it, say so: the next tick tries again."""
        try:
            self._report.batches_sealed += self._sealer.seal(batches, int(now.wall_s * 1000))
            self._log_error = ""
            waits = self._sealer.waiting > 0
        except Exception as error:  # noqa: BLE001 - a row that nobody foresaw must not end the process again and again
            self._log_failed(error, now)
            waits = True  # what nobody can tell is sealed is not
        known = (
            self._unsealed_since_s
        )  # of what waited before a restart nobody knows since when: since now, at the latest
        self._unsealed_since_s = (now.steady_s if known is None else known) if waits else None

    def _follow_witnesses(self, now: Instant) -> None:
        """Have the log witnessed; say who is away, and above all who has seen another log than this one."""
        if not self._witnesses.count or not self._sealer.begun:
            return
        found = self._witnesses.follow(self._sealer.size, now.steady_s)
        for kind, causes in (("log_contradicted", found.contradicted), ("witness_unavailable", found.away)):
            if causes:
                self._reports.lasting(kind, {"cause": "; ".join(causes)}, str(self._home), now.steady_s)

    def _log_failed(self, error: Exception, now: Instant) -> None:
        self._log_error = str(error) or type(error).__name__
        away = isinstance(error, StorageUnavailable | HomeError | OSError)
        kind, cause = "log_unavailable" if away else "log_damaged", {"cause": self._log_error}
        if self._reports.lasting(kind, cause, str(self._home), now.steady_s):
            foreseen = away or isinstance(error, IntegrityError)
            _log.error("the log cannot be sealed: %s", self._log_error, exc_info=None if foreseen else error)

    def _merge_delay_s(self, now: Instant) -> float:
        """Return the age of the oldest row that was read and is not sealed."""
        oldest = [self._buffer.since_s] if self._buffer.reached else []
        oldest += [] if self._unsealed_since_s is None else [self._unsealed_since_s]
        return max(0.0, now.steady_s - min(oldest)) if oldest else 0.0

    def _remove_finished(self, now: Instant) -> None:
        """Remove what is wholly in the table; where the disk refuses, say so and go on with the other writers."""
        for writer_id, progress in list(self._writers.items()):
            try:
                self._remove_segments(writer_id, progress)
            except (OSError, StorageUnavailable) as error:
                self._blocked(writer_id, error, now)

    def _remove_segments(self, writer_id: str, progress: Progress) -> None:
        """Remove segments whose rows are all in the table, and the directory of a writer that is gone."""
        for number, ref in list(progress.finished.items()):
            if number not in progress.damaged:
                self._disk.remove(ref.path)
            elif self._reader.is_free(ref):
                self._quarantine(ref)
            else:
                continue
            progress.forget(number)
            self._report.segments_removed += 1
        if not self._reader.segments(writer_id):
            self._remove_directory(self._home / "wal" / writer_id)
            del self._writers[writer_id]

    def _quarantine(self, ref: SegmentRef) -> None:
        kept = self._home / "quarantine" / "wal"
        if not kept.exists():
            kept.mkdir(parents=True)
            self._disk.sync_directory(kept.parent)
            self._disk.sync_directory(self._home)
        if ref.path.exists():
            self._disk.rename(ref.path, kept / f"{ref.writer_id}-{ref.path.name}")
            self._disk.sync_directory(kept)

    def _remove_directory(self, directory: Path) -> None:
        """Remove what a dead writer left; a live one always holds a segment, so its directory is never empty."""
        if directory.exists():
            for leftover in directory.iterdir():
                self._disk.remove(leftover)
            directory.rmdir()

    def _remove_unborn(self, now: Instant) -> None:
        """Remove directories of writers that died before their first segment was ready."""
        found = [path for path in (self._home / "wal").glob(f".*{UNBORN_SUFFIX}") if is_ulid(_unborn_writer(path))]
        self._unborn = {path: self._unborn.get(path, now.steady_s) for path in found}
        for directory, since_s in self._unborn.items():
            try:
                if now.steady_s - since_s > UNBORN_MAX_AGE_S and self._reader.nobody_holds(directory):
                    self._remove_directory(directory)
            except (OSError, StorageUnavailable) as error:
                self._blocked(_unborn_writer(directory), error, now)


def _unborn_writer(directory: Path) -> str:
    return directory.name.removeprefix(".").removesuffix(UNBORN_SUFFIX)


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


def _evidence(ref: SegmentRef, progress: Progress) -> dict[str, str]:
    return {
        names.WAL_WRITER: ref.writer_id,
        names.WAL_SEGMENT: str(ref.number),
        names.WAL_NEXT_SEQ: str(progress.next_seq),
    }


def _reasons(damage: list[Damage]) -> str:
    return "; ".join(f"{item.reason} at {item.offset}" for item in damage) or "rows are missing before this segment's"
