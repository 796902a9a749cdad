"""Leases on the disk of the home, which all its replicas share: one note a minute, written under a lock (``run/admission``).

Rules:
- A replica holds a slot by the lock on the slot's file (``home_slots``), and leaves word there before it joins: whether it can
  join or not, its share of that minute is its own from then on. A slot that nobody holds is vacant; who joins puts its share into
  the pool of the minute, for good.
- Other replicas are waited for ``lock_wait_s``. A note that cannot be read or written leases nothing; one that is lost takes
  along what was put into it, and nobody puts that into another.
- Before minutes that a clock said too early begin anew (``home_slots``), notes of later ones are removed, and a share that is in
  the minute's note is left there: what was put into a note then is leased no more, so none is in two places.
- Words are synced, notes are not: a note counts only in the boot of the machine that it was begun in. After another one the disk
  may hold an older version, of which leases would be handed out twice; so what it had is lost, for the rest of that minute.
"""

import time
from collections.abc import Callable, Mapping
from pathlib import Path

import msgspec

from actors.admission.adapters.home_slots import PATIENCE_S, HomeSlots
from actors.admission.adapters.seat import Seat
from actors.admission.config import QuotaConfig
from actors.admission.quotas import Leases, Note, Want, lease
from actors.base.errors import StorageUnavailable

KEPT_MINUTES = 3
"""Notes that are older, or that much ahead, are removed when one is begun."""
MAX_NOTE_BYTES = 64 * 2**20


_BOOT = Path("/proc/sys/kernel/random/boot_id")


class _Noted(msgspec.Struct, frozen=True):
    """A note as it lies on the disk."""

    boot: str
    note: Note


class SharedLeases(Seat):
    """The ``LeaseStore`` of one replica. Its calls come from one thread at a time."""

    def __init__(
        self, directory: Path, replica: str, slots: int, config: QuotaConfig,
        monotonic: Callable[[], float] = time.monotonic, boot: Path = _BOOT,
    ) -> None:  # fmt: skip
        self._directory, self._slots, self._config = directory, slots, config
        self._boot = boot.read_text(encoding="ascii").strip()
        super().__init__(HomeSlots(directory, range(slots), config.lock_wait_s, PATIENCE_S, monotonic), replica)

    def has_share(self, minute: int) -> bool:
        """Tell whether the share of a minute is this replica's alone."""
        return self.slot in self._home.in_hand(minute)

    def lease(self, minute: int, wants: Mapping[str, Want]) -> Leases:
        """Join a minute and lease in it."""
        try:
            self._home.join(minute)
            with self._home.locked():
                note = self._read(minute)
                overdue = self._home.overdue() - note.slots.keys()
                if overdue:
                    self._forget(lambda of: of > minute)
                self._home.gather(minute, overdue)
                return self._leased(note, wants)
        except (OSError, ValueError, msgspec.MsgspecError) as error:  # bad UTF-8 in a note is a ``ValueError``
            raise StorageUnavailable(f"nothing can be leased in {self._directory}: {error}") from error

    def close(self) -> None:
        """Let go of the slot."""
        self._home.close()

    def _leased(self, note: Note, wants: Mapping[str, Want]) -> Leases:
        in_hand, slot = self._home.in_hand(note.minute), self.slot
        new, leases = lease(
            note, self._slots, self._slot_in(note, in_hand), self._holder, sorted(in_hand - {slot}), wants,
            self._config.max_keys,
        )  # fmt: skip
        if new != note:
            self._home.let_go(note.minute)
            try:
                self._write(new)
            except OSError:
                self._home.give(note.minute, in_hand)
                raise
        return leases

    def _read(self, minute: int) -> Note:
        try:
            with (self._directory / f"{minute}.json").open("rb") as file:
                noted = msgspec.json.decode(file.read(MAX_NOTE_BYTES), type=_Noted)
            return noted.note if noted.boot == self._boot else Note(minute, self._slots)
        except FileNotFoundError:
            self._forget(lambda of: abs(of - minute) >= KEPT_MINUTES)
            return Note(minute, self._slots)

    def _write(self, note: Note) -> None:
        """Put the note into its place, whole or not at all."""
        path = self._directory / f"{note.minute}.json"
        beside = path.with_suffix(".new")
        beside.write_bytes(msgspec.json.encode(_Noted(self._boot, note)))
        beside.replace(path)

    def _forget(self, is_over: Callable[[int], bool]) -> None:
        for path in self._directory.glob("*.json"):
            if path.stem.isdigit() and is_over(int(path.stem)):
                path.unlink(missing_ok=True)
