"""What a span must be for a table to take it."""

import pytest

from actors.spans.span import check_span
from tests.unit.actors.spans.telemetry import span


@pytest.mark.parametrize(
    "changes",
    [
        {"trace_id": b"short"}, {"span_id": b""}, {"parent_span_id": b"p"}, {"start_unix_nano": -1},
        {"end_unix_nano": 2**63}, {"latency_ms": -2}, {"agreement": -0.5}, {"agreement": float("nan")},
    ],
)  # fmt: skip
def test_ids_and_numbers_outside_the_table_s_types_are_refused(changes: dict[str, object]) -> None:
    """By the name of the span; what is at the bounds passes."""
    with pytest.raises(ValueError, match="invoke_workflow"):
        check_span(span(1, **changes))
    at_bounds = span(
        1, start_unix_nano=0, end_unix_nano=2**63 - 1, latency_ms=-1, agreement=0.0, parent_span_id=b"p" * 8
    )
    assert check_span(at_bounds) is None  # type: ignore[func-returns-value]
