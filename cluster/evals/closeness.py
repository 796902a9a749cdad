"""How much two candidates do alike: their outcomes at the calls that both were asked to make. Pure.

Groups of equal behaviour fall apart over inputs that a question never meant, such as an empty list, although their members agree
about everything that matters. Choosing the candidate that agrees most with all others, input by input, is minimum Bayes risk
decoding by execution (Shi et al., 2022, "Natural Language to Code Translation with Execution").

Rules:
- An outcome that is equal in all, value, arguments afterwards and what was printed, is whole agreement.
- Equal values with other side effects are half of it, and so is the same exception: who fails alike often shares an oversight.
- A call that only one of two made counts for nothing; without a call in common they are strangers. What does not end, or does not
  do the same twice, agrees with nothing.
"""

import json
from collections.abc import Mapping
from itertools import combinations

from actors.base.canonical import MICRO
from actors.consensus.behaviour.vectors import Outcome, Vector

WHOLE, HALF = 2, 1

Closeness = Mapping[tuple[int, int], int]
"""(smaller id, greater id) → agreement in millionths."""


def closeness_of(vectors: Mapping[int, Vector]) -> Closeness:
    """Return how alike each two candidates are."""
    return {(a, b): _alike(vectors[a], vectors[b]) for a, b in combinations(sorted(vectors), 2)}


def _alike(one: Vector, other: Vector) -> int:
    told = dict(zip(other.calls, other.outcomes, strict=True))
    pairs = [(mine, told[call]) for call, mine in zip(one.calls, one.outcomes, strict=True) if call in told]
    return sum(_points(*pair) for pair in pairs) * MICRO // (WHOLE * len(pairs)) if pairs else 0


def _points(mine: Outcome, its: Outcome) -> int:
    if mine.mark != its.mark or mine.mark not in {"value", "exception"}:
        return 0
    if mine.mark == "value" and mine == its:
        return WHOLE
    return HALF if json.loads(mine.content)[0] == json.loads(its.content)[0] else 0
