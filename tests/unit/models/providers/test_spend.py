"""The ledger of a day's spend, held against a model of it step by step."""

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from models.providers.spend import DAY_S, Reservation, SpendError, SpendLedger


def test_five_concurrent_calls_never_use_663_of_100() -> None:
    """Check-then-act: five calls that each reserve before asking get what the cap holds, and no more."""
    ledger, held = SpendLedger(100), []
    for _ in range(5):
        ledger, reservation = ledger.reserve(40, 0.0)
        held.append(reservation is not None)
    assert held == [True, True, False, False, False]
    assert (ledger.reserved_micro, ledger.left_micro) == (80, 20)


def test_a_refused_reservation_takes_nothing() -> None:
    """What does not fit leaves the rest to smaller calls."""
    ledger, refused = SpendLedger(100).reserve(101, 0.0)
    assert refused is None
    assert ledger == SpendLedger(100)
    assert ledger.reserve(100, 0.0)[1] is not None


def test_what_was_not_used_comes_back() -> None:
    """Reconciling frees the difference, a refund everything."""
    ledger, first = SpendLedger(100).reserve(60, 0.0)
    ledger, second = ledger.reserve(40, 0.0)
    assert first is not None
    assert second is not None
    ledger = ledger.reconcile(first, 10, 1.0).refund(second, 1.0)
    assert (ledger.spent_micro, ledger.reserved_micro, ledger.left_micro) == (10, 0, 90)


def test_a_cost_above_its_reservation_counts_whole() -> None:
    """A bound that did not hold ends the day sooner."""
    ledger, held = SpendLedger(100).reserve(50, 0.0)
    assert held is not None
    ledger = ledger.reconcile(held, 130, 0.0)
    assert (ledger.spent_micro, ledger.left_micro) == (130, 0)


def test_what_does_not_fit_beside_what_was_spent_fits_the_next_day() -> None:
    """What is only set aside may come back sooner, so nobody knows; midnight is of UTC, and a clock may go back."""
    ledger, held = SpendLedger(100).reserve(60, DAY_S + 5.0)
    assert held is not None
    assert ledger.back_s(100, DAY_S + 5.0) is None
    assert ledger.back_s(101, DAY_S + 5.0) == DAY_S - 5.0
    spent = ledger.reconcile(held, 60, DAY_S + 6.5)
    assert [spent.back_s(micro, 2 * DAY_S - 0.5) for micro in (40, 41)] == [None, 0.5]
    assert spent.back_s(41, DAY_S - 1.0) == DAY_S + 1.0
    assert spent.back_s(41, 2.0 * DAY_S) is None


@pytest.mark.parametrize("number", [0, 7])
def test_a_reservation_ends_once(number: int) -> None:
    """A second end, and the end of what was never reserved, are refused."""
    ledger, held = SpendLedger(100).reserve(50, 0.0)
    assert held is not None
    ended = ledger.refund(held, 0.0)
    with pytest.raises(SpendError, match="not open"):
        ended.refund(Reservation(number, 0, 50), 0.0)


def test_a_day_begins_anew_and_never_comes_back() -> None:
    """Yesterday's money and reservations do not count today, nor does a clock that was set back bring yesterday back."""
    ledger, held = SpendLedger(100).reserve(60, DAY_S - 1.0)
    assert held is not None
    ledger, today = ledger.reserve(100, float(DAY_S))
    assert today is not None
    ledger = ledger.reconcile(held, 60, DAY_S + 1.0)
    assert (ledger.spent_micro, ledger.left_micro) == (0, 0)
    assert ledger.reserve(1, DAY_S - 1.0)[1] is None


@pytest.mark.parametrize("call", [lambda: SpendLedger(-1), lambda: SpendLedger(1).reserve(-1, 0.0)])
def test_amounts_below_nothing_are_refused(call: object) -> None:
    """Neither a cap nor a reservation can be negative."""
    with pytest.raises(SpendError, match="below 0"):
        call()  # type: ignore[operator]


class Days(RuleBasedStateMachine):
    """The ledger beside lists of what was spent and held on each day."""

    def __init__(self) -> None:
        super().__init__()
        self.ledger = SpendLedger(1000)
        self.now_s = 0.0
        self.held: list[Reservation] = []
        self.spent: dict[int, int] = {}

    @rule(micro=st.integers(0, 600))
    def reserve(self, micro: int) -> None:
        """Reserve, if there is room."""
        day = int(self.now_s // DAY_S)
        room = 1000 - self.spent.get(day, 0) - sum(r.micro for r in self.held if r.day == day)
        self.ledger, made = self.ledger.reserve(micro, self.now_s)
        assert (made is not None) == (micro <= room)
        if made is not None:
            self.held.append(made)

    @precondition(lambda self: self.held)
    @rule(data=st.data())
    def settle(self, data: st.DataObject) -> None:
        """End a reservation with at most what it held."""
        reservation = self.held.pop(data.draw(st.integers(0, len(self.held) - 1)))
        cost = data.draw(st.integers(0, reservation.micro))
        self.ledger = self.ledger.reconcile(reservation, cost, self.now_s)
        self.spent[reservation.day] = self.spent.get(reservation.day, 0) + cost

    @rule(seconds=st.sampled_from([1.0, 40_000.0, 86_400.0]))
    def wait(self, seconds: float) -> None:
        """Let time pass."""
        self.now_s += seconds
        self.ledger = self.ledger.at(self.now_s)

    @invariant()
    def no_day_is_over_its_cap(self) -> None:
        """Whatever happens when, no day's spend and reservations exceed the cap."""
        assert self.ledger.spent_micro + self.ledger.reserved_micro <= 1000
        assert all(spent <= 1000 for spent in self.spent.values())


TestDays = Days.TestCase
TestDays.settings = settings(max_examples=50, stateful_step_count=40, deadline=None)
