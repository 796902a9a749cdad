"""From a schedule that breaks an invariant to a shortest one that still does: delta debugging. Pure.

Rules (Zeller and Hildebrandt, "Simplifying and Isolating Failure-Inducing Input", 2002): halves, then quarters, then eighths
and so on are taken away, or all but them; what still fails goes on. At the end no single event can be taken away.

Left out: making what is left simpler (times, lengths).
"""

from collections.abc import Callable, Sequence
from typing import TypeVar

T = TypeVar("T")


def shortest(events: Sequence[T], fails: Callable[[Sequence[T]], bool], most_runs: int) -> list[T]:
    """Return events that fail and of which none can be spared; after ``most_runs`` runs, the shortest found by then."""
    left, parts, runs = list(events), 2, 0
    while len(left) > 1 and runs < most_runs:
        size = -(-len(left) // parts)
        pieces = [left[place : place + size] for place in range(0, len(left), size)]
        rests = [[event for other in pieces if other is not piece for event in other] for piece in pieces]
        for candidate in (*pieces, *rests) if parts == 2 else rests:
            runs += 1
            if len(candidate) < len(left) and fails(candidate):
                left, parts = candidate, max(parts - 1, 2)
                break
        else:
            if size == 1:
                return left
            parts = min(2 * parts, len(left))
    return left
