"""CrossReferenceValidator: decisions ↔ ballots ↔ voter spans ↔ what gateways counted ↔ what caches were given.

Rules:
- Every decision has its rows, every such row its decision, in the same frame (``cross_reference_decision``).
- A decision comes once, and is taken back at most once. The newest ``MAX_DECISIONS`` that were accepted are remembered; an older
  one again is a row of another number than its record says, which its signature tells.
- A gateway says what it numbered (``spans.counters``). Between two such rows of a writer as many rows, decisions and voter spans
  must have come as it says, and since the first row if that was seen; what was lost on the way is a difference, too.
- An answer from a cache names a decision that gave it; while there is no cache nothing does.
- What came is counted, whether it is accepted or not. Rows that are shown again, because they had to wait, are counted once;
  numbers that no writer reaches are canaries', and are not counted.
- After a restart it knows the decisions of the table's newest rows, and goes on counting a writer whose rows are all among them;
  where some were set aside it counts from the writer's next word on.

Left out: signatures, times, and rows that belong to no decision.
"""

from collections import OrderedDict, deque
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Protocol, cast

from actors.base.errors import IntegrityError
from actors.spans import conventions as names
from actors.spans.checkers.cross_reference_decision import Decision, Fault, Read, faults_of
from actors.spans.checkers.cross_reference_record import Recorded, recorded
from actors.spans.checkers.finding import Arrivals, Finding, Severity
from actors.spans.columns import Rows
from actors.spans.counters import RowCounts, counted, counts_of
from actors.spans.sequence import FIRST_SEQ, MAX_SEQ
from actors.spans.span import Span

MAX_DECISIONS = 32_768
MAX_WRITERS = 1_024
_UNCOUNTED = MAX_SEQ - 1_024
_WORDS_MAX = 512
NAME = "CrossReferenceValidator"


class CacheWrites(Protocol):
    """What caches were given."""

    def gave(self, decision_id: str, answer_sha256: str) -> bool:
        """Tell whether a decision's answer was put into a cache."""


@dataclass(slots=True)
class _Writer:
    """What came of one writer."""

    next_seq: int
    """Rows below it were counted."""
    since: RowCounts | None
    """Counts that its last word said; none while it said nothing and its first row was not seen."""
    come: RowCounts = field(default_factory=RowCounts)
    """Rows since then."""


@dataclass(slots=True)
class _Known:
    """Where a decision's rows are."""

    writer_id: str
    seq: int
    taken_back: int = 0
    """Number of the row that took it back; 0 if none did."""


class CrossReferenceValidator:
    """Holds what is told twice against each other."""

    name = NAME

    def __init__(self, caches: CacheWrites | None = None, max_decisions: int = MAX_DECISIONS) -> None:
        self._caches = caches
        self._max_decisions = max_decisions
        self._decisions: OrderedDict[str, _Known] = OrderedDict()
        self._writers: OrderedDict[str, _Writer] = OrderedDict()

    def check(self, arrivals: Arrivals) -> list[Finding]:
        """Return what rows contradict: each other, or what their writer counted."""
        now: dict[str, _Known] = {}
        findings: list[Finding] = []
        end = 0
        for rows in arrivals.rows:
            read = partial(_read, arrivals, end - rows.first_seq)
            findings += [_finding(rows.writer_id, fault) for fault in self._faults(rows, read, now)]
            end += len(rows.spans)
        return findings

    def learn(self, accepted: Arrivals) -> None:
        """Remember which decisions were accepted, and which of them were taken back."""
        rows = accepted.arrays
        for at in rows.signed:
            span, (writer_id, seq) = rows.spans[at], rows.place(at)
            if span.name == names.INVOKE_WORKFLOW:
                self._decisions.setdefault(span.decision_id, _Known(writer_id, seq))
            elif known := self._decisions.get(span.decision_id):
                known.taken_back = seq
        while len(self._decisions) > self._max_decisions:
            self._decisions.popitem(last=False)

    def recall(self, earlier: Arrivals, reached: Mapping[str, int]) -> None:
        """Remember decisions, and count what came of each writer; whatever contradicted that was told at the time."""
        self.learn(earlier)
        for rows in earlier.rows:
            if (writer := self._writer(rows)).next_seq < rows.first_seq:
                writer.next_seq, writer.since, writer.come = rows.first_seq, None, RowCounts()
            deque(self._counted(rows), 0)
        for writer_id, writer in self._writers.items():
            if reached.get(writer_id) != writer.next_seq - 1:
                writer.since = None

    def _faults(self, rows: Rows, read: Read, now: dict[str, _Known]) -> Iterator[Fault]:
        for decision in decisions_in(rows):
            found = faults_of(decision, read)
            yield from found
            critical = {fault.seq for fault in found if fault.severity is Severity.CRITICAL} if found else ()
            if (head := decision.head) is not None and head not in critical:
                yield from self._placed(rows.writer_id, decision, now)
        if rows.first_seq < _UNCOUNTED:
            yield from self._counted(rows)
            return
        for seq, span in enumerate(rows.spans, rows.first_seq):
            if span.name == names.GATEWAY_COUNTERS:
                yield from _told(_Writer(seq, None), seq, span)

    # Decisions.

    def _placed(self, writer_id: str, decision: Decision, now: dict[str, _Known]) -> Iterator[Fault]:
        """Tell of a whole decision that was there before, accepted or just now, and of an answer that no cache gave."""
        known = now.get(decision.id) or self._decisions.get(decision.id)
        if decision.withheld:
            seq, _ = decision.withheld[0]
            faults = list(_taken_back(writer_id, seq, known))
            if known is not None and not faults:
                now[decision.id] = replace(known, taken_back=seq)
            yield from faults
            return
        seq, _ = decision.roots[0]
        if known is not None and (known.writer_id, known.seq) != (writer_id, seq):
            for row, _ in decision.rows:
                yield Fault(row, "decision_twice", f"{writer_id} {seq}", f"once, as {known.writer_id} {known.seq}")
            return
        now.setdefault(decision.id, _Known(writer_id, seq))
        record = decision.record
        if record is not None and record.cache is not None:
            source = record.cache.source_decision_id
            if self._caches is None or not self._caches.gave(source, record.answer_sha256):
                yield Fault(seq, "answer_of_no_cache", source, "a decision whose answer a cache was given")

    # Counts.

    def _counted(self, rows: Rows) -> Iterator[Fault]:
        """Count rows, and hold them against what their writer says that it numbered."""
        writer = self._writer(rows)
        seen = max(0, writer.next_seq - rows.first_seq)
        new = rows.spans[seen:] if seen else rows.spans
        seq = rows.first_seq + len(rows.spans) - len(new)
        if new and names.GATEWAY_COUNTERS not in [span.name for span in new]:
            writer.come += counts_of(new)
            writer.next_seq = seq + len(new)
            return
        for at, span in enumerate(new, seq):
            if span.name == names.GATEWAY_COUNTERS:
                yield from _told(writer, at, span)
            writer.come += counts_of([span])
            writer.next_seq = at + 1

    def _writer(self, rows: Rows) -> _Writer:
        known = self._writers.get(rows.writer_id)
        if known is None:
            whole = rows.first_seq == FIRST_SEQ
            known = self._writers[rows.writer_id] = _Writer(rows.first_seq, RowCounts() if whole else None)
            if len(self._writers) > MAX_WRITERS:
                self._writers.popitem(last=False)
        self._writers.move_to_end(rows.writer_id)
        return known


