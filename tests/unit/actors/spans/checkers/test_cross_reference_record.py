"""Whether a record agrees with itself, as far as rows are held against it."""

from collections.abc import Callable

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from actors.base.errors import IntegrityError
from actors.spans.checkers.cross_reference_record import ballots_told, contradiction, recorded
from actors.spans.record import DecisionRecord
from tests.examples import examples
from tests.unit.actors.consensus.courses import EVERYONE, Course, courses, run
from tests.unit.actors.spans.checkers.decisions import agreed, failed_over, frame

Change = Callable[[DecisionRecord], DecisionRecord]


def faults(change: Change) -> str:
    """Return the kind of contradiction in the record of three ballots, changed."""
    return contradiction(recorded(frame(agreed(), change=change).spans[0].record))[0]


@settings(max_examples=examples(150), deadline=None)
@given(courses(), st.permutations([seat.voter for seat in EVERYONE]))
def test_no_record_that_a_deliberation_makes_contradicts_itself(made: Course, order: list[str]) -> None:
    """Whatever layers there are and whatever their voters do."""
    record = recorded(frame(run(made, order)).spans[0].record)
    assert contradiction(record) == ("", "")


CHANGES: dict[str, tuple[str, Change]] = {
    "another group won": ("tally_not_its_ballots", lambda r: replace(r, tally=replace(r.tally, winner=1))),
    "more support": ("tally_not_its_ballots", lambda r: replace(r, tally=replace(r.tally, support="0.900000"))),
    "more lineages": ("tally_not_its_ballots", lambda r: replace(r, tally=replace(r.tally, lineages=3))),
    "nobody won, with support": ("tally_not_its_ballots", lambda r: replace(r, tally=replace(r.tally, winner=-1))),
    "no decimal": ("tally_not_its_ballots", lambda r: replace(r, tally=replace(r.tally, support="much"))),
    "weights of others": (
        "tally_not_its_ballots", lambda r: replace(r, tally=replace(r.tally, eligible_weight={"l-a": "0.500000"})),
    ),
    "who is in no group agreed": (
        "tally_not_its_ballots",
        lambda r: replace(r, ballots=[*r.ballots[:2], replace(r.ballots[2], outcome="agreed")]),
    ),
    "who failed is in a group": (
        "tally_not_its_ballots",
        lambda r: replace(r, ballots=[replace(r.ballots[0], outcome="failed"), *r.ballots[1:]]),
    ),
    "a ballot twice": ("voter_not_seated", lambda r: replace(r, ballots=[*r.ballots, r.ballots[0]])),
    "a stranger": ("voter_not_seated", lambda r: replace(r, ballots=[*r.ballots, replace(r.ballots[2], voter="x")])),
    "half the panel": ("voter_not_seated", lambda r: replace(r, ballots=r.ballots[:2])),
    "a layer that was not tried": (
        "layers_not_those_tried", lambda r: replace(r, layer=replace(r.layer, tried=[*r.layer.tried, *r.layer.tried])),
    ),
    "a refusal with an answer": ("result_not_its_tally", lambda r: replace(r, result="no_consensus")),
    "another answer": ("result_not_its_tally", lambda r: replace(r, answer_sha256="0" * 64)),
    "an answer of nobody": (
        "result_not_its_tally",
        lambda r: replace(r, answer_sha256="0" * 64, tally=replace(r.tally, served_sha256="0" * 64)),
    ),
}  # fmt: skip


@pytest.mark.parametrize(("kind", "change"), CHANGES.values(), ids=CHANGES)
def test_what_no_deliberation_comes_to_is_found(kind: str, change: Change) -> None:
    """Though its writer signed it."""
    assert faults(change) == kind


def test_an_answer_taken_back_that_nobody_won_is_found() -> None:
    """Only what had a winner can be taken back."""
    lost = {"answer_sha256": "", "result": "withheld"}

    def change(record: DecisionRecord) -> DecisionRecord:
        ballots = [
            replace(ballot, outcome="dissented") if ballot.outcome == "agreed" else ballot for ballot in record.ballots
        ]
        tally = replace(record.tally, winner=-1, support="0.000000", lineages=0, served_sha256="")
        return replace(record, ballots=ballots, tally=tally, **lost)

    assert faults(change) == "result_not_its_tally"


def test_each_ask_is_told_once_under_the_layer_it_counted_in_last() -> None:
    """A ballot that was carried over has no span under the layer it was first cast in."""
    record = recorded(frame(failed_over()).spans[0].record)
    told = [(layer, ballot.voter) for layer, ballot in ballots_told(record)]
    assert sorted(told) == [("layer0", "b"), ("layer0", "c"), ("layer1", "a"), ("layer1", "d")]


def test_what_is_no_envelope_is_said_to_be_none() -> None:
    """Neither half a file nor one of another kind is read."""
    whole = frame(agreed()).spans[0].record
    for data in (b"", b"{}", whole[:-20], b'{"payload":"AAAA"}', b'{"payload":"%%"}'):
        with pytest.raises(IntegrityError, match="cannot be read"):
            recorded(data)
