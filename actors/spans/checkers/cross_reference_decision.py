"""One decision's rows held against its record: the root, a row for each layer, a row for each voter that was asked. Pure.

Rules:
- The record is the writer's signed word; rows beside it carry no signature and must say the same: who, under which layer, with
  what outcome, latency, candidate and lineage, and in the same trace.
- Rows of a decision are one frame, so they come together or not at all.
- A row that says otherwise is critical. So are then all rows of the decision but the root: half a panel teaches something that
  nobody said. The root stays unless its own words are wrong: it is a promise that was given, and what is missing beside it
  takes nothing of that.

Left out: which rows are one decision's, and decisions that come twice (``cross_reference``).
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field

from actors.base.canonical import MICRO, micro
from actors.base.errors import IntegrityError
from actors.spans import conventions as names
from actors.spans.checkers.cross_reference_record import (
    Ballot,
    Recorded,
    ballots_told,
    contradiction,
    layers_of,
    recorded,
)
from actors.spans.checkers.finding import Severity
from actors.spans.span import Span

_OK_BALLOTS = ("agreed", "dissented", "cancelled")

Numbered = tuple[int, Span]
"""A row's number, and the row."""
Read = Callable[[int, Span], Recorded]
"""Reads the record that a row carries; raises ``IntegrityError`` if it is none."""


@dataclass(frozen=True, slots=True)
class Fault:
    """What is wrong with one row."""

    seq: int
    kind: str
    found: str
    expected: str
    severity: Severity = Severity.CRITICAL


@dataclass(slots=True)
class Decision:
    """Rows of one decision, in one frame."""

    id: str
    roots: list[Numbered] = field(default_factory=list)
    withheld: list[Numbered] = field(default_factory=list)
    layers: list[Numbered] = field(default_factory=list)
    voters: list[Numbered] = field(default_factory=list)
    others: list[Numbered] = field(default_factory=list)
    """Rows that no decision has."""
    record: Recorded | None = None
    """What its root says, once that was read."""

    def take(self, seq: int, span: Span) -> None:
        """Put a row where it belongs."""
        if span.voter:
            self.voters.append((seq, span))
        elif span.name == names.INVOKE_WORKFLOW:
            self.roots.append((seq, span))
        elif span.name == names.LAYER:
            self.layers.append((seq, span))
        elif span.name == names.POLICY:
            self.withheld.append((seq, span))
        else:
            self.others.append((seq, span))

    @property
    def head(self) -> int | None:
        """Return the number of the row that carries its record, ``None`` if there is none."""
        heads = self.roots or self.withheld
        return heads[0][0] if heads else None

    @property
    def rows(self) -> list[Numbered]:
        """Return all rows."""
        return [*self.roots, *self.withheld, *self.layers, *self.voters, *self.others]


def read_alone(_: int, span: Span) -> Recorded:
    """Read a row's record where nobody has read it before."""
    return recorded(span.record)


def faults_of(decision: Decision, read: Read = read_alone) -> list[Fault]:
    """Return what is wrong with a decision's rows."""
    found = list(_shape(decision))
    if not found:
        found = list(_withheld(decision, read) if decision.withheld else _answered(decision, read))
    return [*found, *_half_a_panel(decision, found)] if found else found


def _shape(decision: Decision) -> Iterator[Fault]:
    """Hold that there is one root with a record, or one word that an answer was taken back, and nothing unknown."""
    heads = [*decision.roots, *decision.withheld]
    if not heads:
        for seq, span in decision.rows:
            yield Fault(seq, "row_without_decision", span.name, "its decision's root in the same frame")
        return
    for seq, span in heads[1:]:
        yield Fault(seq, "root_twice", span.name, "one root a decision and frame")
    for seq, span in heads:
        if not span.record:
            yield Fault(seq, "decision_without_record", "no record", "a signed record on the root")
    for seq, span in decision.others:
        yield Fault(seq, "unknown_row", span.name, "a row that decisions have")
    for seq, span in [*decision.layers, *decision.voters]:
        if span.record:
            yield Fault(seq, "record_out_of_place", span.name, "a record on the root alone")


def _withheld(decision: Decision, read: Read) -> Iterator[Fault]:
    (seq, span), *_ = decision.withheld
    try:
        record = read(seq, span)
    except IntegrityError as error:
        yield Fault(seq, "record_unreadable", str(error), "a decision record")
        return
    said = (record.id, record.result, record.tenant, record.answer_kind)
    told = (span.decision_id, span.outcome, span.tenant, span.answer_kind)
    if said != told or record.result != "withheld":
        yield Fault(seq, "root_differs", _words(told), _words((*said[:1], "withheld", *said[2:])))
    yield from _timed(seq, span)
    for other, row in [*decision.layers, *decision.voters]:
        yield Fault(other, "row_without_decision", row.name, "an answer that is taken back has one row")


def _answered(decision: Decision, read: Read) -> Iterator[Fault]:
    (seq, root), *_ = decision.roots
    try:
        decision.record = record = read(seq, root)
    except IntegrityError as error:
        yield Fault(seq, "record_unreadable", str(error), "a decision record")
        return
    kind, what = contradiction(record)
    if kind:
        yield Fault(seq, kind, what, "a record that agrees with itself")
        return
    yield from _root(seq, root, record)
    yield from _layers(decision, root, record)
    yield from _voters(decision, record)
    yield from _hang_together(decision, root)


