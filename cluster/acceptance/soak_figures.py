"""Whether what a system holds grows: a leak is told from teeth of a saw, from what warms up and from a single step. Pure.

Rules:
- What the processes of one role hold is judged by its sum: resident memory, open file handles, threads; and the gateway's tasks.
- A process warms up for ``warm_s`` from the load's begin or its own; that does not count. Whenever a role's processes change its
  series begins anew; the longest stretch is judged. Where none has room for four windows (workers that come and go, a process
  that was replaced late) all of it is judged by the sum, which is nothing while there are none.
- The stretch is cut into windows of equal length, each at least ``window_s``, which is more than twice any tooth that is known:
  the SpanActor's memory rises and falls from one checkpoint of its table to the next. A window's highest and
  lowest look are its envelope. Teeth, however high, leave it where it is; a leak lifts both, teeth that grow lift the highs. A
  window with less than half of the looks that the fullest has (the machine was stopped) is left out.
- Highs and lows have a slope each, Theil and Sen's: the median of the slopes between any two windows. Its lower bound holds with
  95 % confidence: the pair's slope behind which Kendall's exact distribution of as many windows leaves 5 % at most (of four
  windows all six slopes have to rise, of five nine of ten). It takes the windows for independent of each other.
- *Grows*: the lower bound of either, over a day, is beyond what is allowed a day.
- *May grow*: the slope is beyond it, its lower bound is not, and the last window is higher than all before it by more than is
  allowed for as long.
- *Levelled*: the same, but the last window is no higher than one before: a step, not a slope.
- *Flat*: neither slope is beyond it. What shrinks is flat.
- *Unknown*: fewer than four windows. Only flat and levelled count as flat.

Limits: what grows by less a day than is allowed is not told from nothing; a leak that begins within the last two windows may
pass for flat; so does a process that leaks while another of its role shrinks as fast; a tooth longer than a window may look like
growth; what warms up for longer than ``warm_s`` is called growth, and so may be a step in the last two windows.
"""

import statistics
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations, groupby
from typing import Any

from cluster.acceptance.looks import Held, Look

Point = tuple[float, float]
"""(Seconds, value)."""
Seen = tuple[float, Held]
"""When a role was looked at (monotonic), and what it held."""
ABSENT = Held((), 0.0, 0, 0)
RSS, HANDLES, THREADS, TASKS = "rss_mib", "handles", "threads", "tasks"
KINDS: Mapping[str, Callable[[Held], float]] = {
    RSS: lambda held: held.rss_mib, HANDLES: lambda held: held.handles, THREADS: lambda held: held.threads,
}  # fmt: skip
ALLOWED_A_DAY: Mapping[str, float] = {RSS: 256.0, HANDLES: 240.0, THREADS: 240.0, TASKS: 240.0}
"""Growth that is none, over a day: a sixth of one MiB, handle, thread or task a minute."""
DAY_S = 86_400.0
LEAST_WINDOWS = 4
"""Fewer cannot rise with confidence: three do so by chance once in six times."""
ERROR = 0.05
FLAT, LEVELLED, MAY_GROW, GROWS, UNKNOWN = "flat", "levelled", "may grow", "grows", "unknown"


@dataclass(frozen=True, slots=True)
class Window:
    """Which looks count, in seconds."""

    begin_s: float
    """When the load began (monotonic)."""
    warm_s: float
    window_s: float


@dataclass(frozen=True, slots=True)
class Slope:
    """How one edge of an envelope goes, by the day."""

    per_day: float
    least: float
    """Its lower bound, with 95 % confidence."""


@dataclass(frozen=True, slots=True)
class Trend:
    """One thing that one role holds."""

    level: float
    """Median."""
    highs: Slope
    lows: Slope
    windows: int
    judged_s: float
    verdict: str

    @property
    def flat(self) -> bool:
        """Tell whether it is known to stay what it is."""
        return self.verdict in (FLAT, LEVELLED)


def discordant(count: int) -> int:
    """Return how many pairs of so many windows may fall where chance makes all others rise once in 20 times; -1 if none may."""
    orders = [1]
    for size in range(2, count + 1):  # how many orders have so many inversions (MacMahon)
        longer = [0] * (len(orders) + size - 1)
        for inversions, ways in enumerate(orders):
            for shift in range(size):
                longer[inversions + shift] += ways
        orders = longer
    allowed, chance, found = ERROR * sum(orders), 0, -1
    for inversions, ways in enumerate(orders):
        if (chance := chance + ways) > allowed:
            break
        found = inversions
    return found


def slope(points: Sequence[Point]) -> Slope:
    """Return Theil and Sen's slope, a day, with its lower bound; of four points at least."""
    slopes = sorted((late - early) / (end - begin) for (begin, early), (end, late) in combinations(points, 2))
    return Slope(round(statistics.median(slopes) * DAY_S, 1), round(slopes[discordant(len(points))] * DAY_S, 1))


def windows(points: Sequence[Point], window_s: float) -> list[list[Point]]:
    """Cut a series into windows of equal length; those with too few looks are left out."""
    begin_s, lasted_s = points[0][0], points[-1][0] - points[0][0]
    if (count := int(lasted_s / window_s)) < 1:
        return []
    cut: list[list[Point]] = [[] for _ in range(count)]
    for point in points:
        cut[min(int((point[0] - begin_s) / lasted_s * count), count - 1)].append(point)
    fullest = max(map(len, cut))
    return [window for window in cut if 2 * len(window) >= fullest]


