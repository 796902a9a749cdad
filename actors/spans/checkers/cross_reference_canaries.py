"""Canaries of the CrossReferenceValidator: a decision that is right in itself, and one for each way in which one is not. Pure.

Their records carry no signature, so they are nobody's good rows: whoever checks signatures finds them bad, too.
"""

from collections.abc import Callable

import msgspec
from msgspec.structs import replace

from actors.base.canonical import b64
from actors.spans import conventions as names
from actors.spans.checkers.canaries import FIRST, Canary, Given, plain, rows_of
from actors.spans.checkers.cross_reference import NAME
from actors.spans.checkers.cross_reference_record import Ballot, Layer, Policy, Recorded, Said, Source, Tried
from actors.spans.columns import Rows
from actors.spans.counters import RowCounts, counters_span
from actors.spans.span import Span

_WHERE, _KIND = "canary", "text"
_AGAIN = "canary decision"
_BALLOTS = [
    Ballot(voter, voter, voter, "agreed", 0, "0" * 64, "0.500000", 1_000) for voter in ("canary a", "canary b")
]  # fmt: skip
_RECORD = Recorded(
    id="", tenant="", answer_kind=_KIND, answer_sha256="0" * 64, result="answered", policy=Policy("strict"),
    layer=Layer(_WHERE, ["canary a", "canary b"], 2, [Tried(_WHERE, "agreed")]), ballots=_BALLOTS,
    tally=Said(0, "1.000000", 2, "0" * 64, {"canary a": "0.500000", "canary b": "0.500000"}),
)  # fmt: skip
_Parts = tuple[Span, Span, Span, Span]
"""Layer, two voters, root."""


def _sealed(record: Recorded) -> bytes:
    return msgspec.json.encode({"payload": b64(msgspec.json.encode(record))})


def _decision(given: Given, number: int, record: Recorded = _RECORD, name: str = "") -> _Parts:
    """Return a decision's rows, the root last: rows of a frame may come in any order."""
    first, name = 200 + 8 * number, name or f"canary decision {number}"
    root = plain(
        given, first, name=names.INVOKE_WORKFLOW, kind="server", decision_id=name, layer=_WHERE, outcome=record.result,
        agreement=1.0, answer_kind=_KIND, attributes={names.POLICY_NAME: "strict"}, record=_sealed(replace(record, id=name)),
    )  # fmt: skip
    of_it = {"trace_id": root.trace_id, "decision_id": name, "layer": _WHERE, "answer_kind": _KIND, "outcome": "agreed"}
    layer = plain(given, first + 1, name=names.LAYER, parent_span_id=root.span_id, agreement=1.0, **of_it)
    voters = [
        plain(
            given, first + 2 + place, name=names.chat_span_name(ballot.voter), kind="client", voter=ballot.voter,
            family=ballot.family, parent_span_id=layer.span_id, **of_it,
            attributes={
                names.GEN_AI_REQUEST_MODEL: ballot.voter, names.GEN_AI_PROVIDER_NAME: ballot.family,
                names.LINEAGE: ballot.lineage, names.CANDIDATE_SHA256: ballot.candidate_sha256,
            },
        )
        for place, ballot in enumerate(_BALLOTS)
    ]  # fmt: skip
    return layer, voters[0], voters[1], root


def _taken_back(given: Given, number: int) -> Span:
    return plain(
        given, number, name=names.POLICY, decision_id=_AGAIN, outcome="withheld", answer_kind=_KIND,
        record=_sealed(replace(_RECORD, id=_AGAIN, result="withheld")),
    )  # fmt: skip


def _with(**changes: object) -> Callable[[_Parts], list[Span]]:
    """Change the first voter's row, which comes last."""
    return lambda parts: [parts[0], parts[2], parts[3], replace(parts[1], **changes)]


def _other_id(parts: _Parts) -> list[Span]:
    return [*parts, replace(parts[1], span_id=b"elsewher")]


