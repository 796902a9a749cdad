"""One decision's rows against its record."""

from collections.abc import Callable, Sequence

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from actors.spans import conventions as names
from actors.spans.checkers.cross_reference import decisions_in
from actors.spans.checkers.cross_reference_decision import Fault, faults_of
from actors.spans.checkers.finding import Severity
from actors.spans.columns import Rows
from actors.spans.span import Span
from tests.examples import examples
from tests.unit.actors.consensus.courses import EVERYONE, Course, courses, run
from tests.unit.actors.spans.checkers.decisions import agreed, failed_over, frame, taken_back

Changed = Callable[[list[Span]], Sequence[Span]]


def faults(spans: Sequence[Span]) -> list[Fault]:
    """Return what is wrong with rows that came as one frame."""
    return [fault for decision in decisions_in(Rows("w", 1, 1, spans)) for fault in faults_of(decision)]


@settings(max_examples=examples(150), deadline=None)
@given(courses(), st.permutations([seat.voter for seat in EVERYONE]))
def test_rows_as_a_gateway_writes_them_are_right(made: Course, order: list[str]) -> None:
    """Whatever layers there are, whatever their voters do, whatever policy does meanwhile."""
    state = run(made, order)
    assert faults(frame(state).spans) == []
    if state.conclusion is not None and state.conclusion.tally.winner is not None:
        assert faults(taken_back(state, 1, 99).spans) == []


def root(change: Callable[[Span], Span]) -> Changed:
    """Change the root."""
    return lambda spans: [change(spans[0]), *spans[1:]]


def layer(change: Callable[[Span], Span]) -> Changed:
    """Change the one layer's row."""
    return lambda spans: [spans[0], change(spans[1]), *spans[2:]]


def voter(change: Callable[[Span], Span]) -> Changed:
    """Change the first voter's row."""
    return lambda spans: [*spans[:2], change(spans[2]), *spans[3:]]


def with_attribute(span: Span, name: str, value: str) -> Span:
    """Return a row with another attribute."""
    return replace(span, attributes=span.attributes | {name: value})


CHANGES: dict[str, tuple[str, Changed]] = {
    "root: outcome": ("root_differs", root(lambda s: replace(s, outcome="no_consensus"))),
    "root: agreement": ("root_differs", root(lambda s: replace(s, agreement=0.9))),
    "root: tenant": ("root_differs", root(lambda s: replace(s, tenant="other"))),
    "root: answer kind": ("root_differs", root(lambda s: replace(s, answer_kind="json"))),
    "root: layer": ("root_differs", root(lambda s: replace(s, layer="other"))),
    "root: status": ("root_differs", root(lambda s: replace(s, status="error"))),
    "root: kind": ("root_differs", root(lambda s: replace(s, kind="client"))),
    "root: policy": ("root_differs", root(lambda s: with_attribute(s, names.POLICY_NAME, "direct"))),
    "root: latency": ("latency_not_its_times", root(lambda s: replace(s, latency_ms=s.latency_ms + 1))),
    "root: gone": ("row_without_decision", lambda spans: spans[1:]),
    "root: twice": ("root_twice", lambda spans: [spans[0], *spans]),
    "root: no record": ("decision_without_record", root(lambda s: replace(s, record=b""))),
    "root: no envelope": ("record_unreadable", root(lambda s: replace(s, record=s.record[:-9]))),
    "layer: outcome": ("layer_differs", layer(lambda s: replace(s, outcome="disagreed"))),
    "layer: agreement": ("layer_differs", layer(lambda s: replace(s, agreement=0.1))),
    "layer: status": ("layer_differs", layer(lambda s: replace(s, status="error"))),
    "layer: another": ("layer_differs", layer(lambda s: replace(s, layer="other"))),
    "layer: gone": ("layer_missing", lambda spans: [spans[0], *spans[2:]]),
    "layer: twice": ("layer_twice", lambda spans: [*spans, replace(spans[1], span_id=b"12345678")]),
    "layer: parent": ("parent_differs", layer(lambda s: replace(s, parent_span_id=b"12345678"))),
    "layer: latency": ("latency_not_its_times", layer(lambda s: replace(s, latency_ms=s.latency_ms + 1))),
    "layer: a record": ("record_out_of_place", lambda spans: [spans[0], replace(spans[1], record=b"{}"), *spans[2:]]),
    "voter: outcome": ("voter_span_differs", voter(lambda s: replace(s, outcome="dissented"))),
    "voter: family": ("voter_span_differs", voter(lambda s: replace(s, family="other"))),
    "voter: latency": (
        "voter_span_differs",
        voter(lambda s: replace(s, latency_ms=s.latency_ms + 5, end_unix_nano=s.end_unix_nano + 5_000_000)),
    ),
    "voter: times": ("latency_not_its_times", voter(lambda s: replace(s, end_unix_nano=s.end_unix_nano + 1_000_000))),
    "voter: candidate": ("voter_span_differs", voter(lambda s: with_attribute(s, names.CANDIDATE_SHA256, "0" * 64))),
    "voter: lineage": ("voter_span_differs", voter(lambda s: with_attribute(s, names.LINEAGE, "other"))),
    "voter: model": ("voter_span_differs", voter(lambda s: with_attribute(s, names.GEN_AI_REQUEST_MODEL, "other"))),
    "voter: provider": ("voter_span_differs", voter(lambda s: with_attribute(s, names.GEN_AI_PROVIDER_NAME, "other"))),
    "voter: name": ("voter_span_differs", voter(lambda s: replace(s, name="chat other"))),
    "voter: status": ("voter_span_differs", voter(lambda s: replace(s, status="error"))),
    "voter: kind": ("voter_span_differs", voter(lambda s: replace(s, kind="server"))),
    "voter: answer kind": ("voter_span_differs", voter(lambda s: replace(s, answer_kind="json"))),
    "voter: tenant": ("voter_span_differs", voter(lambda s: replace(s, tenant="other"))),
    "voter: another": ("voter_span_without_ballot", voter(lambda s: replace(s, voter="x", name="chat x"))),
    "voter: layer": ("voter_span_without_ballot", voter(lambda s: replace(s, layer="other"))),
    "voter: twice": ("voter_span_twice", lambda spans: [*spans, replace(spans[2], span_id=b"12345678")]),
    "voter: gone": ("ballot_without_voter_span", lambda spans: [*spans[:2], *spans[3:]]),
    "voter: parent": ("parent_differs", voter(lambda s: replace(s, parent_span_id=b"12345678"))),
    "voter: trace": ("trace_differs", voter(lambda s: replace(s, trace_id=b"another trace id"))),
    "voter: span id": ("span_id_twice", lambda spans: [*spans[:2], replace(spans[2], span_id=spans[3].span_id), *spans[3:]]),
    "voter: of nothing": ("row_without_decision", voter(lambda s: replace(s, decision_id=""))),
    "a row of no sort": ("unknown_row", lambda spans: [*spans, replace(spans[1], name="weavergen.other")]),
}  # fmt: skip


