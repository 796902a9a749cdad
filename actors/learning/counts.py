"""What ballots of finished decisions add up to: integers only, so that partial sums merge exactly in any order.

Rules:
- An observation is a voter in a decision that found a winner (of several layers, in the one that did): it agreed with the
  winner or dissented. Failed, cancelled and isolated ballots, and decisions in which nobody agreed, are none. Several ballots
  of a voter in one decision are one: it agreed if one did, and took as long as the slowest.
- A ballot that does not say how long it took counts all the same, but not towards latency.
- ``merge`` is associative and commutative, and ``Counts({}, {})`` changes nothing.
- A decision's ballots are counted together. They are written as one frame, of one day, so they lie in one file.

Agreement with the consensus stands in for being right. It is a proxy: a majority that is wrong together teaches that it was
right, and a voter is compared with a verdict it took part in.

Left out: reading spans, and what the counts are worth (``release``).
"""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import msgspec
import numpy as np
from numpy.typing import NDArray

VOTED = ("agreed", "dissented")
_LOW = (1 << 32) - 1

Ints = NDArray[np.int64]
Bools = NDArray[np.bool_]


@dataclass(frozen=True, slots=True, eq=False)
class Ballots:
    """Ballots that agreed or dissented, in columns of one length."""

    decision: Ints
    """Equal numbers are one verdict, that of a layer in a decision; below their count."""
    kind: Ints
    """Index into ``kinds``."""
    voter: Ints
    """Index into ``voters``."""
    agreed: Bools
    latency_ms: Ints
    """Negative where it is not known."""
    kinds: Sequence[str]
    voters: Sequence[str]
    """Names, each once."""


class VoterSums(msgspec.Struct, frozen=True):
    """One voter on one kind of answer."""

    n: int
    agreed: int
    timed: int
    """Observations whose latency is known."""
    latency_ms: int
    """Sum over those."""


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


def count(ballots: Ballots) -> Counts:
    """Add up ballots; those of one decision must all be among them."""
    seats, names = _seats(ballots), sorted(ballots.voters)
    voters = {
        (names[cell // len(ballots.kinds)], ballots.kinds[cell % len(ballots.kinds)]): sums
        for cell, sums in _by_voter(seats, len(ballots.kinds))
    }
    pairs: dict[str, list[int]] = defaultdict(lambda: [0, 0, 0, 0])
    for pair, sums in _by_pair(seats, len(names)):
        _add(pairs[f"{names[pair // len(names)]}|{names[pair % len(names)]}"], sums)
    return _frozen(voters, pairs)


def merge(parts: Iterable[Counts]) -> Counts:
    """Return the sums over the decisions of all parts, which share none."""
    voters: dict[tuple[str, str], list[int]] = defaultdict(lambda: [0, 0, 0, 0])
    pairs: dict[str, list[int]] = defaultdict(lambda: [0, 0, 0, 0])
    for part in parts:
        for voter, kinds in part.voters.items():
            for kind, sums in kinds.items():
                _add(voters[voter, kind], msgspec.structs.astuple(sums))
        for name, both in part.pairs.items():
            _add(pairs[name], msgspec.structs.astuple(both))
    return _frozen(voters, pairs)


@dataclass(frozen=True, slots=True, eq=False)
class _Seats:
    """One observation a row, by decision and then by the voter's name."""

    decision: Ints
    voter: Ints
    """Place of its name among the sorted names."""
    kind: Ints
    agreed: Bools
    latency_ms: Ints


def _seats(ballots: Ballots) -> _Seats:
    """Make one row of a voter's ballots in a decision, and leave out decisions that nobody won."""
    by_name = sorted(range(len(ballots.voters)), key=ballots.voters.__getitem__)
    place = np.empty(len(by_name), np.int64)
    place[by_name] = np.arange(len(by_name))
    _, decision = np.unique(ballots.decision * len(ballots.kinds) + ballots.kind, return_inverse=True)
    keys, seat = np.unique(decision * len(by_name) + place[ballots.voter], return_inverse=True)
    agreed, kind = np.zeros(len(keys), np.bool_), np.zeros(len(keys), np.int64)
    agreed[seat[ballots.agreed]] = True
    kind[seat] = ballots.kind
    latency_ms = np.full(len(keys), -1, np.int64)
    np.maximum.at(latency_ms, seat, ballots.latency_ms)
    of, voter = np.divmod(keys, max(1, len(by_name)))
    won = np.zeros(len(keys), np.bool_)
    won[of[agreed]] = True
    kept = won[of]
    return _Seats(of[kept], voter[kept], kind[kept], agreed[kept], latency_ms[kept])


def _by_voter(seats: _Seats, kinds: int) -> Iterable[tuple[int, list[int]]]:
    """Yield voter × ``kinds`` + kind, and the sums of ``VoterSums``."""
    cells, cell = np.unique(seats.voter * kinds + seats.kind, return_inverse=True)
    known = np.maximum(seats.latency_ms, 0)
    low, high = (_summed(cell, len(cells), part) for part in (known & _LOW, known >> 32))  # else a sum could wrap
    columns = (_summed(cell, len(cells), part) for part in (cell >= 0, seats.agreed, seats.latency_ms >= 0))
    for key, n, agreed, timed, least, most in zip(cells.tolist(), *columns, low, high, strict=True):
        yield key, [n, agreed, timed, (most << 32) + least]


def _by_pair(seats: _Seats, voters: int) -> Iterable[tuple[int, tuple[int, ...]]]:
    """Yield first × ``voters`` + second, and sums of ``PairSums``; a pair comes once for each distance of its seats."""
    for distance in range(1, len(seats.decision)):
        (first,) = np.nonzero(seats.decision[:-distance] == seats.decision[distance:])
        if not len(first):
            return
        second = first + distance
        pairs, pair = np.unique(seats.voter[first] * voters + seats.voter[second], return_inverse=True)
        a, b = ~seats.agreed[first], ~seats.agreed[second]
        columns = (_summed(pair, len(pairs), part) for part in (pair >= 0, a & b, a, b))
        for key, *sums in zip(pairs.tolist(), *columns, strict=True):
            yield key, tuple(sums)


def _summed(cell: Ints, cells: int, values: Ints | Bools) -> list[int]:
    sums = np.zeros(cells, np.int64)
    np.add.at(sums, cell, values)
    found: list[int] = sums.tolist()
    return found


def _add(sums: list[int], more: tuple[int, ...]) -> None:
    sums[:] = [x + y for x, y in zip(sums, more, strict=True)]


def _frozen(voters: dict[tuple[str, str], list[int]], pairs: dict[str, list[int]]) -> Counts:
    nested: dict[str, dict[str, VoterSums]] = defaultdict(dict)
    for (voter, kind), sums in sorted(voters.items()):
        nested[voter][kind] = VoterSums(*sums)
    return Counts(dict(nested), {name: PairSums(*sums) for name, sums in sorted(pairs.items())})
