"""A leak is told from teeth of a saw, from what warms up, from a single step and from noise."""

import math
import random
from collections.abc import Callable
from itertools import permutations

import pytest

from cluster.acceptance.looks import Held, Look
from cluster.acceptance.soak_figures import (
    ALLOWED_A_DAY,
    DAY_S,
    ERROR,
    FLAT,
    GROWS,
    HANDLES,
    LEAST_WINDOWS,
    LEVELLED,
    MAY_GROW,
    RSS,
    TASKS,
    THREADS,
    UNKNOWN,
    Point,
    Window,
    climbing,
    discordant,
    judged,
    minutes,
    slope,
    told,
    trend,
    trends,
    windows,
)

WINDOW = Window(begin_s=1000.0, warm_s=600.0, window_s=400.0)
LASTS_S = 2700
ROLE = "gateway replica"
SEEDS = range(20)
Course = Callable[[int], float]
"""Second of a run → what is held."""


def seen(course: Course, pid: int = 1, since: int = 0, until: int = LASTS_S) -> list[Look]:
    """Return a look every five seconds, at one role with one process; all that it holds takes the same course."""
    found = []
    for at in range(since, until + 1, 5):
        value = course(at)
        found.append(Look(1000.0 + at, {ROLE: Held((pid,), value, round(value), round(value))}))
    return found


def verdicts(looks: list[Look]) -> dict[str, str]:
    """Return what is said of memory, handles and threads."""
    return {what: one.verdict for what, one in trends(looks, [], WINDOW)[ROLE].items() if what != TASKS}


def said(course: Course) -> set[str]:
    """Return all that is said of a course, whatever it is a course of."""
    return set(verdicts(seen(course)).values())


def noisy(course: Course, seed: int, much: float = 1.0) -> Course:
    """Return a course with noise that stays for a while, as memory's does, drawn by the seed."""
    draw, state = random.Random(seed), [0.0]

    def with_noise(at: int) -> float:
        state[0] = 0.9 * state[0] + draw.gauss(0, much) * math.sqrt(1 - 0.9**2)
        return course(at) + state[0]

    return with_noise


def teeth(at: int, period_s: int = 330, begun_s: int = 0) -> float:
    """Return the SpanActor's threads: 60 to 110, in 5 to 6 minutes, gone at once."""
    return 60 + 50 * ((at + begun_s) % period_s) / period_s


def warmed(at: int) -> float:
    """Return memory that fills up within the first minutes."""
    return 300 + 25 * (1 - math.exp(-at / 150))


def a_minute(many: float) -> Course:
    """Return a leak."""
    return lambda at: many * at / 60


@pytest.mark.parametrize("seed", SEEDS)
def test_noise_is_flat(seed: int) -> None:
    """Around a level there is no slope."""
    assert said(noisy(lambda _: 300.0, seed)) == {FLAT}


@pytest.mark.parametrize("seed", SEEDS)
def test_a_leak_of_one_a_minute_is_found(seed: int) -> None:
    """A MiB, a handle, a thread a minute, under noise and after a warm-up, within 45 minutes, with its figure."""
    leaking = noisy(lambda at: warmed(at) + a_minute(1)(at), seed)
    found = trends(seen(leaking), [], WINDOW)[ROLE]
    assert {found[what].verdict for what in (RSS, HANDLES, THREADS)} == {GROWS}
    assert found[RSS].lows.per_day == pytest.approx(1440, rel=0.25)
    assert ALLOWED_A_DAY[RSS] < found[RSS].lows.least <= found[RSS].lows.per_day


@pytest.mark.parametrize("period_s", [300, 330, 360, 390])
@pytest.mark.parametrize("begun_s", range(0, 300, 60))
def test_teeth_are_flat_and_a_leak_under_them_is_not(period_s: int, begun_s: int) -> None:
    """Wherever in a tooth the judging begins, as long as a window is no shorter than a tooth."""
    assert said(lambda at: teeth(at, period_s, begun_s)) == {FLAT}
    assert said(lambda at: teeth(at, period_s, begun_s) + at / 60) == {GROWS}


