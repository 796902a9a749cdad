"""Who is let in, who waits, who is refused."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from actors.admission.config import AdmissionConfig, LineConfig
from actors.admission.door import Door, Refused
from actors.admission.queue import Priority, Ticket

LOOK_S = 0.02


def door(limit: int = 2, **line: float) -> Door:
    """Return a door at which nothing has happened."""
    made = Door(AdmissionConfig(line=LineConfig.model_validate(line)), limit, 0.0)
    made.look(0.0)
    return made


def wait(at: Door, priority: Priority = "interactive", deadline_s: float = 60.0, now_s: float = 0.0) -> Ticket:
    """Stand in line."""
    ticket = at.wait(priority, deadline_s, now_s, None)
    assert isinstance(ticket, Ticket)
    return ticket


def busy(at: Door, each_s: float, seconds: float = 5.0) -> float:
    """Let requests follow each other, as many as may, for so long; return when that is."""
    now_s = ended = 0.0
    while now_s < seconds:
        while at.enter("interactive", now_s):
            continue
        now_s += LOOK_S
        ended += at.under_way * LOOK_S / each_s
        while ended >= 1:
            ended -= 1
            at.leave("interactive", each_s)
        at.look(now_s)
    while at.enter("interactive", now_s):
        continue
    return now_s


def idle(at: Door, now_s: float, seconds: float) -> float:
    """Let time pass in which turns are short; return when that is."""
    for _ in range(round(seconds / 0.01)):
        now_s += 0.01
        at.look(now_s)
        at.turned(0.0005, now_s)
    return now_s


def test_what_is_free_is_given_at_once() -> None:
    """Up to the limit, and again when somebody ends."""
    at = door()
    assert [at.enter("interactive", 0.0) for _ in range(3)] == [True, True, False]
    assert at.leave("interactive", 0.1) is None
    assert at.enter("interactive", 0.0)
    assert (at.under_way, at.at_once) == (2, 3)


def test_nobody_overtakes_who_waits() -> None:
    """Except a person a batch."""
    at = door(limit=3)
    for _ in range(2):
        assert at.enter("batch", 0.0)
    assert not at.enter("batch", 0.0)  # the rest is kept for people
    wait(at, "batch")
    assert at.enter("interactive", 0.0)
    wait(at)
    assert at.leave("interactive", None) is not None
    assert not at.enter("batch", 0.0)


def test_whoever_ends_lets_the_next_one_in() -> None:
    """People first."""
    at = door(limit=2)
    for _ in range(2):
        assert at.enter("interactive", 0.0)
    batch, person = wait(at, "batch"), wait(at)
    assert at.leave("interactive", 0.1) is person
    assert at.leave("interactive", 0.1) is batch
    assert at.leave("interactive", 0.1) is None
    assert (at.under_way, at.waited) == (1, 2)


def test_a_late_loop_lets_nobody_in_directly() -> None:
    """Whoever comes in the same turn waits for the next look."""
    at = door(limit=100)
    assert not at.enter("interactive", LOOK_S + 0.1)
    ticket = wait(at, now_s=LOOK_S + 0.1)
    let_in, late = at.look(LOOK_S + 0.1)
    assert (let_in, late) == ([ticket], [])


def test_a_look_lets_in_a_part_of_what_is_free() -> None:
    """So that many do not begin in one turn of the loop; a late look fewer."""
    at = door(limit=40)
    tickets = [wait(at) for _ in range(40)]
    assert at.look(0.01)[0] == tickets[:10]
    assert at.look(0.02)[0] == tickets[10:18]
    assert at.look(0.08)[0] == tickets[18:19]


def test_who_waited_as_long_as_he_may_is_told() -> None:
    """People a little, batches long."""
    at = door(limit=1)
    assert at.enter("interactive", 0.0)
    person, batch = wait(at), wait(at, "batch")
    assert at.look(0.2) == ([], [])
    assert at.look(0.26) == ([], [person])
    assert at.look(9.0) == ([], [])
    assert at.look(10.1) == ([], [batch])


def test_a_line_that_stands_is_not_joined_for_long() -> None:
    """After a quarter of a second with people in line, a newcomer waits as little as may be; an empty line is forgotten."""
    at = door(limit=1)
    assert at.enter("interactive", 0.0)
    now_s = 0.0
    while now_s < 0.4:
        wait(at, now_s=now_s)
        now_s += LOOK_S
        at.look(now_s)
    assert wait(at, now_s=now_s).leave_by_s == pytest.approx(now_s + 0.1)
    at.look(now_s + 0.5)
    at.look(now_s + 0.6)
    assert wait(at, now_s=now_s + 0.6).leave_by_s == pytest.approx(now_s + 0.6 + 0.25)


def test_a_full_line_refuses_and_a_person_takes_the_place_of_a_batch() -> None:
    """The last that came."""
    at = door(limit=1, max_waiting=2)
    assert at.enter("interactive", 0.0)
    wait(at, "batch")
    last = wait(at, "batch")
    assert isinstance(at.wait("batch", 60, 0.0, None), Refused)
    person = wait(at)
    assert person.displaced is last
    assert len(at.line) == 2
    wait(at)
    assert isinstance(at.wait("interactive", 60, 0.0, None), Refused)
    assert at.refused == 2


def test_what_cannot_be_answered_in_its_deadline_is_refused_at_once() -> None:
    """What is ahead of it and what it takes itself are more than it has."""
    at = door(limit=4)
    now_s = busy(at, each_s=0.5)
    assert at.rate == pytest.approx(8, rel=0.3)
    assert isinstance(at.wait("batch", 0.4, now_s, None), Refused)
    ticket = wait(at, "batch", 1.0, now_s)
    assert ticket.leave_by_s - now_s == pytest.approx(0.5, rel=0.1)


def test_people_wait_no_longer_than_a_share_of_what_a_request_takes() -> None:
    """Of quick requests, none that would wait; of slow ones, some."""
    quick = door(limit=4, wait_share=0.7, min_wait_ms=0)
    now_s = busy(quick, each_s=0.04)
    quick.pressure = 0.5
    for _ in range(2):  # 10 and 20 ms of 28
        assert isinstance(quick.wait("interactive", 60, now_s, None), Ticket)
    assert isinstance(quick.wait("interactive", 60, now_s, None), Refused)
    assert quick.is_shut()


def test_what_is_refused_is_told_when_to_come_again() -> None:
    """What waits and what was refused lately takes so long at the rate of now."""
    at = door(limit=4)
    now_s = busy(at, each_s=0.5)
    assert at.refuse("x").retry_after_s == 1
    for _ in range(50):
        for _ in range(10):
            at.refuse("x")
        now_s += LOOK_S
        at.leave("interactive", 0.5)
        assert at.enter("interactive", now_s)
        at.look(now_s)
    assert 5 <= at.refuse("x").retry_after_s <= 15
    assert Door(AdmissionConfig(), 1, 0.0).refuse("x").retry_after_s == 1


def test_seconds_in_which_nothing_ends_make_nobody_wait_for_long() -> None:
    """Slow requests hold all there is: what ended a second before tells when to come again."""
    at = door(limit=4)
    now_s = busy(at, each_s=0.1)
    for _ in range(150):  # three seconds
        now_s += LOOK_S
        at.look(now_s)
    for _ in range(20):
        at.refuse("x")
    at.look(now_s + LOOK_S)
    assert at.rate < 3
    assert at.refuse("x").retry_after_s == 1


def test_overload_does_not_teach_what_requests_usually_take() -> None:
    """Nothing is learnt while others are refused."""
    at = door(limit=1)
    for pressure, expected in ((0.0, 0.1), (0.5, 0.1)):
        at.pressure = pressure
        assert at.enter("interactive", 0.0)
        at.leave("interactive", 0.1 if pressure == 0.0 else 9.0)
        assert at.load.usual_s == expected


def test_pressure_is_the_share_that_was_not_let_in_at_once() -> None:
    """It comes and goes within seconds."""
    at = door(limit=1)
    assert at.enter("interactive", 0.0)
    now_s = 0.0
    for _ in range(300):
        at.refuse("x")
        now_s += LOOK_S
        at.look(now_s)
    assert at.pressure > 0.9
    for _ in range(300):
        now_s += LOOK_S
        at.look(now_s)
    assert at.pressure < 0.1


def test_an_empty_replica_whose_loop_was_late_refuses_nobody() -> None:
    """Few came of late, so few ended; but nobody has to end before there is room."""
    at, now_s = door(limit=64), 0.0
    for _ in range(3):  # a request now and then, then a few at once in a turn that took long, again and again
        for _ in range(20):
            now_s = idle(at, now_s, 0.2)
            assert at.enter("interactive", now_s)
            at.leave("interactive", 0.06)
        for _ in range(3):
            now_s += 0.15
            tickets = [wait(at, now_s=now_s) for _ in range(8) if not at.enter("interactive", now_s)]
            assert len(tickets) == 8
            let_in, late = at.look(now_s)
            while len(let_in) + len(late) < 8:
                now_s += 0.01
                more, late = at.look(now_s)
                let_in += more
            assert (len(let_in), late) == (8, [])
            for _ in let_in:
                at.leave("interactive", 0.06)
    assert at.refused == 0


def test_a_door_is_shut_only_where_nobody_could_wait() -> None:
    """Not while something is free, nor while a batch could be displaced."""
    at = door(limit=1, max_waiting=1)
    assert not at.is_shut()
    assert at.enter("interactive", 0.0)
    assert not at.is_shut()
    wait(at, "batch")
    assert not at.is_shut()
    wait(at)
    assert at.is_shut()


class Crowd:
    """People and batches at one door, each counted."""

    def __init__(self) -> None:
        self.at, self.came, self.gone = door(limit=3, max_waiting=4), 0, 0
        self.inside, self.line = list[Priority](), list[Ticket]()

    def come(self, priority: Priority, now_s: float) -> None:
        """Come to the door."""
        self.came += 1
        if self.at.enter(priority, now_s):
            self.inside.append(priority)
        elif isinstance(ticket := self.at.wait(priority, 60, now_s, None), Ticket):
            self.line.append(ticket)
            self._refused([ticket.displaced] if ticket.displaced is not None else [])

    def end(self, took_s: float) -> None:
        """End one who is inside."""
        if self.inside:
            self.gone += 1
            next_one = self.at.leave(self.inside.pop(), took_s)
            self._let_in([next_one] if next_one is not None else [])

    def go(self) -> None:
        """Leave the line."""
        if self.line:
            self.gone += 1
            assert self.at.line.leave(self.line.pop())

    def look(self, now_s: float) -> None:
        """Look."""
        let_in, late = self.at.look(now_s)
        self._let_in(let_in)
        self._refused(late)

    def _let_in(self, tickets: list[Ticket]) -> None:
        for ticket in tickets:
            self.line.remove(ticket)
            self.inside.append(ticket.priority)

    def _refused(self, tickets: list[Ticket]) -> None:
        for ticket in tickets:
            self.line.remove(ticket)
            self.at.refuse("x")


@settings(max_examples=200, deadline=None)
@given(st.lists(st.tuples(st.sampled_from(["come", "batch", "end", "look", "go"]), st.floats(0, 0.3)), max_size=120))
def test_nobody_is_lost_and_no_bound_is_passed(steps: list[tuple[str, float]]) -> None:
    """Whatever happens: who came is in, in line, refused or gone; the limit and the line's length hold."""
    crowd, now_s = Crowd(), 0.0
    for what, passed_s in steps:
        now_s += passed_s
        match what:
            case "end":
                crowd.end(passed_s)
            case "go":
                crowd.go()
            case "look":
                crowd.look(now_s)
            case _:
                crowd.come("batch" if what == "batch" else "interactive", now_s)
        assert crowd.at.under_way == len(crowd.inside) <= 3
        assert len(crowd.at.line) == len(crowd.line) <= 4
        assert crowd.came == len(crowd.inside) + len(crowd.line) + crowd.at.refused + crowd.gone
