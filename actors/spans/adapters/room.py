"""How much a folder of evidence may take. Nothing in it is ever removed but by hand: who finds no room waits."""

import contextlib
from collections.abc import Sequence
from pathlib import Path

from actors.base.errors import StorageUnavailable

NO_BOUND = 1 << 62
"""For those who only read."""


class Room:
    """The room of one folder, its files counted when something is to be put there."""

    def __init__(self, path: Path, max_bytes: int) -> None:
        self._path, self._max_bytes = path, max_bytes
        self._measured: tuple[int, int] | None = None
        """When the folder last changed as it was measured (ns), and how many bytes its files have since."""
        self.full = ""
        """Why the last that came could not be set aside; empty while there is room."""

    def begin(self) -> None:
        """Begin a round of what is to be put there: whoever found no room before tries again in it."""
        self.full = ""
        if self._measured is None:
            with contextlib.suppress(OSError):  # then it is counted once something is to be put there
                self._count()

    def need(self, more: int) -> None:
        """See that there is room for so many bytes more; what was moved away by hand is counted once it matters.

        Raises ``OSError`` where the disk does not say what lies there, ``StorageUnavailable`` if there is no room.
        """
        if self._measured is None or (self._is_over(more) and self._measure() != self._measured[0]):
            self._count()
        if self._is_over(more):
            self.full = (
                f"{self._path} has no room for {more} bytes more (spans.quarantine_max_bytes {self._max_bytes}): look at what "
                "was set aside, then move files away to where they are kept, or give it more"
            )
            raise StorageUnavailable(self.full)

    def took(self, more: int) -> None:
        """Count what was put there."""
        self._measured = self._measure(), self.used_bytes + more

    @property
    def used_bytes(self) -> int:
        """Return how many bytes all files have, as far as they were counted."""
        return 0 if self._measured is None else self._measured[1]

    @property
    def used_share(self) -> float:
        """Return which share of the room that is."""
        return self.used_bytes / self._max_bytes

    def _is_over(self, more: int) -> bool:
        return self.used_bytes + more > self._max_bytes

    def _count(self) -> None:
        changed = self._measure()
        self._measured = changed, sum(size(path) for path in (self._path.iterdir() if changed else ()))

    def _measure(self) -> int:
        """Return when the folder last changed; 0 while it is not there."""
        try:
            return self._path.stat().st_mtime_ns
        except FileNotFoundError:
            return 0


def size(path: Path) -> int:
    """Return how many bytes a file has; 0 if it is not there."""
    try:
        return path.stat().st_size
    except FileNotFoundError:
        return 0


def health(rooms: Sequence[Room]) -> dict[str, float | str]:
    """Return which share of the fullest room is taken, and why something waits: part of the actor's health."""
    return {
        "quarantine_used": max(room.used_share for room in rooms),
        "quarantine_full_why": "; ".join(room.full for room in rooms if room.full),
    }
