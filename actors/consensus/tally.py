"""The tally: which group of answers, if any, the panel stands behind. Integers only, so that a replay is exact.

Rules:
- A lineage counts once: its weight is its heaviest voter's, split over the groups its readable ballots fell into.
- Support of a group is its share of the weight of every seated lineage, so a seat that failed counts against; a substitute
  votes without adding to that weight, until the lineages that cast a ballot outweigh the seated ones: then it is their share.
- An isolated voter's ballot is dissent, whatever it said: it takes its part of its lineage's weight and sides with every
  rival. So a group wins with voters isolated only if it wins on the same panel whatever these had answered.
- n_eff is the number of independent votes that a group's lineages are worth, by what correlates them (``independence``).
- A group wins if support ≥ quorum, lineages ≥ min_lineages, n_eff ≥ min_n_eff, and its support leads whatever a rival can have by
  min_gap, and by something in any case.
- The tally is a function of the set of votes, never of their order.
- Nobody wins: ``unavailable`` if the lineages that gave readable answers could not have formed a quorum even in full
  agreement, else ``disagreed``.
- ``settled`` tells whether every completion of the outstanding ballots has the same end.

Left out: how answers are grouped, screening, examples, what correlates lineages.
"""

from collections.abc import Sequence
from functools import lru_cache
from typing import Literal

import msgspec

from actors.base.canonical import MICRO
from actors.consensus.independence import Pair, n_eff_micro

NO_GROUP = -1
REMEMBERED = 4096
"""Tallies kept: a panel's weights are always the same and its voters fall into few patterns, so nearly every count was made
before, and looking it up takes a tenth of the time."""
LEAST_LINEAGES = 2
"""No lineage alone makes a quorum, whatever a layer's rule says."""


class Rule(msgspec.Struct, frozen=True, cache_hash=True):
    """What a winning group must reach (fractions in millionths)."""

    quorum_micro: int
    min_lineages: int
    min_n_eff_micro: int
    rho_micro: int
    """Correlation of the errors of two lineages that ``pairs`` do not name."""
    min_gap_micro: int = 0
    """Least lead in support over the runner-up."""
    pairs: tuple[Pair, ...] = ()
    """Lineages known to correlate otherwise, sorted; they name at most ``independence.MAX_NAMED``."""


class Vote(msgspec.Struct, frozen=True):
    """One seat's ballot as the tally sees it."""

    lineage: str
    weight_micro: int
    group: int
    """Group of the answer, ``NO_GROUP`` for a ballot that gave nothing readable."""
    outstanding: bool = False
    isolated: bool = False
    """The policy isolates the voter: its ballot is dissent."""
    substitute: bool = False
    """Asked in place of another: it may agree, and adds no weight to agree against."""


class Standing(msgspec.Struct, frozen=True):
    """Where one group stands."""

    group: int
    support_micro: int
    lineages: int
    n_eff_micro: int
    votes: int


class Tally(msgspec.Struct, frozen=True):
    """End of a tally; ``winner`` is ``None`` unless agreed."""

    outcome: Literal["agreed", "unavailable", "disagreed"]
    winner: Standing | None
    standings: tuple[Standing, ...]
    eligible: dict[str, int]
    """Lineage → weight in millionths: what support is a share of."""


class _Scale(msgspec.Struct, frozen=True):
    """What votes are weighed against."""

    weights: dict[str, int]
    """Lineage → weight of its heaviest voter, asked as a substitute or not."""
    eligible: dict[str, int]
    total: int


def tally(votes: Sequence[Vote], rule: Rule) -> Tally:
    """Count the votes; outstanding ones count as failed."""
    return _tally(tuple(votes), rule)


@lru_cache(maxsize=REMEMBERED)
def _tally(votes: tuple[Vote, ...], rule: Rule) -> Tally:
    scale = _scale(votes)
    standings = _standings(votes, scale, rule)
    if standings and _wins(standings[0], rule) and _leads(votes, standings, scale, rule):
        return Tally("agreed", standings[0], standings, scale.eligible)
    could = _could_win(votes, rule, hopeful=False)
    return Tally("disagreed" if could else "unavailable", None, standings, scale.eligible)


