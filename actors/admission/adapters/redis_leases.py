"""Leases in a Redis, which gateways of several homes share (``redis_notes``); slots are files beside each home (``home_slots``).

Rules:
- Σ leases ≤ limit needs neither the Redis nor anybody's clock: the share that a slot has of a minute is used up in one place.
  Either its holder has it alone, or it is put into one note of that minute, once. A note hands out what was put into it.
- Who puts a share somewhere leaves word in the slot's file first, synced to the disk. What a share was put into may get lost (the
  Redis restarts empty, evicts, fails over): then it is lost with it, and nobody puts it there again.
- A share that was to be put into a note, and was not for certain, may be put there at the next try. Of one that may have been,
  nothing is known, and it is never used again.
- Each home has slots of its own (``first_slot``). What nobody holds of them is put into notes by the home's other replicas: they
  alone can tell. A home that nobody hears of may be serving alone, so its shares stay its own.
- Where minutes begin anew because the clock was ahead and went back (``home_slots``), that is waited for longer than any note
  lives that nobody writes any more (``PATIENCE_S``). Where clocks of several homes are ahead at once, each by another few
  minutes, one may keep a note alive for the next; who finds his slot in it leaves it alone.
- While the Redis is away, a replica whose own slot was waited out begins its minutes anew all the same, unless it found the slot
  in the minute's note before. No other note with its share in it is there any more, but for one that such clocks kept alive.
- A slot that another home has used as well is never used alone again, until the replica is started anew.

Left out: who writes first (``redis_notes``), and what is leased of a note (``quotas``).
"""

import logging
import time
from collections.abc import Callable, Mapping, Sequence
from itertools import islice
from pathlib import Path

from actors.admission.adapters.home_slots import HomeSlots
from actors.admission.adapters.redis_notes import KEPT_S, Found, RedisNotes
from actors.admission.adapters.seat import Seat
from actors.admission.config import QuotaConfig, RedisConfig
from actors.admission.quotas import MINUTE_S, Leases, Note, Want, lease
from actors.base.errors import ConfigurationError, StorageUnavailable
from models.providers.keys import KeyMissing, read_key

PATIENCE_S = KEPT_S + 3 * MINUTE_S
"""Whoever leased with a clock that was ahead wrote the last note of the next minute within two minutes; then it expires."""
_log = logging.getLogger("weavergen.admission")


class RedisLeases(Seat):
    """The ``LeaseStore`` of one replica. Its calls come from one thread at a time, ``close`` from any."""

    def __init__(
        self,
        directory: Path,
        replica: str,
        replicas: int,
        config: QuotaConfig,
        redis: RedisConfig,
        password: str | None,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._slots, self._redis, self._max_keys = redis.slots, redis, config.max_keys
        own = range(redis.first_slot, redis.first_slot + replicas)
        super().__init__(HomeSlots(directory, own, config.lock_wait_s, PATIENCE_S, monotonic), replica)
        self._notes = RedisNotes(redis, password, redis.slots, config.max_keys)
        self._is_anothers = False
        self._left_alone: set[int] = set()
        """Minutes in whose notes the slot was found while its word was waited out."""
        self._told: set[str] = set()

    def has_share(self, minute: int) -> bool:
        """Tell whether the share of a minute is this replica's alone."""
        return not self._is_anothers and self.slot in self._home.in_hand(minute)

    def lease(self, minute: int, wants: Mapping[str, Want]) -> Leases:
        """Join a minute and lease in it."""
        some = dict(islice(wants.items(), self._redis.max_wants))
        self._join(minute)
        for _ in range(self._redis.attempts):
            found = self._read(minute, list(some))
            self._gather(found.note)
            leases = self._leased(found, some)
            if leases is not None:
                return leases
        raise StorageUnavailable(f"{self._notes}: other replicas were quicker {self._redis.attempts} times")

    def close(self) -> None:
        """Let go of the slot, and hang up."""
        self._home.close()
        self._notes.close()

    def _leased(self, found: Found, wants: Mapping[str, Want]) -> Leases | None:
        """Lease of what was found; ``None`` if another replica wrote first."""
        note, slot, minute = found.note, self.slot, found.note.minute
        in_hand = self._home.in_hand(minute)
        self._look_out(note, in_hand)
        new, leases = lease(
            note, self._slots, self._slot_in(note, in_hand), self._holder, sorted(in_hand - {slot}), wants,
            self._max_keys - found.others,
        )  # fmt: skip
        return leases if new == note or self._put(found, new) else None

    def _put(self, found: Found, new: Note) -> bool:
        """Put what is in hand into a note; unless it was not put there for certain, it is gone."""
        in_hand = self._home.let_go(new.minute)
        try:
            is_put = self._notes.write(found, new)
        except StorageUnavailable:
            self._home.give(new.minute, in_hand)
            raise
        if not is_put:
            self._home.give(new.minute, in_hand)
        return is_put

    def _join(self, minute: int) -> None:
        try:
            self._home.join(minute)
        except OSError as error:
            raise StorageUnavailable(f"no slot can be had in {self._home.directory}: {error}") from error

    def _read(self, minute: int, keys: Sequence[str]) -> Found:
        """Read a minute's note; where it cannot be read, the own slot is waited out no longer than where it can."""
        try:
            return self._notes.read(minute, keys)
        except StorageUnavailable:
            if minute not in self._left_alone:
                self._begin_own(minute)
            raise

    def _begin_own(self, minute: int) -> None:
        try:
            self._home.begin_own(minute, self._home.overdue())
        except OSError as error:
            raise StorageUnavailable(f"no word could be left in {self._home.directory}: {error}") from error

    def _gather(self, note: Note) -> None:
        """Take in hand what nobody's is of this home's shares; while the Redis is away they stay for who takes a slot."""
        self._left_alone = {at for at in self._left_alone if abs(at - note.minute) <= 1}
        if self.waits and self.slot in note.slots:
            self._left_alone.add(note.minute)
        try:
            with self._home.locked():
                self._home.gather(note.minute, self._home.overdue() - note.slots.keys())
        except OSError as error:
            raise StorageUnavailable(f"no word could be left in {self._home.directory}: {error}") from error

    def _look_out(self, note: Note, in_hand: frozenset[int]) -> None:
        """Take note of homes whose configuration is at odds with this one's."""
        if note.of != self._slots:
            self._tell(
                f"another home says that there are {note.of} slots, this one {self._slots}: set the same "
                "admission.quotas.redis.slots in all; until then limited keys have nothing where another was first"
            )
        elif taken := sorted(in_hand & note.slots.keys()):
            self._is_anothers = self._is_anothers or self.slot in taken
            self._tell(
                f"slot {taken[0]} of {self._slots} is used by another home as well: set admission.quotas.redis.first_slot "
                "so that none has another's, and start this one anew"
            )

    def _tell(self, what: str) -> None:
        if what not in self._told and len(self._told) < 100:
            self._told.add(what)
            _log.error("%s: %s", self._notes, what)


def redis_password(config: RedisConfig) -> str | None:
    """Return the password of the Redis that limits are shared in; raise ``ConfigurationError`` if it cannot be had."""
    if config.password_env is None and config.password_file is None:
        return None
    try:
        return read_key(env=config.password_env, file=config.password_file)
    except KeyMissing as error:
        raise ConfigurationError(f"admission.quotas.redis: {error}; then try again") from error
