"""What every ``LeaseStore`` of a replica is by its slot (``home_slots``): under which name notes know it, and since when."""

from actors.admission.adapters.home_slots import HomeSlots
from actors.admission.quotas import Note


class Seat:
    """A replica at its slot."""

    def __init__(self, home: HomeSlots, replica: str) -> None:
        self._home, self._replica, self._begun = home, replica, 0

    @property
    def slot(self) -> int | None:
        """The slot that this replica holds."""
        return self._home.number

    @property
    def waits(self) -> bool:
        """Whether the slot's word is of a clock that was ahead, and is waited out."""
        return self._home.waits

    def begin_anew(self) -> None:
        """Be another replica, with the same slot."""
        self._begun += 1
        self._home.begin_anew()

    @property
    def _holder(self) -> str:
        """What notes know this replica by."""
        return f"{self._replica} {self._begun}" if self._begun else self._replica

    def _slot_in(self, note: Note, in_hand: frozenset[int]) -> int | None:
        """Return the slot where its share is in hand or in the note under this replica's name, else ``None``."""
        slot = self.slot
        return slot if slot in in_hand or (slot is not None and note.slots.get(slot) == self._holder) else None
