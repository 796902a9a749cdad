"""Replicas of a home that lease from each other by the real files, under clocks that step by hours: a world for explorers."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from random import Random

from actors.admission.adapters.home_slots import PATIENCE_S
from actors.admission.adapters.leases import SharedLeases
from actors.admission.config import QuotaConfig
from actors.admission.ports import LeaseStore, OutcomeUnknown
from actors.admission.quotas import MINUTE_S, UNLIMITED, Amount, Book, Leases, Reserved
from actors.base.errors import StorageUnavailable

AHEAD_S = 20.0
OFF_S = (0.0, 1.0, 30.0)
"""How far apart replicas read the clock, at most."""
SERVED_WITHIN_S = 6 * MINUTE_S
"""After the clock is right, for good, every key is let in again."""
STEPS_S = (1.0, 61.0, 90.0, 200.0, 400.0, 5 * 3600.0)
CONFIG = QuotaConfig(lock_wait_s=0.001)


class Asker:
    """A book over a store, as ``Admission`` holds the two together, and what of the store's answers is on its way."""

    def __init__(self, store: LeaseStore, slots: int, wall: Callable[[], float]) -> None:
        """``wall`` tells what the clock says, as this one reads it."""
        self.store, self._slots, self._wall = store, slots, wall
        self.book = Book(slots, wall())
        self._is_anew = False
        self.coming: tuple[Book, int, Leases | Exception] | None = None

    @property
    def wall_s(self) -> float:
        """What the clock says, as this replica reads it."""
        return self._wall()

    def current_book(self) -> Book:
        """Return the book; another one where the clock went back too far."""
        if self.book.is_left_behind(self.wall_s):
            self.book, self._is_anew = Book(self._slots, self.wall_s), True
        return self.book

    def ask(self) -> None:
        """Ask the store; what it says comes later."""
        book = self.current_book()
        if self.coming is not None or (asked := book.to_ask(self.wall_s, AHEAD_S)) is None:
            return
        minute, wants = asked
        book.asked(minute)
        if self._is_anew:
            self._is_anew = False
            self.store.begin_anew()
        try:
            said: Leases | Exception = self.store.lease(minute, wants)
        except (StorageUnavailable, OutcomeUnknown) as error:
            said = error
        self.coming = book, minute, said

    def hear(self) -> None:
        """Take what the store said."""
        if self.coming is None:
            return
        book, minute, said = self.coming
        self.coming = None
        if isinstance(said, Leases):
            book.answered(said)
        else:
            is_certain = isinstance(said, StorageUnavailable)
            book.failed(minute, for_certain=is_certain, has_share=self.store.has_share(minute))


class Replica(Asker):
    """One of the home's."""

    store: SharedLeases

    def __init__(self, world: "World", name: str) -> None:
        self.world, off_s = world, world.random.uniform(-world.off_s, world.off_s)
        store = SharedLeases(world.folder, name, world.slots, CONFIG, lambda: world.real_s)
        super().__init__(store, world.slots, lambda: world.wall_s + off_s)

    def ask_behind_a_lock(self) -> None:
        """Ask while another holds the lock for longer than it is waited for."""
        with self.world.other.store._home.locked():
            self.ask()


@dataclass
class Minute:
    """What was used of a minute since it was first used of: a minute that comes again after long is another one."""

    began_s: float
    last_s: float
    """In real time."""
    requests: int = 0


class World:
    """One key, up to three slots and replicas, and one machine's clock; it counts what is used of every minute that there is."""

    def __init__(self, folder: Path, seed: int) -> None:
        self.folder, self.random = folder, Random(seed)
        self.slots = self.random.choice((1, 2, 3))
        self.limit = Amount(self.random.choice((7, 31, 100)), UNLIMITED)
        self.real_s, self.stepped_s = self.random.uniform(0, MINUTE_S), self.random.choice((0.0, *STEPS_S))
        self.before_s, self.off_s = 0.0, self.random.choice(OFF_S)
        self.steps, self.pace = self.random.choice((0.02, 0.1)), self.random.choice((0.1, 1.0))
        """How often the clock steps, half of the time to where it was; and how fast time goes."""
        self.born = 0
        self.replicas = [Replica(self, self.name()) for _ in range(self.random.randint(1, 3))]
        self.other = Replica(self, "other")
        """Holds the home's lock where somebody is to fail, and nothing else."""
        self.used: dict[int, Minute] = {}
        self.held: list[tuple[Replica, Reserved, Minute]] = []
        """What is under way."""

    def name(self) -> str:
        """Return a name for a replica."""
        self.born += 1
        return f"r{self.born}"

    @property
    def wall_s(self) -> float:
        """What the machine's clock says."""
        return 10_000.0 * MINUTE_S + self.real_s + self.stepped_s

    def step(self) -> None:
        """Let one thing happen."""
        draw, replica = self.random.random(), self.random.choice(self.replicas)
        if draw < 0.3:
            self.call(replica)
        elif draw < 0.4 and self.held:
            self.end()
        elif draw < 0.6:
            if self.random.random() < 0.2:
                replica.ask_behind_a_lock()
            else:
                replica.ask()
        elif draw < 0.8:
            replica.hear()
        elif draw < 0.97 - self.steps:
            self.real_s += self.random.choice((0.1, 5.0, 25.0, 41.0, 60.0)) * self.pace
        elif draw < 0.97:
            new_s = self.random.choice((0.0, 1.0, -1.0)) * self.random.choice(STEPS_S)
            back_s = self.before_s if self.random.random() < 0.5 else new_s
            self.before_s, self.stepped_s = self.stepped_s, back_s
        else:
            replica.store.close()
            self.replicas[self.replicas.index(replica)] = Replica(self, self.name())

    def call(self, replica: Replica) -> bool:
        """Let somebody ask; tell whether he is let in."""
        held = replica.current_book().reserve("k", self.limit, 0, replica.wall_s)
        if not isinstance(held, Reserved):
            return False
        minute = self.used.get(held.minute)
        if minute is None or self.real_s - minute.last_s >= PATIENCE_S:
            minute = self.used[held.minute] = Minute(self.real_s, self.real_s)
        minute.last_s = self.real_s
        minute.requests += 1
        assert minute.requests <= self.limit.requests, (held.minute, minute)
        self.held.append((replica, held, minute))
        return True

    def end(self) -> None:
        """Let a request be cancelled, which then used nothing, or answered; of a replica that was killed it is neither."""
        replica, held, minute = self.held.pop(self.random.randrange(len(self.held)))
        if replica in self.replicas and self.random.random() < 0.5:
            replica.book.refund(held)
            minute.requests -= 1

    def served_after_s(self) -> float:
        """Set the clock right and let nothing fail; return how long it takes until a slot's share of a minute is had again."""
        self.stepped_s, right_s = 0.0, self.real_s
        while self.real_s < right_s + 2 * SERVED_WITHIN_S:
            self.real_s += 1.0
            for replica in self.replicas:
                replica.ask()
                replica.hear()
                while self.call(replica):
                    pass
            now = self.used.get(int(self.wall_s // MINUTE_S))
            if now is not None and now.began_s > right_s and now.requests >= self.limit.requests // self.slots:
                break
        return self.real_s - right_s

    def close(self) -> None:
        """Let go of everything."""
        for replica in (*self.replicas, self.other):
            replica.store.close()
