"""What an overload did is told by what was due, served and refused, and when that was over."""

from collections.abc import Sequence

import pytest

from cluster.acceptance.arrivals import Span
from cluster.acceptance.sent import Sent, percentile
from cluster.acceptance.spike_figures import (
    Normal,
    Step,
    back_after_s,
    below_saturation,
    beyond_saturation,
    bounds,
    by_second,
    holds,
    next_rate,
    phase_figures,
    seconds_beyond,
    series,
    step,
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


def back(before: Sequence[Sent], after: Sequence[Sent], saturation_per_s: float = 100.0) -> int | None:
    """Return when all was normal, where normal load was served within 100 ms but for what came beside it."""
    sent = sorted([*steady(AFTER), *after], key=lambda item: item.due_s)
    return back_after_s(
        sent, AFTER, Normal([sorted([*steady(NORMAL), *before], key=lambda item: item.due_s)], 100.0, saturation_per_s)
    )


def test_what_was_never_strange_is_normal_at_once() -> None:
    """Nothing to wait for."""
    assert back([], []) == 0


@pytest.mark.parametrize("strange", [refused(36.5), served(36.6, 201.0), Sent(36.5, 36.5, 37.0, 503, "503 x")])
def test_normal_again_is_after_the_last_second_that_holds_anything_strange(strange: Sent) -> None:
    """What is strange at 6.5 s is over at second 7."""
    assert back([served(6.6)], [strange]) == 7


def test_an_answer_within_twice_of_normal_is_normal() -> None:
    """The limit itself is not beyond it."""
    assert back([served(6.6)], [served(36.6, 199.9)]) == 0


def test_what_stays_strange_to_the_end_is_not_back() -> None:
    """Neither are five seconds too few to be sure."""
    assert back([], [refused(49.9)]) is None
    assert back([], [refused(44.9)]) == 15
    assert back([], [refused(45.1)]) is None


def test_a_request_that_is_slow_by_its_nature_is_held_against_its_twin() -> None:
    """The same request took as long before the spike; one that takes twice as long as it did, or whose twin was quick, counts."""
    assert back([served(6.6, 900.0)], [served(36.6, 1799.0)]) == 0
    assert back([served(6.6, 900.0)], [served(36.6, 1801.0)]) == 7
    assert back([served(6.6, 100.0)], [served(36.6, 900.0)]) == 7


def test_a_twin_that_came_to_nothing_excuses_nothing() -> None:
    """A request that timed out before the spike is no measure of how long it takes."""
    assert back([Sent(6.6, 6.6, 16.6, 0, "timed out")], [served(36.6, 900.0)]) == 7


def burst(at_s: float, refusals: int, answers: int) -> list[Sent]:
    """Return a burst within a second, of which so many are refused."""
    return [*[refused(at_s)] * refusals, *[served(at_s)] * answers]


def test_what_the_trace_asks_beyond_saturation_may_be_refused() -> None:
    """However much of it: chance decides. With Retry-After, and only there."""
    assert back(burst(12.5, 0, 120), burst(42.5, 60, 60)) == 0
    assert back(burst(12.5, 60, 60), burst(42.5, 60, 60), saturation_per_s=130.0) == 13
    assert back([], [*burst(42.5, 60, 59), refused(42.5, retry_after=False)]) == 13
    assert back([], [*burst(42.5, 60, 59), Sent(42.5, 42.5, 43.0, 503, "503 x")]) == 13


def test_a_limit_that_stays_low_shows_in_bursts_below_saturation() -> None:
    """A burst of four fifths of saturation is refused in part: that is not normal, whatever bursts beyond it came to."""
    assert back(burst(12.5, 0, 76), [*burst(42.5, 1, 75), *burst(38.5, 60, 60)]) == 13


def test_what_is_left_of_a_burst_is_made_up_for_in_the_seconds_after_it() -> None:
    """150 more than a second serves take two more seconds, with what else comes, and the one in which the last of it ends."""
    assert seconds_beyond([4, 250, 4, 4, 4, 4], 100.0) == {1, 2, 3}
    assert seconds_beyond([4, 100, 4], 100.0) == set()
    assert seconds_beyond([4, 101, 4], 100.0) == {1, 2}
    assert seconds_beyond([500], 100.0) == {0}
    found = beyond_saturation([*steady(AFTER), *burst(42.5, 60, 60)], AFTER, 100.0)
    assert found == {"seconds": 2, "requests": 128, "refused_429": 60}


def test_what_is_refused_below_saturation_is_told_by_second() -> None:
    """Of every repetition, and without what the trace asks beyond it and what is left of that."""
    again = Span("normal", 30.0, 40.0)
    sent = sorted(
        [*steady(AFTER), *burst(32.5, 3, 20), *burst(35.5, 60, 60), refused(36.1)], key=lambda item: item.due_s
    )
    found = below_saturation(sent, [again, Span("normal", 40.0, 42.0)], 100.0)
    assert found == {"requests": 23 + 10 * 4, "refused_429": 3, "seconds": {"32": [3, 27]}}


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
    few = {"requests": 500, "refused_429": 5}
    assert set(verdict({"normal": good, "spike": spiked}, 10, 1.5, few).values()) == {True}
    for bad in (
        {"p99_ms": 200.1},
        {"served": 0},
        {"other_outcomes": {"cut": 1}},
        {"refused_429_without_retry_after": 1},
    ):
        assert list(verdict({"normal": good, "spike": spiked | bad}, 10, 1.5, few).values()).count(False) == 1
    assert verdict({"normal": good, "spike": spiked}, None, 1.6, few | {"refused_429": 6}) == {
        "p99 of what is served within 2 × of normal": True,
        "every other request 429 with Retry-After": True,
        "memory of all processes within 1.5 × of normal": False,
        "back to normal within 10 s": False,
        "below saturation at most 1 % refused": False,
    }
