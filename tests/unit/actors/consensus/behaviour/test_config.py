"""Bounds of a comparison."""

import pytest
from pydantic import ValidationError

from actors.consensus.behaviour.config import BehaviourConfig


def test_rounds_share_the_calls() -> None:
    """The first round has half of the calls, the others share the rest; one round has all."""
    config = BehaviourConfig(max_calls=100, max_rounds=3)
    assert (config.first_calls, config.further_calls) == (50, 25)
    assert BehaviourConfig(max_calls=100, max_rounds=1).first_calls == 100
    assert BehaviourConfig(max_calls=100, max_rounds=1).further_calls == 0


def test_bounds_that_contradict_each_other_are_refused() -> None:
    """More values than informative calls, or more of those than calls, can never be had."""
    for wrong in ({"min_values": 6}, {"min_informative": 97}, {"max_calls": 1}, {"unknown": 1}):
        with pytest.raises(ValidationError):
            BehaviourConfig.model_validate(wrong)
