"""The slots of one home's replicas: a file each, beside the home, whose lock ends with its holder's process, however that ends.

Rules:
- A slot's file holds a *word*: the last minute whose share is spoken for. Whoever wants to use a share, or to put it into a note,
  leaves word of that first, and has it *in hand* then. Whoever takes the slot over leaves that minute alone, and nobody gives its
  share away: a share whose holder was killed before it used it is lost, and none is used twice.
- A word is read and left under the lock of the slot's file, by who holds the slot or finds it vacant. Words only rise. The home's
  lock only keeps one who looks for vacant slots from hiding one for a moment: who cannot have it takes a slot without it.
- Nobody holds a slot whose file could not be written and synced whole: from then on a full disk keeps no word from being left.
- A file that was let go of is written no more: its number may be another file's by then.

Left out: what shares are put into (``leases``, ``redis_leases``).
"""

import errno
import os
import threading
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

from actors.base.locks import hold, try_lock

_WAIT_S = 0.005
_DIGITS = 20


class HomeSlots:
    """The slots with these numbers, as one replica sees them; raises ``OSError``. Only ``close`` comes from another thread."""

    def __init__(self, directory: Path, numbers: range, lock_wait_s: float, *, synced: bool = False) -> None:
        self.directory = directory
        self._numbers, self._lock_wait_s, self._synced = numbers, lock_wait_s, synced
        self._held: tuple[int, int] | None = None  # number, open file
        self._closing = threading.Lock()
        self._word = -1
        self._in_hand: dict[int, set[int]] = {}
        """Minute → slots whose share of it is this replica's, and was put nowhere."""

    @property
    def number(self) -> int | None:
        """The slot that this replica holds."""
        return None if self._held is None else self._held[0]

    @contextmanager
    def locked(self) -> Iterator[None]:
        """Keep the home's other replicas waiting."""
        self.directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        handle = os.open(self.directory / "lock", os.O_RDWR | os.O_CREAT, 0o600)
        try:
            self._wait_for(handle)
            yield
        finally:
            os.close(handle)

    def join(self, minute: int) -> None:
        """Hold a slot, if one can be had, and take its share of a minute in hand, unless that is spoken for."""
        self._in_hand = {at: slots for at, slots in self._in_hand.items() if at >= minute - 1}
        if self._held is None:
            self._hold()
        with self._closing:
            if self._held is not None and minute > self._word:
                number, handle = self._held
                self._write(handle, minute)
                self._word = minute
                self.give(minute, {number})

    def gather(self, minute: int) -> None:
        """Take in hand what nobody's is: the shares of a minute of slots that nobody holds. Under the home's lock."""
        for number in self._numbers:
            if number != self.number and (handle := self._open(number)) is not None:
                try:
                    if _said(handle) < minute:
                        self._write(handle, minute)
                        self.give(minute, {number})
                finally:
                    os.close(handle)

    def in_hand(self, minute: int) -> frozenset[int]:
        """Return the slots whose share of a minute may be used, or put into a note."""
        return frozenset(self._in_hand.get(minute, ()))

    def let_go(self, minute: int) -> frozenset[int]:
        """Have no share of a minute in hand any more; return what was."""
        return frozenset(self._in_hand.pop(minute, ()))

    def give(self, minute: int, slots: Iterable[int]) -> None:
        """Take shares in hand which for certain were put nowhere."""
        self._in_hand.setdefault(minute, set()).update(slots)

    def close(self) -> None:
        """Let go of the slot."""
        with self._closing:
            if self._held is not None:
                os.close(self._held[1])
                self._held = None

    def _hold(self) -> None:
        try:
            with self.locked():
                self._take()
        except TimeoutError:
            self._take()

    def _take(self) -> None:
        for number in self._numbers:
            handle = self._open(number)
            if handle is not None:
                try:
                    self._word = _said(handle)
                    self._write(handle, self._word)
                    os.fsync(handle)
                except OSError:
                    os.close(handle)
                    raise
                self._held = (number, handle)
                return

    def _write(self, handle: int, minute: int) -> None:
        word = f"{minute:0{_DIGITS}d}".encode()
        if os.pwrite(handle, word, 0) != len(word):
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        if self._synced:
            os.fdatasync(handle)

    def _open(self, number: int) -> int | None:
        """Return the locked file of a slot; ``None`` if another replica holds it."""
        return try_lock(self.directory / f"slot-{number}")

    def _wait_for(self, handle: int) -> None:
        pause = threading.Event()
        for _ in range(max(1, round(self._lock_wait_s / _WAIT_S))):
            if hold(handle):
                return
            pause.wait(_WAIT_S)
        raise TimeoutError(f"another replica holds the lock for more than {self._lock_wait_s:g} s")


def _said(handle: int) -> int:
    """Return the word in a slot's file; −1 if there is none."""
    said = os.pread(handle, _DIGITS, 0)
    return int(said) if said.isdigit() else -1
