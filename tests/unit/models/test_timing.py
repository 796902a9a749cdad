"""When an engine began to answer, by its own word."""

import math

import pytest

from models.timing import first_token_ms


@pytest.mark.parametrize(
    ("metrics", "told"),
    [
        ({"queue_time_ms": 40.4, "time_to_first_token_ms": 120.2, "generation_time_ms": 900.0}, 161),
        ({"queue_time_ms": None, "time_to_first_token_ms": 120.2}, 120),
        ({"time_to_first_token_ms": 0}, 0),
        ({"queue_time_ms": -1.0, "time_to_first_token_ms": 7}, 7),
    ],
)
def test_the_first_token_is_counted_from_when_the_engine_had_the_request(metrics: object, told: int) -> None:
    """What it waited in the engine's queue counts, where that is told."""
    assert first_token_ms(metrics) == told


@pytest.mark.parametrize("time", [None, True, "7", -0.1, math.inf, math.nan, 3_600_001, [7]])
def test_what_is_no_time_tells_none(time: object) -> None:
    """Whatever a server sends there."""
    assert first_token_ms({"queue_time_ms": 1.0, "time_to_first_token_ms": time}) is None


@pytest.mark.parametrize("metrics", [None, "fast", 7, [], {}])
def test_what_are_no_metrics_tell_none(metrics: object) -> None:
    """Servers of other makes may mean something else by the word."""
    assert first_token_ms(metrics) is None
