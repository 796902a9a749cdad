"""The line of those who wait: bounded, people before batches, keys in turn, nobody longer than he may. Pure.

Rules:
- Interactive requests go first; batch requests when no interactive one waits.
- Within a priority the key goes first that has least under way (max-min fairness); of several with as little, the one that has
  waited for longest at that; within a key, whoever came first. So keys go in turn, and one that holds more than its share of what
  is under way goes before nobody who holds less, however much of it waits.
- A request stands at a level: what its key has under way, and in line before it. Levels are what is sorted: a newcomer's place is
  how many stand no higher than he would, and whoever would be let in last stands highest. When one of a key ends, all that wait
  of it come down by one, which takes one level away at its top and adds one at its bottom.
- Everyone has a moment by which he is let in or refused.
- A key is known while something of it is under way or waits, and forgotten then.

Left out: how many are let in (``door``).
"""

from bisect import bisect_left, insort
from collections import OrderedDict, deque
from collections.abc import Iterable
from itertools import count
from typing import Literal

Priority = Literal["interactive", "batch"]
PRIORITIES: tuple[Priority, ...] = ("interactive", "batch")
_Place = tuple[int, int, str]
"""A level, since when it is taken (a number that rises), and by which key: sorted, they are served in this order."""


class Ticket:
    """One request in line."""

    __slots__ = ("caller", "displaced", "key", "leave_by_s", "priority")

    def __init__(self, priority: Priority, key: str, leave_by_s: float, caller: object) -> None:
        self.priority, self.key, self.leave_by_s = priority, key, leave_by_s
        self.caller = caller
        """Whatever the shell wakes."""
        self.displaced: Ticket | None = None
        """Who had to go for it."""


class Line:
    """Those who wait in one replica, and how much each key has under way there."""

    __slots__ = ("_turns", "_under_way")

    def __init__(self) -> None:
        self._turns: dict[Priority, _Turns] = {priority: _Turns() for priority in PRIORITIES}
        self._under_way: dict[str, int] = {}

    def __len__(self) -> int:
        """Return how many wait."""
        return sum(map(len, self._turns.values()))

    def ahead_of(self, priority: Priority, key: str) -> int:
        """Return how many go before a newcomer."""
        ahead = self._turns[priority].ahead_of(key, self.under_way(key))
        return ahead if priority == "interactive" else ahead + self.waiting("interactive")

    def waiting(self, priority: Priority) -> int:
        """Return how many of a priority wait."""
        return len(self._turns[priority])

    def under_way(self, key: str) -> int:
        """Return how much of a key is under way."""
        return self._under_way.get(key, 0)

    def busy_keys(self) -> int:
        """Return how many keys have something under way."""
        return len(self._under_way)

    def keys_of(self, priority: Priority) -> Iterable[str]:
        """Return the keys of which something of a priority waits."""
        return self._turns[priority].lanes

    def join(self, ticket: Ticket) -> None:
        """Stand at the end of what waits of one's key."""
        self._turns[ticket.priority].join(ticket, self.under_way(ticket.key))

    def leave(self, ticket: Ticket) -> bool:
        """Go away; tell whether the ticket was in line."""
        return self._turns[ticket.priority].leave(ticket)

    def first(self) -> Ticket | None:
        """Return who is next."""
        return next((turns.first() for turns in self._turns.values() if turns), None)

    def last_after(self, priority: Priority, key: str) -> Ticket | None:
        """Return who would be let in last, if that is after a newcomer; of equals the newcomer is the last."""
        batches, people = self._turns["batch"], self._turns["interactive"]
        if priority == "batch":
            return batches.last_after(key, self.under_way(key))
        return batches.last() or people.last_after(key, self.under_way(key))

    def begin(self, key: str) -> None:
        """Take note that one more of a key is under way."""
        self._under_way[key] = self.under_way(key) + 1
        for turns in self._turns.values():
            if turns.lanes:
                turns.rise(key)

    def end(self, key: str) -> None:
        """Take note that one of a key has ended."""
        left = self._under_way.pop(key) - 1
        if left:
            self._under_way[key] = left
        for turns in self._turns.values():
            if turns.lanes:
                turns.fall(key)

    def overdue(self, now_s: float) -> Iterable[Ticket]:
        """Return those whose time is up."""
        return [
            ticket
            for turns in self._turns.values()
            for lane in turns.lanes.values()
            for ticket in lane.tickets
            if ticket.leave_by_s <= now_s
        ]


class _Lane:
    """What waits of one key, first to last, and the places that it has, lowest to highest."""

    __slots__ = ("places", "tickets")

    def __init__(self) -> None:
        self.tickets: OrderedDict[Ticket, None] = OrderedDict()
        self.places: deque[_Place] = deque()


class _Turns:
    """Those of one priority."""

    __slots__ = ("_numbers", "_order", "lanes")

    def __init__(self) -> None:
        self.lanes: dict[str, _Lane] = {}
        self._order: list[_Place] = []
        self._numbers = count()

    def __len__(self) -> int:
        return len(self._order)

    def ahead_of(self, key: str, under_way: int) -> int:
        return bisect_left(self._order, (self._level(key, under_way) + 1,)) if self._order else 0

    def join(self, ticket: Ticket, under_way: int) -> None:
        level = self._level(ticket.key, under_way)
        lane = self.lanes.setdefault(ticket.key, _Lane())
        lane.tickets[ticket] = None
        lane.places.append(self._taken(level, ticket.key))

    def leave(self, ticket: Ticket) -> bool:
        lane = self.lanes.get(ticket.key)
        if lane is None or lane.tickets.pop(ticket, ticket) is ticket:
            return False
        self._free(lane.places.pop())
        if not lane.tickets:
            del self.lanes[ticket.key]
        return True

    def first(self) -> Ticket:
        return next(iter(self.lanes[self._order[0][2]].tickets))

    def last(self) -> Ticket | None:
        return next(reversed(self.lanes[self._order[-1][2]].tickets)) if self._order else None

    def last_after(self, key: str, under_way: int) -> Ticket | None:
        return self.last() if self._order and self._order[-1][0] > self._level(key, under_way) else None

    def rise(self, key: str) -> None:
        """Let what waits of a key stand one higher."""
        if (lane := self.lanes.get(key)) is not None:
            level = lane.places[-1][0] + 1
            self._free(lane.places.popleft())
            lane.places.append(self._taken(level, key))

    def fall(self, key: str) -> None:
        """Let what waits of a key stand one lower."""
        if (lane := self.lanes.get(key)) is not None:
            level = lane.places[0][0] - 1
            self._free(lane.places.pop())
            lane.places.appendleft(self._taken(level, key))

    def _level(self, key: str, under_way: int) -> int:
        """Return the level of a newcomer."""
        lane = self.lanes.get(key)
        return under_way if lane is None else under_way + len(lane.places)

    def _taken(self, level: int, key: str) -> _Place:
        place = level, next(self._numbers), key
        insort(self._order, place)
        return place

    def _free(self, place: _Place) -> None:
        del self._order[bisect_left(self._order, place)]
