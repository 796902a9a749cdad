"""What ballots come to: whether anybody can win yet, and over several layers each ask is told once."""

import pytest
from msgspec.structs import replace

from actors.consensus.grouping import Answer, group_answers
from actors.consensus.reading.reading import Reading
from actors.consensus.standing import ballots_told, groups_of, is_hopeless, spare_votes
from actors.consensus.vocabulary import Ballot, Seat, State
from actors.spans.record import Method
from tests.unit.actors.consensus.world import plan


def test_a_ballot_that_a_later_layer_carried_over_is_told_with_that_layer() -> None:
    """The first layer's other ballot is told with the first."""
    a, b, c = (Seat(name, "f", name, 500_000) for name in "abc")
    first = State(plan([a, b]), (Ballot(0, a, "out"), Ballot(1, b, "out")), ())
    second = replace(plan([a, c]), layer="second")
    last = State(second, (Ballot(0, a, "readable", carried=True), Ballot(1, c, "readable")), (), earlier=(first,))
    told = [(layer.plan.layer, ballot.seat.voter) for layer, ballot in ballots_told(last)]
    assert told == [("primary", "b"), ("second", "a"), ("second", "c")]


def test_a_ballot_of_a_voter_that_was_asked_anew_is_told_beside_the_first() -> None:
    """One layer cancelled it before it answered, the next asked it again: these are two asks."""
    a, b = (Seat(name, "f", name, 500_000) for name in "ab")
    first = State(plan([a, b]), (Ballot(0, a, "out", outcome="cancelled"), Ballot(1, b, "out", outcome="failed")), ())
    second = replace(plan([a, b]), layer="second")
    ballots = (Ballot(0, a, "readable"), Ballot(1, b, "out", outcome="failed", carried=True))
    told = [
        (layer.plan.layer, ballot.seat.voter)
        for layer, ballot in ballots_told(State(second, ballots, (), earlier=(first,)))
    ]
    assert told == [("primary", "a"), ("second", "a"), ("second", "b")]


@pytest.mark.parametrize("method", ["value", "similarity"])
def test_the_only_answer_that_can_be_read_is_in_the_group_that_grouping_gives_it(method: Method) -> None:
    """Whoever else was asked: what is out is in no group."""
    a, b = (Seat(name, "f", name, 500_000) for name in "ab")
    ballots = (Ballot(0, a, "out"), Ballot(1, b, "readable", reading=Reading("paris", method, "", "5" * 64)))
    state = State(plan([a, b]), ballots, ())
    answer = Answer(1, "paris", "5" * 64, method, 500_000)
    assert groups_of(state) == group_answers([answer], state.plan.similarity_micro)


def of_lineages(seats: str, spares: str = "", **changes: object) -> State:
    """Return a deliberation that has asked nobody yet: a letter is the lineage of one voter."""
    everyone = [Seat(f"v{n}", "f", lineage, 500_000) for n, lineage in enumerate(seats + spares)]
    made = plan(everyone[: len(seats)], spares=tuple(everyone[len(seats) :]), **changes)
    return State(made, tuple(Ballot(n, seat, "outstanding") for n, seat in enumerate(made.seats)), made.spares)


@pytest.mark.parametrize(
    ("seats", "spares", "max_substitutes", "hopeless"),
    [
        ("LM", "", 2, False),
        ("LL", "", 2, True),
        # Whoever stands by may be asked beside a voter that is slow, and agree with it.
        ("L", "M", 2, False),
        ("L", "M", 0, True),
        ("LL", "L", 2, True),
        # Only so many are ever asked, in their order.
        ("L", "LM", 2, False),
        ("L", "LM", 1, True),
        ("L", "ML", 1, False),
    ],
)
def test_a_panel_has_hope_while_those_that_may_be_asked_could_agree(
    seats: str, spares: str, max_substitutes: int, *, hopeless: bool
) -> None:
    """Two lineages make a quorum, on the panel or standing by; other policies than ``strict`` may do with one."""
    assert is_hopeless(of_lineages(seats, spares, max_substitutes=max_substitutes)) is hopeless
    for policy in ("evidence", "direct"):
        assert not is_hopeless(of_lineages(seats, spares, max_substitutes=max_substitutes, policy=policy))


def test_a_panel_has_no_hope_where_all_together_are_too_few() -> None:
    """The quorum of independent votes is out of reach for two, and not with a third beside them."""
    rule = replace(of_lineages("LM").plan.rule, min_n_eff_micro=1_400_000)
    assert is_hopeless(of_lineages("LM", rule=rule))
    assert not is_hopeless(of_lineages("LM", "N", rule=rule))


def test_those_that_may_yet_be_asked_are_the_next_in_order_and_no_more_than_are_left() -> None:
    """What was spent on others is gone; each may become anything, as a substitute."""
    state = of_lineages("L", "MNO", max_substitutes=2)
    assert [vote.lineage for vote in spare_votes(state)] == ["M", "N"]
    assert all(vote.outstanding and vote.substitute for vote in spare_votes(state))
    assert [vote.lineage for vote in spare_votes(replace(state, substituted=1))] == ["M"]
    assert spare_votes(replace(state, substituted=2)) == []
