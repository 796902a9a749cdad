"""The slots of one home's replicas: a file each, beside the home, whose lock ends with its holder's process, however that ends.

Rules:
- Whoever looks for a slot, or for slots that nobody holds, does it under the home's lock and waits ``lock_wait_s`` for it.
- A slot's file holds a *word*: the last minute whose share is spoken for. Whoever takes the slot over leaves that minute alone,
  and nobody gives its share away. Words only rise; the file is there already: a full disk does not keep one from being left.
- A file that was let go of is written no more: its number may be another file's by then.

Left out: what a word is left for (``leases``, ``redis_leases``).
"""

import fcntl
import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

_WAIT_S = 0.005
_DIGITS = 20


class HomeSlots:
    """The slots with these numbers, as one replica sees them; raises ``OSError``. Only ``close`` comes from another thread."""

    def __init__(self, directory: Path, numbers: range, lock_wait_s: float, *, synced: bool = False) -> None:
        self.directory = directory
        self._numbers, self._lock_wait_s, self._synced = numbers, lock_wait_s, synced
        self._held: tuple[int, int] | None = None  # number, open file
        self._closing = threading.Lock()
        self.left_alone = -1
        """The word of whoever held the slot before."""
        self._word = -1

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

    def take(self) -> bool:
        """Take a slot that nobody holds, unless one is held; tell whether one was taken. Under the lock."""
        for number in self._numbers if self._held is None else ():
            handle = self._open(number)
            if handle is not None:
                self._held, self.left_alone = (number, handle), _said(handle)
                self._word = self.left_alone
                return True
        return False

    def vacant(self, minute: int, *, claim: bool = False) -> list[int]:
        """Return the slots that nobody holds and whose share of a minute is not spoken for. Under the lock.

        ``claim`` leaves the word that it is now.
        """
        found = []
        for number in self._numbers:
            if number != self.number and (handle := self._open(number)) is not None:
                try:
                    if _said(handle) < minute:
                        found.append(number)
                        if claim:
                            self._write(handle, minute)
                finally:
                    os.close(handle)
        return found

    def say(self, minute: int) -> bool:
        """Leave word in the slot's file; tell whether the share of that minute was not spoken for until now."""
        with self._closing:
            if self._held is None or minute <= self._word:
                return False
            self._write(self._held[1], minute)
            self._word = minute
            return True

    def close(self) -> None:
        """Let go of the slot."""
        with self._closing:
            if self._held is not None:
                os.close(self._held[1])
                self._held = None

    def _write(self, handle: int, minute: int) -> None:
        os.pwrite(handle, f"{minute:0{_DIGITS}d}".encode(), 0)
        if self._synced:
            os.fdatasync(handle)

    def _open(self, number: int) -> int | None:
        """Return the locked file of a slot; ``None`` if another replica holds it."""
        handle = os.open(self.directory / f"slot-{number}", os.O_RDWR | os.O_CREAT, 0o600)
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(handle)
            return None
        return handle

    def _wait_for(self, handle: int) -> None:
        pause = threading.Event()
        for _ in range(max(1, round(self._lock_wait_s / _WAIT_S))):
            try:
                fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                pause.wait(_WAIT_S)
            else:
                return
        raise TimeoutError(f"another replica holds the lock for more than {self._lock_wait_s:g} s")


def _said(handle: int) -> int:
    """Return the word in a slot's file; −1 if there is none."""
    said = os.pread(handle, _DIGITS, 0)
    return int(said) if said.isdigit() else -1
