"""Buckets that fill at a rate."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from actors.admission.rate import Buckets


def test_a_burst_is_taken_at_once_and_then_only_the_rate() -> None:
    """Whoever has nothing left is told when it has again."""
    buckets = Buckets(10.0, 100.0, 5)
    assert buckets.take("a", 100, 0.0) == 0.0
    wait_s = buckets.take("a", 1, 0.0)
    assert wait_s == pytest.approx(0.1)
    assert buckets.take("a", 1, wait_s) == 0.0
    assert buckets.take("b", 1, 0.0) == 0.0


def test_no_amount_is_too_large_and_what_goes_beyond_is_owed() -> None:
    """A request that is larger than the burst is taken, and paid for before the next."""
    buckets = Buckets(10.0, 20.0, 5)
    assert buckets.take("a", 120, 0.0) == 0.0
    assert buckets.wait_s("a", 0.0) == pytest.approx(10.1)
    assert buckets.take("a", 1, 9.9) > 0
    assert buckets.take("a", 1, 10.1) == 0.0


def test_what_is_refused_or_given_back_uses_up_nothing() -> None:
    """A bucket never holds more than its burst."""
    buckets = Buckets(1.0, 10.0, 5)
    buckets.take("a", 10, 0.0)
    for _ in range(100):
        buckets.take("a", 10, 0.0)
    assert buckets.wait_s("a", 0.0) == pytest.approx(1.0)
    buckets.give_back("a", 10, 0.0)
    buckets.give_back("a", 10, 0.0)
    assert buckets.take("a", 10, 0.0) == 0.0
    assert buckets.wait_s("a", 0.0) > 0


def test_the_key_that_came_longest_ago_is_forgotten() -> None:
    """However many keys come, so many are remembered."""
    buckets = Buckets(1.0, 1.0, 2)
    for key in ("a", "b", "c"):
        buckets.take(key, 1, 0.0)
    assert (buckets.wait_s("a", 0.0), buckets.wait_s("c", 0.0) > 0) == (0.0, True)
    assert len(buckets._filled) == 2


@given(st.lists(st.tuples(st.integers(1, 50), st.floats(0, 5)), max_size=30))
def test_no_more_is_taken_than_burst_rate_and_one_request(asked: list[tuple[int, float]]) -> None:
    """Whatever is asked and when; a clock that stands still gives nothing."""
    buckets, now_s, taken = Buckets(4.0, 10.0, 5), 0.0, 0
    for amount, later_s in asked:
        now_s += later_s
        if buckets.take("a", amount, now_s) == 0.0:
            taken += amount
    assert taken <= 10 + 4 * now_s + 50
