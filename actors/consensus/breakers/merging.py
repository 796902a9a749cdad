"""What replicas tell each other about a voter. Pure.

Rules:
- What others saw may only tighten: their counts are added to one's own and may open a closed breaker sooner, and the
  cool-down that is left to them keeps this one open as long. Nothing heard closes, shortens, or takes a failure away.
- A replica reports what it saw itself, never what it heard (``Breaker.report``): replicas that echo each other never close.
- One's own counts decide alone, too: a healthy majority elsewhere does not keep a breaker closed that opens here.

Left out: how reports travel and when they are too old to be given.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from actors.consensus.breakers.window import Counts
from models.errors import bounded_retry_after_s


@dataclass(frozen=True, slots=True)
class Report:
    """What one replica saw of a voter."""

    counts: Counts
    """In its window while it is closed, else nothing: what opened it has done its work."""
    open_left_s: float = 0.0
    """What is left of a cool-down that it began by what it saw itself."""


def pooled(own: Counts, reports: Sequence[Report]) -> Counts:
    """Return one's own counts and everybody's, added up; damaged ones (a share above all calls) count as none."""
    sound = [report.counts for report in reports if _sound(report.counts)]
    return Counts(
        own.calls + sum(counts.calls for counts in sound),
        own.failed + sum(counts.failed for counts in sound),
        own.slow + sum(counts.slow for counts in sound),
    )


def longest_left_s(reports: Sequence[Report]) -> float:
    """Return the longest cool-down that is left to anyone, inside the bound of what a voter may ask for."""
    return max((bounded_retry_after_s(report.open_left_s) or 0.0 for report in reports), default=0.0)


def _sound(counts: Counts) -> bool:
    return 0 <= counts.failed <= counts.calls and 0 <= counts.slow <= counts.calls
