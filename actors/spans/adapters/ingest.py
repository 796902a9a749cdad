"""Ingest: reads what is new in every writer's log, has it judged, and puts what is well into the next commit.

Rules:
- Three steps: *read* what is new of all writers, taking nothing in; have the guard *judge* it together; *take* it, frame by
  frame in their order. A writer of which something has to wait stops at that frame, and only that writer.
- What is read together, and so what is committed together, has a bound in rows and one in bytes (``gathered.Most``): the frames
  behind it are read in the next round. A frame that is larger than that alone comes alone.
- Where a writer stands is what the table says, unless its log holds rows that the table only says it has: reading them sets the
  writer back (``reached``), and they come in as any others.
- A segment that its writer left without finishing it is adopted: read to its last good frame and entered as a row
  ``weavergen.wal.adopted``.
- Rows that are missing or can no longer be read are counted, entered as ``weavergen.wal.damaged`` and opened as an incident.
- Of two frames of one number that differ one stays (``rivals``). The other is passed over as damage: its segment is kept.
- A row that the guard sets aside is kept before it is passed over, entered as ``weavergen.row.quarantined`` and opened as an
  incident of its writer. Rows read = rows accepted + rows set aside.
- No log is written under the actor's own id: one that lies there is somebody else's, and is left for a person to look at.

Left out: committing, and removing what was committed (``actor``); judging (``guard``).
"""

from collections import Counter
from collections.abc import Callable, Collection, Iterable, Sequence
from dataclasses import replace

from actors.base.collector import uncollected
from actors.base.errors import IntegrityError, StorageUnavailable
from actors.spans import conventions as names
from actors.spans.adapters.gathered import (
    Gathered,
    Most,
    Piece,
    behind,
    cut,
    frames_of,
    fresh_of,
    is_full,
    passed_over,
)
from actors.spans.adapters.guard import SpanIntegrityGuard, Verdict
from actors.spans.adapters.progress import IngestReport, Instant, Outgoing, Progress
from actors.spans.adapters.quarantine import row_sha256
from actors.spans.adapters.reached import Reached
from actors.spans.adapters.reader import SegmentRead, SegmentRef, WalReader
from actors.spans.adapters.reporting import Reports
from actors.spans.batch import without
from actors.spans.checkers.arrays import is_external
from actors.spans.checkers.finding import IntegrityResult
from actors.spans.checkers.storm import Seen
from actors.spans.columns import Rows
from actors.spans.frames import Damage, FrameKind, UnknownFormat
from actors.spans.rivals import displaced
from actors.spans.sequence import FIRST_SEQ, Step, advance

Commit = Callable[[], bool]
LastCommitted = Callable[[str], int | None]


