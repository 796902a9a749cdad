"""Releases of weights: shrunk, bounded, and independence is never learned from agreement."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from actors.base.canonical import canonical_json
from actors.base.errors import InvalidRequest
from actors.consensus.weights import Weights, default_weights, read_weights, weight_micro
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
