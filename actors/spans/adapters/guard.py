"""SpanIntegrityGuard: runs all checkers over what was read, and says what becomes of it.

Rules:
- Whom to believe is asked once a batch, after its rows were read: keys that were rotated meanwhile are known.
- A row is set aside if a checker calls it critical, or if its score is below ``integrity_threshold`` (``checkers.finding``). It
  is kept whole, with findings and score, and an investigation beside it, before it leaves the log.
- At most ``quarantine_max_rows`` rows of a writer are set aside in one tick, exceeded by at most one frame: a writer that writes
  nothing but forgeries fills neither disk nor time, and nothing of it is dropped; of one that reached that bound no more is
  judged in the next tick (``checkers.pace``). All together take ``quarantine_max_bytes``; beyond it such rows wait in the log.
- A row of a name that only the actor enters is set aside whatever becomes of the checkers: in the table it would be its word.
- A row that was accepted before and is found bad only now is quarantined where it lies, once.
- Where nobody can tell now, the writer waits: nothing of it from that frame on is taken in.
- A checker that raises, or that does not see its canaries, is a failed check and an incident, never a pass. Rows that it did not
  check wait for ``unchecked_wait_s``: it may be mended meanwhile. Then they are taken in, for they were promised to be in the log
  and must not fill the disk, and are quarantined where they lie: nothing learns from them until an operator lets it. Where it
  raises over one writer's rows, only those are unchecked: no row keeps the others out.
- What checkers remember ends with the process; so before the first row is judged they are told of the table's newest rows
  (``recall``). One that kept what it learned and finds it gone beside a table with rows is a failed check.
- Canaries are judged at the first tick, every ``canary_every_ticks`` ticks and at each while a checker is blind, in the same
  calls as the rows that came. While nobody can tell whom to believe there are none that need it: that is no blindness.

Left out: entering what is set aside (``ingest``), lifting a quarantine (``requests``).
"""

from bisect import bisect_right
from collections import Counter, OrderedDict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from operator import is_
from pathlib import Path

from actors.base.certificates import WRITER_MAX_S, TrustBundle
from actors.base.errors import StorageUnavailable, WeaverGenError
from actors.spans.adapters.baseline import KeptStatistics
from actors.spans.adapters.investigation import Investigations
from actors.spans.adapters.quarantine import QuarantinedRows
from actors.spans.adapters.recall import Newest, Recalled, holds_rows, recalled
from actors.spans.adapters.reporting import Reports
from actors.spans.adapters.room import Room
from actors.spans.adapters.sealer import Authority
from actors.spans.adapters.segments import Disk
from actors.spans.authenticity import Writers
from actors.spans.checkers.canaries import Given, is_canary
from actors.spans.checkers.cross_reference import CrossReferenceValidator
from actors.spans.checkers.cryptographic import CryptographicIntegrityChecker
from actors.spans.checkers.finding import Arrivals, Checker, Finding, IntegrityResult, Keeping, Severity, by_row, judge
from actors.spans.checkers.inspection import Failure, Inspected, begin, inspect, learn, recall, set_aside, told
from actors.spans.checkers.makers import all_canaries
from actors.spans.checkers.pace import Pace
from actors.spans.checkers.temporal import Bounds, TemporalConsistencyValidator
from actors.spans.columns import Rows
from actors.spans.config import SpansConfig
from actors.spans.conventions import ACTOR_S

NAME = "SpanIntegrityGuard"
SAMPLE_MAX_AGE_S = 600
"""Age up to which an accepted record serves to make canaries from: one that is older, or lies further behind its writer's rows
than the longest span, might be found odd in earnest."""

_ASIDE_MANY = "as many rows of {} were set aside as may be in one tick"

Tell = Callable[[str, Mapping[str, str], str, float], object]
"""Opens an incident that lasts: kind, evidence, what about, now (steady)."""


