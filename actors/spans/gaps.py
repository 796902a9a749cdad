"""Which numbers of a writer were sealed: batches come in order, but for rows that were set aside and let go later.

A batch may lie before what was sealed only where nothing was sealed yet: rows fill a gap once, and no row is in two batches.
Pure.
"""

from actors.spans.quarantined import Interval, without
from actors.spans.sequence import FIRST_SEQ


class Sealed:
    """One writer's."""

    def __init__(self) -> None:
        self.last = FIRST_SEQ - 1
        """Highest number that was sealed."""
        self._gaps: list[Interval] = []

    def take(self, first: int, last: int) -> bool:
        """Seal a run of numbers; return whether none of them was sealed before."""
        if first > self.last:
            if first > self.last + 1:
                self._gaps.append((self.last + 1, first - 1))
            self.last = last
        elif any(begin <= first and last <= end for begin, end in self._gaps):
            self._gaps = without(self._gaps, (first, last))
        else:
            return False
        return True
