"""The line of those who wait."""

from hypothesis import given, settings
from hypothesis import strategies as st

from actors.admission.queue import Line, Priority, Ticket


def ticket(priority: Priority = "interactive", leave_by_s: float = 1.0, key: str = "key") -> Ticket:
    """Return a ticket."""
    return Ticket(priority, key, leave_by_s, None)


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
    assert line.last_after("interactive", "key") is None


def test_a_newcomer_knows_who_goes_before_him() -> None:
    """A batch request goes behind everybody, a person behind people."""
    line = Line()
    line.join(ticket())
    line.join(ticket("batch"))
    assert (line.ahead_of("interactive", "key"), line.ahead_of("batch", "key"), len(line)) == (1, 2, 2)
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
    assert line.last_after("interactive", "key") is later


def served(line: Line) -> str:
    """Let everybody in, one after the other; return whose they were."""
    order = ""
    while (first := line.first()) is not None:
        order += first.key
        assert line.leave(first)
        line.begin(first.key)
    return order


def test_keys_go_in_turn() -> None:
    """However many of one came before; within a key whoever came first."""
    line = Line()
    for key in "aaaabbc":
        line.join(ticket(key=key))
    assert served(line) == "abcabaa"


def test_a_key_that_holds_more_goes_before_nobody_who_holds_less() -> None:
    """Until they hold the same."""
    line = Line()
    for key in "aab":
        line.begin(key)
    for key in "aaabbb":
        line.join(ticket(key=key))
    assert served(line) == "bababa"


def test_turns_are_taken_also_where_only_one_is_let_in_at_a_time() -> None:
    """Of those that hold as little the one that has waited for longest."""
    line, order = Line(), ""
    for key in "aaabbb":
        line.join(ticket(key=key))
    while (first := line.first()) is not None:
        order += first.key
        line.leave(first)
        line.begin(first.key)
        line.end(first.key)
    assert order == "ababab"


def test_a_place_is_told_by_turns_and_not_by_the_whole_line() -> None:
    """A key with nothing in line goes behind one of every other; one that floods behind all of its own."""
    line = Line()
    for key in "aaaaabb":
        line.join(ticket(key=key))
    assert [line.ahead_of("interactive", key) for key in "abc"] == [7, 5, 2]
    assert [line.ahead_of("batch", key) for key in "abc"] == [7, 7, 7]
    line.begin("c")
    assert line.ahead_of("interactive", "c") == 4


def test_whoever_would_be_let_in_last_makes_room_for_one_who_would_go_before() -> None:
    """The last of the key that has most; a batch for any person; and nobody for his equal or his better."""
    line = Line()
    tickets = [ticket(key=key) for key in "aaab"]
    for each in tickets:
        line.join(each)
    assert line.last_after("interactive", "c") is tickets[2]
    assert line.last_after("interactive", "b") is tickets[2]
    assert line.last_after("interactive", "a") is None
    assert line.last_after("batch", "c") is None
    batch = ticket("batch", key="c")
    line.join(batch)
    assert line.last_after("interactive", "a") is batch
    assert line.last_after("batch", "a") is None


class Watched:
    """A line, and the same counted anew at every step."""

    def __init__(self) -> None:
        self.line = Line()
        self.waiting, self.under_way = list[Ticket](), list[str]()

    def do(self, what: str, key: str) -> None:
        """Let something happen to a key."""
        first = self.line.first()
        if what in ("interactive", "batch"):
            self.waiting.append(ticket("batch" if what == "batch" else "interactive", key=key))
            self.line.join(self.waiting[-1])
        elif what == "let in" and first is not None:
            self._leave(first)
            self.line.begin(first.key)
            self.under_way.append(first.key)
        elif what == "end" and key in self.under_way:
            self.under_way.remove(key)
            self.line.end(key)
        elif what == "go" and (mine := [each for each in self.waiting if each.key == key]):
            self._leave(mine[len(mine) // 2])

    def _leave(self, gone: Ticket) -> None:
        self.waiting.remove(gone)
        assert self.line.leave(gone)

    def levels(self, priority: Priority) -> list[int]:
        """Return at which levels stand who wait."""
        waiting = [each.key for each in self.waiting if each.priority == priority]
        return sorted(self.under_way.count(key) + n for key in set(waiting) for n in range(waiting.count(key)))

    def check(self, priority: Priority, key: str) -> None:
        """Hold a newcomer's place, and which keys wait, to what counting gives."""
        of_its = [each.key for each in self.waiting if each.priority == priority]
        level = self.under_way.count(key) + of_its.count(key)
        people = self.line.waiting("interactive") if priority == "batch" else 0
        assert self.line.ahead_of(priority, key) == sum(each <= level for each in self.levels(priority)) + people
        assert set(self.line.keys_of(priority)) == set(of_its)

    def check_first(self, first: Ticket) -> None:
        """Hold who is next to having least under way, and to having come first of its key."""
        of_its = [each for each in self.waiting if each.priority == first.priority]
        assert self.under_way.count(first.key) == min(self.under_way.count(each.key) for each in of_its)
        assert first is next(each for each in of_its if each.key == first.key)


STEPS = st.tuples(
    st.sampled_from(["interactive", "interactive", "batch", "let in", "end", "go"]), st.sampled_from("abc")
)


@settings(max_examples=200, deadline=None)
@given(st.lists(STEPS, max_size=60))
def test_whatever_happens_places_are_those_that_counting_gives(steps: list[tuple[str, str]]) -> None:
    """Nobody is lost, who is next holds least, within a key nobody is overtaken, and a key that is gone is forgotten."""
    watched = Watched()
    for what, key in steps:
        watched.do(what, key)
        assert len(watched.line) == len(watched.waiting)
        assert watched.line.busy_keys() == len(set(watched.under_way))
        for of in "abc":
            watched.check("interactive", of)
            watched.check("batch", of)
        if (first := watched.line.first()) is not None:
            watched.check_first(first)