class Ingest:
    """Where every writer stands, and what is read from there on."""

    def __init__(
        self, actor_id: str, reader: WalReader, last_committed: LastCommitted, outgoing: Outgoing,
        guard: SpanIntegrityGuard, reports: Reports, most: Most, reached: Reached,
    ) -> None:  # fmt: skip
        self.writers: dict[str, Progress] = {}
        self.report = IngestReport()
        """What this tick did."""
        self.reader = reader
        self.held: Collection[str] = ()
        """Writers of which nothing more is read, because what was read cannot be committed."""
        self._id, self._last_committed = actor_id, last_committed
        self._outgoing, self._guard, self._reports, self._most = outgoing, guard, reports, most
        self._reached = reached
        self._accepted: list[Rows] = []
        """Rows that were checked and accepted since checkers learned last."""
        self._set_aside: Counter[str] = Counter()
        """Writer → rows quarantined in this tick."""
        self._kinds: dict[str, Counter[str]] = {}
        """Writer → what was found of them."""
        self._first_bad = ""
        """Writer and number of the first row that was set aside in this tick."""
        self._around: list[Rows] = []
        """All rows that were judged together."""

    def run(self, now: Instant, commit: Commit) -> None:
        """Take in everything new; ``commit`` makes room where it does not fit, and tells whether it could."""
        stopped, self._first_bad = set[str](), ""
        going_on = True
        while going_on:
            with uncollected():  # what a round makes goes with it, and there is no cycle in it
                going_on = self._round(stopped, now) and commit()
        self._tell_set_aside()

    def _round(self, stopped: set[str], now: Instant) -> bool:
        """Read, judge and take what there is room for; tell whether there is more."""
        gathered = self._gather(stopped, now)
        self._around = gathered.rows
        verdict = self._guard.judge(self._around, now.wall_s, now.steady_s)
        self._set_apart(verdict, now)
        for piece in gathered.pieces:
            self._try(piece, verdict, stopped, now)
        for writer_id, error in gathered.blocked:
            self._stop(writer_id, error, stopped, now)
        self._guard.learn(self._accepted, now.wall_s, now.steady_s)
        self._accepted, self._around = [], []
        return gathered.more

    def seen(self, log_size: int) -> Seen:
        """Return what this tick read, set aside and found missing, before which so many batches were sealed.

        Rows of other services are not counted: nothing learns from them, and who may send any number could hide a storm.
        """
        report = self.report
        rows = report.rows_read - report.rows_external + report.lost_rows
        bad = report.rows_quarantined + report.rows_set_apart + report.lost_rows
        return Seen(rows, bad, self._first_bad, log_size)

    def blocked(self, writer_id: str, error: Exception, now: Instant) -> None:
        """Say what keeps a writer's log from being read or removed; it is tried again at the next tick."""
        evidence = {"writer_id": writer_id, "cause": str(error)}
        self._reports.lasting("span_ingest_blocked", evidence, writer_id, now.steady_s)

    # Reading.

    def _gather(self, stopped: Iterable[str], now: Instant) -> Gathered:
        """Read what is new of all writers but those, as far as there is room."""
        buffer = self._outgoing.buffer
        gathered, room = Gathered(), Most(self._most.rows - buffer.count, self._most.bytes - buffer.bytes)
        for writer_id in self._writers_on_disk(now):
            if writer_id in stopped or writer_id in self.held:
                continue
            if is_full(gathered, room):
                gathered.more = True
                break
            begun = len(gathered.pieces)
            try:
                if writer_id == self._id:
                    raise StorageUnavailable("nobody but the span actor writes under its id: move that log away")
                self._gather_writer(writer_id, room, gathered, now)
            except (StorageUnavailable, IntegrityError) as error:
                gathered.blocked.append((writer_id, error))
            try:
                self._settle_rivals(gathered.pieces, begun, now)
            except StorageUnavailable as error:
                del gathered.pieces[begun:]
                gathered.blocked.append((writer_id, error))
            cut(gathered, begun, room.bytes, alone=not buffer.count)
        return gathered

    def _writers_on_disk(self, now: Instant) -> list[str]:
        try:
            return self.reader.writers()
        except StorageUnavailable as error:
            self.blocked("", error, now)
            return []

    def _gather_writer(self, writer_id: str, room: Most, gathered: Gathered, now: Instant) -> None:
        """Read a writer's segments in order, up to the first that may still grow."""
        progress = self.progress(writer_id)
        refs, next_seq = self.reader.segments(writer_id), progress.next_seq
        for place, ref in enumerate(refs):
            if ref.number in progress.finished:
                continue
            if is_full(gathered, room):
                gathered.more = True
                return
            piece = self._look(ref, refs[place + 1 :], progress.offsets.get(ref.number, 0), next_seq)
            if piece.read is not None and self._reached.is_untrue(piece.read, progress, now):
                next_seq = progress.next_seq
                piece = self._look(ref, refs[place + 1 :], progress.offsets.get(ref.number, 0), next_seq)
            gathered.pieces.append(piece)
            next_seq = behind(piece.frames, next_seq)
            gathered.count += sum(len(fresh.rows.spans) for fresh in piece.frames)
            gathered.bytes += sum(fresh.bytes for fresh in piece.frames)
            if piece.read is not None and not piece.read.finished:
                return

    def _look(self, ref: SegmentRef, later: Sequence[SegmentRef], offset: int, next_seq: int) -> Piece:
        """Read what is new in a segment."""
        try:
            read = self.reader.read(ref, offset)
        except UnknownFormat:
            raise
        except IntegrityError as error:
            return Piece(ref, later, None, fault=str(error))
        if read is None:
            return Piece(ref, later, None)
        return Piece(ref, later, read, frames_of(ref, read, next_seq))

    def _settle_rivals(self, pieces: list[Piece], begun: int, now: Instant) -> None:
        """Where a writer's frames, those of the pieces from ``begun`` on, hold the same numbers, let the right ones stay.

        Raises ``StorageUnavailable`` where nobody can tell now which are.
        """
        placed = [
            (piece.ref, piece.read, fresh.frame) for piece in pieces[begun:] if piece.read for fresh in piece.frames
        ]
        if not placed:
            return

        untold: dict[int, StorageUnavailable] = {}
        signed: set[int] = set()

        def is_signed(place: int) -> bool:
            try:
                if self._guard.is_signed(fresh_of(*placed[place], Step(0, 0, 0)).rows, now.wall_s):
                    signed.add(place)
            except StorageUnavailable as error:
                untold[place] = error
            return place in signed

        next_seq = self.progress(placed[0][0].writer_id).next_seq
        passed: dict[SegmentRef, dict[int, str]] = {}
        for place, stays in displaced([frame for _, _, frame in placed], next_seq, is_signed).items():
            if untold and stays not in signed:
                raise next(iter(untold.values()))
            (ref, _, frame), why = placed[place], passed_over(placed[stays][0], placed[stays][2], placed[place][2])
            passed.setdefault(ref, {})[frame.offset] = why
        for at, piece in enumerate(pieces[begun:] if passed else (), begun):
            if piece.read is not None:
                frames = frames_of(piece.ref, piece.read, next_seq, passed.get(piece.ref))
                pieces[at], next_seq = replace(piece, frames=frames), behind(frames, next_seq)

    def progress(self, writer_id: str) -> Progress:
        """Return where a writer stands; for one that is new, what the table says."""
        known = self.writers.get(writer_id)
        if known is None:
            last = self._last_committed(writer_id)
            known = Progress(FIRST_SEQ if last is None else last + 1, said=last or 0)
            self.writers[writer_id] = known
        return known

    # Taking.

    def _try(self, piece: Piece, verdict: Verdict, stopped: set[str], now: Instant) -> None:
        writer_id = piece.ref.writer_id
        if writer_id in stopped:
            return
        try:
            self.take(piece, verdict, now)
        except (StorageUnavailable, IntegrityError) as error:
            self._stop(writer_id, error, stopped, now)

    def _stop(self, writer_id: str, error: Exception, stopped: set[str], now: Instant) -> None:
        stopped.add(writer_id)
        self.blocked(writer_id, error, now)

    def take(self, piece: Piece, verdict: Verdict, now: Instant) -> None:
        """Take in what one look at a segment gave."""
        ref, read, progress = piece.ref, piece.read, self.progress(piece.ref.writer_id)
        if read is None:
            if piece.fault:
                self._damage(ref, progress, 0, piece.fault, now)
                progress.finished[ref.number] = ref
            else:
                progress.forget(ref.number)
            return
        self._take_frames(piece, read, progress, verdict, now)
        if read.scan.frames or read.scan.damage:
            progress.offsets[ref.number] = read.scan.valid_bytes
        if not read.finished:
            return
        if read.abandoned and all(
            map(self.reader.is_free, piece.later)
        ):  # else its writer went on behind a failed write
            self._adopt(ref, read, progress, now)
        progress.finished[ref.number] = ref

    def _take_frames(self, piece: Piece, read: SegmentRead, progress: Progress, verdict: Verdict, now: Instant) -> None:
        """Buffer the frames that are new, in order, and report what is missing between them."""
        ref, damage = piece.ref, list(read.scan.damage)
        if damage:  # evidence is kept, reported now or by an instance before this one
            progress.damaged.add(ref.number)
        for fresh in piece.frames:
            frame = fresh.frame
            if fresh.rival:
                self._damage(ref, progress, 0, fresh.rival, now)
                progress.offsets[ref.number] = frame.end
                continue
            before = [item for item in damage if item.offset < frame.offset] if damage else []
            damage = damage[len(before) :]
            step = advance(progress.next_seq, frame.first_seq, frame.count)
            # First, for it may fail: then all of this is read again, and nothing of it was reported before.
            parts = self._cleared(fresh.rows, verdict, now)
            if step.lost or (before and step.skip == 0):
                self._damage(ref, progress, step.lost, _reasons(before), now)
                progress.next_seq += step.lost  # each entry says which rows are gone
            self.report.duplicates += step.skip
            if fresh.why:
                progress.damaged.add(ref.number)
                if step.skip < frame.count:
                    self._damage(ref, progress, frame.count - step.skip, fresh.why, now)
            elif frame.kind is FrameKind.SPANS:
                self._take_rows(fresh.rows, parts, fresh.bytes, verdict, now)
            progress.next_seq, progress.offsets[ref.number] = step.next_seq, frame.end
            if step.lost or step.skip < frame.count:
                self._outgoing.note(ref.writer_id, progress.next_seq - 1, now)

    def _cleared(self, rows: Rows, verdict: Verdict, now: Instant) -> list[Rows]:
        """Return what is left of a frame's new rows once those with faults are set aside."""
        if not rows.spans:
            return []
        end = rows.first_seq + len(rows.spans)
        waits = verdict.waits.get(rows.writer_id)
        if waits is not None and waits[0] < end:
            raise StorageUnavailable(waits[1])
        faults = verdict.faults.get(rows.writer_id, {})
        faults = {seq: faults[seq] for seq in range(rows.first_seq, end) if seq in faults} if faults else {}
        if not faults:
            return [rows]
        begun = self._guard.set_aside(rows, faults, self._around, verdict, int(now.wall_s * 1000))
        for seq, result in faults.items():
            self._outgoing.enter(names.ROW_QUARANTINED, {
                **_whose(rows.writer_id, seq, seq, "aside"), names.ROW_REASON: result.why,
                names.ROW_SCORE: f"{result.overall_score:.6f}", names.ROW_INVESTIGATED: str(begun).lower(),
                names.ROW_SHA256: row_sha256(rows.spans[seq - rows.first_seq], rows.schema_version),
            }, now)  # fmt: skip
        self.report.rows_quarantined += len(faults)
        self._first_bad = self._first_bad or f"{rows.writer_id} {min(faults)}"
        self._count(rows.writer_id, faults.values())
        return without(rows, faults)

    def _set_apart(self, verdict: Verdict, now: Instant) -> None:
        """Quarantine rows where they lie that were accepted before and are found bad now."""
        for (writer_id, seq), result in verdict.earlier.items():
            evidence = {
                **_whose(writer_id, seq, seq, "table"), names.ROW_REASON: result.why,
                names.ROW_SCORE: f"{result.overall_score:.6f}",
            }  # fmt: skip
            self._outgoing.enter(names.ROW_QUARANTINED, evidence, now, signed=True)
            self.report.rows_set_apart += 1
            self._first_bad = self._first_bad or f"{writer_id} {seq}"
            self._count(writer_id, [result])

    def _count(self, writer_id: str, results: Collection[IntegrityResult]) -> None:
        self._set_aside[writer_id] += len(results)
        found = (one.kind for result in results for one in result.individual_results)
        self._kinds.setdefault(writer_id, Counter()).update(found)

    def _take_rows(self, rows: Rows, parts: Sequence[Rows], size: int, verdict: Verdict, now: Instant) -> None:
        """Buffer the rows that are left of a frame; where they were not checked, enter that."""
        buffer, why = self._outgoing.buffer, verdict.unchecked.get(rows.writer_id)
        self.report.rows_read += len(rows.spans)
        if rows.spans and is_external(rows.spans[0]):  # their log is their own: no frame has some of ours
            self.report.rows_external += len(rows.spans)
        buffer.bytes += size
        for part in parts:
            buffer.rows.append(part)
            buffer.count += len(part.spans)
            self.report.rows_accepted += len(part.spans)
            if why is None:
                self._accepted.append(part)
                continue
            last = part.first_seq + len(part.spans) - 1
            evidence = {
                **_whose(part.writer_id, part.first_seq, last, "table"),
                names.ROW_REASON: f"not checked: {why}",
            }
            self._outgoing.enter(names.ROW_QUARANTINED, evidence, now, signed=True)
            self.report.rows_unchecked += len(part.spans)

    # What is reported.

    def _tell_set_aside(self) -> None:
        for writer_id, count in self._set_aside.items():
            kinds = ", ".join(f"{kind} {times}" for kind, times in self._kinds[writer_id].items())
            evidence = {names.WAL_WRITER: writer_id, "rows": str(count), "found": kinds}
            self._reports.open("span_quarantined", evidence, writer_id)
        self._set_aside.clear()
        self._kinds.clear()

    def _adopt(self, ref: SegmentRef, read: SegmentRead, progress: Progress, now: Instant) -> None:
        """Enter the adoption of a segment, once; of an unused reserve only if it is all its writer left unfinished."""
        key = f"adopted/{ref.writer_id}"
        last = self._outgoing.buffer.reached.get(key, self._last_committed(key))
        unused = ref.number not in progress.offsets and not read.scan.torn
        if last is not None and (unused or ref.number <= last):
            return
        self.report.adopted += 1
        self.report.torn_bytes += read.scan.torn_bytes
        evidence = _evidence(ref, progress) | {
            names.WAL_TORN_BYTES: str(read.scan.torn_bytes),
            names.WAL_REASON: read.scan.reason,
        }
        self._outgoing.enter(names.WAL_ADOPTED, evidence, now)
        self._outgoing.note(key, ref.number, now)

    def _damage(self, ref: SegmentRef, progress: Progress, lost: int, reason: str, now: Instant) -> None:
        """Count, enter and report rows that are gone or bytes that no longer check."""
        progress.damaged.add(ref.number)
        self.report.damage += 1
        self.report.lost_rows += lost
        if lost:
            self._first_bad = self._first_bad or f"{ref.writer_id} {progress.next_seq}"
        evidence = _evidence(ref, progress) | {names.WAL_LOST_ROWS: str(lost), names.WAL_REASON: reason}
        self._outgoing.enter(names.WAL_DAMAGED, evidence, now)
        self._reports.open("wal_damaged", evidence, f"{ref.writer_id}/{ref.number}")


def _whose(writer_id: str, first: int, last: int, place: str) -> dict[str, str]:
    return {
        names.ROW_WRITER: writer_id, names.ROW_FIRST: str(first), names.ROW_LAST: str(last), names.ROW_PLACE: place,
    }  # fmt: skip


def _evidence(ref: SegmentRef, progress: Progress) -> dict[str, str]:
    return {
        names.WAL_WRITER: ref.writer_id,
        names.WAL_SEGMENT: str(ref.number),
        names.WAL_NEXT_SEQ: str(progress.next_seq),
    }


def _reasons(damage: list[Damage]) -> str:
    return "; ".join(f"{item.reason} at {item.offset}" for item in damage) or "rows are missing before this segment's"