def settled(votes: Sequence[Vote], rule: Rule, spares: Sequence[Vote] = ()) -> Tally | None:
    """Return the end that every completion of the outstanding ballots has, or ``None`` while they could matter.

    A completion lets each outstanding ballot fail, join any group or found a new one; for each that fails the next spare
    may be asked. Supports are bounded from both sides for every number of spares that may yet be asked: the winner must win
    when everyone else dissents, and no rival may reach it when everyone else sides with the rival. While spares are left, that
    there is no winner is settled only if nobody could win though all agreed.
    """
    return _settled(tuple(votes), rule, tuple(spares))


@lru_cache(maxsize=REMEMBERED)
def _settled(votes: tuple[Vote, ...], rule: Rule, spares: tuple[Vote, ...]) -> Tally | None:
    if not any(vote.outstanding for vote in votes):
        return tally(votes, rule)
    scale = _scale(votes)
    standings = _standings(votes, scale, rule)
    if standings and _wins(standings[0], rule):
        return _settled_winner(votes, rule, spares)
    if spares and _is_hope_left(votes, rule, spares):
        return None
    groups = [*(standing.group for standing in standings), _fresh_group(votes)]
    if any(_wins(_standing_if_joined(votes, group, rule), rule) for group in groups):
        return None
    now = tally(votes, rule)
    return now if now.outcome == "disagreed" or not _could_win(votes, rule, hopeful=True) else None


def _is_hope_left(votes: Sequence[Vote], rule: Rule, spares: Sequence[Vote]) -> bool:
    """Tell whether somebody could win with some number of the spares; what is open again though it was put out may agree."""
    opened = [msgspec.structs.replace(v, isolated=False) if v.outstanding and v.isolated else v for v in votes]
    return any(could_agree([*opened, *spares[:asked]], rule) for asked in range(len(spares) + 1))


def could_agree(votes: Sequence[Vote], rule: Rule) -> bool:
    """Tell whether somebody wins if every ballot that gave an answer, or may yet give one, is for the same."""
    return _could_agree(tuple(votes), rule)


@lru_cache(maxsize=REMEMBERED)
def _could_agree(votes: tuple[Vote, ...], rule: Rule) -> bool:
    return _could_win(votes, rule, hopeful=True)


def _settled_winner(votes: Sequence[Vote], rule: Rule, spares: Sequence[Vote]) -> Tally | None:
    now = tally(votes, rule)
    if now.winner is not None:
        safe = all(_is_safe(now.winner, [*votes, *spares[:asked]], rule) for asked in range(len(spares) + 1))
        return now if safe else None
    return None  # a rival has as much: whoever is outstanding may decide between them


def _is_safe(winner: Standing, votes: Sequence[Vote], rule: Rule) -> bool:
    dissenting = _all_join(votes, _fresh_group(votes))
    scale = _scale(dissenting)
    worst = _standing(dissenting, winner.group, scale, rule)
    lead = worst.support_micro - _best_rival(votes, winner.group, scale, rule)
    # Completions in which fewer cast a ballot weigh both sides against less: a margin outlives the rounding.
    return _wins(worst, rule) and lead >= _least_lead(rule) + 1


def _leads(votes: Sequence[Vote], standings: Sequence[Standing], scale: _Scale, rule: Rule) -> bool:
    """Tell whether the first group leads far enough before any other that has every isolated voter on its side."""
    if any(vote.isolated for vote in votes):
        rival = _best_rival([v for v in votes if not v.outstanding], standings[0].group, scale, rule)
    else:
        rival = standings[1].support_micro if len(standings) > 1 else 0
    return standings[0].support_micro - rival >= _least_lead(rule)


def _least_lead(rule: Rule) -> int:
    return max(rule.min_gap_micro, 1)


