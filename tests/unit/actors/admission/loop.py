"""An event loop under a virtual clock: callbacks take the time that they cost, and voters the time that they take.

A request costs what one of a panel of three costs a gateway on one core: reading and asking, three answers, a tally, a record.
"""

import heapq
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from itertools import count
from random import Random

from actors.admission.config import AdmissionConfig
from actors.admission.door import Door, Refused
from actors.admission.queue import Ticket

VOTERS = 3
KEY = "key"
REFUSED_S = 0.0004
"""What the server around the gateway takes for a request, and so for one that is refused."""
STEPS_S = (0.0009, 0.0003, 0.0003, 0.0003, 0.0004, 0.0004)
"""Reading and asking; each answer; counting and recording; answering."""
REQUEST_S = REFUSED_S + sum(STEPS_S)
SATURATION = 1 / REQUEST_S


@dataclass
class Served:
    """What became of one request."""

    came_s: float
    took_s: float
    answered: bool
    retry_after_s: int = 0
    key: str = KEY


@dataclass
class Gateway:
    """One replica, its door and its loop."""

    latency_s: Callable[[Random], float]
    door: Door | None
    """Without one, everybody is let in."""
    now_s: float = 0.0
    told: list[Served] = field(default_factory=list)
    most_under_way: int = 0
    under_way: int = 0

    def __post_init__(self) -> None:
        """Begin to look."""
        self._random, self._number = Random(7), count()
        self._ready: list[Callable[[], None]] = []
        self._timers: list[tuple[float, int, Callable[[], None]]] = []
        self._look()

    def run(self, rate: float | Mapping[str, float], seconds: float) -> list[Served]:
        """Let requests come at a rate, or with each key at its own; return what became of those that came."""
        began_s, end_s, before = self.now_s, self.now_s + seconds, len(self.told)
        for key, of_key in (rate if isinstance(rate, Mapping) else {KEY: rate}).items():
            due_s = began_s
            while (due_s := due_s + self._random.expovariate(of_key)) < end_s:
                self._at(due_s, self._arrival(due_s, key))
        while self.now_s < end_s:
            self._turn(end_s)
        return [each for each in self.told[before:] if each.came_s >= began_s]

    def ask(self) -> None:
        """Let one request come now."""
        self._at(self.now_s, self._arrival(self.now_s, KEY))

    def _turn(self, end_s: float) -> None:
        if not self._ready and self._timers:
            self.now_s = max(self.now_s, min(self._timers[0][0], end_s))
        while self._timers and self._timers[0][0] <= self.now_s:
            self._ready.append(heapq.heappop(self._timers)[2])
        batch, self._ready = self._ready, []
        for callback in batch:
            callback()

    def _at(self, when_s: float, callback: Callable[[], None]) -> None:
        heapq.heappush(self._timers, (when_s, next(self._number), callback))

    def _look(self) -> None:
        if self.door is None:
            return
        began_s, door = self.now_s, self.door
        self._at(began_s + AdmissionConfig().shedding.look_ms / 1000, self._look)
        self._ready.append(lambda: door.turned(self.now_s - began_s, self.now_s))
        let_in, late = door.look(self.now_s)
        for ticket in let_in:
            self._begin_later(ticket)
        for ticket in late:
            self._refuse(ticket, door.refuse("late"))

    def _arrival(self, came_s: float, key: str) -> Callable[[], None]:
        def arrive() -> None:
            self.now_s += REFUSED_S
            door, request = self.door, Ticket("interactive", key, 0.0, came_s)
            if door is None or (not door.is_shut(key) and door.enter("interactive", key, self.now_s)):
                self._begin(request)
            elif door.is_shut(key):
                self._refuse(request, door.refuse("shut"))
            else:
                found = door.wait("interactive", key, 60.0, self.now_s, came_s)
                if isinstance(found, Refused):
                    self._refuse(request, found)
                elif found.displaced is not None:
                    self._refuse(found.displaced, door.refuse("displaced"))

        return arrive

    def _refuse(self, request: Ticket, refused: Refused) -> None:
        took_s = self.now_s - came_s(request)
        self.told.append(
            Served(came_s(request), took_s, answered=False, retry_after_s=refused.retry_after_s, key=request.key)
        )

    def _begin_later(self, ticket: Ticket) -> None:
        self._ready.append(lambda: self._begin(ticket))

    def _begin(self, request: Ticket) -> None:
        self.under_way += 1
        self.most_under_way = max(self.most_under_way, self.under_way)
        began_s, steps = self.now_s, iter(STEPS_S)
        self.now_s += next(steps)
        waiting = [self.latency_s(self._random) for _ in range(VOTERS)]
        for latency_s in waiting:
            self._at(self.now_s + latency_s, lambda: self._answer(waiting, steps, request, began_s))

    def _answer(self, waiting: list[float], steps: Iterator[float], request: Ticket, began_s: float) -> None:
        self.now_s += next(steps)
        waiting.pop()
        if not waiting:
            self._ready.append(lambda: self._end(steps, request, began_s))

    def _end(self, steps: Iterator[float], request: Ticket, began_s: float) -> None:
        cost_s = next(steps, None)
        if cost_s is not None:
            self.now_s += cost_s
            self._ready.append(lambda: self._end(steps, request, began_s))
            return
        self.under_way -= 1
        self.told.append(Served(came_s(request), self.now_s - came_s(request), answered=True, key=request.key))
        if self.door is None:
            return
        if (ticket := self.door.leave("interactive", request.key, self.now_s - began_s)) is not None:
            self._begin_later(ticket)


def came_s(request: Ticket) -> float:
    """Return when a request came."""
    assert isinstance(request.caller, float)
    return request.caller


def p99_s(served: list[Served], *, answered: bool = True) -> float:
    """Return the 99th percentile of how long those took that were answered, or refused."""
    took = sorted(each.took_s for each in served if each.answered == answered)
    return took[int(0.99 * len(took))]


def gateway(latency_s: Callable[[Random], float], max_limit: int = 256, *, guarded: bool = True) -> Gateway:
    """Return a replica that is well."""
    return Gateway(latency_s, Door(AdmissionConfig(), max_limit, 0.0) if guarded else None)


class Crowd:
    """Clients that ask again as soon as they are answered."""

    def __init__(self, replica: Gateway, clients: int) -> None:
        self._replica, self._clients = replica, clients

    def run(self, seconds: float) -> list[Served]:
        """Begin together on a replica that has been quiet; return what became of every request."""
        replica = self._replica
        replica.run(1, 5)
        replica.told = told = _Answered(replica)
        for _ in range(self._clients):
            told.again()
        replica.run(0.001, seconds)
        return told


class _Answered(list[Served]):
    """What was told; each word brings the next request."""

    def __init__(self, replica: Gateway) -> None:
        super().__init__()
        self._replica = replica

    def again(self) -> None:
        """Ask."""
        self._replica.ask()

    def append(self, told: Served) -> None:
        """Take a word and ask again."""
        super().append(told)
        self.again()