_ROWS: dict[str, Callable[[_Parts], list[Span]]] = {
    "row_without_decision": lambda parts: [parts[1]],
    "root_twice": lambda parts: [*parts, parts[3]],
    "decision_without_record": lambda parts: [*parts[:3], replace(parts[3], record=b"")],
    "record_unreadable": lambda parts: [*parts[:3], replace(parts[3], record=b"{}")],
    "record_out_of_place": lambda parts: [parts[3], *parts[:2], replace(parts[2], record=parts[3].record)],
    "unknown_row": lambda parts: [*parts, replace(parts[0], name="weavergen.canary.row")],
    "root_differs": lambda parts: [*parts[:3], replace(parts[3], outcome="no_consensus")],
    "layer_differs": lambda parts: [*parts[1:], replace(parts[0], outcome="disagreed")],
    "layer_twice": lambda parts: [*parts, replace(parts[0], span_id=b"elsewher")],
    "parent_differs": _with(parent_span_id=b"elsewher"),
    "trace_differs": _with(trace_id=b"another trace id"),
    "voter_span_differs": _with(outcome="dissented"),
    "voter_span_without_ballot": _with(voter="canary c"),
    "voter_span_twice": _other_id,
    "latency_not_its_times": _with(end_unix_nano=2**62),
    "span_id_twice": lambda parts: [parts[0], parts[1], parts[3], replace(parts[2], span_id=parts[1].span_id)],
    "ballot_without_voter_span": lambda parts: [parts[0], parts[1], parts[3]],
    "panel_incomplete": lambda parts: [parts[0], parts[3], parts[1]],
}
"""What must be found of the last row → how rows that are right become those."""
_RECORDS: dict[str, Recorded] = {
    "tally_not_its_ballots": replace(_RECORD, tally=replace(_RECORD.tally, support="0.500000")),
    "voter_not_seated": replace(_RECORD, ballots=[*_BALLOTS, replace(_BALLOTS[0], voter="canary c")]),
    "layers_not_those_tried": replace(_RECORD, layer=replace(_RECORD.layer, tried=[])),
    "result_not_its_tally": replace(_RECORD, answer_sha256="1" * 64),
    "answer_of_no_cache": replace(_RECORD, cache=Source("canary")),
}


def cross_reference_canaries(given: Given) -> list[Canary]:
    """Return rows for every way in which what is told twice differs."""
    made = [
        Canary(rows_of(given, 20 + at, *change(_decision(given, at))), NAME, kind)
        for at, (kind, change) in enumerate(_ROWS.items())
    ]
    made += [
        Canary(rows_of(given, 50 + at, *_decision(given, 20 + at, record)), NAME, kind)
        for at, (kind, record) in enumerate(_RECORDS.items())
    ]
    return [*made, *_again(given), *_counts(given)]


def _again(given: Given) -> list[Canary]:
    """Return a decision that lacks a row and is taken back, then the same again, and taken back again, by itself and another."""
    _, first, second, root = _decision(given, 30, name=_AGAIN)
    known = rows_of(given, 60, first, second, root)

    def later(by: int, *spans: Span) -> Rows:
        return Rows(known.writer_id, FIRST + by, known.schema_version, list(spans))

    return [
        Canary(known, NAME, "layer_missing"),
        Canary(rows_of(given, 61, *_decision(given, 31, name=_AGAIN)), NAME, "decision_twice"),
        Canary(rows_of(given, 62, _taken_back(given, 450)), NAME, "withheld_by_another"),
        Canary(later(9, _taken_back(given, 451), _decision(given, 32)[1]), NAME, "row_without_decision"),
        Canary(later(19, _taken_back(given, 452)), NAME, "withheld_twice"),
    ]


def _counts(given: Given) -> list[Canary]:
    """Return counts that are not those of the rows before them, and a row that tells none."""
    at = plain(given, 460)
    told = counters_span(RowCounts(rows=1), at.trace_id, at.span_id, at.end_unix_nano)
    return [
        Canary(rows_of(given, 63, told), NAME, "counters_differ"),
        Canary(rows_of(given, 64, replace(told, attributes={})), NAME, "counters_unreadable"),
    ]
