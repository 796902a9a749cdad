"""What ballots of finished decisions add up to: integers only, so that partial sums merge exactly in any order.

Rules:
- An observation is a voter in a decision that found a winner: it agreed with the winner or dissented. Failed, cancelled
  and isolated ballots, and decisions in which nobody agreed, are none. Several ballots of a voter in one decision are one:
  it agreed if one did, and took as long as the slowest.
- ``merge`` is associative and commutative, and ``Counts({}, {})`` changes nothing.
- A decision's ballots are counted together. They are written as one frame, of one day, so they lie in one file.

Agreement with the consensus stands in for being right. It is a proxy: a majority that is wrong together teaches that it was
right, and a voter is compared with a verdict it took part in.

Left out: reading spans, and what the counts are worth (``release``).
"""

from collections import defaultdict
from collections.abc import Iterable
from itertools import combinations

import msgspec

VOTED = ("agreed", "dissented")


class Ballot(msgspec.Struct, frozen=True):
    """One voter's part in one decision, as its span tells it."""

    decision_id: str
    kind: str
    voter: str
    outcome: str
    latency_ms: int


class VoterSums(msgspec.Struct, frozen=True):
    """One voter on one kind of answer."""

    n: int
    agreed: int
    latency_ms: int
    """Sum over the ``n`` observations."""


class PairSums(msgspec.Struct, frozen=True):
    """Two voters in the same decisions, of every kind; ``a`` is the first by name."""

    n: int
    both_dissented: int
    a_dissented: int
    b_dissented: int


class Counts(msgspec.Struct, frozen=True):
    """Sums over some decisions."""

    voters: dict[str, dict[str, VoterSums]]
    """Voter → kind → sums."""
    pairs: dict[str, PairSums]
    """``"a|b"`` (sorted ids) → sums."""


def count(ballots: Iterable[Ballot]) -> Counts:
    """Add up ballots; those of one decision must all be among them."""
    decisions: dict[tuple[str, str], dict[str, tuple[bool, int]]] = defaultdict(dict)
    for ballot in ballots:
        if ballot.outcome in VOTED:
            seats = decisions[ballot.decision_id, ballot.kind]
            agreed, latency_ms = seats.get(ballot.voter, (False, 0))
            seats[ballot.voter] = (agreed or ballot.outcome == "agreed", max(latency_ms, ballot.latency_ms))
    voters: dict[tuple[str, str], list[int]] = defaultdict(lambda: [0, 0, 0])
    pairs: dict[str, list[int]] = defaultdict(lambda: [0, 0, 0, 0])
    for (_, kind), seats in decisions.items():
        if any(agreed for agreed, _ in seats.values()):
            _add_decision(kind, seats, voters, pairs)
    return _frozen(voters, pairs)


def merge(parts: Iterable[Counts]) -> Counts:
    """Return the sums over the decisions of all parts, which share none."""
    voters: dict[tuple[str, str], list[int]] = defaultdict(lambda: [0, 0, 0])
    pairs: dict[str, list[int]] = defaultdict(lambda: [0, 0, 0, 0])
    for part in parts:
        for voter, kinds in part.voters.items():
            for kind, sums in kinds.items():
                _add(voters[voter, kind], msgspec.structs.astuple(sums))
        for name, both in part.pairs.items():
            _add(pairs[name], msgspec.structs.astuple(both))
    return _frozen(voters, pairs)


def _add_decision(
    kind: str, seats: dict[str, tuple[bool, int]], voters: dict[tuple[str, str], list[int]], pairs: dict[str, list[int]]
) -> None:
    for voter, (agreed, latency_ms) in seats.items():
        _add(voters[voter, kind], (1, int(agreed), latency_ms))
    for a, b in combinations(sorted(seats), 2):
        wrong_a, wrong_b = not seats[a][0], not seats[b][0]
        _add(pairs[f"{a}|{b}"], (1, int(wrong_a and wrong_b), int(wrong_a), int(wrong_b)))


def _add(sums: list[int], more: tuple[int, ...]) -> None:
    sums[:] = [x + y for x, y in zip(sums, more, strict=True)]


def _frozen(voters: dict[tuple[str, str], list[int]], pairs: dict[str, list[int]]) -> Counts:
    nested: dict[str, dict[str, VoterSums]] = defaultdict(dict)
    for (voter, kind), sums in sorted(voters.items()):
        nested[voter][kind] = VoterSums(*sums)
    return Counts(dict(nested), {name: PairSums(*sums) for name, sums in sorted(pairs.items())})
