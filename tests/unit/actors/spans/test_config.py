"""Bounds of the configuration."""

import pytest
from pydantic import ValidationError

from actors.spans.config import MIB, SpansConfig
from actors.spans.place import Location


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


BUCKET = "s3://bucket-1/weavergen/home-1"


@pytest.mark.parametrize(
    ("values", "why"),
    [
        ({"storage": "s3://bucket"}, "storage"),
        ({"storage": "s3://bucket/a/../b"}, "storage"),
        ({"storage": f"{BUCKET}/"}, "storage"),
        ({"storage": "/mnt/spans"}, "storage"),
        ({"storage_endpoint": "http://127.0.0.1:9000"}, "without spans.storage"),
        ({"storage": BUCKET, "storage_endpoint": "http://key:secret@store"}, "storage_endpoint"),
        ({"storage": BUCKET, "storage_endpoint": "http://store/"}, "storage_endpoint"),
        ({"storage": BUCKET, "storage_timeout_s": 0}, "storage_timeout_s"),
        ({"storage": BUCKET, "storage_secret": "x"}, "storage_secret"),
        ({"backup": BUCKET}, "only spans.storage can be a bucket"),
    ],
)
def test_a_place_that_cannot_be_is_refused(values: dict[str, object], why: str) -> None:
    """No bucket without a prefix, no endpoint for nothing, no secret, and no bucket as the backup."""
    with pytest.raises(ValidationError, match=why):
        SpansConfig.model_validate(values)


def test_a_location_is_what_was_configured() -> None:
    """Nothing means the home's own directory."""
    assert SpansConfig().location.url == ""
    given = {
        "storage": BUCKET,
        "storage_endpoint": "https://store:9000",
        "storage_timeout_s": 2.0,
        "storage_retries": 0,
    }
    assert SpansConfig.model_validate(given).location == Location(BUCKET, "https://store:9000", 2.0, 0)
