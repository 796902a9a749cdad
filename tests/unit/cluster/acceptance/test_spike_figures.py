"""What an overload did is told by what was due, served and refused, and when that was over."""

from collections.abc import Sequence

import pytest

from cluster.acceptance.arrivals import Span
from cluster.acceptance.sent import Sent, percentile
from cluster.acceptance.spike_figures import (
    Bursts,
    Step,
    back_after_s,
    bounds,
    bursts,
    by_second,
    holds,
    next_rate,
    phase_figures,
    series,
    step,
    strange_windows,
    verdict,
)

NORMAL, AFTER = Span("normal", 0.0, 20.0), Span("after", 30.0, 50.0)


def served(due_s: float, took_ms: float = 100.0) -> Sent:
    """Return an answer."""
    return Sent(due_s, due_s, due_s + took_ms / 1000, 200)


def refused(due_s: float, *, retry_after: bool = True) -> Sent:
    """Return a refusal."""
    return Sent(due_s, due_s, due_s + 0.005, 429, "429 overloaded", retry_after)


def steady(span: Span, per_s: int = 4) -> list[Sent]:
    """Return answers that come evenly."""
    return [served(span.begin_s + number / per_s) for number in range(int((span.end_s - span.begin_s) * per_s))]


@pytest.mark.parametrize(("share", "found"), [(0.5, 50), (0.99, 99), (0.001, 1), (1.0, 100)])
def test_percentiles_are_values_that_were_measured(share: float, found: int) -> None:
    """Nearest rank: so many of a hundred values lie at or below it."""
    assert percentile(range(100, 0, -1), share) == found


def test_nothing_has_no_percentile() -> None:
    """Zero, not an error."""
    assert percentile([], 0.99) == 0.0


def test_latency_runs_from_when_a_request_was_due() -> None:
    """A request that waited a second for a connection took that second."""
    assert Sent(1.0, 2.0, 2.5, 200).latency_s == 1.5


def rate(per_s: float, p99_ms: float = 100.0, share: float = 1.0) -> Step:
    """Return a tried rate."""
    return Step(per_s, share, 50.0, p99_ms, 0.1)


@pytest.mark.parametrize(
    ("tried", "held"),
    [(rate(9, 200.0), True), (rate(9, 200.1), False), (rate(9, 90.0, 0.99), True), (rate(9, 90.0, 0.989), False)],
)
def test_a_rate_holds_while_p99_stays_and_requests_are_served(tried: Step, held: bool) -> None:
    """A p99 of more than twice the base's, or more than a hundredth refused, is beyond saturation."""
    assert holds(tried, rate(1)) is held


def test_saturation_is_searched_upwards_and_then_between() -> None:
    """Rates grow until one does not hold, then the gap is halved until it is small."""
    steps = [rate(10.0)]
    assert next_rate(steps, 1000.0) == 16.0
    steps += [rate(16.0), rate(25.6, 900.0)]
    assert next_rate(steps, 1000.0) == pytest.approx((16.0 * 25.6) ** 0.5)
    steps += [rate(20.2), rate(22.7, 900.0), rate(21.4)]
    assert next_rate(steps, 1000.0) is None
    assert bounds(steps) == (21.4, 22.7)


def test_a_rate_that_held_above_one_that_did_not_is_luck() -> None:
    """Saturation lies below the lowest rate that did not hold."""
    assert bounds([rate(10.0), rate(20.0, 900.0), rate(15.0, 900.0), rate(18.0)]) == (10.0, 15.0)


def test_the_search_ends_at_the_highest_rate_and_where_nothing_holds() -> None:
    """What the generator cannot make is not tried, and a system that holds nothing is not searched for ever."""
    assert next_rate([rate(10.0), rate(90.0)], 100.0) == 100.0
    assert next_rate([rate(10.0), rate(100.0)], 100.0) is None
    assert bounds([rate(10.0), rate(100.0)]) == (100.0, None)
    assert next_rate([rate(10.0, share=0.5)], 100.0) is None
    assert bounds([rate(10.0, share=0.5)]) == (0.0, 10.0)


def test_a_step_tells_what_was_served() -> None:
    """Refusals are quick and make no p99 better."""
    found = step(10.0, [served(0.0), served(0.1, 300.0), refused(0.2)], 1.234)
    assert found == Step(10.0, 0.6667, 100.0, 300.0, 1.23)


def test_a_phase_tells_every_outcome() -> None:
    """429 by code and without Retry-After; whatever is neither served nor 429 is told by cause."""
    cut, halted = Sent(3.0, 3.0, 4.0, 0, "connection cut"), Sent(3.5, 3.5, 4.0, 503, "503 not_ready")
    found = phase_figures(
        [served(0.0), served(1.0, 200.0), refused(2.0), refused(2.5, retry_after=False), cut, halted, served(20.0)],
        NORMAL,
    )
    assert (found["requests"], found["served"], found["refused_429"]) == (6, 2, 2)
    assert (found["p50_ms"], found["p99_ms"]) == (100.0, 200.0)
    assert found["refused_429_share"] == 0.3333
    assert found["refused_429_without_retry_after"] == 1
    assert found["refused_429_by_code"] == {"429 overloaded": 2}
    assert found["other_outcomes"] == {"connection cut": 1, "503 not_ready": 1}


def test_what_was_never_strange_is_normal_at_once() -> None:
    """Nothing to wait for."""
    assert back_after_s([*steady(NORMAL), *steady(AFTER)], AFTER, [NORMAL], 100.0) == 0


