"""Counts of ballots: what is an observation, and that sums merge exactly."""

from hypothesis import given
from hypothesis import strategies as st

from actors.learning.counts import Ballot, Counts, PairSums, VoterSums, count, merge

BALLOTS = st.lists(
    st.builds(
        Ballot,
        decision_id=st.sampled_from(["d1", "d2", "d3"]),
        kind=st.just("value"),
        voter=st.sampled_from(["a", "b", "c"]),
        outcome=st.sampled_from(["agreed", "dissented", "cancelled", "timeout"]),
        latency_ms=st.integers(0, 2**40),
    ),
    max_size=20,
)
PARTS = st.builds(count, BALLOTS)


def test_only_votes_in_decisions_with_a_winner_count() -> None:
    """Dissent without a winner and ballots that failed teach nothing; a voter's ballots in one decision are one."""
    counted = count(
        [
            Ballot("d1", "value", "a", "agreed", 5),
            Ballot("d1", "value", "a", "dissented", 9),
            Ballot("d1", "value", "b", "dissented", 7),
            Ballot("d1", "value", "c", "timeout", 7),
            Ballot("d2", "value", "a", "dissented", 1),
            Ballot("d2", "value", "b", "dissented", 1),
        ]
    )
    assert counted.voters == {"a": {"value": VoterSums(1, 1, 9)}, "b": {"value": VoterSums(1, 0, 7)}}
    assert counted.pairs == {"a|b": PairSums(1, 0, 0, 1)}


@given(PARTS, PARTS, PARTS)
def test_merging_is_associative_and_commutative(a: Counts, b: Counts, c: Counts) -> None:
    """Partial sums give the same whole in any order and any grouping; nothing adds nothing."""
    assert merge([merge([a, b]), c]) == merge([a, merge([b, c])]) == merge([c, a, b])
    assert merge([a, Counts({}, {})]) == a


@given(BALLOTS)
def test_decisions_may_be_counted_apart(ballots: list[Ballot]) -> None:
    """Counting decision by decision and merging equals counting at once."""
    apart = [count(b for b in ballots if b.decision_id == decision) for decision in ("d1", "d2", "d3")]
    assert merge(apart) == count(ballots)
