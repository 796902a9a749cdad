"""The door of a replica: who is let in at once, who waits, who is refused. Pure.

Rules:
- Somebody is let in at once if less is under way than the limit, the loop is not late, and nobody waits who would go first. Batch
  requests fill a part of the limit only.
- Else he waits, unless the line is full, or what is ahead of him takes longer than he may wait: a share of what a request usually
  takes for people, longer for batches, and never so long that his deadline could not be kept. Then he is refused at once.
- A line of people that stands gives nobody anything but a wait: once it has not been empty for as long as one may wait, newcomers
  wait only the least that anybody may, and nearly all are answered or refused at once.
- A full line makes room for an interactive request by refusing the batch request that came last.
- Whoever ends lets the next one in; a look lets in a part of what is free, fewer if the loop is late, so that many do not begin
  in one turn of it.
- Retry-After is how long what waits, and what was refused lately and comes again, would take at the best rate of late: that
  nothing ended for seconds may only say that slow requests are under way.
- Pressure is the share of the recent requests that were not let in at once; while it is nil, nothing here grows or is kept.

Left out: quotas (``quotas``), and waking who is let in: tickets are handed back for that.
"""

from math import ceil

from actors.admission.config import AdmissionConfig
from actors.admission.queue import Line, Priority, Ticket
from actors.admission.shedding import LoadLimit

_CALM = 0.02
"""Pressure below which what requests take is what they usually take."""
_REMEMBERED_S = 30.0
"""Time in which the best rate of late is forgotten."""
_PART, _PART_LATE = 4, 32
"""What part of what is free a look lets in at once, and one that came late."""
_RATE_S = 1.0
"""Time over which the rate of requests that end, or are refused, is measured."""


class Refused:
    """Somebody is not let in."""

    __slots__ = ("retry_after_s", "why")

    def __init__(self, why: str, retry_after_s: int) -> None:
        self.why, self.retry_after_s = why, retry_after_s


