"""When another voter is asked beside one that takes long."""

from math import ceil

from hypothesis import given
from hypothesis import strategies as st

from actors.consensus.breakers.config import HedgeConfig
from actors.consensus.breakers.hedging import Latencies


def after(latencies: list[float], config: HedgeConfig) -> Latencies:
    """Return what is remembered of answers."""
    remembered = Latencies(config)
    for took_s in latencies:
        remembered.add(took_s)
    return remembered


def test_it_is_due_after_the_95th_percentile() -> None:
    """95 of 100 answers came sooner or as soon; what is late now is later than those."""
    assert after([n / 10 for n in range(100, 0, -1)], HedgeConfig()).hedge_due_s(left_s=100.0) == 9.5


def test_too_few_answers_say_nothing() -> None:
    """Nineteen do not, twenty do."""
    assert after([1.0] * 19, HedgeConfig()).hedge_due_s(100.0) is None
    assert after([1.0] * 20, HedgeConfig()).hedge_due_s(100.0) == 1.0


def test_it_is_not_due_where_its_answer_would_come_too_late() -> None:
    """After 1 s of 1.9 s left there is not enough time for a usual answer of 1 s; of 2 s there is."""
    remembered = after([1.0] * 30, HedgeConfig())
    assert remembered.hedge_due_s(1.9) is None
    assert remembered.hedge_due_s(2.0) == 1.0


def test_a_usual_answer_is_one_that_half_of_them_took_no_longer_for() -> None:
    """Late after 1.9 s, the other one usually there within 1 s: of 2.9 s that suffices."""
    remembered = after([n / 10 for n in range(1, 21)], HedgeConfig())
    assert remembered.hedge_due_s(2.9) == 1.9
    assert remembered.hedge_due_s(2.89) is None


def test_the_oldest_answers_are_forgotten_whatever_they_took() -> None:
    """Long ones and short ones; of those that are left the longest is told, of none nothing."""
    config = HedgeConfig(window=3, min_samples=1)
    for latencies, last in (([9, 1, 1, 1], [1, 1, 1]), ([1, 2, 3, 9, 1, 2, 1], [1, 1, 2]), ([1, 5, 6, 7], [5, 6, 7])):
        remembered = after([float(took_s) for took_s in latencies], config)
        assert [remembered.quantile_s(share) for share in (0.3, 0.5, 1.0)] == last
        assert remembered.longest_s() == last[-1]
    assert (after([], config).longest_s(), after([], config).quantile_s(1.0)) == (0.0, None)


@given(st.lists(st.floats(0, 100), min_size=1, max_size=80), st.integers(1, 30), st.floats(0.01, 1))
def test_the_quantile_is_of_the_last_answers(latencies: list[float], window: int, share: float) -> None:
    """Whatever came: so large a share of the window is at or below it, and it is one of them."""
    remembered = after(latencies, HedgeConfig(window=window, min_samples=1))
    last = sorted(latencies[-window:])
    assert remembered.quantile_s(share) == last[max(ceil(share * len(last)), 1) - 1]