def trend(points: Sequence[Point], allowed_a_day: float, window_s: float) -> Trend:
    """Return how a series goes."""
    level = round(statistics.median(value for _, value in points), 1) if points else 0.0
    judged_s = round(points[-1][0] - points[0][0]) if points else 0
    cut = windows(points, window_s) if points else []
    if len(cut) < LEAST_WINDOWS:
        return Trend(level, Slope(0.0, 0.0), Slope(0.0, 0.0), len(cut), judged_s, UNKNOWN)
    centres = [(window[0][0] + window[-1][0]) / 2 for window in cut]
    tops = [max(value for _, value in window) for window in cut]
    floors = [min(value for _, value in window) for window in cut]
    highs, lows = slope(list(zip(centres, tops, strict=True))), slope(list(zip(centres, floors, strict=True)))
    still = allowed_a_day * (centres[-1] - centres[-2]) / DAY_S
    higher = tops[-1] > max(tops[:-1]) + still
    return Trend(level, highs, lows, len(cut), judged_s, _verdict(highs, lows, allowed_a_day, higher=higher))


def _verdict(highs: Slope, lows: Slope, allowed_a_day: float, *, higher: bool) -> str:
    if max(highs.least, lows.least) > allowed_a_day:
        return GROWS
    if max(highs.per_day, lows.per_day) <= allowed_a_day:
        return FLAT
    return MAY_GROW if higher else LEVELLED


def judged(looks: Sequence[Look], role: str, window: Window) -> list[Seen]:
    """Return the looks by which a role is judged: when they were, and what it held."""
    warm_from_s = window.begin_s + window.warm_s
    seen = [(look.at_s, look.roles.get(role, ABSENT)) for look in looks if look.at_s >= window.begin_s]
    pieces = [list(piece) for _, piece in groupby(seen, key=lambda one: one[1].pids)]
    warm = [_from(piece, piece[0][0] + window.warm_s) for piece in pieces if piece[0][1].pids]
    longest = max(warm, key=_lasted_s, default=[])
    return longest if _lasted_s(longest) >= LEAST_WINDOWS * window.window_s else _from(seen, warm_from_s)


def _from(piece: Sequence[Seen], begin_s: float) -> list[Seen]:
    return [seen for seen in piece if seen[0] >= begin_s]


def _lasted_s(piece: Sequence[Seen]) -> float:
    return piece[-1][0] - piece[0][0] if piece else 0.0


def trends(looks: Sequence[Look], tasks: Sequence[Point], window: Window) -> dict[str, dict[str, Trend]]:
    """Return role → what it holds → how that goes; the gateway's tasks are told by itself."""
    found: dict[str, dict[str, Trend]] = {}
    for role in sorted({role for look in looks for role in look.roles}):
        held = judged(looks, role, window)
        found[role] = {
            kind: trend([(at_s, of(one)) for at_s, one in held], ALLOWED_A_DAY[kind], window.window_s)
            for kind, of in KINDS.items()
        }
    warm = [point for point in tasks if point[0] >= window.begin_s + window.warm_s]
    found.setdefault("gateway replica", {})[TASKS] = trend(warm, ALLOWED_A_DAY[TASKS], window.window_s)
    return found


def climbing(found: Mapping[str, Mapping[str, Trend]]) -> list[str]:
    """Return what is not flat, with its figures."""
    return [
        f"{role}, {what}: {told(one)}" for role, held in found.items() for what, one in held.items() if not one.flat
    ]


def told(one: Trend) -> str:
    """Return a trend in words."""
    if one.verdict == UNKNOWN:
        return f"unknown: {one.windows} windows in {one.judged_s:.0f} s, and {LEAST_WINDOWS} are needed"
    edges = ", ".join(
        f"{name} {edge.per_day:+g} a day (at least {edge.least:+g})"
        for name, edge in (("highs", one.highs), ("lows", one.lows))
    )
    return f"{one.verdict}: about {one.level:g}, {edges}, by {one.windows} windows in {one.judged_s:.0f} s"


def minutes(looks: Sequence[Look], begin_s: float) -> dict[str, list[tuple[int, float]]]:
    """Return role → (minute, median of its resident memory in it), of all processes too, for the picture."""
    found: dict[str, list[tuple[int, float]]] = {}
    by_minute = groupby(
        (look for look in looks if look.at_s >= begin_s), key=lambda look: int((look.at_s - begin_s) // 60)
    )
    for minute, group in by_minute:
        seen = list(group)
        found.setdefault("all", []).append((minute, round(statistics.median(look.rss_mib for look in seen), 1)))
        for role in {role for look in seen for role in look.roles}:
            values = [look.roles[role].rss_mib for look in seen if role in look.roles]
            found.setdefault(role, []).append((minute, round(statistics.median(values), 1)))
    return found


def shown(one: Trend) -> dict[str, Any]:
    """Return a trend for the results."""
    return {
        "level": one.level, "highs_per_day": one.highs.per_day, "highs_at_least": one.highs.least,
        "lows_per_day": one.lows.per_day, "lows_at_least": one.lows.least, "windows": one.windows,
        "judged_s": one.judged_s, "verdict": one.verdict, "flat": one.flat,
    }  # fmt: skip
