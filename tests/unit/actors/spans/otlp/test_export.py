"""Rows as OTLP."""

import msgspec

from actors.spans.columns import Rows
from actors.spans.otlp.export import joined, json_line, messages
from actors.spans.otlp.json_form import read_json
from actors.spans.otlp.mapping import frame_of, row_of
from actors.spans.span import Span
from tests.unit.actors.spans.otlp.sent import request, sent
from tests.unit.actors.spans.telemetry import decision, span, writer_id

W = writer_id(1)


def external(number: int, service: str = "shop") -> Span:
    """Return another service's row."""
    message = request(sent(number=number), service=service).resource_spans[0]
    scope = message.scope_spans[0]
    return row_of(frame_of(message, scope), scope.spans[0], "key-1", "t-1")


def test_rows_of_one_resource_and_scope_come_out_under_it_together() -> None:
    """As they were sent: three requests' worth of rows are three groups, and the spans are the very same."""
    rows = [Rows(W, 1, 2, [external(1), external(2), external(3, "other"), external(4)])]
    groups = joined(list(messages(rows)))
    assert groups == [
        *request(sent(number=1), sent(number=2)).resource_spans,
        *request(sent(number=3), service="other").resource_spans,
        *request(sent(number=4)).resource_spans,
    ]
    assert list(read_json(json_line(rows)).resource_spans) == groups


def test_scopes_of_one_resource_share_it() -> None:
    """A scope that changes begins a new one under the same resource."""
    message = request(sent(number=1)).resource_spans[0]
    message.scope_spans.add(spans=[sent(number=2)], schema_url="s").scope.name = "lib2"
    rows = [row_of(frame_of(message, scope), scope.spans[0], "k", "t") for scope in message.scope_spans]
    assert joined(list(messages([Rows(W, 1, 2, rows)]))) == [message]


def test_a_row_of_our_own_says_that_it_is_ours() -> None:
    """Service, writer, number and every column under ``weavergen.*``; what does not apply is left out, and so is the envelope."""
    own = span(7, b"envelope", voter="v", latency_ms=12, agreement=0.75, status="error")
    (told,) = msgspec.json.decode(json_line([Rows(W, 7, 1, [own], 3)]))["resourceSpans"]
    (scope,) = told["scopeSpans"]
    (shown,) = scope["spans"]
    resource = {item["key"]: item["value"] for item in told["resource"]["attributes"]}
    attributes = {item["key"]: item["value"] for item in shown["attributes"]}
    assert resource["service.name"] == {"stringValue": "weavergen"}
    assert resource["service.instance.id"] == {"stringValue": W}
    assert (shown["kind"], shown["status"], shown["name"]) == (2, {"code": 2}, "invoke_workflow")
    assert attributes == {
        "gen_ai.request.model": {"stringValue": "consensus"}, "seq": {"stringValue": "7"},
        "weavergen.decision_id": {"stringValue": decision(7)}, "weavergen.tenant": {"stringValue": "t-1"},
        "weavergen.voter": {"stringValue": "v"}, "weavergen.writer_seq": {"intValue": "7"},
        "weavergen.log_index": {"intValue": "3"}, "weavergen.latency_ms": {"intValue": "12"},
        "weavergen.agreement": {"doubleValue": 0.75},
    }  # fmt: skip
    assert "log_index" not in str(list(messages([Rows(W, 1, 1, [span(1)])])))