@dataclass(slots=True)
class Verdict:
    """What becomes of rows that were read."""

    faults: dict[str, dict[int, IntegrityResult]] = field(default_factory=dict)
    """Writer → number → why that row is to be set aside."""
    waits: dict[str, tuple[int, str]] = field(default_factory=dict)
    """Writer → first number that has to wait, and why."""
    unchecked: dict[str, str] = field(default_factory=dict)
    """Writer → why its rows, which are taken in, count as unchecked."""
    results: dict[tuple[str, int], IntegrityResult] = field(default_factory=dict)
    """Writer and number → what was found of it, accepted or not."""
    earlier: dict[tuple[str, int], IntegrityResult] = field(default_factory=dict)
    """Rows that were accepted before and that a checker finds bad only now: they are to be quarantined where they lie."""

    def wait(self, writer_id: str, seq: int, why: str) -> None:
        """Have a writer wait from a number on."""
        known = self.waits.get(writer_id)
        if known is None or seq < known[0]:
            self.waits[writer_id] = seq, why


class SpanIntegrityGuard:
    """Judges what each tick read. ``checkers`` stand for the usual ones."""

    def __init__(
        self, authority: Authority, kept: QuarantinedRows, investigations: Investigations, config: SpansConfig,
        late_after_s: float, tell: Tell, checkers: Sequence[Checker] | None = None, more: Sequence[Checker] = (),
    ) -> None:  # fmt: skip
        """``more`` are run beside the usual ones, which need nothing of their own kept."""
        self._authority, self._kept, self._investigations = authority, kept, investigations
        self._config, self._tell, self._late_after_s = config, tell, late_after_s
        self._bounds = Bounds(config.clock_skew_s, config.max_span_s, late_after_s + WRITER_MAX_S)
        self._checkers = checkers or [
            CryptographicIntegrityChecker(self._believed, late_after_s, config.remembered_spans),
            TemporalConsistencyValidator(self._bounds),
            *more,
        ]
        self.blind: dict[str, str] = {}
        """Checker → why it does not see, as of the last canaries."""
        self.failures = 0
        """Checks that failed."""
        self.canaries = 0
        """Canaries that were judged."""
        self._ticks = -1
        self._canaries_due = True
        self._trust: TrustBundle | Exception = StorageUnavailable("nobody was asked yet whom to believe")
        """Whom to believe, as of this batch, or why nobody can tell."""
        self._has_recalled = False
        self._sample: tuple[TrustBundle, Rows] | None = None
        """The last record that was accepted, and under which trust."""
        self._judged: Arrivals | None = None
        """What was judged since checkers learned last, canaries among it, with what checkers made of it."""
        self._since: dict[str, float] = {}
        """Writer → since when its rows are unchecked (steady), without a break."""
        self._set_aside: Counter[str] = Counter()
        """Writer → rows set aside in this tick."""
        self._pace = Pace(config.quarantine_max_rows, config.table_roll_rows)
        self._found_aside: list[Finding] = []
        """What was found of rows that were set aside since checkers learned last."""
        self._apart: OrderedDict[tuple[str, int], None] = OrderedDict()
        """Rows that were quarantined where they lie, the last of them."""

    @property
    def names(self) -> list[str]:
        """Return the names of its checkers."""
        return [checker.name for checker in self._checkers]

    @property
    def room(self) -> Room:
        """Return the room for rows that are set aside."""
        return self._kept.room

    def learned(self) -> dict[str, float | str]:
        """Return what checkers that learn know, and what is wrong with it: part of the actor's health."""
        kept = [checker.health() for checker in self._checkers if isinstance(checker, Keeping)]
        return {name: value for health in kept for name, value in health.items()}

    def begin(self) -> None:
        """Begin a tick."""
        self._pace.begin(self._set_aside)
        self._set_aside.clear()
        self._kept.room.begin()
        self._ticks += 1
        self._canaries_due = bool(self.blind) or self._ticks % self._config.canary_every_ticks == 0

    def judge(self, rows: Sequence[Rows], wall_s: float, steady_s: float) -> Verdict:
        """Say what becomes of rows that were read, and see whether all checkers see."""
        if not rows and not self._canaries_due:
            return Verdict()
        came, (rows, behind) = rows, self._pace.cut(rows)
        self._ask(rows)
        canaries = all_canaries(self._given(wall_s), self._checkers) if self._canaries_due else []
        disguised = list(filter(_is_disguised, rows))
        others = [part for part in rows if not _is_disguised(part)] if disguised else rows
        found = inspect(self._checkers, others, canaries, wall_s, self._config.integrity_threshold)
        self._judged = found.together
        if canaries:
            self.blind, self._canaries_due = found.blind, False
            self.canaries += len(canaries)
        self._say(found.failures, steady_s)
        of_canaries = {canary.place for canary in canaries}
        places = ((one, (one.writer_id, one.seq)) for one in found.findings)
        real = [one for one, place in places if not is_canary(*place) and place not in of_canaries]
        verdict = self._verdict([*real, *_refused(disguised), *_forged(others, real)], came)
        self._unchecked(verdict, found, others, steady_s)
        for writer_id, seq in behind.items():
            verdict.wait(writer_id, seq, f"{_ASIDE_MANY.format(writer_id)}: those from {seq} on are judged in the next")
        return verdict

    def is_signed(self, rows: Rows, wall_s: float) -> bool:
        """Tell whether rows carry a record, and each record is its writer's word; raise ``StorageUnavailable`` if nobody can."""
        records = [(seq, span) for seq, span in enumerate(rows.spans, rows.first_seq) if span.record]
        if not records:
            return False
        try:
            writers = Writers(self._authority.trust(), self._late_after_s)
            return not any(writers.judge(rows.writer_id, seq, span, wall_s) for seq, span in records)
        except (OSError, WeaverGenError) as error:
            raise StorageUnavailable(f"nobody can tell whose word rows are: {error}") from error

    def set_aside(
        self, rows: Rows, faults: Mapping[int, IntegrityResult], around: Sequence[Rows], verdict: Verdict, now_ms: int
    ) -> bool:
        """Set rows of a frame aside, durably; return whether an investigation was begun.

        Raises ``StorageUnavailable`` if that cannot be done now: nothing of these rows may be taken in then.
        """
        if self._set_aside[rows.writer_id] >= self._config.quarantine_max_rows:
            raise StorageUnavailable(
                f"{_ASIDE_MANY.format(rows.writer_id)} (spans.quarantine_max_rows {self._config.quarantine_max_rows}): "
                "the others wait"
            )
        try:
            self._kept.put(rows, faults)
            begun = self._investigations.begin(rows, faults, around, verdict.results, now_ms)
        except OSError as error:
            raise StorageUnavailable(f"rows of {rows.writer_id} cannot be set aside: {error.strerror}") from error
        self._set_aside[rows.writer_id] += len(faults)
        self._found_aside += (one for result in faults.values() for one in result.individual_results)
        return begun

    def recall(
        self, table: Newest, reached: Callable[[str], int | None], wall_s: float, steady_s: float
    ) -> Recalled | None:
        """Let checkers know what the table holds, once, and return it then.

        While that cannot be read it is an incident, and tried again; whatever else is raised is one as well, and is not.
        """
        if self._has_recalled:
            return None
        newest, earlier, ends, has_rows = Recalled(), list[Rows](), dict[str, int](), True
        try:
            has_rows = holds_rows(table)
            newest = recalled(table, self._config.recalled_rows)
            earlier = newest.accepted()
            ends = {writer_id: reached(writer_id) or 0 for writer_id in {part.writer_id for part in earlier}}
        except Exception as error:  # noqa: BLE001 - who ends the process over what the table holds ends the next one too
            why = str(error) if isinstance(error, WeaverGenError) else told(error)
            self._say([Failure("recall", why, "")], steady_s)
            if isinstance(error, StorageUnavailable):  # what is damaged is no better next time
                return None
            earlier = []
        self._has_recalled = True
        self._say(begin(self._checkers, holds_rows=has_rows), steady_s)
        if earlier:
            self._say(recall(self._checkers, Arrivals(earlier, wall_s), ends), steady_s)
        return newest

    def learn(self, accepted: Sequence[Rows], wall_s: float, steady_s: float) -> None:
        """Let checkers learn from rows that were checked and accepted, and know which were set aside."""
        judged, self._judged = self._judged, None
        if self._found_aside:
            found, self._found_aside = self._found_aside, []
            self._say(set_aside(self._checkers, found), steady_s)
        if not accepted:
            return
        as_judged = judged is not None and len(judged.rows) == len(accepted) and all(map(is_, judged.rows, accepted))
        arrivals = judged if judged is not None and as_judged else Arrivals(accepted, wall_s)
        self._say(learn(self._checkers, arrivals), steady_s)
        if isinstance(self._trust, TrustBundle) and (sample := _last_record(accepted)) is not None:
            self._sample = self._trust, sample

    # Whom to believe.

    def _ask(self, rows: Sequence[Rows]) -> None:
        """Ask whom to believe, if anything depends on it."""
        if not self._canaries_due and not any(span.record for part in rows for span in part.spans):
            return
        try:
            self._trust = self._authority.trust()
        except (OSError, WeaverGenError) as error:
            self._trust = error

    def _believed(self) -> TrustBundle:
        if isinstance(self._trust, Exception):
            raise self._trust
        return self._trust

    def _given(self, wall_s: float) -> Given:
        sample = None
        if self._sample is not None:
            under, row = self._sample
            if under is self._trust and self._is_young(row, wall_s):
                sample = row
            else:
                self._sample = None
        return Given(wall_s, self._bounds, sample, is_trusting=not isinstance(self._trust, Exception))

    def _is_young(self, row: Rows, wall_s: float) -> bool:
        age_s = wall_s - row.spans[0].end_unix_nano / 1e9
        return abs(age_s) <= min(SAMPLE_MAX_AGE_S, self._config.max_span_s)

    # What follows.

    def _verdict(self, findings: Sequence[Finding], rows: Sequence[Rows]) -> Verdict:
        verdict = Verdict()
        if not findings:
            return verdict
        here = _Here(rows)
        for (writer_id, seq), said in by_row(findings).items():
            result = judge(said, self._config.integrity_threshold)
            if (writer_id, seq) not in here:
                if result.action_taken == "quarantine" and self._is_new((writer_id, seq)):
                    verdict.earlier[writer_id, seq] = result
                continue
            verdict.results[writer_id, seq] = result
            if result.action_taken == "quarantine":
                verdict.faults.setdefault(writer_id, {})[seq] = result
            elif result.action_taken == "wait":
                undecided = (one for one in said if one.severity is Severity.UNDECIDED)
                verdict.wait(writer_id, seq, "; ".join(one.evidence.get("why", str(one)) for one in undecided))
        return verdict

    def _is_new(self, place: tuple[str, int]) -> bool:
        """Tell whether that row was not quarantined before, as far as is remembered."""
        if place in self._apart:
            return False
        self._apart[place] = None
        if len(self._apart) > self._config.remembered_spans:
            self._apart.popitem(last=False)
        return True

    def _unchecked(self, verdict: Verdict, found: Inspected, rows: Sequence[Rows], steady_s: float) -> None:
        """Have rows that were not checked wait, or let them in as such."""
        unchecked = found.unchecked
        if self.blind:
            why = "; ".join(f"{name} {why}" for name, why in self.blind.items())
            unchecked = {part.writer_id: why for part in rows} | unchecked
            self._tell("span_checker_blind", {"cause": why}, ",".join(sorted(self.blind)), steady_s)
        self._since = {
            writer_id: self._since.get(writer_id, steady_s)
            for writer_id in {*unchecked, *(self._since if self.blind else ())}
        }
        first = {part.writer_id: part.first_seq for part in reversed(rows)}
        for writer_id, why in unchecked.items():
            if steady_s - self._since[writer_id] < self._config.unchecked_wait_s:
                verdict.wait(writer_id, first[writer_id], f"rows were not checked: {why}")
            else:
                verdict.unchecked[writer_id] = why

    def _say(self, failures: Sequence[Failure], steady_s: float) -> None:
        """Open incidents for checks that failed."""
        self.failures += len(failures)
        for failure in failures:
            evidence = {"checker": failure.checker, "cause": failure.why, "writer_id": failure.writer_id}
            self._tell("integrity_checker_failure", evidence, f"{failure.checker}/{failure.writer_id}", steady_s)