def _root(seq: int, root: Span, record: Recorded) -> Iterator[Fault]:
    ok = "ok" if record.result == "answered" else "error"
    said = (
        record.id, record.tenant, record.layer.name, record.result, record.answer_kind, micro(record.tally.support), ok,
        "server", record.policy.name,
    )  # fmt: skip
    told = (
        root.decision_id, root.tenant, root.layer, root.outcome, root.answer_kind, round(root.agreement * MICRO), root.status,
        root.kind, root.attributes.get(names.POLICY_NAME, ""),
    )  # fmt: skip
    if said != told:
        yield Fault(seq, "root_differs", _words(told), _words(said))
    yield from _timed(seq, root)


def _layers(decision: Decision, root: Span, record: Recorded) -> Iterator[Fault]:
    ends = {one.name: one.outcome for one in record.layer.tried}
    supports = {one.layer.name: micro(one.tally.support) for one in layers_of(record)}
    seen: set[str] = set()
    for seq, span in decision.layers:
        end, support = ends.get(span.layer), supports.get(span.layer)
        halted = record.result == "halted" and span.outcome == "halted"
        ok = "ok" if end == "agreed" else "error"
        said = (end, support, ok, record.answer_kind, record.tenant)
        told = (
            end if halted else span.outcome, round(span.agreement * MICRO), span.status, span.answer_kind, span.tenant,
        )  # fmt: skip
        if said != told or span.layer in seen:
            kind = "layer_twice" if span.layer in seen else "layer_differs"
            yield Fault(seq, kind, _words((span.layer, *told)), _words((span.layer, *said)))
        if span.parent_span_id != root.span_id:
            yield Fault(seq, "parent_differs", span.parent_span_id.hex(), root.span_id.hex())
        yield from _timed(seq, span)
        seen.add(span.layer)
    if missing := sorted(ends.keys() - seen):
        yield Fault(decision.roots[0][0], "layer_missing", "no row", missing[0], Severity.WARNING)


def _voters(decision: Decision, record: Recorded) -> Iterator[Fault]:
    left = {(layer, ballot.voter): ballot for layer, ballot in ballots_told(record)}
    parents = {span.layer: span.span_id for _, span in decision.layers}
    seen: set[tuple[str, str]] = set()
    for seq, span in decision.voters:
        place = (span.layer, span.voter)
        ballot = left.pop(place, None)
        if ballot is None:
            kind = "voter_span_twice" if place in seen else "voter_span_without_ballot"
            yield Fault(seq, kind, _words(place), "a ballot of that voter in that layer, once")
            continue
        seen.add(place)
        said, told = _said(ballot, record), _told(span)
        if said != told:
            yield Fault(seq, "voter_span_differs", _words(told), _words(said))
        if span.parent_span_id != parents.get(span.layer, span.parent_span_id):
            yield Fault(seq, "parent_differs", span.parent_span_id.hex(), parents[span.layer].hex())
        if span.end_unix_nano - span.start_unix_nano != span.latency_ms * 1_000_000:
            yield Fault(seq, "latency_not_its_times", f"{span.latency_ms} ms", "what lies between its times")
    for place in sorted(left):
        yield Fault(decision.roots[0][0], "ballot_without_voter_span", "no row", _words(place), Severity.WARNING)


def _said(ballot: Ballot, record: Recorded) -> tuple[object, ...]:
    return (
        ballot.family, ballot.outcome, ballot.latency_ms, ballot.candidate_sha256, ballot.lineage, record.answer_kind,
        record.tenant, "ok" if ballot.outcome in _OK_BALLOTS else "error", "client", names.chat_span_name(ballot.voter),
        ballot.voter, ballot.family,
    )  # fmt: skip


def _told(span: Span) -> tuple[object, ...]:
    attribute = span.attributes.get
    return (
        span.family, span.outcome, span.latency_ms, attribute(names.CANDIDATE_SHA256, ""), attribute(names.LINEAGE, ""),
        span.answer_kind, span.tenant, span.status, span.kind, span.name,
        attribute(names.GEN_AI_REQUEST_MODEL, ""), attribute(names.GEN_AI_PROVIDER_NAME, ""),
    )  # fmt: skip


def _hang_together(decision: Decision, root: Span) -> Iterator[Fault]:
    below = [*decision.layers, *decision.voters]
    ids, traces = {root.span_id}, {root.trace_id}
    ids.update([span.span_id for _, span in below])
    traces.update([span.trace_id for _, span in below])
    if len(ids) == 1 + len(below) and len(traces) == 1:
        return
    seen = {root.span_id}
    for seq, span in below:
        if span.trace_id != root.trace_id:
            yield Fault(seq, "trace_differs", span.trace_id.hex(), root.trace_id.hex())
        if span.span_id in seen:
            yield Fault(seq, "span_id_twice", span.span_id.hex(), "an id of its own")
        seen.add(span.span_id)


def _timed(seq: int, span: Span) -> Sequence[Fault]:
    took_ms = (span.end_unix_nano - span.start_unix_nano) // 1_000_000
    if span.latency_ms == took_ms:
        return ()
    return (Fault(seq, "latency_not_its_times", f"{span.latency_ms} ms", f"{took_ms} ms"),)


def _half_a_panel(decision: Decision, found: Sequence[Fault]) -> Iterator[Fault]:
    """Take the rows that are left beside the root where something is wrong with a decision."""
    named = {fault.seq for fault in found if fault.severity is Severity.CRITICAL}
    for seq, span in [*decision.layers, *decision.voters]:
        if seq not in named:
            yield Fault(seq, "panel_incomplete", span.name, f"all of its decision's rows: {found[0].kind}")


def _words(values: Sequence[object]) -> str:
    return " ".join(map(str, values))
