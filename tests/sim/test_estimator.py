"""The estimator: all time falls into strata, and requests are sent where something can be learned of each."""

from collections import Counter
from itertools import pairwise

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from cluster.simulation.draws import Draws
from cluster.simulation.estimator import (
    BURST,
    FAIR,
    RUN,
    SETTLED,
    SEVERE,
    Sent,
    Stratum,
    name_of,
    sampled,
    steady,
    stretches,
    times,
    total,
)
from cluster.simulation.fit import stored
from cluster.simulation.weather import Fault

UNTIL_S, BLOCK_S = 100_000.0, 30_000.0
FAULTS = st.lists(
    st.builds(
        Fault,
        st.floats(0, UNTIL_S),
        st.sampled_from(["down", "slow", "halt", "wrong"]),
        st.sampled_from(["v", "w"]),
        st.floats(0, 30_000),
    ),
    max_size=8,
)
DAY_S = 86_400.0


def sent(faults: list[Fault], until_s: float = UNTIL_S, run_share: float = 0.0, gap_s: float = 0.4) -> Sent:
    """Return the requests of a weather."""
    return sampled(stretches(faults, until_s), stored(), Draws(1), run_share, gap_s)


@given(FAULTS)
def test_all_time_falls_into_stretches_and_strata(faults: list[Fault]) -> None:
    """Stretches follow each other without a gap from beginning to end; blocks hold their pieces, each as long as it is."""
    found = stretches(faults, UNTIL_S)
    assert (found[0].from_s, found[-1].until_s) == (0, UNTIL_S)
    assert all(one.until_s == other.from_s for one, other in pairwise(found))
    blocks = times(found, UNTIL_S, BLOCK_S)
    assert [sum(block.values()) for block in blocks] == pytest.approx([BLOCK_S] * 3 + [UNTIL_S - 3 * BLOCK_S])


@given(FAULTS)
def test_a_stretch_has_one_weather(faults: list[Fault]) -> None:
    """In the middle of each exactly what it tells is under way: the severe, else the milder."""
    for stretch in stretches(faults, UNTIL_S):
        middle_s = (stretch.from_s + stretch.until_s) / 2
        active = [fault for fault in faults if fault.at_s <= middle_s < fault.ends_s]
        severe = {name_of(fault) for fault in active if fault.kind in SEVERE}
        assert set(stretch.names) == (severe or {name_of(fault) for fault in active})
        assert stretch.is_severe is bool(severe)


@given(FAULTS)
@example([Fault(99_999.99999999999, "slow", "v", 10.0)])
@example([Fault(50_000.0, "slow", "v", 7.3e-12)])
def test_every_request_is_counted_where_it_is_sent(faults: list[Fault]) -> None:
    """Its stratum is the one of its moment; where nothing is under way and nothing is news nobody is sent."""
    found = stretches(faults, UNTIL_S)
    asked = sampled(found, stored(), Draws(1), 0.5, 0.4)
    for number, arrival in enumerate(asked.arrivals):
        assert arrival.number == number
        (at,) = [
            stratum for stretch in found for stratum, from_s, until_s in stretch.pieces()
            if from_s <= arrival.at_s < until_s
        ]  # fmt: skip
        assert asked.strata[number] == at != FAIR


def test_a_change_is_aged_and_its_end_is_told_apart() -> None:
    """The moment, the news, what is settled; and the same after it is over, of which only the news is another stratum."""
    found = total(times(stretches([Fault(100.0, "down", "v", 200.0)], 1000.0), 1000.0, 1000.0))
    down, over = ("v: down",), Stratum((), ("v: down",))
    assert found == {
        FAIR: 100.0 + 655.0, Stratum(down, (), 0): 1.0, Stratum(down, (), 1): 44.0, Stratum(down, (), SETTLED): 155.0,
        Stratum((), over.gone, 0): 1.0, Stratum((), over.gone, 1): 44.0,
    }  # fmt: skip


def test_milder_weather_is_no_news_and_is_asked_at_random() -> None:
    """Once a stretch at least, and about once a day in a long one."""
    assert Counter(sent([Fault(5.0, "slow", "v", 10.0)], 100.0).strata) == {Stratum(("v: slow",)): 1}
    weeks = sent([Fault(5.0, "slow", "v", 100 * DAY_S)], 200 * DAY_S)
    assert 70 < len(weeks.arrivals) < 130
    assert set(weeks.strata) == {Stratum(("v: slow",))}


def test_what_overlaps_is_a_run_and_of_others_a_share_is() -> None:
    """A run goes on into what is settled, at the load's pace; once a kind; else a burst at each change. An end's is the news."""
    one = [Fault(100.0, "down", "v", 5000.0), Fault(9000.0, "down", "v", 5000.0)]
    assert len(sent(one).arrivals) == 4 * BURST
    runs = sent(one, run_share=1.0)
    over = [Stratum((), ("v: down",), age) for age in (0, 1)]
    ending = sum(Counter(runs.strata)[each] for each in over) - BURST
    assert 80 < ending < 150
    assert len(runs.arrivals) == RUN + ending + 2 * BURST
    assert Counter(runs.strata)[Stratum(("v: down",))] > 20
    assert Counter(runs.strata)[FAIR] == 0
    both = Counter(sent([Fault(100.0, "down", "v", 5000.0), Fault(200.0, "hung", "w", 100.0)]).strata)
    assert sum(both[each] for each in both if each.names == ("v: down", "w: hung")) == RUN
    assert sum(both[each] for each in over) == BURST
    assert sum(both[each] for each in both if each.gone == ("w: hung",)) == BURST
    short = Counter(sent([Fault(100.0, "down", "v", 30.0)], run_share=1.0).strata)
    assert sum(short[each] for each in short if each.names) < RUN


def test_of_which_replica_a_fault_is_makes_no_difference() -> None:
    """They are alike; whom else it strikes is told."""
    names = [
        name_of(Fault(0.0, kind, whom))  # type: ignore[arg-type]
        for kind, whom in (("log_away", "replica 1"), ("killed", "0"), ("halt", ""), ("down", "openai"))
    ]
    assert names == ["replica: log_away", "replica: killed", "all: halt", "openai: down"]


def test_a_steady_load_has_its_rate() -> None:
    """Every so many seconds one, in order."""
    found = steady(36_000.0, 60.0, stored(), Draws(3))
    assert 540 < len(found) < 660
    assert [one.number for one in found] == list(range(len(found)))
