"""Releases of weights: shrunk, bounded, and independence is never learned from agreement."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from actors.base.canonical import canonical_json, micro
from actors.base.errors import InvalidRequest
from actors.consensus.weights import Correlation, Weights, default_weights, read_weights, weight_micro
from actors.learning.counts import Counts, PairSums, VoterSums
from actors.learning.release import next_weights, pair_correlation_micro, require_bounded


def base() -> Weights:
    """Return weights before anything was learned."""
    return read_weights(default_weights([("a", "one"), ("b", "two")]))


def counted(n: int, agreed: int) -> Counts:
    """Return what voter ``a`` did."""
    return Counts({"a": {"value": VoterSums(n, agreed, n, 10 * n)}}, {})


@given(st.integers(1, 10**9), st.integers(0, 10**9), st.integers(1, 1000), st.integers(1, 10**6))
def test_a_release_moves_a_weight_no_further_than_its_bound(n: int, agreed: int, shrink: int, bound: int) -> None:
    """Whatever was counted, the file reads back and no weight moved by more than the bound."""
    new = next_weights(base(), counted(n, min(n, agreed)), shrink, bound)
    assert read_weights(canonical_json(new)) == new
    assert abs(weight_micro(new, "a", "value") - 500_000) <= bound
    require_bounded(base(), new, bound)


def test_few_observations_stay_near_the_prior() -> None:
    """Twenty observations weigh as much as a prior worth twenty; without a bound in the way, the mean is between."""
    new = next_weights(base(), counted(20, 0), 20, 10**6)
    assert weight_micro(new, "a", "value") == 250_000
    assert weight_micro(new, "b", "value") == 500_000


def test_several_releases_arrive_where_the_counts_are() -> None:
    """The bound delays; it does not decide. A release that changes nothing is the old one."""
    now = base()
    for _ in range(4):
        now = next_weights(now, counted(20, 0), 20, 100_000)
    assert (weight_micro(now, "a", "value"), now.version) == (250_000, 3)
    assert next_weights(now, counted(20, 0), 20, 100_000) is now


def test_a_candidate_beyond_the_bound_is_refused() -> None:
    """A file that moved further than configured is not signed, nor one that follows something else."""
    far = next_weights(base(), counted(1000, 0), 20, 400_000)
    with pytest.raises(InvalidRequest, match="a on value"):
        require_bounded(base(), far, 100_000)
    with pytest.raises(InvalidRequest, match="do not follow"):
        require_bounded(far, far, 100_000)


def test_correlation_is_phi_shrunk_and_rho_only_rises() -> None:
    """Voters that dissent together are correlated; those that never do do not lower what the tally believes."""
    assert pair_correlation_micro(PairSums(100, 50, 50, 50), 100) == 750_000
    assert pair_correlation_micro(PairSums(100, 25, 50, 50), 100) == 250_000
    assert pair_correlation_micro(PairSums(100, 0, 0, 50), 100) == 500_000
    apart = next_weights(base(), Counts({}, {"a|b": PairSums(100, 0, 50, 50)}), 20, 100_000)
    assert apart.correlation.rho == "0.500000"
    together = next_weights(base(), Counts({}, {"a|b": PairSums(1000, 500, 500, 500)}), 20, 100_000)
    assert together.correlation.rho == "0.600000"


def paired(**sums: PairSums) -> Counts:
    """Return what pairs of voters did, named ``ab`` for ``a|b``."""
    return Counts({}, {"|".join(name): of for name, of in sums.items()})


def knowing(**pairs: str) -> Weights:
    """Return weights that know how much pairs of voters correlate."""
    known = {"|".join(name): rho for name, rho in pairs.items()}
    return replace(base(), correlation=Correlation(pairs=known, rho="0.500000", n=9))


TOGETHER, APART = PairSums(1000, 500, 500, 500), PairSums(1000, 0, 500, 500)


@given(
    st.integers(1, 10**6), st.integers(0, 10**6), st.integers(0, 10**6), st.integers(0, 10**6), st.integers(1, 1000),
    st.integers(1, 10**6), st.integers(0, 10**6),
)  # fmt: skip
def test_a_release_moves_a_pair_no_further_than_its_bound(
    n: int, a: int, b: int, both: int, shrink: int, bound: int, before: int
) -> None:
    """Whatever was counted and whatever the pair counted with before: it stays a correlation and within the bound."""
    a, b = min(n, a), min(n, b)
    sums = PairSums(n, min(both, a, b), a, b)
    old = knowing(ab=f"{before // 10**6}.{before % 10**6:06d}")
    new = next_weights(old, paired(ab=sums), shrink, bound)
    assert read_weights(canonical_json(new)) == new
    assert abs(micro(new.correlation.pairs["a|b"]) - before) <= bound
    if new is not old:
        require_bounded(old, new, bound)


def test_a_pair_that_is_new_moves_from_the_mean() -> None:
    """It counted with the mean until now; several releases arrive where the counts are, shrunk by how many there are."""
    now = base()
    for expected in ("0.600000", "0.700000", "0.800000", "0.900000", "0.990196", "0.990196"):
        now = next_weights(now, paired(ab=TOGETHER), 20, 100_000)
        assert now.correlation.pairs == {"a|b": expected}
    few = next_weights(base(), paired(ab=PairSums(20, 10, 10, 10)), 20, 10**6)
    assert few.correlation.pairs == {"a|b": "0.750000"}


def test_a_pair_that_nobody_counted_stays() -> None:
    """What was learned of it earlier is kept; a pair goes down by the bound as it goes up."""
    new = next_weights(knowing(ab="0.900000", ac="0.700000"), paired(ab=APART), 20, 100_000)
    assert new.correlation.pairs == {"a|b": "0.800000", "a|c": "0.700000"}


def test_a_candidate_whose_pairs_moved_too_far_or_vanished_is_refused() -> None:
    """Pairs are held to the bound by whoever signs, as weights are; none may be forgotten, which would make it the mean."""
    old = knowing(ab="0.900000", ac="0.600000")
    far = next_weights(old, paired(ab=APART), 20, 300_000)
    with pytest.raises(InvalidRequest, match=r"correlation of a\|b would move by 0\.300000"):
        require_bounded(old, far, 100_000)
    fresh = next_weights(old, paired(bc=TOGETHER), 20, 300_000)
    with pytest.raises(InvalidRequest, match=r"correlation of b\|c would move by 0\.300000"):
        require_bounded(old, fresh, 100_000)
    gone = replace(old, version=1, correlation=replace(old.correlation, pairs={"a|b": "0.900000"}))
    with pytest.raises(InvalidRequest, match=r"correlation of a\|c would be forgotten"):
        require_bounded(old, gone, 100_000)
