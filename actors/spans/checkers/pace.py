"""How many rows of one writer are judged in one tick: all, unless so many are bad that the rest has to wait anyway. Pure.

Rules:
- A writer of which ``least`` rows were set aside in a tick is slowed: of the next tick only as many rows are judged, exceeded by
  at most one frame; those behind them wait unjudged. So who writes nothing but forgeries has no more of them judged than are set
  aside, whatever the backlog.
- Each tick in which as many were judged and fewer than ``least`` set aside doubles that number. At ``most`` it is lifted. So of a
  writer that forges now and then at most twice as many rows are judged as are taken in.

Left out: setting rows aside, and what those that wait are told (``adapters.guard``).
"""

from collections import Counter
from collections.abc import Mapping, Sequence

from actors.spans.columns import Rows


class Pace:
    """What writers are slowed to."""

    def __init__(self, least: int, most: int) -> None:
        self._least, self._most = least, most
        self._slowed: dict[str, int] = {}
        """Writer → rows of it that may be judged in this tick."""
        self._judged: Counter[str] = Counter()
        """Slowed writer → rows of it that were judged in this tick."""

    def begin(self, set_aside: Mapping[str, int]) -> None:
        """Begin a tick, after one in which so many rows of each writer were set aside."""
        for writer_id, judged in self._judged.items():
            if judged >= self._slowed[writer_id]:
                self._slowed[writer_id] *= 2
                if self._slowed[writer_id] >= self._most:
                    del self._slowed[writer_id]
        self._judged.clear()
        self._slowed |= {writer_id: self._least for writer_id, rows in set_aside.items() if rows >= self._least}

    def cut(self, rows: Sequence[Rows]) -> tuple[Sequence[Rows], dict[str, int]]:
        """Return the frames that are judged now, and of each writer that has others the first number that waits."""
        if not self._slowed:
            return rows, {}
        now, waits = list[Rows](), dict[str, int]()
        for part in rows:
            most = self._slowed.get(part.writer_id)
            if part.writer_id in waits:
                continue
            if most is not None and self._judged[part.writer_id] >= most:
                waits[part.writer_id] = part.first_seq
                continue
            if most is not None:
                self._judged[part.writer_id] += len(part.spans)
            now.append(part)
        return now, waits
