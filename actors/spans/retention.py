"""Which batches of the spans table have expired, and which files hold nothing else.

Rules:
- Batches expire whole: all rows of one ended before a moment. A file goes when every batch that it holds rows of has expired;
  until then all of it stays, so a date's file goes when the last batch that ended in it has.
- Numbers of batches are written as ranges in ascending order, ``0-4711 4713``: the shortest form, and the only one.

Left out: what files hold (``adapters.retention``).
"""

from bisect import bisect_right
from collections.abc import Iterable, Iterator, Sequence

from actors.base.errors import IntegrityError
from actors.spans.compaction import TableFile

MAX_FILES = 64
"""Files that go in one commit: its entry names each by its digest."""


DAY_MS = 86_400_000


def last_kept_ms(now_ms: int, days: int) -> int:
    """Return the moment (Unix) that rows have to have ended at, or later, to be kept."""
    return now_ms - days * DAY_MS


def ended(files: Sequence[TableFile], sealed: int, before_ms: int) -> list[TableFile]:
    """Return the first files in the order of the log whose rows all ended before then, as Delta tells; ``sealed`` batches are."""
    past = [
        file
        for file in files
        if file.first is not None and file.last is not None and file.last < sealed and 0 <= file.ended_ms < before_ms
    ]
    return sorted(past, key=lambda file: (file.first or 0, file.day))[:MAX_FILES]


class Batches:
    """A set of batches' numbers, as ranges."""

    def __init__(self, numbers: Iterable[int] = ()) -> None:
        self._ranges: list[tuple[int, int]] = []
        """First and last number of each, ascending, with others between them."""
        for number in sorted(set(numbers)):
            self._extend(number, number)

    @classmethod
    def read(cls, text: str) -> "Batches":
        """Read what ``text`` wrote; raise ``IntegrityError`` for anything else."""
        made = cls()
        for part in text.split(" ") if text else []:
            first, _, last = part.partition("-")
            if not all(_is_number(word) for word in (first, last or first)) or int(last or first) < int(first):
                raise IntegrityError(f"{part[:40]!r} is no range of batches", "batches")
            made._extend(int(first), int(last or first))
        if made.text != text:
            raise IntegrityError("ranges of batches are ascending, apart, and as short as they can be", "batches")
        return made

    @property
    def text(self) -> str:
        """Return the ranges."""
        return " ".join(str(first) if first == last else f"{first}-{last}" for first, last in self._ranges)

    @property
    def ranges(self) -> list[tuple[int, int]]:
        """Return first and last number of each range, ascending."""
        return list(self._ranges)

    def __contains__(self, number: object) -> bool:
        if not isinstance(number, int):
            return False
        at = bisect_right(self._ranges, (number, 2**63)) - 1
        return at >= 0 and self._ranges[at][0] <= number <= self._ranges[at][1]

    def __iter__(self) -> Iterator[int]:
        for first, last in self._ranges:
            yield from range(first, last + 1)

    def __or__(self, other: "Batches") -> "Batches":
        joined = Batches()
        for first, last in sorted([*self._ranges, *other._ranges]):
            joined._extend(first, last)
        return joined

    def _extend(self, first: int, last: int) -> None:
        """Add a range that begins no earlier than the last one."""
        if self._ranges and first <= self._ranges[-1][1] + 1:
            before, end = self._ranges[-1]
            self._ranges[-1] = before, max(end, last)
        else:
            self._ranges.append((first, last))


def _is_number(word: str) -> bool:
    return word.isascii() and word.isdecimal() and len(word) <= 18
