"""The section refuses what contradicts itself."""

from typing import Any

import pytest
from pydantic import ValidationError

from actors.admission.config import AdmissionConfig


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
