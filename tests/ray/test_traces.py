"""Spans of other services into a running system and out of its table again: OpenTelemetry's own exporter, and plain HTTP."""

import gzip
import json
import time
from collections.abc import Iterator
from typing import Any

import httpx
import msgspec
import pytest
from opentelemetry.exporter.otlp.proto.common.trace_encoder import encode_spans
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import (
    ExportTraceServiceRequest,
    ExportTraceServiceResponse,
)
from opentelemetry.proto.trace.v1.trace_pb2 import ResourceSpans
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor, SpanExportResult
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.trace import Link, SpanKind, Status, StatusCode

from actors.spans.adapters.table import SpanTable
from actors.spans.columns import pinned_schema, rows_of
from actors.spans.otlp.export import joined, messages
from actors.spans.otlp.json_form import read_json, to_json
from tests.ray.waiting import until
from tests.ray.world import AGREED, System
from tests.unit.actors.spans.otlp.sent import pair, request, sent

pytestmark = [pytest.mark.ray, pytest.mark.timeout(300)]
PROTOBUF, JSON = "application/x-protobuf", "application/json"


@pytest.fixture(scope="module")
def key(system: System) -> dict[str, str]:
    """Make a writer's key with the command line; return it with its id."""
    made = system.weavergen("keys", "create", "--role", "writer", "--tenant", "shop", "--json")
    assert made.returncode == 0, made.stderr
    told: dict[str, str] = json.loads(made.stdout)
    with httpx.Client(base_url=system.base_url) as http:
        until(lambda: post(http, told["key"], b"").status_code != 401, 10)
    return told


@pytest.fixture
def http(system: System) -> Iterator[httpx.Client]:
    """Open a plain client."""
    with httpx.Client(base_url=system.base_url, timeout=60) as opened:
        yield opened


def post(http: httpx.Client, key: str, body: bytes, content_type: str = PROTOBUF, **headers: str) -> httpx.Response:
    """Send spans."""
    told = {"Authorization": f"Bearer {key}", "Content-Type": content_type, **headers}
    return http.post("/v1/traces", content=body, headers=told)


def of_now(service: str, count: int = 1, **fields: Any) -> ExportTraceServiceRequest:
    """Return a request of spans that began a second ago."""
    began = time.time_ns() - 10**9
    made = {"start_time_unix_nano": began, "end_time_unix_nano": began + 10**6}
    return request(*(sent(number=n + 1, **(made | fields)) for n in range(count)), service=service)


def from_table(system: System, service: str, count: int) -> list[ResourceSpans]:
    """Wait for a service's spans in the table; return them as messages, in the order that they were written."""
    table = SpanTable(system.home / "spans", 100)

    def found() -> list[Any]:
        parts = [table.read_file(path, pinned_schema().names) for path in table.current_files()]
        rows = [row for part in parts for row in rows_of(part) if row.spans[0].sender]
        rows = [row for row in rows if service.encode() in row.spans[0].otlp]
        return sorted(rows, key=lambda row: (row.writer_id, row.first_seq))

    until(lambda: len(found()) >= count, 60)
    rows = found()
    assert len(rows) == count
    assert all(row.log_index is not None for row in rows)
    return joined(list(messages(rows)))


def spans_of_the_sdk() -> list[ReadableSpan]:
    """Make spans with OpenTelemetry's SDK: a parent, a child with an exception and a link, attributes of every type."""
    memory = InMemorySpanExporter()
    provider = TracerProvider(resource=Resource.create({"service.name": "sdk-service", "replicas": 3}))
    provider.add_span_processor(SimpleSpanProcessor(memory))
    tracer = provider.get_tracer("lib", "1.2", schema_url="https://opentelemetry.io/schemas/1.42.0")
    with tracer.start_as_current_span("GET /cart", kind=SpanKind.SERVER) as parent:
        parent.set_attributes({"a": "x", "b": True, "c": -5, "d": 0.25, "e": ["x", "y"], "f": [1, 2], "g": "é\n"})
        link = Link(parent.get_span_context(), {"why": "test"})
        with tracer.start_as_current_span("SELECT", kind=SpanKind.CLIENT, links=[link]) as child:
            child.add_event("cache.miss", {"key": "k"})
            child.record_exception(ValueError("no"))
            child.set_status(Status(StatusCode.ERROR, "it failed"))
    return list(memory.get_finished_spans())


def test_what_opentelemetry_s_exporter_sends_comes_out_of_the_table_as_it_was(
    system: System, key: dict[str, str]
) -> None:
    """The SDK's own OTLP exporter with gzip, unmodified: resource, scope, events, links, status and types are the same."""
    spans = spans_of_the_sdk()
    from opentelemetry.exporter.otlp.proto.http import Compression

    exporter = OTLPSpanExporter(
        endpoint=f"{system.base_url}/v1/traces", headers={"Authorization": f"Bearer {key['key']}"},
        compression=Compression.Gzip,
    )  # fmt: skip
    assert exporter.export(spans) is SpanExportResult.SUCCESS
    exporter.shutdown()
    assert from_table(system, "sdk-service", len(spans)) == list(encode_spans(spans).resource_spans)


