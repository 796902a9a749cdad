"""Replicas that share one key's limit, in any order of what can happen to them: a world for explorers."""

from random import Random

from actors.admission.quotas import MINUTE_S, Amount, Book, Leases, Note, Reserved, Want, lease

CALLERS = 5
KEY = "k"
AHEAD_S = 20.0


class Store:
    """Notes of minutes, who holds which slot, and words. It never breaks a rule; whether it can be asked is up to the world."""

    def __init__(self, slots: int) -> None:
        self.slots = slots
        self.notes: dict[int, Note] = {}
        self.holders: dict[int, str] = {}
        self.words: dict[int, int] = {}

    def speak_for(self, slot: int, minute: int) -> bool:
        """Leave word; tell whether the share was not spoken for."""
        if self.words.get(slot, -1) >= minute:
            return False
        self.words[slot] = minute
        return True

    def lease(self, replica: "Replica", minute: int, wants: dict[str, Want]) -> Leases:
        """Put what a replica has in hand into the note, with what is vacant, and lease."""
        free = [number for number in range(self.slots) if number not in self.holders]
        in_hand = replica.in_hand.pop(minute, set()) | {number for number in free if self.speak_for(number, minute)}
        note = self.notes.get(minute, Note(minute, self.slots))
        is_in = replica.slot in in_hand or (replica.slot is not None and note.slots.get(replica.slot) == replica.name)
        self.notes[minute], leases = lease(
            note, self.slots, replica.slot if is_in else None, replica.name, in_hand - {replica.slot}, wants, 10
        )
        return leases


class Replica:
    """A book, what its callers hold, and what of the store's answers is still on its way."""

    def __init__(self, name: str, slots: int, now_s: float) -> None:
        self.name, self.book = name, Book(slots, now_s)
        self.slot: int | None = None
        self.in_hand: dict[int, set[int]] = {}
        self.held: dict[int, Reserved] = {}
        self.coming: tuple[int, Leases | None, bool] | None = None

    def ask(self, store: Store, now_s: float, *, is_mute: bool, fails: bool, lost: bool) -> None:
        """Ask the store, as the adapter does: leave word, then join; what it says comes later."""
        if self.coming is not None or (asked := self.book.to_ask(now_s, AHEAD_S)) is None:
            return
        minute, wants = asked
        self.book.asked(minute)
        if not is_mute:
            self.leave_word(store, minute)
        leases = None if is_mute or fails else store.lease(self, minute, wants)
        self.coming = (minute, None if lost else leases, is_mute or fails)

    def leave_word(self, store: Store, minute: int) -> None:
        """Take a slot, if one is free, and its share in hand."""
        free = [number for number in range(store.slots) if number not in store.holders]
        if self.slot is None and free:
            self.slot = free[0]
            store.holders[self.slot] = self.name
        if self.slot is not None and store.speak_for(self.slot, minute):
            self.in_hand.setdefault(minute, set()).add(self.slot)

    def hear(self) -> None:
        """Take what the store said, or that nothing came."""
        if self.coming is None:
            return
        minute, leases, fails = self.coming
        self.coming = None
        if leases is None:
            self.book.failed(minute, for_certain=fails, has_share=self.slot in self.in_hand.get(minute, ()))
        else:
            self.book.answered(leases)


class World:
    """Replicas on one store and one clock; it counts what a key has used of each minute."""

    def __init__(self, seed: int) -> None:
        self.random = Random(seed)
        self.slots = self.random.choice((1, 2, 3))
        self.limit = Amount(self.random.choice((1, 5, 12, 100)), self.random.choice((20, 100, 663)))
        self.now_s = 1000 * MINUTE_S + self.random.uniform(0, 2 * MINUTE_S)
        self.store = Store(self.slots)
        self.away = self.random.choice((0.1, 0.5, 0.9))
        """How often the store cannot be asked."""
        self.born = 0
        self.replicas = [self._born() for _ in range(self.random.randint(1, 3))]
        self.used: dict[int, Amount] = {}
        self.answered = 0

    def _born(self) -> Replica:
        self.born += 1
        return Replica(f"r{self.born}", self.slots, self.now_s)

    def step(self) -> None:
        """Let one thing happen to one replica."""
        draw, replica = self.random.random(), self.random.choice(self.replicas)
        caller = self.random.randrange(CALLERS)
        if draw < 0.45:
            self._call(replica, caller)
        elif draw < 0.65:
            self._end(replica, caller)
        elif draw < 0.79:
            is_mute, fails, lost = (self.random.random() < odds for odds in (0.05, self.away, 0.1))
            replica.ask(self.store, self.now_s, is_mute=is_mute, fails=fails, lost=lost)
        elif draw < 0.93:
            replica.hear()
        elif draw < 0.99:
            self.now_s += self.random.choice((0.1, 5.0, 25.0, 41.0))
        else:
            self._restart(replica)
        assert self.within(), (self.used, self.limit)

    def within(self) -> bool:
        """Tell whether no minute's limit is passed."""
        most = self.limit
        return all(used.requests <= most.requests and used.tokens <= most.tokens for used in self.used.values())

    def has_reached_the_limit(self) -> bool:
        """Tell whether all of some minute's limit was used."""
        most = self.limit
        return any(used.requests == most.requests or used.tokens == most.tokens for used in self.used.values())

    def _call(self, replica: Replica, caller: int) -> None:
        if caller in replica.held:
            return
        tokens = self.random.choice((1, 7, 20, 60))
        held = replica.book.reserve(KEY, self.limit, tokens, self.now_s)
        if isinstance(held, Reserved):
            replica.held[caller] = held
            self._use(held.minute, 1, tokens)

    def _end(self, replica: Replica, caller: int) -> None:
        held = replica.held.pop(caller, None)
        if held is None:
            return
        if self.random.random() < 0.3:
            replica.book.refund(held)
            self._use(held.minute, -1, -held.tokens)
            return
        used = self.random.randint(0, held.tokens)
        replica.book.settle(held, used)
        self.answered += 1
        self._use(held.minute, 0, used - held.tokens)

    def _restart(self, replica: Replica) -> None:
        """Kill a replica with all that it holds: what it held counts as used."""
        self.replicas.remove(replica)
        if replica.slot is not None:
            del self.store.holders[replica.slot]
        self.replicas.append(self._born())

    def _use(self, minute: int, requests: int, tokens: int) -> None:
        before = self.used.get(minute, Amount())
        self.used[minute] = Amount(before.requests + requests, before.tokens + tokens)
