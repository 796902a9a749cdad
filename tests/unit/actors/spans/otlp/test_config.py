"""Bounds that have to fit one another."""

import pytest
from pydantic import ValidationError

from actors.spans.config import SpansConfig
from actors.spans.otlp.config import KIB, MIB, OtlpConfig


def test_what_cannot_work_is_refused() -> None:
    """A queue that one request fills, a span that no request could hold, an unknown key."""
    with pytest.raises(ValidationError, match="queue_max_bytes"):
        OtlpConfig(queue_max_bytes=8 * MIB)
    with pytest.raises(ValidationError, match="max_span_bytes"):
        OtlpConfig(max_rows_bytes=32 * KIB)
    with pytest.raises(ValidationError, match="rate"):
        OtlpConfig.model_validate({"rate": 5})


def test_a_frame_of_the_log_holds_the_largest_row_by_default() -> None:
    """With the span's own fields."""
    assert OtlpConfig().max_row_bytes < SpansConfig().max_frame_bytes
