"""Who is let in, who waits, who is refused."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from actors.admission.config import AdmissionConfig, LineConfig
from actors.admission.door import Door, Refused
from actors.admission.queue import Priority, Ticket

LOOK_S = 0.02
KEY = "key"
MOST = 6


def door(limit: int = 2, **line: float) -> Door:
    """Return a door at which nothing has happened."""
    made = Door(AdmissionConfig(line=LineConfig.model_validate(line)), limit, 0.0)
    made.look(0.0)
    return made


def wait(
    at: Door, priority: Priority = "interactive", deadline_s: float = 60.0, now_s: float = 0.0, key: str = KEY
) -> Ticket:  # fmt: skip
    """Stand in line."""
    ticket = at.wait(priority, key, deadline_s, now_s, None)
    assert isinstance(ticket, Ticket)
    return ticket


def busy(at: Door, each_s: float, seconds: float = 5.0) -> float:
    """Let requests follow each other, as many as may, for so long; return when that is."""
    now_s = ended = 0.0
    while now_s < seconds:
        while at.enter("interactive", KEY, now_s):
            continue
        now_s += LOOK_S
        ended += at.under_way * LOOK_S / each_s
        while ended >= 1:
            ended -= 1
            at.leave("interactive", KEY, each_s)
        at.look(now_s)
    while at.enter("interactive", KEY, now_s):
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
    assert [at.enter("interactive", KEY, 0.0) for _ in range(3)] == [True, True, False]
    assert at.leave("interactive", KEY, 0.1) is None
    assert at.enter("interactive", KEY, 0.0)
    assert (at.under_way, at.at_once) == (2, 3)


def test_nobody_overtakes_who_waits() -> None:
    """Except a person a batch."""
    at = door(limit=3)
    for _ in range(2):
        assert at.enter("batch", KEY, 0.0)
    assert not at.enter("batch", KEY, 0.0)  # the rest is kept for people
    wait(at, "batch")
    assert at.enter("interactive", KEY, 0.0)
    wait(at)
    assert at.leave("interactive", KEY, None) is not None
    assert not at.enter("batch", KEY, 0.0)


def test_whoever_ends_lets_the_next_one_in() -> None:
    """People first."""
    at = door(limit=2)
    for _ in range(2):
        assert at.enter("interactive", KEY, 0.0)
    batch, person = wait(at, "batch"), wait(at)
    assert at.leave("interactive", KEY, 0.1) is person
    assert at.leave("interactive", KEY, 0.1) is batch
    assert at.leave("interactive", KEY, 0.1) is None
    assert (at.under_way, at.waited) == (1, 2)


def test_a_late_loop_lets_nobody_in_directly() -> None:
    """Whoever comes in the same turn waits for the next look."""
    at = door(limit=100)
    assert not at.enter("interactive", KEY, LOOK_S + 0.1)
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
    assert at.enter("interactive", KEY, 0.0)
    person, batch = wait(at), wait(at, "batch")
    assert at.look(0.2) == ([], [])
    assert at.look(0.26) == ([], [person])
    assert at.look(9.0) == ([], [])
    assert at.look(10.1) == ([], [batch])


def test_a_line_that_stands_is_not_joined_for_long() -> None:
    """After a quarter of a second with people in line, a newcomer waits as little as may be; an empty line is forgotten."""
    at = door(limit=1)
    assert at.enter("interactive", KEY, 0.0)
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
    assert at.enter("interactive", KEY, 0.0)
    wait(at, "batch")
    last = wait(at, "batch")
    assert isinstance(at.wait("batch", KEY, 60, 0.0, None), Refused)
    person = wait(at)
    assert person.displaced is last
    assert len(at.line) == 2
    wait(at)
    assert isinstance(at.wait("interactive", KEY, 60, 0.0, None), Refused)
    assert at.refused == 2


def test_what_cannot_be_answered_in_its_deadline_is_refused_at_once() -> None:
    """What is ahead of it and what it takes itself are more than it has."""
    at = door(limit=4)
    now_s = busy(at, each_s=0.5)
    assert at.rate == pytest.approx(8, rel=0.3)
    assert isinstance(at.wait("batch", KEY, 0.4, now_s, None), Refused)
    ticket = wait(at, "batch", 1.0, now_s)
    assert ticket.leave_by_s - now_s == pytest.approx(0.5, rel=0.1)


def test_people_wait_no_longer_than_a_share_of_what_a_request_takes() -> None:
    """Of quick requests, none that would wait; of slow ones, some."""
    quick = door(limit=4, wait_share=0.7, min_wait_ms=0)
    now_s = busy(quick, each_s=0.04)
    quick.pressure = 0.5
    for _ in range(2):  # 10 and 20 ms of 28
        assert isinstance(quick.wait("interactive", KEY, 60, now_s, None), Ticket)
    assert isinstance(quick.wait("interactive", KEY, 60, now_s, None), Refused)
    assert quick.is_shut(KEY)


def test_what_is_refused_is_told_when_to_come_again() -> None:
    """What waits and what was refused lately takes so long at the rate of now."""
    at = door(limit=4)
    now_s = busy(at, each_s=0.5)
    assert at.refuse("x").retry_after_s == 1
    for _ in range(50):
        for _ in range(10):
            at.refuse("x")
        now_s += LOOK_S
        at.leave("interactive", KEY, 0.5)
        assert at.enter("interactive", KEY, now_s)
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
        assert at.enter("interactive", KEY, 0.0)
        at.leave("interactive", KEY, 0.1 if pressure == 0.0 else 9.0)
        assert at.load.usual_s == expected


def test_pressure_is_the_share_that_was_not_let_in_at_once() -> None:
    """It comes and goes within seconds."""
    at = door(limit=1)
    assert at.enter("interactive", KEY, 0.0)
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
            assert at.enter("interactive", KEY, now_s)
            at.leave("interactive", KEY, 0.06)
        for _ in range(3):
            now_s += 0.15
            tickets = [wait(at, now_s=now_s) for _ in range(8) if not at.enter("interactive", KEY, now_s)]
            assert len(tickets) == 8
            let_in, late = at.look(now_s)
            while len(let_in) + len(late) < 8:
                now_s += 0.01
                more, late = at.look(now_s)
                let_in += more
            assert (len(let_in), late) == (8, [])
            for _ in let_in:
                at.leave("interactive", KEY, 0.06)
    assert at.refused == 0


def test_a_door_is_shut_only_where_nobody_could_wait() -> None:
    """Not while something is free, nor while a batch could be displaced."""
    at = door(limit=1, max_waiting=1)
    assert not at.is_shut(KEY)
    assert at.enter("interactive", KEY, 0.0)
    assert not at.is_shut(KEY)
    wait(at, "batch")
    assert not at.is_shut(KEY)
    wait(at)
    assert at.is_shut(KEY)


def flooded(limit: int = 4, **line: float) -> Door:
    """Return a door that one key has filled, with its line."""
    at = door(limit=limit, **line)
    while at.enter("interactive", "flood", 0.0):
        continue
    while isinstance(at.wait("interactive", "flood", 60, 0.0, None), Ticket):
        continue
    return at


def test_a_full_line_makes_room_for_a_quiet_key() -> None:
    """The last of the key that has most in line is refused, and not who comes with another; the quiet one is next."""
    at = flooded(max_waiting=3)
    assert at.is_shut("flood")
    assert not at.is_shut(KEY)
    quiet = wait(at)
    assert quiet.displaced is not None
    assert (quiet.displaced.key, len(at.line)) == ("flood", 3)
    assert at.leave("interactive", "flood", 0.1) is quiet


def test_how_long_one_would_wait_is_told_by_his_place_in_turns() -> None:
    """Where a key that floods is refused at once, a quiet one waits."""
    at = door(limit=4, min_wait_ms=250, max_waiting=100)
    now_s = busy(at, each_s=0.2)
    at.pressure = 0.5
    while isinstance(at.wait("interactive", KEY, 60, now_s, None), Ticket):
        continue
    assert 3 < len(at.line) < 10
    assert at.is_shut(KEY)
    assert not at.is_shut("quiet")
    quiet = wait(at, now_s=now_s, key="quiet")
    assert quiet.displaced is None
    assert at.leave("interactive", KEY, 0.2) is quiet


def test_only_the_line_of_a_key_that_stands_is_not_joined_for_long() -> None:
    """Who comes with another key may wait as ever."""
    at, now_s = flooded(max_waiting=50), 0.0
    while now_s < 0.4:
        at.wait("interactive", "flood", 60, now_s, None)
        now_s += LOOK_S
        at.look(now_s)
    assert wait(at, now_s=now_s, key="flood").leave_by_s == pytest.approx(now_s + 0.1)
    assert wait(at, now_s=now_s).leave_by_s == pytest.approx(now_s + 0.25)


def lower(at: Door, limit: int) -> None:
    """Let the limit fall."""
    at.load._limit = float(limit)


def test_when_the_limit_falls_who_holds_most_gives_way() -> None:
    """Keys below their share of it are let in, at once or as others end or at a look; the most is never passed."""
    at = door(limit=40)
    for _ in range(30):
        assert at.enter("interactive", "flood", 0.0)
    lower(at, 20)
    assert not at.enter("interactive", "flood", 0.0)
    assert at.is_shut("flood") is False  # nothing has ended: nobody knows how long he would wait
    assert [at.enter("interactive", KEY, 0.0) for _ in range(11)] == [True] * 10 + [False]
    assert at.under_way == 40
    tickets = [wait(at, key="other") for _ in range(2)]
    assert at.look(0.01) == ([], [])
    assert at.leave("interactive", "flood", None) is tickets[0]
    assert at.under_way == 40
    lower(at, 4)  # a third of it, rounded, is one, which the key has
    assert at.leave("interactive", "flood", None) is None
    lower(at, 20)
    assert at.look(0.02) == ([tickets[1]], [])


def test_whoever_has_his_share_waits_for_one_of_his_own_to_end_not_for_the_whole_surplus() -> None:
    """So many have to end before anybody else is let in that he would be refused at once."""
    at = door(limit=40)
    for key, requests in (("flood", 28), (KEY, 10)):
        for _ in range(requests):
            assert at.enter("interactive", key, 0.0)
    lower(at, 20)
    at.pressure, at._rates = 0.5, (10.0, 0.0)
    assert at.is_shut("flood")
    assert not at.is_shut(KEY)
    ticket = wait(at)
    assert at.leave("interactive", KEY, None) is ticket


def test_one_key_alone_has_no_share_beyond_the_limit() -> None:
    """All is as if there were no keys."""
    at = door(limit=40)
    for _ in range(30):
        assert at.enter("interactive", KEY, 0.0)
    lower(at, 20)
    ticket = wait(at)
    assert at.leave("interactive", KEY, None) is None
    assert at.look(0.01) == ([], [])
    lower(at, 30)
    assert at.look(0.02) == ([ticket], [])


def test_a_refusal_that_is_a_decision_tells_how_fast_requests_end() -> None:
    """But not what they usually take."""
    at, now_s = door(limit=4), 0.0
    for _ in range(400):
        now_s += 0.01
        assert at.enter("interactive", KEY, now_s)
        at.leave("interactive", KEY, None)
        assert at.enter("interactive", KEY, now_s)
        at.leave("interactive", KEY, None, has_ended=False)
        at.look(now_s)
    assert (at.rate, at.load.usual_s) == (pytest.approx(100, rel=0.1), 0.0)


class Crowd:
    """People and batches at one door, each counted."""

    def __init__(self) -> None:
        self.at, self.came, self.gone = door(limit=MOST, max_waiting=4), 0, 0
        self.inside, self.line = list[Ticket](), list[Ticket]()

    def come(self, priority: Priority, key: str, now_s: float) -> None:
        """Come to the door."""
        self.came += 1
        could_wait = not self.at.is_shut(key)
        if self.at.enter(priority, key, now_s):
            self.inside.append(Ticket(priority, key, 0.0, None))
        elif isinstance(ticket := self.at.wait(priority, key, 60, now_s, None), Ticket):
            self.line.append(ticket)
            self._refused([ticket.displaced] if ticket.displaced is not None else [])
        else:
            assert priority == "batch" or not could_wait

    def end(self, took_s: float) -> None:
        """End one who is inside."""
        if self.inside:
            self.gone += 1
            ended = self.inside.pop(int(took_s * 1000) % len(self.inside))
            next_one = self.at.leave(ended.priority, ended.key, took_s)
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
            self.inside.append(ticket)

    def _refused(self, tickets: list[Ticket]) -> None:
        for ticket in tickets:
            self.line.remove(ticket)
            self.at.refuse("x")


WHAT = ["come", "batch", "end", "look", "go", "less", "more"]


@settings(max_examples=200, deadline=None)
@given(st.lists(st.tuples(st.sampled_from(WHAT), st.sampled_from("abc"), st.floats(0, 0.3)), max_size=120))
def test_nobody_is_lost_and_no_bound_is_passed(steps: list[tuple[str, str, float]]) -> None:
    """Whatever happens: who came is in, in line, refused or gone; the bounds hold; a key that is gone is forgotten."""
    crowd, now_s = Crowd(), 0.0
    for what, key, passed_s in steps:
        now_s += passed_s
        match what:
            case "end":
                crowd.end(passed_s)
            case "go":
                crowd.go()
            case "look":
                crowd.look(now_s)
            case "less" | "more":
                lower(crowd.at, 2 if what == "less" else MOST)
            case _:
                crowd.come("batch" if what == "batch" else "interactive", key, now_s)
        assert crowd.at.under_way == len(crowd.inside) <= MOST
        assert len(crowd.at.line) == len(crowd.line) <= 4
        assert crowd.came == len(crowd.inside) + len(crowd.line) + crowd.at.refused + crowd.gone
        assert crowd.at.line.busy_keys() == len({each.key for each in crowd.inside})
