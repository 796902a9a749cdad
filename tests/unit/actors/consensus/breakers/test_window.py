"""Windows of calls."""

from hypothesis import given
from hypothesis import strategies as st

from actors.consensus.breakers.config import BreakerConfig
from actors.consensus.breakers.window import Counts, CountWindow, TimeWindow, window_of

CALLS = st.lists(st.tuples(st.booleans(), st.booleans(), st.floats(0, 9)), max_size=60)


@given(CALLS, st.integers(1, 20))
def test_a_count_window_holds_the_last_calls(calls: list[tuple[bool, bool, float]], size: int) -> None:
    """Whatever comes: what it counts is what the last so many calls are."""
    window = CountWindow(size)
    for number, (failed, slow, _) in enumerate(calls, 1):
        window.add(failed, slow, 0.0)
        last = calls[max(number - size, 0) : number]
        assert window.counts(0.0) == Counts(len(last), sum(c[0] for c in last), sum(c[1] for c in last))


@given(CALLS, st.integers(1, 12))
def test_a_time_window_holds_the_parts_that_are_left(calls: list[tuple[bool, bool, float]], buckets: int) -> None:
    """Whatever the pauses: what it counts are the calls of the newest parts."""
    window, now_s, ended = TimeWindow(buckets * 2.0, buckets), 50.0, list[tuple[int, bool, bool]]()
    for failed, slow, pause_s in calls:
        now_s += pause_s
        window.add(failed, slow, now_s)
        ended.append((int(now_s // 2), failed, slow))
        last = [call for call in ended if call[0] > int(now_s // 2) - buckets]
        assert window.counts(now_s) == Counts(len(last), sum(c[1] for c in last), sum(c[2] for c in last))
    assert window.counts(now_s + buckets * 2.0 + 2.0) == Counts()


def test_a_clock_that_goes_back_stays_in_the_newest_part() -> None:
    """Nothing is forgotten and nothing lands in a part that was given up."""
    window = TimeWindow(10.0, 10)
    window.add(True, False, 100.0)
    window.add(True, False, 40.0)
    assert window.counts(100.0) == window.counts(90.0) == Counts(2, 2, 0)


def test_a_pause_of_years_costs_one_round() -> None:
    """Each part is emptied at most once, however much time has passed."""
    window = TimeWindow(10.0, 10)
    window.add(True, True, 0.0)
    assert window.counts(1e9) == Counts()
    window.add(False, True, 1e9)
    assert window.counts(1e9) == Counts(1, 0, 1)


def test_the_configuration_says_which() -> None:
    """By calls or by time."""
    assert isinstance(window_of(BreakerConfig()), CountWindow)
    assert isinstance(window_of(BreakerConfig(window="time")), TimeWindow)
