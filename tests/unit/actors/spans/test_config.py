"""Bounds of the configuration."""

import pytest
from pydantic import ValidationError

from actors.spans.config import MIB, SpansConfig


def test_the_defaults_are_valid_and_frozen() -> None:
    """The defaults hold together and nobody changes them at run time."""
    config = SpansConfig()
    with pytest.raises(ValidationError):
        config.reserve_segments = 2  # type: ignore[misc]


@pytest.mark.parametrize(
    "values",
    [
        {"segment_byte": 1},
        {"reserve_segments": 0},
        {"max_frame_bytes": 16 * MIB},
        {"batch_max_frames": 1000},
        {"backup": "spans-2"},
    ],
    ids=[
        "unknown key",
        "no reserve",
        "frame larger than a segment",
        "more buffers than the system takes",
        "no whole path",
    ],
)
def test_unsound_values_are_refused(values: dict[str, object]) -> None:
    """Unknown keys and values that cannot work are refused at start."""
    with pytest.raises(ValidationError):
        SpansConfig.model_validate(values)
