"""The next weights file from counts, and how far it may be from the one in force.

Rules:
- A voter's reliability on a kind is Beta: the prior's mean, worth ``shrink_n`` observations, and what was observed. With
  few observations it stays near the prior: the posterior mean of a conjugate beta-binomial model.
- A weight, and the correlation of a pair, moves by at most ``max_change_micro`` a release. What is further away takes several
  releases. A pair that was not named before moves from ``rho``, which it counted with.
- A pair's correlation is the phi coefficient of its dissents, shrunk the same way towards ``DEFAULT_RHO``, within 0 and 1.
- ``rho``, the least that a pair counts with unless policy says otherwise (``consensus.planning``), only rises here: dissent from
  a verdict that both took part in says too little about common errors to call voters independent.
- Voters without observations, and lineages, stay as they are.

Left out: who signs a release.
"""

from math import isqrt

import msgspec

from actors.base.canonical import MICRO, decimal_str, micro
from actors.base.errors import InvalidRequest
from actors.consensus.weights import DEFAULT_RHO, Correlation, Reliability, Weights, pair_micro, weight_micro
from actors.learning.counts import Counts, PairSums, VoterSums

MAX_WEIGHED_N = 100_000_000
"""Observations beyond these add nothing to alpha and beta, which hold nine digits."""


def next_weights(old: Weights, counts: Counts, shrink_n: int, max_change_micro: int) -> Weights:
    """Return the weights that follow ``old`` after ``counts``; ``old`` itself if they change nothing."""
    voters = {voter: dict(kinds) for voter, kinds in old.voters.items()}
    for voter, kinds in counts.voters.items():
        for kind, sums in kinds.items():
            before = weight_micro(old, voter, kind)
            voters.setdefault(voter, {})[kind] = _reliability(old, sums, before, shrink_n, max_change_micro)
    pairs = old.correlation.pairs | {
        name: decimal_str(_moved(pair_correlation_micro(sums, shrink_n), pair_micro(old, name), max_change_micro))
        for name, sums in counts.pairs.items()
    }
    new = msgspec.structs.replace(
        old, voters=voters, correlation=_correlation(old, counts, pairs, max_change_micro)
    )  # fmt: skip
    return old if new == old else msgspec.structs.replace(new, version=old.version + 1)


def require_bounded(old: Weights, new: Weights, max_change_micro: int) -> None:
    """Raise ``InvalidRequest`` unless ``new`` may follow ``old``: nothing moved too far, nothing else changed."""
    if (new.version, new.prior, new.lineages) != (old.version + 1, old.prior, old.lineages):
        raise InvalidRequest("the candidate weights do not follow those in force; learn again", "weights")
    named = {(voter, kind) for file in (old, new) for voter, kinds in file.voters.items() for kind in kinds}
    for voter, kind in sorted(named):
        moved = abs(weight_micro(new, voter, kind) - weight_micro(old, voter, kind))
        if moved > max_change_micro:
            raise InvalidRequest(
                f"{voter} on {kind} would move by {decimal_str(moved)}, more than learning.max_change", "weights"
            )
    _require_bounded_pairs(old, new, max_change_micro)
    rise = micro(new.correlation.rho) - micro(old.correlation.rho)
    if not 0 <= rise <= max_change_micro:
        raise InvalidRequest("rho would fall, or rise by more than learning.max_change", "weights")


def _require_bounded_pairs(old: Weights, new: Weights, max_change_micro: int) -> None:
    if missing := sorted(old.correlation.pairs.keys() - new.correlation.pairs.keys()):
        raise InvalidRequest(f"the correlation of {missing[0]} would be forgotten; learn again", "weights")
    for name, rho in sorted(new.correlation.pairs.items()):
        moved = abs(micro(rho) - pair_micro(old, name))
        if moved > max_change_micro:
            raise InvalidRequest(
                f"the correlation of {name} would move by {decimal_str(moved)}, more than learning.max_change",
                "weights",
            )


def _moved(wanted: int, before: int, max_change_micro: int) -> int:
    return min(max(wanted, before - max_change_micro), before + max_change_micro)


def pair_correlation_micro(sums: PairSums, shrink_n: int) -> int:
    """Return the shrunk phi coefficient of two voters' dissents in millionths, at least 0."""
    n, a, b = sums.n, sums.a_dissented, sums.b_dissented
    spread = a * (n - a) * b * (n - b)
    if spread == 0:  # one of them never differed from itself: nothing is known about the pair
        return micro(DEFAULT_RHO)
    phi = (n * sums.both_dissented - a * b) * MICRO // max(1, isqrt(spread))
    shrunk = (phi * n + micro(DEFAULT_RHO) * shrink_n) // (n + shrink_n)
    return min(max(shrunk, 0), MICRO)


def _reliability(old: Weights, sums: VoterSums, before: int, shrink_n: int, max_change_micro: int) -> Reliability:
    alpha, beta = micro(old.prior.alpha), micro(old.prior.beta)
    prior = alpha * MICRO // (alpha + beta) if alpha + beta else MICRO // 2
    total = sums.n + shrink_n
    wanted = (sums.agreed * MICRO + prior * shrink_n) // total
    weight = min(max(wanted, before - max_change_micro, 1), before + max_change_micro, MICRO)
    whole = min(total, MAX_WEIGHED_N) * MICRO
    mine = -(-weight * whole // MICRO)  # rounded up: read back, it is ``weight`` again
    return Reliability(alpha=decimal_str(mine), beta=decimal_str(whole - mine), n=sums.n)


def _correlation(old: Weights, counts: Counts, pairs: dict[str, str], max_change_micro: int) -> Correlation:
    before = micro(old.correlation.rho)
    mean = sum(map(micro, pairs.values())) // len(pairs) if pairs else before
    rho = min(max(mean, before), before + max_change_micro, MICRO)
    return Correlation(pairs=pairs, rho=decimal_str(rho), n=sum(sums.n for sums in counts.pairs.values()))