def test_teeth_that_grow_are_not_flat() -> None:
    """They fall back to the same low each time, and reach higher."""
    found = trends(seen(lambda at: 60 + at / 30 * ((at % 330) / 330)), [], WINDOW)[ROLE][RSS]
    assert found.verdict == GROWS
    assert found.lows.per_day < ALLOWED_A_DAY[RSS] < found.highs.least


def test_a_leak_that_another_thing_hides_from_above_is_seen_from_below() -> None:
    """A burst early on is never reached again: the lows climb all the same."""
    found = trends(seen(lambda at: 300 + at / 60 + (500 if 700 <= at < 730 else 0)), [], WINDOW)[ROLE][RSS]
    assert (found.verdict, found.highs.least < 0) == (GROWS, True)


@pytest.mark.parametrize("seed", SEEDS)
def test_a_warm_up_that_levels_off_is_flat(seed: int) -> None:
    """What fills up within the first ten minutes is no leak."""
    assert said(noisy(warmed, seed)) == {FLAT}


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize("at_s", range(700, 1800, 100))
def test_a_step_is_no_leak_and_hides_none(at_s: int, seed: int) -> None:
    """A fault lets pools grow once: that is told from a slope, whenever it comes, and a slope is seen through it."""
    course: Course = lambda at: 300.0 + (30 if at >= at_s else 0)  # noqa: E731
    assert said(noisy(course, seed, 0.3)) <= {FLAT, LEVELLED}
    assert said(noisy(lambda at: course(at) + at / 60, seed, 0.3)) == {GROWS}