@pytest.mark.parametrize("strange", [refused(36.5), served(36.5, 201.0), Sent(36.5, 36.5, 37.0, 503, "503 x")])
def test_normal_again_is_after_the_last_window_that_holds_anything_strange(strange: Sent) -> None:
    """What is strange at 6.5 s lies in the windows that begin at seconds 2 to 6: the first after them begins at 7."""
    assert back_after_s([*steady(NORMAL), *steady(AFTER), strange], AFTER, [NORMAL], 100.0) == 7


def test_an_answer_within_twice_of_normal_is_normal() -> None:
    """The limit itself is not beyond it."""
    assert back_after_s([*steady(NORMAL), *steady(AFTER), served(36.5, 199.9)], AFTER, [NORMAL], 100.0) == 0


def test_what_stays_strange_to_the_end_is_not_back() -> None:
    """Neither are five seconds too few to be sure."""
    assert back_after_s([*steady(NORMAL), *steady(AFTER), refused(49.9)], AFTER, [NORMAL], 100.0) is None


def test_the_traces_own_bursts_count_for_nothing() -> None:
    """The same second was refused before the spike, too; another one was not."""
    own = [*steady(NORMAL), *steady(AFTER), refused(12.5), refused(42.5)]
    assert back_after_s(own, AFTER, [NORMAL], 100.0) == 0
    assert len(strange_windows(own, NORMAL, 100.0)) == 5
    assert back_after_s([*own, refused(31.5)], AFTER, [NORMAL], 100.0) == 2


NORMALS = [Span("normal", -20.0 * repeat, 20.0 - 20.0 * repeat) for repeat in (2, 1, 0)]


def load(before: Sequence[int], after: int, more: Sequence[Sent] = ()) -> list[Sent]:
    """Return steady load; of the burst at 12 s so many are refused in each repetition of normal load, and after the spike."""
    phases = [*zip(NORMALS, before, strict=True), (AFTER, after)]
    sent = [item for span, count in phases for item in [*steady(span), *[refused(span.begin_s + 12.5)] * count]]
    return [*sent, *more]


def test_what_chance_did_once_before_the_spike_it_may_do_after_it() -> None:
    """A burst near saturation is refused in part in one repetition of three: after the spike it is nothing new."""
    assert back_after_s(load([0, 21, 0], 32), AFTER, NORMALS, 100.0) == 0
    assert bursts(load([0, 21, 0], 32), AFTER, NORMALS, 100.0) == Bursts(frozenset(range(8, 13)), (0, 21, 0), 32)
    assert back_after_s(load([0, 0, 0], 1), AFTER, NORMALS, 100.0) == 13


def test_bursts_that_fare_worse_than_ever_before_count() -> None:
    """A limit that stays low shows where much comes: more than twice the worst repetition is not chance."""
    assert back_after_s(load([10, 21, 5], 42), AFTER, NORMALS, 100.0) == 0
    assert back_after_s(load([10, 21, 5], 43), AFTER, NORMALS, 100.0) == 13


def test_slow_answers_in_bursts_count_as_refusals_do() -> None:
    """Those within twice of normal do not."""
    within, beyond = ([served(42.1, took_ms)] * 3 for took_ms in (199.9, 200.1))
    assert back_after_s(load([0, 1, 0], 0, within), AFTER, NORMALS, 100.0) == 0
    assert back_after_s(load([0, 1, 0], 0, beyond), AFTER, NORMALS, 100.0) == 13


def test_what_is_strange_outside_of_bursts_counts_however_bad_they_were() -> None:
    """A system that stays degraded refuses where it never did before."""
    assert back_after_s(load([200, 200, 200], 10, [refused(33.5)]), AFTER, NORMALS, 100.0) == 4
    everywhere = [refused(AFTER.begin_s + second + 0.5) for second in range(20)]
    assert back_after_s(load([200, 200, 200], 10, everywhere), AFTER, NORMALS, 100.0) is None


def test_seconds_hold_what_was_due_in_them() -> None:
    """Due times decide, not answers; a last piece of a second belongs to the one before."""
    each = by_second([served(0.2, 5000.0), served(1.0), served(2.4)], Span("p", 0.0, 2.5))
    assert [[item.due_s for item in second] for second in each] == [[0.2], [1.0, 2.4]]


def test_a_series_counts_second_by_second() -> None:
    """Due are all, served some, refused and failed others."""
    found = series([served(0.1), refused(0.2), Sent(1.5, 1.5, 2.0, 0, "timed out")], 2.0)
    assert found == {
        "due": [2, 1], "served": [1, 0], "refused": [1, 0], "failed": [0, 1], "p50_ms": [100.0, 0.0], "p99_ms": [100.0, 0.0],
    }  # fmt: skip


def test_the_verdict_takes_everything_that_was_wanted() -> None:
    """Each wish fails by itself; a spike in which nobody was served kept no p99."""
    good = {"p99_ms": 100.0, "served": 5, "other_outcomes": {}, "refused_429_without_retry_after": 0}
    spiked = good | {"p99_ms": 200.0}
    assert set(verdict({"normal": good, "spike": spiked}, 10, 1.5).values()) == {True}
    for bad in (
        {"p99_ms": 200.1},
        {"served": 0},
        {"other_outcomes": {"cut": 1}},
        {"refused_429_without_retry_after": 1},
    ):
        assert list(verdict({"normal": good, "spike": spiked | bad}, 10, 1.5).values()).count(False) == 1
    assert verdict({"normal": good, "spike": spiked}, None, 1.6) == {
        "p99 of what is served within 2 × of normal": True,
        "every other request 429 with Retry-After": True,
        "memory of all processes within 1.5 × of normal": False,
        "back to normal within 10 s": False,
    }
