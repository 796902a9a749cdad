"""The estimator: all time is stood for once, on its own side of each change."""

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cluster.simulation.draws import Draws
from cluster.simulation.estimator import BURST, MILD, bursts, changes_of, sampled, shares, steady
from cluster.simulation.fit import stored
from cluster.simulation.weather import Fault
from cluster.simulation.world import Arrival, Outcome

UNTIL_S = 100_000.0
FAULTS = st.lists(
    st.builds(
        Fault,
        st.floats(0, UNTIL_S),
        st.sampled_from(["down", "slow", "halt", "wrong"]),
        st.just("v"),
        st.floats(0, 30_000),
    ),
    max_size=8,
)


@given(FAULTS)
def test_all_time_is_stood_for_once(faults: list[Fault]) -> None:
    """The stretches follow each other without a gap from the beginning to the end, and weights are their seconds."""
    found = bursts(faults, UNTIL_S, Draws(1))
    stretches = sorted((one.from_s, one.until_s) for one in found)
    assert stretches[0][0] == 0
    assert stretches[-1][1] == UNTIL_S
    assert all(end == begin for (_, end), (begin, _) in pairwise(stretches))
    arrivals = sampled(faults, UNTIL_S, stored(), Draws(1))
    assert sum(one.weight for one in arrivals) == pytest.approx(UNTIL_S)


@given(FAULTS)
def test_no_request_stands_for_the_other_side_of_a_change(faults: list[Fault]) -> None:
    """Between two changes the weather is one; no stretch reaches over either."""
    changes = [time_s for time_s, _ in changes_of(faults, UNTIL_S)]
    for burst in bursts(faults, UNTIL_S, Draws(2)):
        assert burst.from_s <= burst.at_s <= burst.until_s
        assert not any(burst.from_s < time_s < burst.until_s for time_s in changes)


def test_a_severe_change_is_looked_at_harder() -> None:
    """A burst at what takes answers away, one request at what does not."""
    assert changes_of([Fault(5.0, "down", "v", 10.0)], 100.0) == [(5.0, BURST), (15.0, BURST)]
    assert changes_of([Fault(5.0, "slow", "v", 10.0)], 100.0) == [(5.0, MILD), (15.0, MILD)]


def test_shares_are_of_time() -> None:
    """Each outcome counts as long as it stands for; what nobody agreed on is no failure."""
    ends = [("answered", 6.0), ("undecided", 2.0), ("unavailable", 1.0), ("lost", 0.5), ("halted", 0.5)]
    outcomes = [Outcome(Arrival(0.0, 0, 0, weight=weight), result, 1.0) for result, weight in ends]  # type: ignore[arg-type]
    found = shares(outcomes)
    assert (found.answered, found.undecided, found.failed) == (0.6, 0.2, 0.2)
    assert found.available == pytest.approx(0.8)
    with pytest.raises(ValueError, match="no request"):
        shares([])


def test_a_steady_load_has_its_rate() -> None:
    """Every so many seconds one, in order, each standing for itself."""
    found = steady(36_000.0, 60.0, stored(), Draws(3))
    assert 540 < len(found) < 660
    assert {one.weight for one in found} == {1.0}
