"""Errors of voters."""

import pickle

import pytest

from models.errors import (
    MAX_BACK_S,
    CircuitBreakerOpenError,
    VoterBusy,
    VoterEmpty,
    VoterError,
    VoterFailed,
    VoterInvalid,
    VoterRefused,
    VoterTimeout,
    VoterTooLong,
    bounded_retry_after_s,
)


@pytest.mark.parametrize(
    ("kind", "outcome"),
    [
        (VoterFailed, "failed"),
        (VoterBusy, "failed"),
        (VoterTimeout, "timeout"),
        (VoterRefused, "refused"),
        (VoterTooLong, "refused"),
        (VoterInvalid, "invalid"),
        (VoterEmpty, "invalid"),
        (CircuitBreakerOpenError, "breaker_open"),
    ],
)
def test_errors_survive_another_process(kind: type[VoterError], outcome: str) -> None:
    """What an engine raises arrives whole at the gateway: voter, message, outcome, when to come back."""
    error = pickle.loads(pickle.dumps(kind("v", "why", 2.5)))  # noqa: S301 - our own bytes, as Ray sends them
    assert (type(error), error.voter, error.message, error.retry_after_s, error.outcome) == (
        kind,
        "v",
        "why",
        2.5,
        outcome,
    )
    assert str(error) == "v: why"


def test_a_voter_s_wish_to_be_left_alone_is_bounded() -> None:
    """At least no time, at most an hour, and a number."""
    asked = (-1.0, 2.5, 1e9, float("inf"), float("nan"))
    assert [bounded_retry_after_s(seconds) for seconds in asked] == [0.0, 2.5, 3600.0, 3600.0, None]
    assert bounded_retry_after_s(1e9, MAX_BACK_S) == 86_400.0
