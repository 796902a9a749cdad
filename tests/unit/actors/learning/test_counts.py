"""Counts of ballots: what is an observation, and that sums merge exactly."""

from collections import defaultdict
from collections.abc import Sequence
from itertools import combinations
from typing import NamedTuple

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from actors.learning.counts import Ballots, Counts, PairSums, VoterSums, count, merge


class Ballot(NamedTuple):
    """One row of what is counted."""

    decision: str
    kind: str
    voter: str
    agreed: bool
    latency_ms: int


BALLOTS = st.lists(
    st.builds(
        Ballot,
        st.sampled_from(["d1", "d2", "d3"]),
        st.sampled_from(["value", "json"]),
        st.sampled_from(["c", "a", "d", "b"]),
        st.booleans(),
        st.integers(-1, 2**62),
    ),
    max_size=30,
)


def counted(rows: Sequence[Ballot]) -> Counts:
    """Count rows; names are numbered as they come."""
    decisions, kinds, voters = (list(dict.fromkeys(row[place] for row in rows)) for place in range(3))
    return count(
        Ballots(
            np.array([decisions.index(row.decision) for row in rows], np.int64),
            np.array([kinds.index(row.kind) for row in rows], np.int64),
            np.array([voters.index(row.voter) for row in rows], np.int64),
            np.array([row.agreed for row in rows], np.bool_),
            np.array([row.latency_ms for row in rows], np.int64),
            kinds,
            voters,
        )
    )


def plainly(rows: Sequence[Ballot]) -> Counts:
    """Count the same, one by one."""
    decisions: dict[tuple[str, str], dict[str, list[Ballot]]] = defaultdict(lambda: defaultdict(list))
    for row in rows:
        decisions[row.decision, row.kind][row.voter].append(row)
    parts = []
    for (_, kind), seats in decisions.items():
        said = {voter: any(row.agreed for row in mine) for voter, mine in sorted(seats.items())}
        slowest = {voter: max(row.latency_ms for row in mine) for voter, mine in seats.items()}
        if any(said.values()):
            voters = {
                voter: {kind: VoterSums(1, int(agreed), int(slowest[voter] >= 0), max(0, slowest[voter]))}
                for voter, agreed in said.items()
            }
            pairs = {
                f"{a}|{b}": PairSums(1, int(not said[a] and not said[b]), int(not said[a]), int(not said[b]))
                for a, b in combinations(said, 2)
            }
            parts.append(Counts(voters, pairs))
    return merge(parts)


def test_only_decisions_with_a_winner_count() -> None:
    """Dissent without a winner teaches nothing; a voter's ballots in one decision are one; no latency is no latency."""
    found = counted(
        [
            Ballot("d1", "value", "a", True, 5),
            Ballot("d1", "value", "a", False, 9),
            Ballot("d1", "value", "b", False, 7),
            Ballot("d2", "value", "a", False, 1),
            Ballot("d2", "value", "b", False, 1),
            Ballot("d3", "value", "b", True, -1),
        ]
    )
    assert found.voters == {"a": {"value": VoterSums(1, 1, 1, 9)}, "b": {"value": VoterSums(2, 1, 1, 7)}}
    assert found.pairs == {"a|b": PairSums(1, 0, 0, 1)}


@given(BALLOTS)
def test_columns_are_counted_as_rows_would_be(rows: list[Ballot]) -> None:
    """Whatever is in them, and however large the sum of latencies grows."""
    assert counted(rows) == plainly(rows)


@given(BALLOTS, BALLOTS, BALLOTS)
def test_merging_is_associative_and_commutative(x: list[Ballot], y: list[Ballot], z: list[Ballot]) -> None:
    """Partial sums give the same whole in any order and any grouping; nothing adds nothing."""
    a, b, c = map(counted, (x, y, z))
    assert merge([merge([a, b]), c]) == merge([a, merge([b, c])]) == merge([c, a, b])
    assert merge([a, Counts({}, {})]) == a


@given(BALLOTS)
def test_decisions_may_be_counted_apart(rows: list[Ballot]) -> None:
    """Counting decision by decision and merging equals counting at once."""
    apart = [counted([row for row in rows if row.decision == decision]) for decision in ("d1", "d2", "d3")]
    assert merge(apart) == counted(rows)
