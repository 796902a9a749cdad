"""Bounds of the configuration."""

import pytest
from pydantic import ValidationError

from actors.consensus.breakers.config import BreakerConfig, consecutive


def test_the_defaults_are_the_seed_s_and_frozen() -> None:
    """Five failures in a row, 60 s, one probe; nobody changes them at run time."""
    config = BreakerConfig()
    assert config == consecutive() == consecutive(5, 60)
    assert (config.window_calls, config.minimum_calls, config.failure_rate, config.open_s) == (5, 5, 1.0, 60.0)
    with pytest.raises(ValidationError):
        config.open_s = 1  # type: ignore[misc]


@pytest.mark.parametrize(
    "values",
    [
        {"open_ms": 5},
        {"failure_rate": 0},
        {"slow_call_rate": 1.1},
        {"open_s": float("nan")},
        {"half_open_permits": 0},
        {"minimum_calls": 6},
        {"outliers": {"max_s": 10}},
        {"hedge": {"window": 10}},
        {"retries": {"jitter": "none"}},
        {"bulkhead": {"max_calls": 0}},
    ],
)
def test_unsound_values_are_refused(values: dict[str, object]) -> None:
    """Unknown keys, and values with which it could never open or never be due, are refused at start."""
    with pytest.raises(ValidationError):
        BreakerConfig.model_validate(values)


def test_a_refusal_says_what_to_do() -> None:
    """It names the value, the reason and the way out."""
    with pytest.raises(ValidationError, match="lower it, or raise window_calls"):
        BreakerConfig(minimum_calls=20)
