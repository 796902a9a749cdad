"""Leases on the disk of the home, which all its replicas share: one note a minute, written under a lock (``run/admission``).

Rules:
- A replica holds a slot by the lock on the slot's file (``home_slots``). A slot that nobody holds is vacant; its share goes into
  the pool of the minute for good.
- Whoever had its share alone says so in its slot's file. Who takes the slot over leaves the share of that minute alone.
- Other replicas are waited for ``lock_wait_s``. A note that cannot be read or written leases nothing.
- Notes are not synced: a machine that goes down takes its replicas along, and the minute begins anew with them.
"""

from collections.abc import Mapping
from pathlib import Path

import msgspec

from actors.admission.adapters.home_slots import HomeSlots
from actors.admission.config import QuotaConfig
from actors.admission.quotas import Leases, Note, Want, lease
from actors.base.errors import StorageUnavailable

KEPT_MINUTES = 3
"""Older notes are removed."""
MAX_NOTE_BYTES = 64 * 2**20


class SharedLeases:
    """The ``LeaseStore`` of one replica. Its calls come from one thread at a time."""

    def __init__(self, directory: Path, replica: str, slots: int, config: QuotaConfig) -> None:
        self._directory, self._replica, self._slots, self._config = directory, replica, slots, config
        self._home = HomeSlots(directory, range(slots), config.lock_wait_s)
        self._taken = 0

    @property
    def slot(self) -> int | None:
        """The slot that this replica holds."""
        return self._home.number

    @property
    def alone_from(self) -> int | None:
        """The first minute that nobody can have given this slot's share away for, because it was vacant."""
        return None if self.slot is None else self._taken + 2

    def lease(self, minute: int, wants: Mapping[str, Want]) -> Leases:
        """Join a minute and lease in it."""
        try:
            with self._home.locked():
                if self._home.take():
                    self._taken = minute
                note = self._read(minute)
                new, leases = lease(
                    note, self._slots, self.slot if minute > self._home.left_alone else None, self._replica,
                    self._home.vacant(minute), wants, self._config.max_keys,
                )  # fmt: skip
                if new != note:
                    self._write(new)
                return leases
        except (OSError, msgspec.DecodeError) as error:
            raise StorageUnavailable(f"nothing can be leased in {self._directory}: {error}") from error

    def stood_alone(self, minute: int) -> None:
        """Leave word in the slot's file."""
        try:
            self._home.say(minute)
        except OSError as error:
            raise StorageUnavailable(f"no word could be left in {self._directory}: {error.strerror}") from error

    def close(self) -> None:
        """Let go of the slot."""
        self._home.close()

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
