"""Admission in front of nothing, on clocks that are set and a store in memory."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from actors.admission.config import AdmissionConfig
from actors.admission.ports import OutcomeUnknown
from actors.admission.quotas import Leases, Note, Want, lease
from actors.base.errors import StorageUnavailable
from serve_apps.gateway.admission import Admission

MAX_LIMIT = 4


@dataclass
class Clocks:
    """A steady clock and the wall's."""

    now_s: float = 0.0
    wall_s: float = 1_800_000_000.0

    def monotonic(self) -> float:
        """Return the steady one."""
        return self.now_s

    def wall(self) -> float:
        """Return the wall's."""
        return self.wall_s


@dataclass
class Memory:
    """A ``LeaseStore`` in memory, of one replica, that can be away."""

    slots: int = 1
    away: Exception | None = None
    notes: dict[int, Note] = field(default_factory=dict)
    is_mute: bool = False
    """No word can be left in it."""
    in_hand: set[int] = field(default_factory=set)
    asked: int = 0
    """How often."""
    begun: int = 0
    """How often anew."""
    is_waiting: bool = False

    def lease(self, minute: int, wants: Mapping[str, Want]) -> Leases:
        """Join and lease."""
        self.asked += 1
        if not self.is_mute and minute not in self.notes:
            self.in_hand.add(minute)
        if self.away is not None:
            self.in_hand -= {minute} if isinstance(self.away, OutcomeUnknown) else set()
            raise self.away
        self.in_hand.discard(minute)
        note = self.notes.get(minute, Note(minute, self.slots))
        self.notes[minute], leases = lease(note, self.slots, 0, f"r{self.begun}", [], wants, 100)
        return leases

    def has_share(self, minute: int) -> bool:
        """Tell whether word was left, and the share was put nowhere."""
        return minute in self.in_hand

    @property
    def waits(self) -> bool:
        """Whether minutes that come again are waited out."""
        return self.is_waiting

    def begin_anew(self) -> None:
        """Be another replica; the notes of the one before are another's."""
        self.begun += 1
        self.in_hand.clear()

    def close(self) -> None:
        """Let go of nothing."""


AWAY = StorageUnavailable("the store is away")
UNKNOWN = OutcomeUnknown("nobody knows")


def admission(
    config: AdmissionConfig | None = None, clocks: Clocks | None = None, store: Memory | None = None, voters: int = 3
) -> Admission:
    """Return an admission that was not started."""
    clocks, store = clocks or Clocks(), store or Memory()
    return Admission(
        config or AdmissionConfig(), MAX_LIMIT, store.slots, store, voters, clocks.monotonic, clocks.wall
    )  # fmt: skip