def test_stairs_are_a_leak() -> None:
    """What each fault leaves behind adds up."""
    assert said(lambda at: 50 + 5 * (at // 300)) == {GROWS}


def test_what_begins_to_grow_late_is_told() -> None:
    """A step that is still the last thing that happened may be a slope: it is not called flat."""
    assert said(lambda at: 300 + max(0, at - 1500) / 10) <= {GROWS, MAY_GROW}
    assert said(lambda at: 300.0 + (0 if at < 1700 else 30 if at < 2350 else 60)) == {MAY_GROW}


@pytest.mark.parametrize("kind", [RSS, HANDLES, THREADS, TASKS])
def test_growth_is_allowed_up_to_its_bound_by_the_day(kind: str) -> None:
    """Beyond it, it grows; below it, and where it shrinks, it is flat."""
    bound = ALLOWED_A_DAY[kind]
    for share, verdict in ((0.9, FLAT), (1.1, GROWS), (-5.0, FLAT)):
        points = [(float(at), 1000.0 + share * bound * at / DAY_S) for at in range(600, LASTS_S, 5)]
        assert trend(points, bound, 400.0).verdict == verdict


@pytest.mark.parametrize("count", range(2, 8))
def test_how_many_pairs_may_fall_is_kendalls_exact_distribution(count: int) -> None:
    """Counted out over all orders: so few inversions come by chance in 5 % at most, one more in more than that."""
    orders = list(permutations(range(count)))
    inversions = [sum(order[i] > order[j] for i in range(count) for j in range(i + 1, count)) for order in orders]
    allowed = discordant(count)
    assert sum(found <= allowed for found in inversions) <= ERROR * len(orders)
    assert sum(found <= allowed + 1 for found in inversions) > ERROR * len(orders)
    assert (allowed >= 0) == (count >= LEAST_WINDOWS)


def test_the_slope_is_the_median_and_its_bound_the_pairs() -> None:
    """A straight line has its own; of the ten pairs of five points one may fall, and no more."""
    line: list[Point] = [(float(at), 2.0 * at / DAY_S) for at in range(0, 500, 100)]
    assert (slope(line).per_day, slope(line).least) == (2.0, 2.0)
    wild = slope([*line[:-1], (400.0, 1e6)])
    assert (wild.per_day, wild.least) == (2.0, 2.0)
    for values, rises in (((0, 2, 1, 3, 4), True), ((0, 3, 1, 2, 4), False)):
        assert (slope([(DAY_S * at, float(value)) for at, value in enumerate(values)]).least > 0) is rises


def test_windows_are_no_shorter_than_asked() -> None:
    """As many as there is room for, of equal length, with every look in one of them."""
    points = [(float(at), 0.0) for at in range(0, 2101, 5)]
    cut = windows(points, 400.0)
    assert [len(window) for window in cut] == [84, 84, 84, 84, 85]
    assert [point for window in cut for point in window] == points
    assert windows(points[:50], 400.0) == []


def test_a_window_in_which_the_machine_stood_still_is_left_out() -> None:
    """Its envelope is not known; the others judge, and too few of them say nothing."""
    still = [look for look in seen(a_minute(1)) if not 1000 <= look.at_s - 1000.0 < 1350]
    found = trends(still, [], WINDOW)[ROLE][RSS]
    assert (found.windows, found.verdict) == (4, GROWS)
    longer = [look for look in seen(lambda _: 300.0) if not 1000 <= look.at_s - 1000.0 < 1900]
    assert verdicts(longer)[RSS] == UNKNOWN
    assert climbing(trends(longer, [], WINDOW))[0].startswith(f"{ROLE}, rss_mib: unknown: 3 windows")


def test_what_was_not_seen_is_not_flat() -> None:
    """No look, or one, says nothing."""
    for points in ([], [(0.0, 1.0)], [(0.0, 1.0), (0.0, 1.0)]):
        found = trend(points, 240.0, 400.0)
        assert (found.verdict, found.flat) == (UNKNOWN, False)


def test_a_new_process_is_judged_once_it_is_warm() -> None:
    """Killed at 360 s: its successor is judged from 960 s on, and what it grew by before does not count."""
    looks = [*seen(lambda _: 300.0, until=355), *seen(lambda at: warmed(at - 360), pid=2, since=360)]
    found = judged(looks, ROLE, WINDOW)
    assert (found[0][0], found[-1][0]) == (1960.0, 3700.0)
    assert verdicts(looks) == {RSS: FLAT, HANDLES: FLAT, THREADS: FLAT}


def test_a_leak_of_a_new_process_is_seen() -> None:
    """Its stretch is judged, not what came before it."""
    looks = [*seen(lambda _: 300.0, until=355), *seen(lambda at: teeth(at) + at / 60, pid=2, since=360)]
    assert set(verdicts(looks).values()) == {GROWS}


def test_processes_that_come_and_go_are_judged_by_their_sum() -> None:
    """No stretch is long enough: a growing number of them is a leak all the same."""
    looks = [
        Look(1000.0 + at, {ROLE: Held(tuple(range(at // 10)), 100.0 + at / 10, 50, 10)}) for at in range(0, 2701, 5)
    ]
    found = trends(looks, [], WINDOW)[ROLE][RSS]
    assert (found.judged_s, found.verdict) == (2100, GROWS)


def test_a_worker_that_was_seen_once_is_no_leak() -> None:
    """Where there is none it holds nothing: the sum has no slope."""
    looks = seen(lambda _: 300.0)
    looks[300] = Look(looks[300].at_s, {**looks[300].roles, "idle": Held((7,), 120.0, 40, 20)})
    assert climbing({"idle": trends(looks, [], WINDOW)["idle"]}) == []


def test_tasks_of_the_gateway_are_judged_too() -> None:
    """They come from the gateway itself; unknown, they are not flat."""
    looks = seen(lambda _: 300.0)
    points = [(1000.0 + at, 20.0 + at // 60) for at in range(0, 2701, 5)]
    found = trends(looks, points, WINDOW)
    assert found[ROLE][TASKS].verdict == GROWS
    (line,) = climbing(found)
    assert line.startswith(f"{ROLE}, tasks: grows: about 47, highs +14")
    assert line == f"{ROLE}, tasks: {told(found[ROLE][TASKS])}"
    assert trends(looks, [], WINDOW)[ROLE][TASKS].verdict == UNKNOWN


def test_memory_is_told_by_the_minute() -> None:
    """The median of a minute's looks, of all processes and by role."""
    looks = seen(lambda at: 10.0 if at < 60 else 30.0 if at < 110 else 99.0, until=119)
    assert minutes(looks, 1000.0) == {"all": [(0, 10.0), (1, 30.0)], ROLE: [(0, 10.0), (1, 30.0)]}
