"""The line of those who wait."""

from actors.admission.queue import Line, Priority, Ticket


def ticket(priority: Priority = "interactive", leave_by_s: float = 1.0) -> Ticket:
    """Return a ticket."""
    return Ticket(priority, leave_by_s, None)


def test_people_go_first_then_batches_each_in_the_order_they_came() -> None:
    """Whenever they came."""
    line = Line()
    tickets = [ticket("batch"), ticket(), ticket("batch"), ticket()]
    for each in tickets:
        line.join(each)
    served = []
    while (first := line.first()) is not None:
        served.append(tickets.index(first))
        assert line.leave(first)
    assert served == [1, 3, 0, 2]
    assert line.last_batch() is None


def test_a_newcomer_knows_who_goes_before_him() -> None:
    """A batch request goes behind everybody, a person behind people."""
    line = Line()
    line.join(ticket())
    line.join(ticket("batch"))
    assert (line.ahead_of("interactive"), line.ahead_of("batch"), len(line)) == (1, 2, 2)
    assert (line.waiting("interactive"), line.waiting("batch")) == (1, 1)


def test_who_has_left_is_not_in_line() -> None:
    """Leaving twice is told."""
    line, one = Line(), ticket()
    line.join(one)
    assert line.leave(one)
    assert not line.leave(one)


def test_whose_time_is_up_is_told() -> None:
    """Of both priorities."""
    line = Line()
    late, later, never = ticket(leave_by_s=1), ticket("batch", 2), ticket(leave_by_s=9)
    for each in (never, late, later):
        line.join(each)
    assert line.overdue(0.9) == []
    assert line.overdue(2) == [late, later]
    assert line.last_batch() is later
