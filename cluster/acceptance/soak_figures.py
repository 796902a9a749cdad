"""Whether what a system holds grows: slopes of memory, file handles, threads and tasks over a long load. Pure.

Rules:
- The slope is Theil and Sen's: the median of the slopes between any two looks. Single looks, however strange, move it little.
- The first ``warm_s`` do not count: caches fill, pools open.
- A role's series begins anew whenever its processes change, less ``settle_s`` in which a new process warms up; the longest
  stretch is judged. Where none is as long as ``least_s`` (workers that come and go) the whole series is judged by the sum,
  which is nothing while there are none.
- *Flat* is what grew, by its slope over the stretch that was judged, by no more than a share of its level or, where that is
  little, by no more than a floor. What shrinks is flat.
- What could not be judged is not flat.
"""

import statistics
from collections.abc import Mapping, Sequence
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


@dataclass(frozen=True, slots=True)
class Bound:
    """How much growth is none."""

    share: float
    """Of the level."""
    floor: float
    """In the unit of what is measured."""


BOUNDS = {RSS: Bound(0.05, 8.0), HANDLES: Bound(0.05, 4.0), THREADS: Bound(0.05, 4.0), TASKS: Bound(0.05, 4.0)}


@dataclass(frozen=True, slots=True)
class Window:
    """Which looks count, in seconds."""

    begin_s: float
    """When the load began (monotonic)."""
    warm_s: float
    settle_s: float
    least_s: float


@dataclass(frozen=True, slots=True)
class Trend:
    """One thing that one role holds."""

    level: float
    """Median."""
    per_h: float
    grew: float
    """By the slope, over the stretch that was judged."""
    judged_s: float
    flat: bool


def theil_sen(points: Sequence[Point]) -> float:
    """Return the median slope between any two points, a second; 0 of fewer than two moments."""
    slopes = [(late - early) / (end - begin) for (begin, early), (end, late) in combinations(points, 2) if end > begin]
    return statistics.median(slopes) if slopes else 0.0


def trend(points: Sequence[Point], bound: Bound) -> Trend:
    """Return how a series goes; an empty one is not flat."""
    if len(points) < 2:
        return Trend(points[0][1] if points else 0.0, 0.0, 0.0, 0.0, flat=False)
    level, slope, lasted_s = (
        statistics.median(value for _, value in points),
        theil_sen(points),
        points[-1][0] - points[0][0],
    )
    grew = slope * lasted_s
    allowed = max(bound.share * level, bound.floor)
    return Trend(round(level, 1), round(slope * 3600, 2), round(grew, 2), round(lasted_s), flat=grew <= allowed)


def judged(looks: Sequence[Look], role: str, window: Window) -> list[Seen]:
    """Return the looks by which a role is judged: when they were, and what it held."""
    counted = [
        (look.at_s, look.roles.get(role, ABSENT)) for look in looks if look.at_s >= window.begin_s + window.warm_s
    ]
    pieces = [list(piece) for _, piece in groupby(counted, key=lambda seen: seen[1].pids)]
    settled = [_settled(piece, counted, window.settle_s) for piece in pieces if piece[0][1].pids]
    longest = max(settled, key=_lasted_s, default=[])
    return longest if _lasted_s(longest) >= window.least_s else counted


def _settled(piece: list[Seen], counted: Sequence[Seen], settle_s: float) -> list[Seen]:
    """Return a stretch without the time in which its processes were new; those that were there from the start were not."""
    if piece[0] is counted[0]:
        return piece
    return [seen for seen in piece if seen[0] >= piece[0][0] + settle_s]


def _lasted_s(piece: Sequence[Seen]) -> float:
    return piece[-1][0] - piece[0][0] if piece else 0.0


def trends(looks: Sequence[Look], tasks: Sequence[Point], window: Window) -> dict[str, dict[str, Trend]]:
    """Return role → what it holds → how that goes; the gateway's tasks are told by itself."""
    found: dict[str, dict[str, Trend]] = {}
    for role in sorted({role for look in looks for role in look.roles}):
        held = judged(looks, role, window)
        found[role] = {
            RSS: trend([(at_s, one.rss_mib) for at_s, one in held], BOUNDS[RSS]),
            HANDLES: trend([(at_s, one.handles) for at_s, one in held], BOUNDS[HANDLES]),
            THREADS: trend([(at_s, one.threads) for at_s, one in held], BOUNDS[THREADS]),
        }
    settled = [point for point in tasks if point[0] >= window.begin_s + window.warm_s]
    found.setdefault("gateway replica", {})[TASKS] = trend(settled, BOUNDS[TASKS])
    return found


def climbing(found: Mapping[str, Mapping[str, Trend]]) -> list[str]:
    """Return what is not flat."""
    return [
        f"{role}, {what}: {one.level:g} grew by {one.grew:g} in {one.judged_s:.0f} s"
        for role, held in found.items() for what, one in held.items() if not one.flat
    ]  # fmt: skip


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
    return {"level": one.level, "per_h": one.per_h, "grew": one.grew, "judged_s": one.judged_s, "flat": one.flat}
