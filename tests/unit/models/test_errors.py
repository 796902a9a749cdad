"""Errors of voters."""

import pickle

import pytest

from models.errors import VoterError, VoterFailed, VoterInvalid, VoterRefused, VoterTimeout


@pytest.mark.parametrize(
    ("kind", "outcome"),
    [(VoterFailed, "failed"), (VoterTimeout, "timeout"), (VoterRefused, "refused"), (VoterInvalid, "invalid")],
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
