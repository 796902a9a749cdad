"""How many independent votes a group of lineages is worth where their errors correlate. Integers only, so that a replay is exact.

Rules:
- The mean of n votes whose errors correlate as R varies like that of n² / (1ᵀ R 1) independent ones (the effective sample size of
  correlated observations). With one ρ for every pair that is n / (1 + (n − 1) ρ).
- Of a group its best part counts: the most over all its subsets. So one more supporter, whoever it resembles, never lowers it.
- A pair that is not named has the default ρ, a negative ρ counts as 0, and a lineage is itself: ρ = 1.
- Subsets are enumerated over named lineages only, at most ``MAX_NAMED``; the rest are alike, so their number is all that matters.
  Where more are named, ``bounded`` raises the default until few enough stand out: nothing becomes less correlated by that.

Left out: where correlations come from (``weights``), and how many independent votes are enough (``tally``).
"""

from collections.abc import Collection, Iterable, Sequence
from functools import lru_cache

import msgspec

from actors.base.canonical import MICRO

MAX_NAMED = 10
"""Most lineages that pairs may name: 1,024 subsets, counted in half a millisecond."""
REMEMBERED = 4096
"""Groups whose number is kept: a panel's lineages fall into few."""


class Pair(msgspec.Struct, frozen=True, order=True):
    """How much the errors of two lineages correlate (millionths); ``a`` is the first by name."""

    a: str
    b: str
    rho_micro: int


def equal_n_eff_micro(n: int, rho_micro: int) -> int:
    """Return the effective number of votes among ``n`` lineages where every pair correlates by ρ, in millionths."""
    return n * MICRO * MICRO // (MICRO + (n - 1) * max(rho_micro, 0)) if n else 0


def n_eff_micro(lineages: Collection[str], rho_micro: int, pairs: tuple[Pair, ...] = ()) -> int:
    """Return the effective number of independent votes among different lineages, in millionths.

    ``pairs`` name at most ``MAX_NAMED`` lineages, else ``ValueError``; other pairs correlate by ``rho_micro``, at most a million.
    """
    known = tuple(pair for pair in pairs if pair.a in lineages and pair.b in lineages)
    return _best(len(lineages), rho_micro, known) if known else equal_n_eff_micro(len(lineages), rho_micro)


def bounded(rho_micro: int, pairs: Iterable[Pair]) -> tuple[int, tuple[Pair, ...]]:
    """Return a default ρ and the pairs that differ from it, which name at most ``MAX_NAMED`` lineages.

    No pair correlates less by them than by what was given.
    """
    strongest = sorted((p for p in pairs if p.rho_micro != rho_micro), key=lambda p: -p.rho_micro)
    named: set[str] = set()
    for place, pair in enumerate(strongest):
        named |= {pair.a, pair.b}
        if len(named) > MAX_NAMED:
            raised = max(rho_micro, pair.rho_micro)
            return raised, tuple(sorted(p for p in strongest[:place] if p.rho_micro > raised))
    return rho_micro, tuple(sorted(strongest))


def _named(pairs: Iterable[Pair]) -> list[str]:
    return sorted({lineage for pair in pairs for lineage in (pair.a, pair.b)})


@lru_cache(maxsize=REMEMBERED)
def _best(n: int, rho_micro: int, pairs: tuple[Pair, ...]) -> int:
    """Return the most over all subsets of ``n`` lineages, those that ``pairs`` name among them."""
    named, rho = _named(pairs), max(rho_micro, 0)
    if len(named) > MAX_NAMED:
        raise ValueError(f"pairs name {len(named)} lineages, at most {MAX_NAMED} can be counted: take bounded ones")
    place = {lineage: number for number, lineage in enumerate(named)}
    between = [[rho] * len(named) for _ in named]
    for pair in pairs:
        a, b = place[pair.a], place[pair.b]
        between[a][b] = between[b][a] = max(pair.rho_micro, 0)
    best, alike = 0, n - len(named)
    for size, total in enumerate(_least_sums(between)):
        for more in range(alike + 1):
            others = more * MICRO + more * (more - 1 + 2 * size) * rho
            if size + more:
                best = max(best, (size + more) ** 2 * MICRO * MICRO // (total + others))
    return best


def _least_sums(between: Sequence[Sequence[int]]) -> list[int]:
    """Return by size the least 1ᵀ R 1 (millionths) of all subsets of lineages that correlate so."""
    sizes, sums = [0], [0]
    for new, row in enumerate(between):
        shared = [0]  # of every subset of those before: what the new one adds beside itself
        for old in range(new):
            shared += [so_far + 2 * row[old] for so_far in shared]
        sums += [total + MICRO + more for total, more in zip(sums, shared, strict=True)]
        sizes += [size + 1 for size in sizes]
    least = [sums[-1]] * (len(between) + 1)
    for size, total in zip(sizes, sums, strict=True):
        least[size] = min(least[size], total)
    return least
