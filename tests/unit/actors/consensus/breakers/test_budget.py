"""The retry budget and the wait before a retry."""

import random

import pytest

from actors.consensus.breakers.budget import RetryBudget, backoff_s, retry_wait_s
from actors.consensus.breakers.config import RetryConfig

CONFIG = RetryConfig()


def test_a_dead_backend_uses_the_budget_up() -> None:
    """500 tokens are 35 retries at 14, then there are none; or 100 at 5."""
    budget = RetryBudget(CONFIG)
    assert [budget.take(throttled=False) for _ in range(36)] == [14] * 35 + [None]
    assert budget.tokens == 10
    budget = RetryBudget(CONFIG)
    assert [budget.take(throttled=True) for _ in range(101)] == [5] * 100 + [None]


def test_success_refunds() -> None:
    """What the last retry took, or one token where there was none; never above what a full budget holds."""
    budget = RetryBudget(CONFIG)
    cost = budget.take(throttled=False)
    assert budget.tokens == 486
    budget.answered(None)
    assert budget.tokens == 487
    budget.answered(cost)
    assert budget.tokens == 500
    budget.answered(14)
    assert budget.tokens == 500


def test_an_empty_budget_recovers_by_answers() -> None:
    """Fourteen answers pay for a retry."""
    budget = RetryBudget(RetryConfig(tokens=14))
    assert budget.take(throttled=False) == 14
    for _ in range(13):
        budget.answered(None)
    assert budget.take(throttled=False) is None
    budget.answered(None)
    assert budget.take(throttled=False) == 14


def test_a_cost_of_0_is_free_and_a_budget_of_0_is_empty() -> None:
    """Neither is taken for unset."""
    assert RetryBudget(RetryConfig(tokens=0, retry_cost=0)).take(throttled=False) == 0
    assert RetryBudget(RetryConfig(tokens=0)).take(throttled=False) is None


@pytest.mark.parametrize(
    ("retry", "drawn", "throttled", "wait_s"),
    [(0, 1.0, False, 0.05), (1, 1.0, False, 0.1), (3, 0.5, False, 0.2), (0, 1.0, True, 1.0), (4, 1.0, True, 16.0),
     (5, 1.0, True, 20.0), (9999, 0.5, True, 10.0), (9, 0.0, True, 0.0)],
)  # fmt: skip
def test_the_bound_doubles_up_to_the_cap(retry: int, drawn: float, throttled: bool, wait_s: float) -> None:
    """A drawn share of base × 2 ** retry, 20 s at most."""
    assert backoff_s(retry, drawn, CONFIG, throttled=throttled) == pytest.approx(wait_s)


def test_full_jitter_spreads_over_the_whole_bound() -> None:
    """A thousand callers that failed together come back evenly between none and all of the bound."""
    drawn = random.Random(1)
    waits = sorted(backoff_s(2, drawn.random(), CONFIG, throttled=True) for _ in range(1000))
    assert waits[0] < 0.05
    assert waits[-1] > 3.95
    assert 1.8 < waits[500] < 2.2


def test_what_the_voter_asked_for_is_honoured() -> None:
    """Never sooner; later if the draw says so; 0 is an answer."""
    assert retry_wait_s(0, 0.0, 0.5, CONFIG, throttled=True, asked_s=3.0) == 3.0
    assert retry_wait_s(0, 0.0, 0.5, CONFIG, throttled=True, asked_s=0.0) == 0.5
    assert retry_wait_s(0, 0.0, 0.5, CONFIG, throttled=True, asked_s=None) == 0.5


def test_no_retry_begins_after_the_time_for_retries() -> None:
    """10 s after the ask began at the latest, the wait included; and never more than two."""
    assert retry_wait_s(0, 9.5, 0.5, CONFIG, throttled=True, asked_s=None) == 0.5
    assert retry_wait_s(0, 9.6, 0.5, CONFIG, throttled=True, asked_s=None) is None
    assert retry_wait_s(0, 0.0, 0.5, CONFIG, throttled=True, asked_s=11.0) is None
    assert retry_wait_s(1, 0.0, 0.5, CONFIG, throttled=False, asked_s=None) is not None
    assert retry_wait_s(2, 0.0, 0.5, CONFIG, throttled=False, asked_s=None) is None
