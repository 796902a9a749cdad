"""Learned reliability of voters, as the tally uses it.

Rules:
- Reliability per voter and kind of answer is Beta(alpha, beta); its mean is the voter's weight. Unknown voters or kinds get
  the file's prior.
- ``rho`` is the mean pairwise correlation of errors. The default, 0.5, is the mean measured over 45 code models on 400
  LiveCodeBench tasks; independence must be earned.
- Two lineages correlate as much as the most correlated two of their voters; a pair of voters that is not named has ``rho``.
- A file is content-addressed: a policy snapshot names its SHA-256.

Left out: learning them.
"""

from collections.abc import Iterable, Mapping
from itertools import combinations
from typing import Literal

import msgspec

from actors.base.canonical import MICRO, canonical_json, decode, micro
from actors.base.errors import IntegrityError
from actors.consensus.independence import Pair

DEFAULT_RHO = "0.500000"


class Reliability(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Beta counts (decimal strings) of a voter on one kind; ``n`` observations stand behind them."""

    alpha: str
    beta: str
    n: int


class Correlation(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Error correlation: per pair ``"a|b"`` (sorted ids) where known, else ``rho``."""

    pairs: dict[str, str]
    rho: str
    n: int


class Weights(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The weights file (``home/registry/<sha256>.json``)."""

    schema: Literal["weavergen.weights/1"]
    version: int
    prior: Reliability
    voters: dict[str, dict[str, Reliability]]
    """Voter → kind → reliability."""
    correlation: Correlation
    lineages: dict[str, str]
    """Voter → lineage."""
    source_checkpoint: str
    """Log checkpoint the numbers were learned up to; empty for a prior."""


def default_weights(lineages: Iterable[tuple[str, str]]) -> bytes:
    """Return the canonical bytes of the weights before anything was learned, for (voter, lineage) pairs."""
    return canonical_json(
        Weights(
            schema="weavergen.weights/1",
            version=0,
            prior=Reliability(alpha="1.000000", beta="1.000000", n=0),
            voters={},
            correlation=Correlation(pairs={}, rho=DEFAULT_RHO, n=0),
            lineages=dict(lineages),
            source_checkpoint="",
        )
    )


def read_weights(data: bytes) -> Weights:
    """Decode a weights file; anything but its canonical bytes, or a number out of its bounds, raises ``IntegrityError``."""
    weights = decode(data, Weights, "weights file")
    counts = [weights.prior, *(item for kinds in weights.voters.values() for item in kinds.values())]
    if any(micro(count) < 0 for item in counts for count in (item.alpha, item.beta)):
        raise IntegrityError("weights file: alpha and beta are not negative", "weights file")
    if not all(0 <= micro(rho) <= MICRO for rho in (weights.correlation.rho, *weights.correlation.pairs.values())):
        raise IntegrityError("weights file: correlations lie between 0 and 1", "weights file")
    return weights


def weight_micro(weights: Weights, voter: str, kind: str) -> int:
    """Return the mean reliability of a voter on a kind, in millionths, at least one millionth."""
    by_kind = weights.voters.get(voter, {})
    item = by_kind.get(kind) or by_kind.get("*") or weights.prior
    alpha, beta = micro(item.alpha), micro(item.beta)
    return max(alpha * MICRO // (alpha + beta), 1) if alpha + beta > 0 else 1


def pair_micro(weights: Weights, pair: str) -> int:
    """Return the correlation of a pair of voters (``"a|b"``, sorted) in millionths; the mean if it is not known."""
    return micro(weights.correlation.pairs.get(pair, weights.correlation.rho))


def lineage_pairs(weights: Weights, lineages: Mapping[str, str], least_micro: int) -> tuple[Pair, ...]:
    """Return how much the lineages of some voters (voter → lineage) correlate; none by less than ``least_micro``.

    Empty where the file names no pair of voters at all: every pair has ``rho`` then.
    """
    found: dict[tuple[str, str], int] = {}
    for (a, mine), (b, other) in combinations(sorted(lineages.items()), 2) if weights.correlation.pairs else ():
        if mine != other:
            ends = (min(mine, other), max(mine, other))
            found[ends] = max(pair_micro(weights, f"{a}|{b}"), least_micro, found.get(ends, 0))
    return tuple(Pair(a, b, rho) for (a, b), rho in sorted(found.items()))