def _finding(writer_id: str, fault: Fault) -> Finding:
    evidence = {"found": fault.found[:_WORDS_MAX], "expected": fault.expected[:_WORDS_MAX]}
    return Finding(writer_id, fault.seq, NAME, fault.kind, fault.severity, evidence)


def _read(arrivals: Arrivals, before: int, seq: int, span: Span) -> Recorded:
    """Return the record of the row that lies ``seq`` behind a place: as it was opened, else as far as it can be read."""
    record = arrivals.record(before + seq)
    return recorded(span.record) if record is None else cast("Recorded", record)


def _taken_back(writer_id: str, seq: int, known: _Known | None) -> Iterator[Fault]:
    if known is None:  # it may have come before this process began, or long ago
        return
    if known.writer_id != writer_id or seq < known.seq:
        yield Fault(seq, "withheld_by_another", writer_id, f"{known.writer_id}, after row {known.seq}")
    elif known.taken_back not in (0, seq):
        yield Fault(seq, "withheld_twice", str(seq), f"once, in row {known.taken_back}")


def _told(writer: _Writer, seq: int, span: Span) -> Iterator[Fault]:
    """Hold what came of a writer against what it says that it numbered; from here on it is counted anew."""
    try:
        said = counted(span)
    except IntegrityError as error:
        yield Fault(seq, "counters_unreadable", str(error), "counts")
        return
    if said.rows != seq - FIRST_SEQ:
        yield Fault(seq, "counters_differ", f"row {seq}", f"{said.rows} rows before it")
    elif writer.since is not None and (expected := said - writer.since) != writer.come:
        yield Fault(seq, "counters_differ", _words(writer.come), _words(expected))
    writer.since, writer.come = said, RowCounts()


def decisions_in(rows: Rows) -> Iterable[Decision]:
    """Return a frame's rows by decision; that an answer was taken back comes in a frame of its own."""
    found: dict[tuple[str, bool], Decision] = {}
    for seq, span in enumerate(rows.spans, rows.first_seq):
        is_plainly = span.decision_id and span.name != names.FEEDBACK
        if not is_plainly and not _is_of_decision(span):
            continue
        key = span.decision_id, span.name == names.POLICY and not span.voter
        if (decision := found.get(key)) is None:
            decision = found[key] = Decision(span.decision_id)
        decision.take(seq, span)
    return found.values()


def _is_of_decision(span: Span) -> bool:
    """Tell whether a row claims to be of a decision, or a ballot; a client's later word is neither."""
    if span.record or (span.voter and span.decision_id):
        return True
    return span.name != (names.BREAKER if span.voter else names.FEEDBACK) and bool(span.voter or span.decision_id)


def _words(counts: RowCounts) -> str:
    return f"{counts.rows} rows, {counts.decisions} decisions, {counts.voter_spans} voter spans, {counts.withheld} taken back"
