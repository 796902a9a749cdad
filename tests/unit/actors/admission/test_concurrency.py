"""A voter's limit follows the time to its first token."""

from actors.admission.concurrency import Gradient
from actors.admission.config import ConcurrencyConfig

CONFIG = ConcurrencyConfig(slack_ms=0)


def after(times: list[tuple[float, int]], config: ConcurrencyConfig = CONFIG, max_limit: int = 100) -> Gradient:
    """Return a limit that has seen (first token, asks under way)."""
    gradient = Gradient(config, max_limit)
    for first_token_ms, under_way in times:
        gradient.observe(first_token_ms, under_way)
    return gradient


USUAL = [(100.0, 1)] * 200


def test_it_begins_with_what_is_configured() -> None:
    """Nothing is held against a voter that nobody knows."""
    assert Gradient(CONFIG, 100).limit == 100


def test_a_voter_that_queues_falls_back() -> None:
    """First tokens that take five times as long bring it down within some dozens, never below the least."""
    queued = after([*USUAL, *[(500.0, 100)] * 20])
    assert CONFIG.min_limit < queued.limit < 60
    assert after([*USUAL, *[(5000.0, 100)] * 500]).limit >= CONFIG.min_limit


def test_a_voter_that_recovers_is_asked_more_again() -> None:
    """Up to what is configured."""
    fallen = after([*USUAL, *[(500.0, 100)] * 20])
    for _ in range(400):
        fallen.observe(100.0, fallen.limit)
    assert fallen.limit == 100


def test_what_is_not_much_longer_than_usual_changes_nothing() -> None:
    """Within the tolerance, or within the slack."""
    assert after([*USUAL, *[(190.0, 100)] * 50]).limit == 100
    quick = [(2.0, 1)] * 200
    assert after([*quick, *[(30.0, 100)] * 20]).limit < 100
    assert after([*quick, *[(30.0, 100)] * 20], ConcurrencyConfig()).limit == 100


def test_a_voter_that_is_not_busy_says_nothing() -> None:
    """Below half of the limit nothing changes, however long it took."""
    assert after([*USUAL, *[(5000.0, 49)] * 100]).limit == 100


def test_a_few_first_tokens_say_nothing() -> None:
    """What is usual is not known yet."""
    assert after([(1.0, 100), *[(500.0, 100)] * 5]).limit == 100


def test_a_bad_hour_is_forgotten() -> None:
    """What was usual in it comes down by itself, and then the limit holds again."""
    gradient = after([*[(1000.0, 1)] * 2000, *[(100.0, 1)] * 200, *[(900.0, 100)] * 30])
    assert gradient.limit < 60


def test_the_least_is_never_more_than_what_is_configured() -> None:
    """A voter that takes two at a time takes two."""
    assert after([*USUAL, *[(5000.0, 100)] * 100], max_limit=2).limit == 2
