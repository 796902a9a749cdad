"""The line of those who wait: bounded, people before batches, nobody longer than he may. Pure.

Rules:
- Interactive requests go first, in the order they came; batch requests when no interactive one waits.
- Everyone has a moment by which he is let in or refused.

Left out: how many are let in (``door``).
"""

from collections import OrderedDict
from collections.abc import Iterable
from typing import Literal

Priority = Literal["interactive", "batch"]
PRIORITIES: tuple[Priority, ...] = ("interactive", "batch")


class Ticket:
    """One request in line."""

    __slots__ = ("caller", "displaced", "leave_by_s", "priority")

    def __init__(self, priority: Priority, leave_by_s: float, caller: object) -> None:
        self.priority, self.leave_by_s = priority, leave_by_s
        self.caller = caller
        """Whatever the shell wakes."""
        self.displaced: Ticket | None = None
        """Who had to go for it."""


class Line:
    """Those who wait in one replica."""

    __slots__ = ("_lines",)

    def __init__(self) -> None:
        self._lines: dict[Priority, OrderedDict[Ticket, None]] = {priority: OrderedDict() for priority in PRIORITIES}

    def __len__(self) -> int:
        """Return how many wait."""
        return sum(map(len, self._lines.values()))

    def ahead_of(self, priority: Priority) -> int:
        """Return how many go before a newcomer."""
        return len(self) if priority == "batch" else len(self._lines["interactive"])

    def waiting(self, priority: Priority) -> int:
        """Return how many of a priority wait."""
        return len(self._lines[priority])

    def join(self, ticket: Ticket) -> None:
        """Stand at the end of one's line."""
        self._lines[ticket.priority][ticket] = None

    def leave(self, ticket: Ticket) -> bool:
        """Go away; tell whether the ticket was in line."""
        return self._lines[ticket.priority].pop(ticket, ticket) is None

    def first(self) -> Ticket | None:
        """Return who is next."""
        return next((next(iter(line)) for line in self._lines.values() if line), None)

    def last_batch(self) -> Ticket | None:
        """Return the batch request that came last."""
        return next(reversed(self._lines["batch"]), None)

    def overdue(self, now_s: float) -> Iterable[Ticket]:
        """Return those whose time is up."""
        return [ticket for line in self._lines.values() for ticket in line if ticket.leave_by_s <= now_s]
