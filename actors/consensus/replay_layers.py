"""Whether the layers of a decision record followed each other as they may: each replayed, none skipped to a weaker jury. Pure.

Rules:
- Every layer that was tried before is checked as a record of its own that ended without an answer.
- What may follow what is told by the very function that chose the next layer (``layers``); a voter that policy isolated
  meanwhile counts as having been on the panel, since it was when the layer was chosen.
- A voter is asked once in a request: its later ballots carry what came of that, and say so.
- What one layer rejected counts in no later one, by its bytes and by its form.
"""

from collections.abc import Iterator, Sequence

from msgspec.structs import replace

from actors.base.errors import IntegrityError
from actors.consensus.causes import HALTED_CAUSE
from actors.consensus.counting import has_answered, was_heard
from actors.consensus.layers import Ended, Offer, may_follow
from actors.consensus.records import DEGRADED_METHODS
from actors.consensus.replay import (
    casts_in,
    check_ballots,
    check_choice,
    check_form,
    check_result,
    replay_tally,
    rule_of,
)
from actors.consensus.tally import NO_GROUP
from actors.spans.record import BallotEntry, DecisionRecord, LayerEntry, LayerOutcome, Result, VoteOutcome

_RESULTS: dict[LayerOutcome, Result] = {
    "disagreed": "no_consensus", "screened_out": "screened_out", "unavailable": "unavailable", "deadline": "deadline",
}  # fmt: skip
_NOT_HEARD = ("isolated", "cancelled")
"""Outcomes of ballots whose voter may be asked by a later layer, if it had not answered when it was cancelled."""
_LOOKED_AT_AGAIN = ("agreed", "dissented", "cancelled")
"""Outcomes of ballots whose answer the next layer looks at as if it had just come."""


def check_layers(record: DecisionRecord, now_s: int) -> None:
    """Check the layers before the one that decided, and that each might follow those before it."""
    views = [*earlier_views(record), record]
    _require([view.layer.tried[-1] for view in views] == record.layer.tried, "the layers tried are not those told of")
    indices = [view.layer.index for view in views]
    _require(indices == sorted(set(indices)), "layers out of order, or one twice")
    _require(indices[0] == 0, "a layer before those told of was left out: a request begins with the first")
    _require(not any(ballot.carried for ballot in views[0].ballots), "a ballot from a layer before the first")
    for view in views[:-1]:
        _check_refusal(view, now_s)
    ends = [_ended(view) for view in views]
    for place in range(1, len(views)):
        offer = Offer(ends[place].rule, frozenset(b.lineage for b in _panel(views[place])), ends[place].lineages)
        _require(may_follow(ends[:place], offer), f"layer {views[place].layer.name} could not follow those before it")
        _check_carried(views[:place], views[place])
    _check_rejected(record.earlier, views)


def earlier_views(record: DecisionRecord) -> list[DecisionRecord]:
    """Return each layer before the one that decided as the record that it would have made had it been the last."""
    return [_view(record, entry) for entry in record.earlier]


def _view(record: DecisionRecord, entry: LayerEntry) -> DecisionRecord:
    _require(len(entry.layer.tried) == 1, "an earlier layer tells of another")
    outcome = entry.layer.tried[0].outcome
    if outcome not in _RESULTS or entry.layer.tried[0].cause == HALTED_CAUSE:
        raise IntegrityError(f"layers: {entry.layer.name} {outcome}, and another was asked", "layers")
    degraded = record.policy.name == "direct" or entry.layer.index > 0 or entry.method in DEGRADED_METHODS
    return replace(
        record, layer=entry.layer, method=entry.method, ballots=entry.ballots, tie_salt=entry.tie_salt, tally=entry.tally,
        examples=entry.examples, result=_RESULTS[outcome], answer_sha256="", degraded=degraded, earlier=[],
        similarity=entry.similarity or record.similarity,
    )  # fmt: skip


def _check_refusal(view: DecisionRecord, now_s: int) -> None:
    # An earlier layer has no layers before it in its own view, whatever its place is.
    check_form(view, now_s)
    check_ballots(view)
    counted = replay_tally(view)
    check_choice(view)
    check_result(view, counted)


def _ended(view: DecisionRecord) -> Ended:
    tried = view.layer.tried[-1]
    answers = [has_answered(ballot.outcome, came=bool(ballot.received_sha256)) for ballot in view.ballots]
    return Ended(
        outcome=tried.outcome,
        cause=tried.cause,
        heard=was_heard(casts_in(view), answers, rule_of(view)),
        rule=rule_of(view),
        lineages=frozenset(ballot.lineage for ballot in view.ballots),
    )


def _panel(view: DecisionRecord) -> Sequence[BallotEntry]:
    return view.ballots[: view.layer.panel]


def _check_carried(earlier: Sequence[DecisionRecord], view: DecisionRecord) -> None:
    """Check that a layer's ballots say of voters asked before what came of that."""
    heard: dict[str, BallotEntry] = {}
    for ballot in (ballot for layer in earlier for ballot in layer.ballots):
        if ballot.outcome not in _NOT_HEARD or (ballot.outcome == "cancelled" and ballot.received_sha256):
            heard[ballot.voter] = ballot
    nobody_asked = all(ballot.outcome in _NOT_HEARD for ballot in view.ballots)
    for ballot in view.ballots:
        known, who = heard.get(ballot.voter), f"{ballot.voter} in layer {view.layer.name}"
        passed_over = not ballot.carried and (ballot.outcome == "isolated" or nobody_asked)
        _require(ballot.carried == (known is not None) or passed_over, f"{who}: asked twice, or never")
        if known is not None and ballot.carried:
            _require(_answer(ballot) == _answer(known), f"{who}: another answer than before")
            _require(ballot.outcome in _may_become(known), f"{who}: {known.outcome} before, and now {ballot.outcome}")


def _may_become(known: BallotEntry) -> tuple[VoteOutcome, ...]:
    """Return what a ballot may be in a later layer that carries it."""
    if known.outcome in _LOOKED_AT_AGAIN:
        return ("agreed", "dissented", "screened_out", "timeout", "cancelled", "isolated")
    return ("timeout" if known.outcome == "late" else known.outcome, "isolated")


def _answer(ballot: BallotEntry) -> str:
    return ballot.candidate_sha256 or ballot.received_sha256


def _check_rejected(earlier: Sequence[LayerEntry], views: Sequence[DecisionRecord]) -> None:
    gone: set[str] = set()
    for place, view in enumerate(views):
        for ballot in view.ballots:
            digests = {ballot.candidate_sha256, ballot.normal_form_sha256} - {""}
            _require(
                gone.isdisjoint(digests), f"{ballot.voter} in layer {view.layer.name}: counts, and was rejected before"
            )
        if place < len(earlier):
            _require(earlier[place].rejected == sorted(set(earlier[place].rejected)), "rejected forms out of order")
            gone |= set(earlier[place].rejected) | set(_rejected(view))


def _rejected(view: DecisionRecord) -> Iterator[str]:
    """Yield the digests of what a layer's ballots say was rejected."""
    for ballot in view.ballots:
        if ballot.outcome == "screened_out":
            yield from {ballot.received_sha256} - {""}
        elif ballot.group != NO_GROUP and ballot.examples_passed < view.examples:
            yield from (ballot.candidate_sha256, ballot.normal_form_sha256)


def _require(holds: bool, otherwise: str) -> None:
    if not holds:
        raise IntegrityError(f"layers: {otherwise}", "layers")