@pytest.mark.parametrize(("kind", "change"), CHANGES.values(), ids=CHANGES)
def test_a_changed_row_is_found(kind: str, change: Changed) -> None:
    """As what it is, and critical but where a row is missing: then the root, which says so, stays."""
    found = faults(change(list(frame(agreed()).spans)))
    (first, *_) = [fault for fault in found if fault.kind == kind]
    missing = kind in ("layer_missing", "ballot_without_voter_span")
    assert first.severity is (Severity.WARNING if missing else Severity.CRITICAL)


@pytest.mark.parametrize("change", [change for _, change in CHANGES.values()], ids=CHANGES)
def test_no_ballot_of_a_decision_that_is_not_right_teaches(change: Changed) -> None:
    """All its rows but the root are critical, those that nobody touched among them."""
    spans = change(list(frame(agreed()).spans))
    critical = {fault.seq for fault in faults(spans) if fault.severity is Severity.CRITICAL}
    assert {seq for seq, span in enumerate(spans, 1) if span.voter or span.name == names.LAYER} <= critical


def test_a_root_stays_when_only_what_is_beside_it_is_wrong() -> None:
    """It is the promise that was given, and says nothing wrong."""
    for name, (_, change) in CHANGES.items():
        if name.startswith("voter"):
            found = faults(change(list(frame(agreed()).spans)))
            assert 1 not in {fault.seq for fault in found if fault.severity is Severity.CRITICAL}, name


def test_a_ballot_that_was_carried_over_has_its_row_in_the_last_layer_only() -> None:
    """One under the first layer besides is one too many."""
    spans = list(frame(failed_over()).spans)
    (carried,) = [span for span in spans if span.voter == "a"]
    again = replace(carried, layer="layer0", parent_span_id=spans[1].span_id, span_id=b"12345678")
    assert faults(spans) == []
    assert "voter_span_without_ballot" in {fault.kind for fault in faults([*spans, again])}


def test_an_answer_taken_back_is_one_row() -> None:
    """It says what its record says, and no ballot comes with it."""
    (row,) = taken_back(agreed(), 1, 9).spans
    assert faults([replace(row, outcome="answered")])[0].kind == "root_differs"
    assert faults([replace(row, tenant="other")])[0].kind == "root_differs"
    assert faults([replace(row, record=b"{}")])[0].kind == "record_unreadable"
    assert faults([replace(row, latency_ms=1)])[0].kind == "latency_not_its_times"
    another = frame(agreed()).spans[0].record
    assert faults([replace(row, record=another)])[0].kind == "root_differs"
