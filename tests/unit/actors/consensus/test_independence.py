"""How many independent votes correlated lineages are worth: laws, and known answers."""

from itertools import combinations, pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from actors.base.canonical import MICRO
from actors.consensus.independence import MAX_NAMED, Pair, bounded, equal_n_eff_micro, n_eff_micro
from tests.examples import examples

LINEAGES = "abcdefghijklmn"
RHOS = st.one_of(st.sampled_from([0, 1, 300_000, 500_000, 999_999, MICRO]), st.integers(0, MICRO))


@st.composite
def correlations(draw: st.DrawFn, most: int = 5) -> tuple[int, tuple[Pair, ...]]:
    """Draw a default ρ and some pairs among the first ``most`` lineages."""
    ends = [end for end in combinations(LINEAGES[:most], 2) if draw(st.booleans())]
    return draw(RHOS), tuple(Pair(a, b, draw(RHOS)) for a, b in ends)


def by_hand(lineages: str, rho: int, pairs: tuple[Pair, ...]) -> int:
    """Count every subset from the matrix, as the definition says."""
    known = {(pair.a, pair.b): pair.rho_micro for pair in pairs}
    found = [0]
    for size in range(1, len(lineages) + 1):
        for those in combinations(lineages, size):
            total = size * MICRO + 2 * sum(known.get(end, rho) for end in combinations(those, 2))
            found.append(size * size * MICRO * MICRO // total)
    return max(found)


def test_equal_correlation_discounts() -> None:
    """Five voters with correlation 0.6 count as 1.47, independent ones as themselves, nobody as nothing."""
    assert equal_n_eff_micro(5, 600_000) == 1_470_588
    assert equal_n_eff_micro(3, 0) == 3 * MICRO
    assert equal_n_eff_micro(0, 0) == 0


def test_a_copy_adds_nothing_and_takes_nothing() -> None:
    """Two independent lineages are two votes; a third that always errs with one of them leaves them two."""
    assert n_eff_micro("ab", 0) == 2 * MICRO
    assert n_eff_micro("abc", 0, (Pair("b", "c", MICRO),)) == 2 * MICRO
    assert n_eff_micro("bc", 0, (Pair("b", "c", MICRO),)) == MICRO


def test_unequal_correlations_count_by_their_sum() -> None:
    """Three lineages of which two are alike: 9 / (3 + 2 × 0.9 + 4 × 0.3) = 1.5 of all three; without a copy 4 / 2.6 = 1.538."""
    pairs = (Pair("a", "b", 900_000), Pair("a", "c", 300_000), Pair("b", "c", 300_000))
    assert n_eff_micro("abc", 500_000, pairs) == 1_538_461


@settings(max_examples=examples(150))
@given(correlations(), st.integers(0, 7))
def test_it_is_the_most_over_all_subsets(drawn: tuple[int, tuple[Pair, ...]], n: int) -> None:
    """Counting named lineages by subsets and the others by number is the definition."""
    rho, pairs = drawn
    assert n_eff_micro(LINEAGES[:n], rho, pairs) == by_hand(LINEAGES[:n], rho, pairs)


@given(st.integers(0, 14), RHOS, st.integers(0, MAX_NAMED))
def test_equal_pairs_are_the_closed_form(n: int, rho: int, named: int) -> None:
    """However many of the pairs are named: with one ρ for all it is n / (1 + (n − 1) ρ)."""
    pairs = tuple(Pair(a, b, rho) for a, b in combinations(LINEAGES[:named], 2))
    assert n_eff_micro(LINEAGES[:n], rho, pairs) == equal_n_eff_micro(n, rho)


@given(correlations(), st.sets(st.sampled_from(LINEAGES), min_size=1))
def test_it_lies_between_one_vote_and_a_vote_each(drawn: tuple[int, tuple[Pair, ...]], lineages: set[str]) -> None:
    """Nobody is worth less than one vote or more than as many as there are."""
    assert MICRO <= n_eff_micro(lineages, *drawn) <= len(lineages) * MICRO


@settings(max_examples=examples(150))
@given(correlations(), st.sets(st.sampled_from(LINEAGES)), st.sampled_from(LINEAGES))
def test_one_more_supporter_never_lowers_it(
    drawn: tuple[int, tuple[Pair, ...]], lineages: set[str], other: str
) -> None:
    """Whoever joins, and however much it resembles those that are there."""
    assert n_eff_micro(lineages | {other}, *drawn) >= n_eff_micro(lineages, *drawn)


@settings(max_examples=examples(150))
@given(correlations(), st.sets(st.sampled_from(LINEAGES)), st.data())
def test_more_correlation_never_raises_it(
    drawn: tuple[int, tuple[Pair, ...]], lineages: set[str], data: st.DataObject
) -> None:
    """Any one ρ that rises, a pair's or the default, makes votes no more independent."""
    rho, pairs = drawn
    before = n_eff_micro(lineages, rho, pairs)
    assert n_eff_micro(lineages, data.draw(st.integers(rho, MICRO)), pairs) <= before
    if pairs:
        place = data.draw(st.integers(0, len(pairs) - 1))
        higher = replace(pairs[place], rho_micro=data.draw(st.integers(pairs[place].rho_micro, MICRO)))
        assert n_eff_micro(lineages, rho, (*pairs[:place], higher, *pairs[place + 1 :])) <= before


@settings(max_examples=examples(150))
@given(correlations(), st.sets(st.sampled_from(LINEAGES)), st.permutations(LINEAGES), st.randoms(use_true_random=False))
def test_names_and_order_do_not_matter(
    drawn: tuple[int, tuple[Pair, ...]], lineages: set[str], names: list[str], random: object
) -> None:
    """The same lineages under other names, and pairs in another order, are worth the same."""
    rho, pairs = drawn
    renamed = dict(zip(LINEAGES, names, strict=True))
    others = [Pair(*sorted((renamed[p.a], renamed[p.b])), p.rho_micro) for p in pairs]
    random.shuffle(others)  # type: ignore[attr-defined]
    assert n_eff_micro([renamed[one] for one in lineages], rho, tuple(others)) == n_eff_micro(lineages, rho, pairs)


def test_pairs_that_were_not_bounded_are_refused() -> None:
    """More named lineages than subsets can be counted of is a mistake of the caller, not an hour of counting."""
    pairs = tuple(Pair("a", b, 100_000) for b in LINEAGES[1:12])
    with pytest.raises(ValueError, match="bounded"):
        n_eff_micro(LINEAGES, 500_000, pairs)


def test_negative_correlation_counts_as_none() -> None:
    """Lineages that err apart are independent, not more than that."""
    assert n_eff_micro("ab", 500_000, (Pair("a", "b", -800_000),)) == 2 * MICRO
    assert n_eff_micro("ab", -500_000) == 2 * MICRO


@settings(max_examples=examples(100))
@given(correlations(most=len(LINEAGES)))
def test_what_is_bounded_names_few_and_makes_nobody_more_independent(drawn: tuple[int, tuple[Pair, ...]]) -> None:
    """No more lineages are named than subsets can be counted of, and no pair correlates less than before."""
    rho, pairs = drawn
    raised, kept = bounded(rho, pairs)
    assert len({lineage for pair in kept for lineage in (pair.a, pair.b)}) <= MAX_NAMED
    assert list(kept) == sorted(kept)
    given_as, now = ({(p.a, p.b): p.rho_micro for p in those} for those in (pairs, kept))
    for end in combinations(LINEAGES, 2):
        assert now.get(end, raised) >= given_as.get(end, rho)


def test_few_pairs_stay_as_they_are() -> None:
    """Where few enough lineages are named nothing is raised; pairs that say what holds anyway are left out."""
    pairs = (Pair("b", "c", 900_000), Pair("a", "b", 100_000), Pair("a", "c", 500_000))
    assert bounded(500_000, pairs) == (500_000, (Pair("a", "b", 100_000), Pair("b", "c", 900_000)))


def test_the_strongest_pairs_stand_out_where_too_many_are_named() -> None:
    """The default rises to the strongest correlation that finds no room any more; what is above it is kept."""
    pairs = tuple(Pair(a, b, 600_000 + 10_000 * n) for n, (a, b) in enumerate(pairwise(LINEAGES)))
    rho, kept = bounded(500_000, pairs)
    assert (rho, [pair.rho_micro for pair in kept]) == (630_000, [640_000 + 10_000 * n for n in range(9)])
