"""What grows is told from what is restless."""

import random

import pytest

from cluster.acceptance.looks import Held, Look
from cluster.acceptance.soak_figures import (
    BOUNDS,
    RSS,
    TASKS,
    Bound,
    Window,
    climbing,
    judged,
    minutes,
    theil_sen,
    trend,
    trends,
)

WINDOW = Window(begin_s=1000.0, warm_s=600.0, settle_s=300.0, least_s=600.0)
ROLE = "gateway replica"


def looks(seconds: int, rss: dict[int, float] | None = None, pid: int = 1, since: int = 0) -> list[Look]:
    """Return a look every ten seconds, of one role; ``rss`` is from which second on how much is held."""
    found = []
    for at in range(since, seconds, 10):
        mib = [value for begin, value in sorted((rss or {0: 100.0}).items()) if begin <= at][-1]
        found.append(Look(1000.0 + at, {ROLE: Held((pid,), mib, 50, 10)}))
    return found


def test_the_slope_is_the_median_of_all_slopes() -> None:
    """A straight line has its own; one wild value of twenty moves it by nothing worth telling."""
    line = [(float(second), 2.0 * second) for second in range(20)]
    assert theil_sen(line) == 2.0
    assert theil_sen([*line[:10], (10.0, 1e6), *line[11:]]) == pytest.approx(2.0, abs=0.5)
    assert theil_sen(line[:1]) == 0.0


def test_what_is_restless_is_flat() -> None:
    """Noise of a tenth around a level has no slope."""
    draw = random.Random(1)
    points = [(float(second), 100.0 + draw.uniform(-10, 10)) for second in range(0, 2000, 10)]
    assert trend(points, BOUNDS[RSS]).flat


@pytest.mark.parametrize(("grows", "flat"), [(0.0, True), (5.0, True), (5.3, False), (-50.0, True)])
def test_growth_beyond_a_share_of_the_level_is_not_flat(grows: float, flat: bool) -> None:
    """5 % of the median over the time judged; what shrinks is no leak."""
    points = [(float(second), 100.0 + grows * second / 1000) for second in range(0, 1001, 10)]
    found = trend(points, Bound(0.05, 0.0))
    assert found.flat is flat
    assert found.grew == pytest.approx(grows, abs=0.01)
    assert found.per_h == pytest.approx(grows * 3.6, abs=0.01)


def test_a_small_level_may_grow_by_the_floor() -> None:
    """Two handles more of ten are no leak by themselves."""
    points = [(0.0, 10.0), (100.0, 14.0)]
    assert trend(points, Bound(0.05, 4.0)).flat
    assert not trend(points, Bound(0.05, 3.9)).flat


def test_what_was_not_seen_is_not_flat() -> None:
    """No look, or one, says nothing."""
    assert not trend([], BOUNDS[RSS]).flat
    assert not trend([(0.0, 1.0)], BOUNDS[RSS]).flat


def test_the_warm_up_does_not_count() -> None:
    """What grows in the first ten minutes only is flat."""
    seen = looks(2700, {0: 100.0, 300: 200.0, 590: 300.0})
    assert judged(seen, ROLE, WINDOW)[0][0] == 1600.0
    assert trends(seen, [(1600.0, 5.0), (2000.0, 5.0)], WINDOW)[ROLE][RSS].flat


def test_a_new_process_is_judged_once_it_is_warm() -> None:
    """Killed at 660 s: its successor is judged from 960 s on, and what it grew by before does not count."""
    seen = [*looks(660), *looks(2700, {660: 50.0, 800: 90.0, 950: 100.0}, pid=2, since=660)]
    found = judged(seen, ROLE, WINDOW)
    assert (found[0][0], found[-1][0]) == (1960.0, 3690.0)
    assert trends(seen, [], WINDOW)[ROLE][RSS].flat


def test_a_leak_of_a_new_process_is_seen() -> None:
    """The longest stretch is judged, not what came before it."""
    steady, leaking = looks(900), looks(2700, {second: 100.0 + second / 30 for second in range(900, 2700, 10)}, 2, 900)
    assert not trends([*steady, *leaking], [], WINDOW)[ROLE][RSS].flat


def test_processes_that_come_and_go_are_judged_by_their_sum() -> None:
    """No stretch is long enough: a growing number of them is a leak all the same."""
    seen = [
        Look(1000.0 + at, {ROLE: Held(tuple(range(at // 10)), 100.0 + at / 10, 50, 10)}) for at in range(0, 2700, 10)
    ]
    found = trends(seen, [], WINDOW)[ROLE][RSS]
    assert found.judged_s == 2090
    assert not found.flat


def test_a_worker_that_was_seen_once_is_no_leak() -> None:
    """Where there is none it holds nothing: the sum has no slope."""
    seen = looks(2700)
    seen[100] = Look(seen[100].at_s, {**seen[100].roles, "idle": Held((7,), 120.0, 40, 20)})
    assert climbing({"idle": trends(seen, [], WINDOW)["idle"]}) == []


def test_tasks_of_the_gateway_are_judged_too() -> None:
    """They come from the gateway itself; unknown, they are not flat."""
    points = [(1000.0 + at, float(at)) for at in range(0, 2700, 10)]
    assert trends(looks(2700), points, WINDOW)[ROLE][TASKS].per_h == 3600.0
    assert climbing(trends(looks(2700), points, WINDOW)) == [f"{ROLE}, tasks: 1645 grew by 2090 in 2090 s"]
    assert not trends(looks(2700), [], WINDOW)[ROLE][TASKS].flat


def test_memory_is_told_by_the_minute() -> None:
    """The median of a minute's looks, of all processes and by role."""
    assert minutes(looks(120, {0: 10.0, 60: 30.0, 110: 99.0}), 1000.0) == {
        "all": [(0, 10.0), (1, 30.0)],
        ROLE: [(0, 10.0), (1, 30.0)],
    }
