"""The tally: which group of answers, if any, the panel stands behind. Integers only, so that a replay is exact.

Rules:
- A lineage counts once: its weight is its heaviest seat's, split over the groups its readable ballots fell into.
- Support of a group is its share of the weight of every seated lineage; a seat that failed still counts against.
- n_eff = n / (1 + (n − 1) ρ) over the n lineages of a group.
- A group wins if support ≥ quorum, lineages ≥ min_lineages, n_eff ≥ min_n_eff, and no other group has as much support.
- Nobody wins: ``unavailable`` if the lineages that gave readable answers could not have formed a quorum even in full
  agreement, else ``disagreed``.
- ``settled`` tells whether every completion of the outstanding ballots has the same end.

Left out: how answers are grouped, screening, examples.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from actors.base.canonical import MICRO

NO_GROUP = -1


@dataclass(frozen=True, slots=True)
class Rule:
    """What a winning group must reach (fractions in millionths)."""

    quorum_micro: int
    min_lineages: int
    min_n_eff_micro: int
    rho_micro: int


@dataclass(frozen=True, slots=True)
class Vote:
    """One seat's ballot as the tally sees it."""

    lineage: str
    weight_micro: int
    group: int
    """Group of the answer, ``NO_GROUP`` for a ballot that gave nothing readable."""
    outstanding: bool = False


@dataclass(frozen=True, slots=True)
class Standing:
    """Where one group stands."""

    group: int
    support_micro: int
    lineages: int
    n_eff_micro: int
    votes: int


@dataclass(frozen=True, slots=True)
class Tally:
    """End of a tally; ``winner`` is ``None`` unless agreed."""

    outcome: Literal["agreed", "unavailable", "disagreed"]
    winner: Standing | None
    standings: tuple[Standing, ...]
    eligible: dict[str, int]
    """Seated lineage → weight in millionths."""


def n_eff_micro(n: int, rho_micro: int) -> int:
    """Effective number of independent votes among ``n`` lineages with mean correlation ρ, in millionths."""
    return n * MICRO * MICRO // (MICRO + (n - 1) * rho_micro) if n else 0


def eligible_weights(votes: Sequence[Vote]) -> dict[str, int]:
    """Return lineage → weight of its heaviest seat."""
    weights: dict[str, int] = {}
    for vote in votes:
        weights[vote.lineage] = max(vote.weight_micro, weights.get(vote.lineage, 0))
    return weights


def tally(votes: Sequence[Vote], rule: Rule) -> Tally:
    """Count the votes; outstanding ones count as failed."""
    eligible = eligible_weights(votes)
    standings = _standings(votes, eligible, rule)
    best = standings[0] if standings else None
    tied = len(standings) > 1 and best is not None and standings[1].support_micro == best.support_micro
    if best is not None and not tied and _wins(best, rule):
        return Tally("agreed", best, standings, eligible)
    readable = {vote.lineage for vote in votes if vote.group != NO_GROUP and not vote.outstanding}
    return Tally("disagreed" if _could_win(readable, eligible, rule) else "unavailable", None, standings, eligible)


def settled(votes: Sequence[Vote], rule: Rule, spares: Sequence[Vote] = ()) -> Tally | None:
    """Return the end that every completion of the outstanding ballots has, or ``None`` while they could matter.

    A completion lets each outstanding ballot fail, join any group or found a new one; one that fails may be replaced by a
    spare. Supports are bounded from both sides: the winner must win when all outstanding and all spares dissent, and no
    rival may reach it when all of them side with the rival (adding the same weight above and below a fraction under one
    only raises it, so seating every spare bounds seating some).
    """
    now = tally(votes, rule)
    if not any(vote.outstanding for vote in votes):
        return now
    if now.winner is not None:
        return now if _is_safe(now.winner, [*votes, *spares], rule) else None
    if spares:
        return None
    readable = {vote.lineage for vote in votes if vote.group != NO_GROUP and not vote.outstanding}
    hopeful = readable | {vote.lineage for vote in votes if vote.outstanding}
    if not _could_win(hopeful, now.eligible, rule):
        return now
    groups = {vote.group for vote in votes if vote.group != NO_GROUP} | {_fresh_group(votes)}
    hopeless = all(not _wins(_standing(_all_join(votes, group), group, now.eligible, rule), rule) for group in groups)
    return now if hopeless and now.outcome == "disagreed" else None


def _is_safe(winner: Standing, votes: Sequence[Vote], rule: Rule) -> bool:
    eligible = eligible_weights(votes)
    fresh = _fresh_group(votes)
    worst = _standing(_all_join(votes, fresh), winner.group, eligible, rule)
    rivals = {vote.group for vote in votes if vote.group not in (NO_GROUP, winner.group)} | {fresh}
    best_rival = max(_standing(_all_join(votes, rival), rival, eligible, rule).support_micro for rival in rivals)
    return _wins(worst, rule) and worst.support_micro > best_rival


def _fresh_group(votes: Sequence[Vote]) -> int:
    return max((vote.group for vote in votes), default=NO_GROUP) + 1


def _all_join(votes: Sequence[Vote], group: int) -> list[Vote]:
    return [Vote(v.lineage, v.weight_micro, group) if v.outstanding else v for v in votes]


def _standings(votes: Sequence[Vote], eligible: dict[str, int], rule: Rule) -> tuple[Standing, ...]:
    groups = {vote.group for vote in votes if vote.group != NO_GROUP and not vote.outstanding}
    found = [_standing(votes, group, eligible, rule) for group in groups]
    return tuple(sorted(found, key=lambda s: (-s.support_micro, s.group)))


def _standing(votes: Sequence[Vote], group: int, eligible: dict[str, int], rule: Rule) -> Standing:
    cast: dict[str, int] = {}
    mine: dict[str, int] = {}
    for vote in votes:
        if vote.group != NO_GROUP and not vote.outstanding:
            cast[vote.lineage] = cast.get(vote.lineage, 0) + 1
            if vote.group == group:
                mine[vote.lineage] = mine.get(vote.lineage, 0) + 1
    total = sum(eligible.values())
    weight = sum(eligible[lineage] * count * MICRO // cast[lineage] for lineage, count in mine.items())
    support = weight // total if total else 0
    return Standing(group, support, len(mine), n_eff_micro(len(mine), rule.rho_micro), sum(mine.values()))


def _wins(standing: Standing, rule: Rule) -> bool:
    return (
        standing.support_micro >= rule.quorum_micro
        and standing.lineages >= rule.min_lineages
        and standing.n_eff_micro >= rule.min_n_eff_micro
    )


def _could_win(lineages: set[str], eligible: dict[str, int], rule: Rule) -> bool:
    total = sum(eligible.values())
    weight = sum(eligible[lineage] for lineage in lineages)
    support = weight * MICRO // total if total else 0
    n = len(lineages)
    return _wins(Standing(0, support, n, n_eff_micro(n, rule.rho_micro), n), rule)
