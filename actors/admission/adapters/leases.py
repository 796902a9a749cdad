"""Leases on the disk of the home, which all its replicas share: one note a minute, written under a lock (``run/admission``).

Rules:
- A replica holds a slot by the lock on the slot's file, which ends with its process, however that ends. A slot that nobody holds
  is vacant; its share goes into the pool of the minute for good.
- Whoever had its share alone says so in its slot's file, which is there already: a full disk does not keep it from that. Who
  takes the slot over leaves the share of that minute alone.
- Other replicas are waited for ``lock_wait_s``. A note that cannot be read or written leases nothing.
- Notes are not synced: a machine that goes down takes its replicas along, and the minute begins anew with them.
"""

import fcntl
import os
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import msgspec

from actors.admission.config import QuotaConfig
from actors.admission.quotas import Leases, Note, Want, lease
from actors.base.errors import StorageUnavailable

KEPT_MINUTES = 3
"""Older notes are removed."""
MAX_NOTE_BYTES = 64 * 2**20
_WAIT_S = 0.005
_DIGITS = 20


class SharedLeases:
    """The ``LeaseStore`` of one replica. Its calls come from one thread at a time."""

    def __init__(self, directory: Path, replica: str, slots: int, config: QuotaConfig) -> None:
        self._directory, self._replica, self._slots, self._config = directory, replica, slots, config
        self._slot: tuple[int, int] | None = None  # number, open file
        self._left_alone = -1  # the last minute whose share may be used up by whoever held the slot before
        self._taken = 0

    @property
    def slot(self) -> int | None:
        """The slot that this replica holds."""
        return None if self._slot is None else self._slot[0]

    @property
    def alone_from(self) -> int | None:
        """The first minute that nobody can have given this slot's share away for, because it was vacant."""
        return None if self._slot is None else self._taken + 2

    def lease(self, minute: int, wants: Mapping[str, Want]) -> Leases:
        """Join a minute and lease in it."""
        try:
            with self._locked():
                self._take_slot(minute)
                note = self._read(minute)
                new, leases = lease(
                    note, self._slots, self.slot if minute > self._left_alone else None, self._replica, self._vacant(minute),
                    wants, self._config.max_keys,
                )  # fmt: skip
                if new != note:
                    self._write(new)
                return leases
        except (OSError, msgspec.DecodeError) as error:
            raise StorageUnavailable(f"nothing can be leased in {self._directory}: {error}") from error

    def stood_alone(self, minute: int) -> None:
        """Leave word in the slot's file."""
        if self._slot is None:
            return
        try:
            os.pwrite(self._slot[1], f"{minute:0{_DIGITS}d}".encode(), 0)
        except OSError as error:
            raise StorageUnavailable(f"no word could be left in {self._directory}: {error.strerror}") from error

    def close(self) -> None:
        """Let go of the slot."""
        if self._slot is not None:
            os.close(self._slot[1])
            self._slot = None

    def _take_slot(self, minute: int) -> None:
        for number in range(self._slots) if self._slot is None else ():
            handle = self._held(number)
            if handle is not None:
                self._slot, self._taken = (number, handle), minute
                self._left_alone = _said(handle)
                return

    def _vacant(self, minute: int) -> list[int]:
        """Return the slots that nobody holds, and whose share of the minute nobody may have used."""
        found = []
        for number in range(self._slots):
            if number != self.slot and (handle := self._held(number)) is not None:
                if _said(handle) < minute:
                    found.append(number)
                os.close(handle)
        return found

    def _held(self, number: int) -> int | None:
        """Return the locked file of a slot; ``None`` if another replica holds it."""
        handle = os.open(self._directory / f"slot-{number}", os.O_RDWR | os.O_CREAT, 0o600)
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(handle)
            return None
        return handle

    @contextmanager
    def _locked(self) -> Iterator[None]:
        self._directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        handle = os.open(self._directory / "lock", os.O_RDWR | os.O_CREAT, 0o600)
        try:
            self._wait_for(handle)
            yield
        finally:
            os.close(handle)

    def _wait_for(self, handle: int) -> None:
        pause = threading.Event()
        for _ in range(max(1, round(self._config.lock_wait_s / _WAIT_S))):
            try:
                fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                pause.wait(_WAIT_S)
            else:
                return
        raise TimeoutError(f"another replica holds the lock for more than {self._config.lock_wait_s:g} s")

    def _read(self, minute: int) -> Note:
        try:
            with (self._directory / f"{minute}.json").open("rb") as file:
                return msgspec.json.decode(file.read(MAX_NOTE_BYTES), type=Note)
        except FileNotFoundError:
            self._forget(minute)
            return Note(minute, self._slots)

    def _write(self, note: Note) -> None:
        """Put the note into its place, whole or not at all."""
        path = self._directory / f"{note.minute}.json"
        beside = path.with_suffix(".new")
        beside.write_bytes(msgspec.json.encode(note))
        beside.replace(path)

    def _forget(self, minute: int) -> None:
        for path in self._directory.glob("*.json"):
            if path.stem.isdigit() and int(path.stem) <= minute - KEPT_MINUTES:
                path.unlink(missing_ok=True)


def _said(handle: int) -> int:
    """Return the last minute whose share a slot's holder had alone; −1 if there was none."""
    said = os.pread(handle, _DIGITS, 0)
    return int(said) if said.isdigit() else -1