def test_protobuf_and_json_are_answered_in_kind_and_say_what_was_rejected(
    system: System, http: httpx.Client, key: dict[str, str]
) -> None:
    """Gzip and plain; a span with a name of ours is counted out, the others are in the table under key and tenant, sealed."""
    forged = of_now("kinds", attributes=[pair("weavergen.decision_id", "01JD0000000000000000000000")])
    wanted = of_now("kinds", 3)
    both = ExportTraceServiceRequest(resource_spans=[*wanted.resource_spans, *forged.resource_spans])
    told = post(http, key["key"], gzip.compress(both.SerializeToString()), **{"Content-Encoding": "gzip"})
    partial = ExportTraceServiceResponse.FromString(told.content).partial_success
    assert (told.status_code, told.headers["content-type"], partial.rejected_spans) == (200, PROTOBUF, 1)
    assert "weavergen.decision_id" in partial.error_message
    as_json = post(http, key["key"], msgspec.json.encode(to_json(both)), JSON)
    assert (as_json.status_code, as_json.headers["content-type"].partition(";")[0]) == (200, JSON)
    assert as_json.json()["partialSuccess"]["rejectedSpans"] == "1"
    (group,) = from_table(system, "kinds", 6)
    assert list(group.scope_spans[0].spans) == list(wanted.resource_spans[0].scope_spans[0].spans) * 2
    with httpx.Client(base_url=system.base_url, headers={"Authorization": f"Bearer {system.operator_key}"}) as operator:
        traces = operator.get("/ops/status").json()["traces"]
        assert traces["received"] == traces["accepted"] + traces["rejected"] + traces["refused"]
        assert (traces["rejected"] >= 2, traces["accepted"] >= 6) == (True, True)
        until(lambda: "weavergen_otlp_spans_accepted{" in operator.get("/metrics").text, 60)
    table = SpanTable(system.home / "spans", 100)
    rows = [row for row in table.read(["sender", "tenant", "writer_id", "decision_id"]).to_pylist() if row["sender"]]
    assert {row["sender"] for row in rows} == {key["id"]}
    assert len({row["tenant"] for row in rows}) == 1
    assert {(row["writer_id"], row["decision_id"]) for row in rows} == {(traces["writer"], None)}
    assert system.weavergen("log", "verify").returncode == 0


def test_what_is_wrong_is_told_as_the_protocol_tells_it(
    http: httpx.Client, key: dict[str, str], system: System
) -> None:
    """Through HAProxy: bad data, other roles, other types, too large a body; an empty request is fine."""
    assert post(http, key["key"], b"\xff").status_code == 400
    assert post(http, key["key"], b"{", JSON).json()["code"] == 3
    assert post(http, system.client_key, b"").status_code == 403
    assert post(http, "wg_made_up", b"{}", JSON).json()["code"] == 16
    assert post(http, key["key"], b"", "text/plain").status_code == 415
    assert post(http, key["key"], bytes(5 * 1024 * 1024)).status_code == 413
    bomb = gzip.compress(bytes(32 * 1024 * 1024))
    assert post(http, key["key"], bomb, **{"Content-Encoding": "gzip"}).status_code == 413
    empty = post(http, key["key"], b"")
    assert (empty.status_code, empty.content) == (200, b"")


def test_the_command_line_gives_spans_of_both_kinds_as_otlp(
    system: System, http: httpx.Client, key: dict[str, str]
) -> None:
    """``spans export`` writes what others' tools read: the sender's span as it was, and a decision's with its id."""
    wanted = of_now("exported")
    assert post(http, key["key"], wanted.SerializeToString()).status_code == 200
    from_table(system, "exported", 1)
    body = {"model": "consensus", "messages": [{"role": "user", "content": AGREED}]}
    client = {"Authorization": f"Bearer {system.client_key}"}
    decision = http.post("/v1/chat/completions", json=body, headers=client).json()["weavergen"]["decision_id"]
    table = SpanTable(system.home / "spans", 100)
    until(lambda: table.find(decision) is not None, 60)

    def exported(origin: str) -> list[ResourceSpans]:
        done = system.weavergen("spans", "export", "--since", "1h", "--origin", origin)
        assert done.returncode == 0, done.stderr
        return [part for line in done.stdout.splitlines() for part in read_json(line.encode()).resource_spans]

    assert any(part == wanted.resource_spans[0] for part in exported("external"))
    own = str([list(scope.spans) for part in exported("own") for scope in part.scope_spans])
    assert decision in own
    assert "exported" not in own
