"""A day's cap on what voters spend: reserve before a call, reconcile or refund after it. Pure.

Rules:
- Spent and reserved together never exceed the cap through ``reserve``: a reservation that does not fit is refused whole,
  and takes nothing.
- A reservation ends once, in its own day's account: what it really cost, which may be more than was reserved (then the
  day is over that much sooner), or nothing.
- A day is a UTC day of ``now_s``. A clock that goes back does not bring a day back; what was reserved yesterday does not
  count today.

Left out: sharing between processes. A cap holds for whoever holds the ledger: replicas are given shares of it.
"""

from collections.abc import Mapping
from types import MappingProxyType

import msgspec
from msgspec.structs import replace

DAY_S = 86_400


class SpendError(ValueError):
    """The ledger was asked for something that cannot be; the message says what."""


class Reservation(msgspec.Struct, frozen=True):
    """A part of one day's cap, set aside for one call."""

    number: int
    day: int
    micro: int


class SpendLedger(msgspec.Struct, frozen=True):
    """What may be spent in a day, what was, and what is set aside, in micro-dollars."""

    cap_micro: int
    day: int = 0
    """Days since 1970-01-01, UTC."""
    spent_micro: int = 0
    open: Mapping[int, Reservation] = MappingProxyType({})
    """Reservations of any day that have not ended, by their number."""
    next_number: int = 0

    def __post_init__(self) -> None:
        if self.cap_micro < 0:
            raise SpendError("a cap must not be below 0")

    @property
    def reserved_micro(self) -> int:
        """Return what is set aside of this day."""
        return sum([reservation.micro for reservation in self.open.values() if reservation.day == self.day])

    @property
    def left_micro(self) -> int:
        """Return what may still be reserved this day."""
        return max(0, self.cap_micro - self.spent_micro - self.reserved_micro)

    def at(self, now_s: float) -> "SpendLedger":
        """Return the ledger of the day of ``now_s``."""
        day = int(now_s // DAY_S)
        return self if day <= self.day else replace(self, day=day, spent_micro=0)

    def back_s(self, micro: int, now_s: float) -> float | None:
        """Return how long until ``micro`` fits: until the next day, or ``None`` if calls that end may make room for it sooner."""
        today = self.at(now_s)
        return (today.day + 1) * DAY_S - now_s if today.spent_micro + micro > today.cap_micro else None

    def reserve(self, micro: int, now_s: float) -> tuple["SpendLedger", Reservation | None]:
        """Set ``micro`` aside; ``None`` if the day's cap has no room for it."""
        if micro < 0:
            raise SpendError("a reservation must not be below 0")
        today = self.at(now_s)
        if micro > today.left_micro:
            return today, None
        made = Reservation(today.next_number, today.day, micro)
        opened = MappingProxyType({**today.open, made.number: made})
        return replace(today, open=opened, next_number=made.number + 1), made

    def reconcile(self, reservation: Reservation, cost_micro: int, now_s: float) -> "SpendLedger":
        """End a reservation with what the call cost."""
        if cost_micro < 0:
            raise SpendError("a cost must not be below 0")
        if self.open.get(reservation.number) != reservation:
            raise SpendError(f"reservation {reservation.number} is not open: it ends once")
        today = self.at(now_s)
        left_open = dict(today.open)
        del left_open[reservation.number]
        spent = today.spent_micro + (cost_micro if reservation.day == today.day else 0)
        return replace(today, open=MappingProxyType(left_open), spent_micro=spent)

    def refund(self, reservation: Reservation, now_s: float) -> "SpendLedger":
        """End a reservation whose call cost nothing."""
        return self.reconcile(reservation, 0, now_s)
