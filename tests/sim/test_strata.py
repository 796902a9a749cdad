"""Strata: rates are counted together, and the two errors of a figure are told apart."""

import pytest

from cluster.simulation.draws import Draws
from cluster.simulation.estimator import FAIR, Stratum
from cluster.simulation.strata import Counted, counted, histories_drawn, interval, left_out, merged, nearest, quantile
from cluster.simulation.world import Arrival, Outcome, Result

DOWN, SLOW = Stratum(("v: down",)), Stratum(("v: slow",))
WEEK_S = 604_800.0


def test_outcomes_count_for_the_stratum_they_were_sent_to() -> None:
    """What nobody agreed on is no failure, and no answer; what a caller himself gave up is neither."""
    ends: list[Result] = ["answered", "undecided", "unavailable", "lost", "halted", "overloaded", "cancelled"]
    outcomes = [Outcome(Arrival(0.0, n, 0), end, 1.0, is_right=not n) for n, end in enumerate(ends)]
    found = counted(outcomes, [DOWN] * 3 + [FAIR] * 4)
    assert found == {DOWN: Counted(3, 1, 1, 1), FAIR: Counted(4, 0, 3, 0)}
    assert merged([found, found])[DOWN] == Counted(6, 2, 2, 2)
    assert found[DOWN] == Counted(3, 1, 1, 1)


def test_nobody_s_stratum_takes_the_nearest_rate() -> None:
    """A younger one of the same change, the settled one, the worst of its parts, fair weather."""
    two = ("v: down", "w: hung")
    bad, good = Counted(4, 0, 4, 0), Counted(4, 4, 0, 0)
    assert nearest({FAIR: good, Stratum(two, (), 0): bad}, Stratum(two)) == Stratum(two, (), 0)
    assert nearest({FAIR: good, Stratum(two): bad}, Stratum(two, ("u: down",), 1)) == Stratum(two)
    parts = {FAIR: good, Stratum(two[:1]): good, Stratum(two[1:]): bad}
    assert nearest(parts, Stratum(two)) == Stratum(two[1:])
    assert nearest({FAIR: good}, Stratum(two)) == FAIR


def test_one_unlucky_request_is_an_error_of_sampling_and_none_of_history() -> None:
    """Weeks that are all alike leave nothing open, however unlucky a request was; the more were sent the less it says."""
    weeks = [{FAIR: WEEK_S}] * 104
    picks = histories_drawn(104, 104, Draws(1), 200)
    few, many = ({FAIR: Counted(sent, sent - 1, 1, 0)} for sent in (100, 10_000))
    found = interval(weeks, few, "failed", picks)
    assert (found.value, found.low, found.high) == pytest.approx((0.01, 0.01, 0.01))
    assert found.error == pytest.approx(0.012, abs=0.001)
    assert interval(weeks, many, "failed", picks).error < found.error / 50


def test_weeks_that_differ_are_what_a_history_leaves_open() -> None:
    """A bad week in ten: a history of 104 has between 5 and 17 of them, 95 times of 100 (the binomial's own figures)."""
    weeks = [{FAIR: WEEK_S}] * 90 + [{DOWN: WEEK_S}] * 10
    counts = {FAIR: Counted(10**6, 10**6, 0, 0), DOWN: Counted(10**6, 0, 10**6, 0)}
    found = interval(weeks, counts, "failed", histories_drawn(100, 104, Draws(2), 2000))
    assert found.value == pytest.approx(0.1)
    assert found.low == pytest.approx(5 / 104, abs=0.011)
    assert found.high == pytest.approx(17 / 104, abs=0.011)
    assert found.error < 0.001


def test_none_among_few_is_no_proof_of_none() -> None:
    """Where nothing failed the error is that of half a failure."""
    found = interval([{FAIR: 1.0}], {FAIR: Counted(9, 9, 0, 0)}, "failed", [[0]])
    assert found.value == 0
    assert found.error == pytest.approx((0.05 * 0.95 / 9) ** 0.5)


def test_one_among_its_like_is_as_uncertain_as_they_are() -> None:
    """A single request of a rare stratum has the rate of the other mild ones, and what was severe says nothing of it."""
    rare = Stratum(("w: slow",))
    counts = {SLOW: Counted(999, 999, 0, 0), rare: Counted(1, 1, 0, 0), DOWN: Counted(10, 0, 10, 0)}
    alike = 0.5 / 1001
    found = interval([{rare: 1.0}], counts, "failed", [[0]])
    assert found.error == pytest.approx((alike * (1 - alike)) ** 0.5)
    unlucky = {**counts, rare: Counted(1, 0, 1, 0)}
    assert 0.4 < interval([{rare: 1.0}], unlucky, "failed", [[0]]).error < 0.6


@pytest.mark.parametrize(("hits", "sent"), [(0, 2), (1, 3), (2, 2), (300, 300), (7, 10)])
def test_a_share_is_as_uncertain_as_what_is_left_of_it(hits: int, sent: int) -> None:
    """Whether requests that failed are counted or those that did not, and however many those like them are."""
    rest = Stratum(("w: slow",))
    counts = {SLOW: Counted(40, 38, 2, 0), rest: Counted(sent, sent - hits, hits, 0)}
    failed, answered = (interval([{SLOW: 1.0, rest: 2.0}], counts, what, [[0]]) for what in ("failed", "answered"))
    assert failed.value == pytest.approx(1 - answered.value)
    assert failed.error == pytest.approx(answered.error)


def test_requests_that_are_tied_to_each_other_are_one_look() -> None:
    """Four looks of a hundred requests, each of which all fail or none: their spread is the error, not that of four hundred."""
    looks = [{DOWN: Counted(100, 100 - bad, bad, 0)} for bad in (100, 0, 0, 100)]
    weeks, calm = [{DOWN: 1.0, FAIR: 1.0}], {FAIR: Counted(10**6, 10**6, 0, 0)}
    counts = merged([calm, *looks])
    alone = interval(weeks, counts, "failed", [[0]])
    found = interval(weeks, counts, "failed", [[0]], left_out(looks, calm))
    assert found.value == alone.value == pytest.approx(0.25)
    assert alone.error == pytest.approx(0.5 * 0.5 / 400**0.5, abs=1e-3)
    assert found.error == pytest.approx(0.5 * (1 / 12) ** 0.5)


def test_a_quantile_lies_between_its_neighbours() -> None:
    """Of many ordered values the outer 2.5 % are beyond it."""
    values = [float(number) for number in range(101)]
    assert (quantile(values, 0.025), quantile(values, 0.975), quantile([1.0], 0.5)) == pytest.approx((2.5, 97.5, 1.0))


def test_slow_weather_is_counted_apart() -> None:
    """Two strata divide a week by the seconds in each."""
    counts = {FAIR: Counted(10, 10, 0, 0), SLOW: Counted(10, 5, 5, 5)}
    assert interval([{FAIR: 3.0, SLOW: 1.0}], counts, "answered", [[0]]).value == pytest.approx(0.875)
