"""What a replica may spend in a day: its leases of the cap that all replicas of a home share.

Rules:
- The cap holds over replicas and restarts: what is leased is noted, durable, before it is spent (``run/spend``, under a lock).
- A replica leases a part at a time, ahead of its needs, beside the requests; while it waits for one, it spends what it has.
  For a call that costs more than a part, and found no room, it leases what that call may cost, if the day has so much.
- What it did not spend it gives back when it closes. One that is killed takes its last lease with it: too little may be spent,
  never too much.
- A new day (UTC) begins with nothing leased; a lease is for the day that it was taken in.
- When there is money again is known once nothing is left to lease: with the next day. What other replicas still hold is not
  counted on, nor what they may give back.
- A note that cannot be read or written leases nothing: without it nobody knows what was spent.
"""

import asyncio
import logging
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import msgspec
from msgspec.structs import replace

from actors.base.canonical import MICRO
from actors.base.files import Folders, write_atomic
from actors.base.locks import in_turn
from models.providers.spend import DAY_S, SpendLedger

_log = logging.getLogger("weavergen.gateway")
LEASES = 20
"""Into how many parts a day's cap is leased."""
LOOK_S = 0.25
MAX_BYTES = 1024


class Leased(msgspec.Struct, frozen=True):
    """What all replicas together have leased of a day's cap."""

    day: int
    micro: int


class Lease(msgspec.Struct, frozen=True):
    """What one replica got of a day's cap."""

    micro: int
    is_last: bool = False
    """Nothing more can be leased that day, but for what others give back."""


class Wallet:
    """One replica's leases, as the ledger that its voters spend from. Used from one event loop."""

    def __init__(self, directory: Path, cap_usd: float, now_s: Callable[[], float]) -> None:
        self._directory = directory
        self._cap_micro = round(cap_usd * MICRO)
        self._part_micro = max(1, self._cap_micro // LEASES)
        self._now_s = now_s
        self._ledger = SpendLedger(0, int(now_s() // DAY_S))
        self._refused_micro = 0
        """The most that found no room since the last lease."""
        self._all_leased_day = -1
        """The day of which nothing more can be leased."""

    @property
    def ledger(self) -> SpendLedger:
        """Return the ledger of today: with a new day there is nothing to spend before the next lease."""
        today = self._ledger.at(self._now_s())
        if today.day != self._ledger.day:
            self._ledger = replace(today, cap_micro=0)
        return self._ledger

    @ledger.setter
    def ledger(self, ledger: SpendLedger) -> None:
        self._ledger = ledger

    def refused(self, micro: int, now_s: float) -> float | None:
        """Hear that there was no room for ``micro``; return how long until there is, ``None`` while a lease may bring it."""
        today, self._refused_micro = self.ledger, max(self._refused_micro, micro)
        return today.back_s(micro, now_s) if self._all_leased_day == today.day else None

    def start(self) -> None:
        """Take the first lease; blocks."""
        now_s = self._now_s()
        self._add(lease(self._directory, self._cap_micro, self._part_micro, now_s), int(now_s // DAY_S))

    async def follow(self) -> None:
        """Lease again and again before the last lease is spent."""
        while True:
            await self.look()
            await asyncio.sleep(LOOK_S)

    async def look(self) -> None:
        """Lease once more if less than half a part is left, or less than a call needs that found no room."""
        left_micro, refused_micro, self._refused_micro = self.ledger.left_micro, self._refused_micro, 0
        part_micro = self._part_micro if left_micro < self._part_micro / 2 else 0
        missing_micro = max(0, refused_micro - left_micro)
        if not part_micro and not missing_micro:
            return
        now_s = self._now_s()
        got = await asyncio.to_thread(lease, self._directory, self._cap_micro, part_micro, now_s, missing_micro)
        self._add(got, int(now_s // DAY_S))

    def close(self) -> None:
        """Give back what was not spent; blocks."""
        today = self.ledger
        give_back(self._directory, today.left_micro, today.day)
        self._ledger = replace(today, cap_micro=today.cap_micro - today.left_micro)

    def gauges(self) -> dict[str, float]:
        """Return dollars that this replica has leased and not spent."""
        return {"spend_left_usd": self.ledger.left_micro / MICRO}

    def _add(self, got: Lease, day: int) -> None:
        today = self.ledger
        if today.day == day:  # one that midnight overtook was of yesterday
            self._ledger = replace(today, cap_micro=today.cap_micro + got.micro)
            self._all_leased_day = day if got.is_last else -1


def lease(directory: Path, cap_micro: int, part_micro: int, now_s: float, missing_micro: int = 0) -> Lease:
    """Note a lease of today's cap and return it; it is of 0 if nothing is left or the note cannot be kept.

    It is of a part, or of what a call misses if that is more, and there is so much.
    """
    day = int(now_s // DAY_S)
    try:
        with _locked(directory):
            noted = _read(directory)
            leased = noted.micro if noted.day == day else 0
            if noted.day > day:
                return Lease(0)
            room = max(0, cap_micro - leased)
            got = missing_micro if part_micro < missing_micro <= room else min(part_micro, room)
            if got:
                _write(directory, Leased(day, leased + got))
            return Lease(got, is_last=leased + got >= cap_micro)
    except (OSError, msgspec.DecodeError) as error:
        _log.error("nothing more is spent: the note of the day's spending cannot be kept: %s", error)
        return Lease(0)


def give_back(directory: Path, micro: int, day: int) -> None:
    """Take back what was leased and not spent."""
    try:
        with _locked(directory):
            noted = _read(directory)
            if noted.day == day and micro > 0:
                _write(directory, Leased(day, max(0, noted.micro - micro)))
    except (OSError, msgspec.DecodeError) as error:
        _log.warning("a lease could not be given back: %s", error)


@contextmanager
def _locked(directory: Path) -> Iterator[None]:
    directory.mkdir(mode=0o700, exist_ok=True)
    with in_turn(directory / "spend.lock"):
        yield


def _read(directory: Path) -> Leased:
    try:
        with (directory / "spend.json").open("rb") as file:
            return msgspec.json.decode(file.read(MAX_BYTES), type=Leased)
    except FileNotFoundError:
        return Leased(0, 0)


def _write(directory: Path, leased: Leased) -> None:
    Folders(directory.parent, mode=0o700).ensure(directory)  # a note that a loss of power takes away would be a new cap
    write_atomic(directory / "spend.json", msgspec.json.encode(leased))