class Door:
    """Who is in one replica and who waits. Used from one event loop, or by a simulator."""

    def __init__(self, config: AdmissionConfig, max_limit: int, now_s: float) -> None:
        self._config = config
        self.load = LoadLimit(config.shedding, max_limit, now_s)
        self.line = Line()
        self.under_way = 0
        self.at_once = self.waited = self.refused = 0
        """How many were let in at once, after waiting, and not at all."""
        self.pressure = 0.0
        self._batches = 0
        self._looked_s = now_s
        self._ended = 0
        self._best_rate = 0.0
        self._rates = (0.0, 0.0)  # of requests that end, and that are refused, a second
        self._patience = self._patience_of_people()
        self._stands_since_s: float | None = None
        self._before = (0, 0)  # at the last look: not let in at once, and all
        self._refused_before = 0

    @property
    def rate(self) -> float:
        """Return how many requests end a second."""
        return self._rates[0]

    def enter(self, priority: Priority, now_s: float) -> bool:
        """Let somebody in, if that can be at once."""
        if self.under_way >= self.load.limit or self.line.ahead_of(priority) or self.load.is_overdue(now_s):
            return False
        if priority == "batch" and not self._takes_batch():
            return False
        self.at_once += 1
        self._let_in(priority)
        return True

    def is_shut(self) -> bool:
        """Tell whether not even an interactive request could wait: whoever comes need not be read."""
        line = self.line
        is_full = len(line) >= self._config.line.max_waiting and not line.waiting("batch")
        if self.under_way < self.load.limit and not line.waiting("interactive"):
            return False
        return is_full or self._wait_s("interactive") > self._patience_s("interactive")

    def refuse(self, why: str) -> Refused:
        """Refuse somebody."""
        self.refused += 1
        return Refused(why, self._retry_after_s())

    def wait(self, priority: Priority, deadline_s: float, now_s: float, caller: object) -> Ticket | Refused:
        """Put somebody in line who could not enter; ``deadline_s`` is how long he has for everything.

        The shell refuses whom his ticket has displaced.
        """
        patience_s = min(self._patience_s(priority), deadline_s - self.load.usual_s)
        if patience_s <= 0 or self._wait_s(priority) > patience_s:
            return self.refuse("what is ahead of it takes longer than it can wait")
        ticket = Ticket(priority, now_s + patience_s, caller)
        if len(self.line) >= self._config.line.max_waiting:
            last = self.line.last_batch() if priority == "interactive" else None
            if last is None:
                return self.refuse("the line is full")
            self.line.leave(last)
            ticket.displaced = last
        self.line.join(ticket)
        return ticket

    def leave(self, priority: Priority, took_s: float | None) -> Ticket | None:
        """End a request, which took so long if it was answered; return who is let in in its place."""
        self.under_way -= 1
        self._batches -= priority == "batch"
        if took_s is not None:
            self._ended += 1
            if self.pressure < _CALM:
                self.load.took(took_s)
        return self._next() if self.line else None

    def look(self, now_s: float) -> tuple[list[Ticket], list[Ticket]]:
        """Measure; return who is let in now, and who has waited too long."""
        part = _PART_LATE if self.load.is_overdue(now_s) else _PART
        self.load.look(now_s)
        self._measure(now_s)
        self._weigh_patience(now_s)
        if not self.line:
            return [], []
        late = [ticket for ticket in self.line.overdue(now_s) if self.line.leave(ticket)]
        free = self.load.limit - self.under_way
        let_in = [ticket for _ in range(ceil(free / part)) if (ticket := self._next()) is not None] if free > 0 else []
        return let_in, late

    def turned(self, turn_s: float, now_s: float) -> None:
        """Take how long a turn of the loop took."""
        self.load.turned(turn_s, now_s, self.under_way)

    def _next(self) -> Ticket | None:
        ticket = self.line.first()
        if ticket is None or self.under_way >= self.load.limit:
            return None
        if ticket.priority == "batch" and not self._takes_batch():
            return None
        self.line.leave(ticket)
        self.waited += 1
        self._let_in(ticket.priority)
        return ticket

    def _let_in(self, priority: Priority) -> None:
        self.under_way += 1
        self._batches += priority == "batch"

    def _takes_batch(self) -> bool:
        return self._batches < max(1, int(self.load.limit * self._config.line.batch_share))

    def _wait_s(self, priority: Priority) -> float:
        """Return how long a newcomer would wait; nothing is known before the first request has ended.

        Whoever is among those that a replica always takes waits for the loop alone: nobody has to end before. In calm the rate of
        requests that end says how few came, not how many could: that is what the limit would let through.
        """
        place = self.line.ahead_of(priority) + 1
        if self.under_way + place <= self.load.least:
            return 0.0
        beyond, rate, usual_s = place + max(0, self.under_way - self.load.limit), self._rates[0], self.load.usual_s
        if self.pressure < _CALM and usual_s:
            rate = max(rate, self.load.limit / usual_s)
        return beyond / rate if rate > 0 else 0.0

    def _patience_s(self, priority: Priority) -> float:
        return self._patience if priority == "interactive" else self._config.line.batch_max_wait_ms / 1000

    def _patience_of_people(self) -> float:
        line, usual_s = self._config.line, self.load.usual_s
        share_s = line.wait_share * usual_s if usual_s else line.max_wait_ms / 1000
        return min(max(share_s, line.min_wait_ms / 1000), line.max_wait_ms / 1000)

    def _weigh_patience(self, now_s: float) -> None:
        """See whether the line of people stands."""
        self._patience = self._patience_of_people()
        if not self.line.waiting("interactive"):
            self._stands_since_s = None
        elif self._stands_since_s is None:
            self._stands_since_s = now_s
        elif now_s - self._stands_since_s > self._config.line.max_wait_ms / 1000:
            self._patience = self._config.line.min_wait_ms / 1000

    def _retry_after_s(self) -> int:
        if self._best_rate <= 0:
            return 1
        before = len(self.line) + self._rates[1] * _RATE_S
        return max(1, min(self._config.line.max_retry_after_s, ceil(before / self._best_rate)))

    def _measure(self, now_s: float) -> None:
        passed_s = now_s - self._looked_s
        if passed_s <= 0:
            return
        self._looked_s = now_s
        turned = self.refused + self.waited + len(self.line)
        came = self.at_once + turned
        more_turned, more = turned - self._before[0], came - self._before[1]
        refused_before = self._refused_before
        self._before, self._refused_before = (turned, came), self.refused
        weight = min(1.0, passed_s / _RATE_S)
        ends, refusals = self._rates
        self._rates = (
            ends + (self._ended / passed_s - ends) * weight,
            refusals + ((self.refused - refused_before) / passed_s - refusals) * weight,
        )
        self._best_rate = max(self._rates[0], self._best_rate * (1 - min(1.0, passed_s / _REMEMBERED_S)))
        self._ended = 0
        share = max(0, more_turned) / more if more > 0 else 0.0
        self.pressure += (share - self.pressure) * min(1.0, passed_s / self._config.brownout.window_s)
