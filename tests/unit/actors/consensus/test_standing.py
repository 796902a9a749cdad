"""What ballots come to: over several layers each ask is told once."""

from msgspec.structs import replace

from actors.consensus.standing import ballots_told
from actors.consensus.vocabulary import Ballot, Seat, State
from tests.unit.actors.consensus.world import plan


def test_a_ballot_that_a_later_layer_carried_over_is_told_with_that_layer() -> None:
    """The first layer's other ballot is told with the first."""
    a, b, c = (Seat(name, "f", name, 500_000) for name in "abc")
    first = State(plan([a, b]), (Ballot(0, a, "out"), Ballot(1, b, "out")), ())
    second = replace(plan([a, c]), layer="second")
    last = State(second, (Ballot(0, a, "readable", carried=True), Ballot(1, c, "readable")), (), earlier=(first,))
    told = [(layer.plan.layer, ballot.seat.voter) for layer, ballot in ballots_told(last)]
    assert told == [("primary", "b"), ("second", "a"), ("second", "c")]
