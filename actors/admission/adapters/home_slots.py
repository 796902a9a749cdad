"""The slots of one home's replicas: a file each, beside the home, whose lock ends with its holder's process, however that ends.

Rules:
- A slot's file holds a *word*: the last minute whose share is spoken for. Whoever wants to use a share, or to put it into a note,
  leaves word of that first, and has it *in hand* then. Whoever takes the slot over leaves that minute alone, and nobody gives its
  share away: a share whose holder was killed before it used it is lost, and none is used twice.
- A word is read and left under the lock of the slot's file, by who holds the slot or finds it vacant. Words rise. The home's
  lock only keeps one who looks for vacant slots from hiding one for a moment: who cannot have it takes a slot without it.
- A word that is more than a minute ahead of the clock was left by a clock that was ahead. It is waited out: until the clock is
  there, or for ``patience_s`` of a clock that only rises, in which nobody else held the slot or wrote its word. Then its minutes
  begin anew at the one that is now. So within any minute of real time a slot's share is used once, and a minute that the
  clock has said twice is had twice only where it was ``patience_s`` or longer ago, and nothing that was put into notes then can
  be leased (whoever asks sees to that before: ``overdue``).
- A word, and the name of its file, is on the disk before anything is in hand: it outlives the machine's end, within the minute,
  too.
- Nobody holds a slot whose file could not be written and synced whole: from then on a full disk keeps no word from being left.
- A file that was let go of is written no more: its number may be another file's by then.

Left out: what shares are put into (``leases``, ``redis_leases``).
"""

import errno
import os
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from collections.abc import Set as AbstractSet
from contextlib import contextmanager
from pathlib import Path

from actors.base.files import sync_folder
from actors.base.locks import hold, try_lock

PATIENCE_S = 120.0
"""For how long a word that is ahead of the clock is waited out, where notes lie beside the slots."""
_WAIT_S = 0.005
_DIGITS = 20


class HomeSlots:
    """The slots with these numbers, as one replica sees them; raises ``OSError``. Only ``close`` comes from another thread."""

    def __init__(
        self, directory: Path, numbers: range, lock_wait_s: float, patience_s: float = PATIENCE_S,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:  # fmt: skip
        self.directory = directory
        self._numbers, self._lock_wait_s = numbers, lock_wait_s
        self._patience_s, self._monotonic = patience_s, monotonic
        self._held: tuple[int, int] | None = None  # number, open file
        self._closing = threading.Lock()
        self._word = -1
        self._in_hand: dict[int, set[int]] = {}
        """Minute → slots whose share of it is this replica's, and was put nowhere."""
        self._ahead: dict[int, tuple[int, float]] = {}
        """Slot → its word, which is ahead of the clock, and since when that is known and nobody else held the slot."""

    @property
    def number(self) -> int | None:
        """The slot that this replica holds."""
        return None if self._held is None else self._held[0]

    @property
    def waits(self) -> bool:
        """Whether the word of the slot that this replica holds is waited out."""
        return self.number in self._ahead

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
            if self._held is None:
                return
            number, handle = self._held
            if minute > self._word:
                self._speak_for(number, handle, minute)
                self._word = minute
            self._look_ahead(number, self._word, minute)

    def overdue(self) -> frozenset[int]:
        """Return the slots whose words were waited out: they may begin anew once nothing of their minutes can be leased."""
        now_s = self._monotonic()
        return frozenset(number for number, (_, since_s) in self._ahead.items() if now_s - since_s >= self._patience_s)

    def begin_own(self, minute: int, overdue: AbstractSet[int]) -> None:
        """Begin the minutes of the slot that this replica holds anew, if it is of ``overdue``; nobody else writes its word."""
        with self._closing:
            if self._held is not None and self._held[0] in overdue and self.waits:
                self._speak_for(*self._held, minute)
                self._word = minute

    def gather(self, minute: int, overdue: AbstractSet[int] = frozenset()) -> None:
        """Take in hand what nobody's is: the shares of a minute of slots that nobody holds. Under the home's lock.

        Of ``overdue``, which were waited out, begin the minutes anew; of the slot that this replica holds, too.
        """
        self.begin_own(minute, overdue)
        for number in self._numbers:
            if number == self.number:
                continue
            if (handle := self._open(number)) is None:
                self._ahead.pop(number, None)
                continue
            try:
                said = _said(handle)
                if said < 0:
                    sync_folder(self.directory)
                if said < minute or (number in overdue and self._ahead[number][0] == said):
                    self._speak_for(number, handle, minute)
                else:
                    self._look_ahead(number, said, minute)
            finally:
                os.close(handle)

    def begin_anew(self) -> None:
        """Have nothing in hand any more: the clock went back, and minutes come again."""
        self._in_hand.clear()

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

    def _speak_for(self, number: int, handle: int, minute: int) -> None:
        """Leave word of a minute, and take its share in hand."""
        self._write(handle, minute)
        self._ahead.pop(number, None)
        self.give(minute, {number})

    def _look_ahead(self, number: int, word: int, minute: int) -> None:
        """Begin to wait a word out, or go on, if it is ahead; the next minute's is left while this one lasts."""
        if word <= minute + 1:
            self._ahead.pop(number, None)
        elif self._ahead.get(number, (-1, 0.0))[0] != word:
            self._ahead[number] = word, self._monotonic()

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
                    sync_folder(self.directory)
                except OSError:
                    os.close(handle)
                    raise
                self._held = (number, handle)
                return

    def _write(self, handle: int, minute: int) -> None:
        word = f"{minute:0{_DIGITS}d}".encode()
        if os.pwrite(handle, word, 0) != len(word):
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
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