def _best_rival(votes: Sequence[Vote], group: int, scale: _Scale, rule: Rule) -> int:
    """Return the most support a rival of ``group`` can have: every outstanding and isolated voter sides with it."""
    rivals = {vote.group for vote in votes if vote.group not in (NO_GROUP, group)} | {_fresh_group(votes)}
    return max(_standing(_all_join(votes, rival, isolated=True), rival, scale, rule).support_micro for rival in rivals)


def _fresh_group(votes: Sequence[Vote]) -> int:
    return max((vote.group for vote in votes), default=NO_GROUP) + 1


def _all_join(votes: Sequence[Vote], group: int, *, isolated: bool = False) -> list[Vote]:
    """Let every outstanding vote, and every isolated one if asked, be cast for ``group``."""
    return [
        Vote(v.lineage, v.weight_micro, group, substitute=v.substitute)
        if v.outstanding or (isolated and v.isolated)
        else v
        for v in votes
    ]


def _scale(votes: Sequence[Vote]) -> _Scale:
    weights: dict[str, int] = {}
    substitutes = False
    for vote in votes:
        weights[vote.lineage] = max(vote.weight_micro, weights.get(vote.lineage, 0))
        substitutes = substitutes or vote.substitute
    if not substitutes:
        return _Scale(weights, weights, sum(weights.values()))
    seated = {vote.lineage for vote in votes if not vote.substitute}
    cast = {vote.lineage for vote in votes if _is_cast(vote)}
    totals = [sum(weights[lineage] for lineage in lineages) for lineages in (seated, cast)]
    eligible = cast if totals[1] > totals[0] else seated
    return _Scale(weights, {lineage: weights[lineage] for lineage in weights if lineage in eligible}, max(totals))


def _is_cast(vote: Vote) -> bool:
    return vote.isolated or (vote.group != NO_GROUP and not vote.outstanding)


def _standings(votes: Sequence[Vote], scale: _Scale, rule: Rule) -> tuple[Standing, ...]:
    groups = {vote.group for vote in votes if vote.group != NO_GROUP and not vote.outstanding}
    found = [_standing(votes, group, scale, rule) for group in groups]
    return tuple(sorted(found, key=lambda s: (-s.support_micro, s.group)))


def _standing(votes: Sequence[Vote], group: int, scale: _Scale, rule: Rule) -> Standing:
    cast: dict[str, int] = {}
    mine: dict[str, int] = {}
    for vote in votes:
        if _is_cast(vote):
            cast[vote.lineage] = cast.get(vote.lineage, 0) + 1
            if vote.group == group:
                mine[vote.lineage] = mine.get(vote.lineage, 0) + 1
    weight = sum(scale.weights[lineage] * count * MICRO // cast[lineage] for lineage, count in mine.items())
    support = weight // scale.total if scale.total else 0
    n_eff = n_eff_micro(mine.keys(), rule.rho_micro, rule.pairs)
    return Standing(group, support, len(mine), n_eff, sum(mine.values()))


def _standing_if_joined(votes: Sequence[Vote], group: int, rule: Rule) -> Standing:
    joined = _all_join(votes, group)
    return _standing(joined, group, _scale(joined), rule)


def _wins(standing: Standing, rule: Rule) -> bool:
    return (
        standing.support_micro >= rule.quorum_micro
        and standing.lineages >= rule.min_lineages
        and standing.n_eff_micro >= rule.min_n_eff_micro
    )


def _could_win(votes: Sequence[Vote], rule: Rule, *, hopeful: bool) -> bool:
    """Tell whether the readable ballots, and while ``hopeful`` the outstanding ones, would win if they all agreed."""

    def agreeing(vote: Vote) -> Vote:
        joins = hopeful if vote.outstanding else vote.group != NO_GROUP
        return Vote(vote.lineage, vote.weight_micro, 0 if joins else NO_GROUP, substitute=vote.substitute)

    agreed = [vote if vote.isolated else agreeing(vote) for vote in votes]
    return _wins(_standing(agreed, 0, _scale(agreed), rule), rule)
