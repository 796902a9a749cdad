"""Bounds of the sandbox that contradict each other are refused."""

import pytest
from pydantic import ValidationError

from actors.consensus.sandbox.config import SandboxConfig


def test_the_defaults_hold_together() -> None:
    """A call's bound lies within its job's, and a proof outlives the time to the next."""
    config = SandboxConfig()
    assert config.call_ms <= config.job_ms
    assert config.self_test_period_s < config.self_test_expiry_s


@pytest.mark.parametrize(
    "wrong",
    [
        {"call_ms": 2000, "job_ms": 1000},
        {"self_test_period_s": 60, "self_test_expiry_s": 60},
        {"max_calls": 0},
        {"address_space_mib": 1},
        {"unknown": 1},
    ],
)
def test_what_cannot_work_is_refused(wrong: dict[str, float]) -> None:
    """Contradictions, values out of bounds and unknown names are errors at start."""
    with pytest.raises(ValidationError):
        SandboxConfig.model_validate(wrong)
