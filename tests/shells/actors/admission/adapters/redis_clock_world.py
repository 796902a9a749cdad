"""Two homes that share limits in what stands for a Redis: it is away for long; one home's clock steps by hours. For explorers."""

from collections.abc import Sequence
from pathlib import Path
from random import Random
from typing import Any

from msgspec.structs import replace

from actors.admission.adapters.redis_leases import RedisLeases
from actors.admission.adapters.redis_notes import KEPT_S, Found
from actors.admission.config import RedisConfig
from actors.admission.ports import OutcomeUnknown
from actors.admission.quotas import MINUTE_S, UNLIMITED, Amount, Note, Reserved
from actors.base.errors import StorageUnavailable
from tests.shells.actors.admission.adapters.clock_world import CONFIG, OFF_S, STEPS_S, Asker

APART_S = 2.0 * MINUTE_S
"""Within so much real time no more of a minute is used than the limit."""
SERVED_WITHIN_S = 10 * MINUTE_S
"""After the clock is right, for good, every key is let in again."""
SLOTS = 3
OWN = (range(2), range(2, 3))
"""Slots of the home whose clock steps, and of the other."""


class Notes:
    """Notes that expire by a clock that is right. A home for which they are away neither reads nor writes them."""

    def __init__(self, world: "World", home: int) -> None:
        self.world, self.home = world, home

    def read(self, minute: int, keys: Sequence[str]) -> Found:
        """Return a minute's note."""
        if self.home in self.world.away:
            raise StorageUnavailable("away")
        note, until_s = self.world.notes.get(minute, (None, 0.0))
        is_new = note is None or until_s <= self.world.real_s
        note = Note(minute, SLOTS) if note is None or is_new else note
        leased = {key: amount for key, amount in note.leased.items() if key in keys}
        return Found(replace(note, leased=leased), len(note.leased) - len(leased), b"", is_new, {})

    def write(self, found: Found, note: Note) -> bool:
        """Put a note in its place, or not, or nobody knows."""
        before = {} if found.is_new else self.world.notes[note.minute][0].leased
        note = replace(note, leased=before | note.leased)
        draw = self.world.random.random()
        if draw < 0.05:
            raise StorageUnavailable("full")
        if draw > 0.1:
            self.world.notes[note.minute] = note, self.world.real_s + KEPT_S
        if draw < 0.15:
            raise OutcomeUnknown("no word")
        return True

    def close(self) -> None:
        """Hang up."""


class Replica(Asker):
    """One of a home's."""

    store: RedisLeases

    def __init__(self, world: "World", home: int) -> None:
        world.born += 1
        self.home, off_s = home, world.random.uniform(-world.off_s, world.off_s)
        redis = RedisConfig(url="redis://127.0.0.1:1", slots=SLOTS, first_slot=OWN[home].start)
        folder = world.folder / str(home)
        store = RedisLeases(folder, f"r{world.born}", len(OWN[home]), CONFIG, redis, None, lambda: world.real_s)
        notes: Any = Notes(world, home)
        store._notes = notes
        super().__init__(store, SLOTS, lambda: world.wall_s(home) + off_s)


class World:
    """One key, and what is used of every minute that there is, and when."""

    def __init__(self, folder: Path, seed: int) -> None:
        self.folder, self.random = folder, Random(seed)
        self.limit = Amount(self.random.choice((7, 31, 100)), UNLIMITED)
        self.real_s, self.stepped_s = self.random.uniform(0, MINUTE_S), self.random.choice((0.0, *STEPS_S))
        self.before_s, self.off_s = 0.0, self.random.choice(OFF_S)
        self.steps, self.pace = self.random.choice((0.02, 0.1)), self.random.choice((0.1, 1.0))
        """How often the clock steps, half of the time to where it was; and how fast time goes."""
        self.notes: dict[int, tuple[Note, float]] = {}
        self.away: set[int] = {home for home in range(2) if self.random.random() < 0.5}
        self.born = 0
        self.replicas = [Replica(self, home) for home in (0, 0, 1)]
        self.used: dict[int, list[float]] = {}

    def wall_s(self, home: int) -> float:
        """Return what a home's clock says."""
        return 10_000.0 * MINUTE_S + self.real_s + (0.0 if home else self.stepped_s)

    def step(self) -> None:
        """Let one thing happen."""
        draw, replica = self.random.random(), self.random.choice(self.replicas)
        if draw < 0.35:
            self.call(replica)
        elif draw < 0.6:
            replica.ask()
        elif draw < 0.8:
            replica.hear()
        elif draw < 0.95 - self.steps:
            self.real_s += self.random.choice((0.1, 5.0, 25.0, 41.0, 60.0)) * self.pace
        elif draw < 0.95:
            new_s = self.random.choice((0.0, 1.0, -1.0)) * self.random.choice(STEPS_S)
            back_s = self.before_s if self.random.random() < 0.5 else new_s
            self.before_s, self.stepped_s = self.stepped_s, back_s
        elif draw < 0.98:
            self.away ^= {replica.home}
        else:
            replica.store.close()
            self.replicas[self.replicas.index(replica)] = Replica(self, replica.home)

    def call(self, replica: Replica) -> bool:
        """Let somebody ask; tell whether he is let in."""
        held = replica.current_book().reserve("k", self.limit, 0, replica.wall_s)
        if not isinstance(held, Reserved):
            return False
        lately = [at_s for at_s in self.used.get(held.minute, ()) if self.real_s - at_s < APART_S]
        self.used[held.minute] = [*lately, self.real_s]
        assert len(lately) < self.limit.requests, held.minute
        return True

    def served_after_s(self) -> float:
        """Set the clock right and let the Redis be away for its home; return after how long each replica there serves alone."""
        self.stepped_s, right_s = 0.0, self.real_s
        self.away.add(0)
        replicas = [replica for replica in self.replicas if replica.home == 0]
        while self.real_s < right_s + 2 * SERVED_WITHIN_S:
            self.real_s += 1.0
            for replica in replicas:
                replica.ask()
                replica.hear()
                while self.call(replica):
                    pass
            if all(replica.book.standing == "alone" for replica in replicas):
                break
        return self.real_s - right_s

    def close(self) -> None:
        """Let go of everything."""
        for replica in self.replicas:
            replica.store.close()
