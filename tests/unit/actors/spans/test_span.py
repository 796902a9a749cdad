"""What a span must be for a table to take it."""

from typing import Any

import msgspec
import pytest

from actors.spans.otlp.mapping import frame_of, row_of
from actors.spans.span import EXTERNAL_SINCE, check_span, check_version
from tests.unit.actors.spans.otlp.sent import request, sent
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


@pytest.mark.parametrize(
    "changes",
    [
        {"sender": ""}, {"otlp": b""}, {"otlp": b"\xff"}, {"decision_id": "d"}, {"record": b"r"}, {"voter": "v"},
        {"family": "f"}, {"layer": "l"}, {"outcome": "agreed"}, {"latency_ms": 0}, {"agreement": 0.0}, {"answer_kind": "code"},
        {"attributes": {"a": "b"}},
    ],
)  # fmt: skip
def test_another_service_s_span_cannot_say_what_only_ours_do(changes: dict[str, Any]) -> None:
    """No decision, no vote, no record; a sender and its message come together."""
    message = request(sent()).resource_spans[0]
    row = row_of(frame_of(message, message.scope_spans[0]), message.scope_spans[0].spans[0], "key-1", "t-1")
    check_span(row)
    with pytest.raises(ValueError, match="span"):
        check_span(msgspec.structs.replace(row, **changes))


def test_a_row_of_version_1_is_one_of_ours() -> None:
    """Its digest would not cover who sent it."""
    own = span(1)
    check_version([own], 1)
    sent_by = msgspec.structs.replace(own, sender="key-1")
    check_version([sent_by], EXTERNAL_SINCE)
    with pytest.raises(ValueError, match="version 1"):
        check_version([own, sent_by], 1)
