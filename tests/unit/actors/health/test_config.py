"""Bounds of the configuration."""

import pytest
from pydantic import ValidationError

from actors.health.config import HealthConfig


def test_the_defaults_are_valid_and_frozen() -> None:
    """The defaults hold together, reach back as far as the longest window, and nobody changes them at run time."""
    config = HealthConfig()
    assert config.window_s == 3600
    with pytest.raises(ValidationError):
        config.tick_s = 1  # type: ignore[misc]


@pytest.mark.parametrize("values", [{"tick_ms": 5}, {"disk_limit": 1.5}, {"clear_below": 0.8}, {"stock_samples": 5}])
def test_unsound_values_are_refused(values: dict[str, float]) -> None:
    """Unknown keys and values that cannot work are refused at start."""
    with pytest.raises(ValidationError):
        HealthConfig.model_validate(values)


def test_every_signal_has_its_limit_and_cpu_alarms_nobody() -> None:
    """Engines that use all of the processor do their work."""
    signals = {signal.name: signal for signal in HealthConfig(disk_limit=0.5, queue_limit=0.4).signals}
    assert [signals[name].limit for name in ("cpu", "memory", "disk", "queue")] == [0.95, 0.92, 0.5, 0.4]
    assert [name for name, signal in signals.items() if not signal.alarms] == ["cpu"]
    assert [name for name, signal in signals.items() if signal.kind == "flow"] == ["cpu"]