def open_guard(
    home: Path, authority: Authority, config: SpansConfig, late_after_s: float, reports: Reports, disk: Disk,
    checkers: Sequence[Checker] | None = None, more: Sequence[Checker] | None = None,
) -> SpanIntegrityGuard:  # fmt: skip
    """Return the guard of a home, which takes in rows up to ``late_after_s`` after their writer's certificate ended.

    ``more`` stand for those that compare rows with others; ``checkers`` for all.
    """
    folder = home / "quarantine"
    kept = QuarantinedRows(folder / "rows", disk, config.quarantine_max_bytes)
    investigations = Investigations(folder / "investigations", config.investigations_max, disk)
    if more is None:
        more = (
            KeptStatistics(home, config.baseline_keep_rows),
            CrossReferenceValidator(max_decisions=max(1, config.remembered_spans // 2)),
        )
    return SpanIntegrityGuard(authority, kept, investigations, config, late_after_s, reports.lasting, checkers, more)


class _Here:
    """Which rows are among some frames, none of which has numbers of another: looked up by the frames' first numbers."""

    def __init__(self, rows: Iterable[Rows]) -> None:
        self._frames: dict[str, list[Rows]] = {}
        for part in sorted(rows, key=_first_seq):
            self._frames.setdefault(part.writer_id, []).append(part)

    def __contains__(self, place: tuple[str, int]) -> bool:
        frames, seq = self._frames.get(place[0], []), place[1]
        at = bisect_right(frames, seq, key=_first_seq) - 1
        return at >= 0 and seq < frames[at].first_seq + len(frames[at].spans)


def _first_seq(part: Rows) -> int:
    return part.first_seq


def _is_disguised(part: Rows) -> bool:
    """Tell whether a frame's last row calls itself a canary."""
    return is_canary(part.writer_id, part.first_seq + len(part.spans) - 1)


def _refused(disguised: Iterable[Rows]) -> list[Finding]:
    """Refuse rows that call themselves canaries."""
    return [
        Finding(part.writer_id, seq, NAME, "canary_s_place", Severity.CRITICAL)
        for part in disguised
        for seq in range(part.first_seq, part.first_seq + len(part.spans))
    ]


def _forged(rows: Iterable[Rows], found: Sequence[Finding]) -> list[Finding]:
    """Refuse rows of names that only the actor enters, but for those that are refused by what was found of them."""
    named = [
        (part.writer_id, seq, span.name)
        for part in rows
        for seq, span in enumerate(part.spans, part.first_seq)
        if span.name in ACTOR_S
    ]
    said = {(one.writer_id, one.seq) for one in found if one.severity is Severity.CRITICAL} if named else ()
    return [
        Finding(writer_id, seq, NAME, "actor_s_name", Severity.CRITICAL, {"name": name})
        for writer_id, seq, name in named
        if (writer_id, seq) not in said
    ]


def _last_record(parts: Sequence[Rows]) -> Rows | None:
    """Return the last row that carries a record."""
    for part in reversed(parts):
        for place in range(len(part.spans) - 1, -1, -1):
            if part.spans[place].record:
                return Rows(part.writer_id, part.first_seq + place, part.schema_version, [part.spans[place]])
    return None
