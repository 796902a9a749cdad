"""The section refuses what contradicts itself."""

from typing import Any

import pytest
from pydantic import ValidationError

from actors.admission.config import AdmissionConfig, RedisConfig


@pytest.mark.parametrize(
    ("section", "said"),
    [
        ({"tiers": {"1": {}}}, "leave it out"),
        ({"tiers": {"-1": {"requests_per_minute": 1}}}, "greater than or equal to 0"),
        ({"tiers": {"1": {"requests_per_hour": 1}}}, "Extra inputs"),
        ({"shedding": {"min_delay_ms": 60}}, "max_delay_ms"),
        (
            {"brownout": {"levels": [{"pressure": 0.5, "cut": ["voters"]}, {"pressure": 0.4, "cut": ["voters"]}]}},
            "more",
        ),
        (
            {"brownout": {"levels": [{"pressure": 0.1, "cut": ["voters"]}, {"pressure": 0.4, "cut": ["hedges"]}]}},
            "cuts",
        ),
    ],
)
def test_what_means_nothing_is_refused(section: dict[str, Any], said: str) -> None:
    """And said what to do."""
    with pytest.raises(ValidationError, match=said):
        AdmissionConfig.model_validate(section)


def test_tiers_are_numbers() -> None:
    """As keys of a profile are text."""
    config = AdmissionConfig.model_validate({"tiers": {"1": {"requests_per_minute": 60}}})
    assert config.tiers[1].requests_per_minute == 60


ON_TWO = {"slots": 2, "first_slot": 0}


@pytest.mark.parametrize(
    "url",
    [
        "redis://limits:6379/0",
        "rediss://limits.example",
        "redis://[::1]:6379",
        "redis://127.0.0.1/",
        "unix:///run/redis.sock",
    ],
)
def test_a_redis_has_an_address(url: str) -> None:
    """Host or socket."""
    assert RedisConfig.model_validate({"url": url, **ON_TWO}).url == url


@pytest.mark.parametrize(
    ("section", "said"),
    [
        ({"url": "redis://:secret@limits"}, "password_file"),
        ({"url": "redis://limits?ssl_cert_reqs=none"}, "query"),
        ({"url": "http://limits"}, "write redis://"),
        ({"url": "redis://limits:70000"}, "write redis://"),
        ({"url": "redis://limits/a"}, "write redis://"),
        ({"url": "redis://limits", "password": "secret"}, "Extra inputs"),
        ({"url": "redis://limits", "password_env": "A", "password_file": "b"}, "one of them"),
        ({"url": "redis://limits", "username": "a"}, "set password_env or password_file"),
        ({"url": "redis://limits", "ca_file": "a"}, "rediss"),
        ({"url": "redis://limits", "first_slot": 2}, "from 0 to 1"),
        ({"url": "redis://limits", "timeout_ms": 60_000}, "less than or equal to 1000"),
    ],
)
def test_a_redis_that_cannot_be_meant_is_refused(section: dict[str, Any], said: str) -> None:
    """And said what to do."""
    with pytest.raises(ValidationError, match=said):
        AdmissionConfig.model_validate({"quotas": {"redis": {**ON_TWO, **section}}})
