"""The OpenAPI document: whole in itself, and true of what is built."""

import json
from dataclasses import asdict
from typing import Any

import msgspec
import pytest
from jsonschema import Draft202012Validator
from pydantic import BaseModel

from actors.base import errors
from actors.base.canonical import canonical_json
from actors.base.errors import WeaverGenError
from actors.base.signing import SigningKey
from actors.consensus.actor import Decision
from actors.consensus.ports import Committed
from actors.consensus.vocabulary import Answered, Failed
from actors.policy.snapshot import Calibration
from actors.spans.otlp.exchange import Encoding, failure
from actors.spans.otlp.exchange import response as spans_answer
from actors.spans.record import Envelope
from serve_apps.gateway.documentation import document, openapi
from serve_apps.gateway.operations import OPERATIONS, Answer, Operation
from serve_apps.gateway.problems import STATUS, problem
from serve_apps.gateway.readiness import Readiness
from serve_apps.gateway.responses import completion, event_stream, policy_shown
from tests.documented import mismatches, nodes, undescribed
from tests.unit.actors.consensus.test_records import FACTS, finished, record
from tests.unit.actors.consensus.test_telemetry import TRACE
from tests.unit.actors.consensus.world import candidate, snapshot

CHAT = "/v1/chat/completions"
PUBLIC = {"/healthz", "/readyz"}
ERROR = {"$ref": "#/components/schemas/ErrorBody"}


def operations() -> list[tuple[str, dict[str, Any]]]:
    """Return path and operation of everything that is described."""
    return [(path, told) for path, methods in openapi()["paths"].items() for told in methods.values()]


def decided() -> Decision:
    """Return a decision with a vote of every form."""
    state = finished(
        Answered(0, candidate("Paris"), 4), Failed(1, "failed", "no", 6), Answered(2, candidate("paris"), 4)
    )
    signature = SigningKey.from_seed(b"\x01" * 32).sign("t", b"p")
    return Decision(
        candidate("Paris"),
        Committed(record(state), Envelope("", signature, [], None), b""),
        state,
        3,
        2,
        "local",
        FACTS,
        TRACE,
    )


def test_every_reference_leads_to_a_schema_and_every_schema_is_one() -> None:
    """No dangling ``$ref``, and JSON Schema 2020-12 throughout, which OpenAPI 3.1 speaks."""
    told = openapi()
    assert told["openapi"].startswith("3.1.")
    for node in nodes(told):
        if "$ref" in node:
            assert node["$ref"].removeprefix("#/components/schemas/") in told["components"]["schemas"]
    for schema in told["components"]["schemas"].values():
        Draft202012Validator.check_schema(schema)


def test_every_operation_has_a_name_of_its_own_and_its_parameters() -> None:
    """Generated clients name methods after operations, and fill paths from parameters."""
    names = [told["operationId"] for _, told in operations()]
    assert len(names) == len(set(names))
    for path, told in operations():
        named = {parameter["name"] for parameter in told.get("parameters", ()) if parameter["in"] == "path"}
        assert named == {part[1:-1] for part in path.split("/") if part.startswith("{")}
        assert all(parameter["required"] == (parameter["in"] == "path") for parameter in told.get("parameters", ()))
        assert all(parameter["schema"] and parameter["description"] for parameter in told.get("parameters", ()))


def test_a_key_is_needed_everywhere_but_for_health_and_readiness() -> None:
    """The bearer scheme is required by every operation, but the two that strangers may ask."""
    told = openapi()
    assert told["components"]["securitySchemes"] == {"bearer": {"type": "http", "scheme": "bearer"}}
    for path, operation in operations():
        needed = bool(operation["security"]) and all("bearer" in one for one in operation["security"])
        assert needed == (path not in PUBLIC), path


def test_every_operation_describes_its_success() -> None:
    """A 2xx with a schema that says something; only the document itself is any object."""
    for path, told in operations():
        for status, response in told["responses"].items():
            assert response["description"]
            for content in response["content"].values():
                schema = content["schema"]
                described = "$ref" in schema or schema["type"] == "string" or "$ref" in schema.get("items", {})
                assert described or path == "/openapi.json", (path, status)
        assert "200" in told["responses"]


def test_every_error_has_the_one_model() -> None:
    """But for ``/readyz``, whose 503 is an answer, and where a protocol of others says what an error is."""
    for path, told in operations():
        for status, response in told["responses"].items():
            if path == "/v1/traces" and int(status) >= 400:
                assert response["content"]["application/json"] == {"schema": {"$ref": "#/components/schemas/RpcStatus"}}
                assert set(response["content"]) == {"application/json", "application/x-protobuf"}
            elif int(status) >= 400 and (path, status) != ("/readyz", "503"):
                assert response["content"] == {"application/json": {"schema": ERROR}}, (path, status)


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        (CHAT, {200, 400, 401, 403, 404, 413, 422, 429, 500, 503, 504}),
        ("/v1/models", {200, 400, 401, 403, 500, 503}),
        ("/v1/decisions/{decision_id}", {200, 400, 401, 403, 404, 429, 500, 503}),
        ("/v1/feedback", {200, 400, 401, 403, 404, 413, 429, 500, 503}),
        ("/v1/traces", {200, 400, 401, 403, 413, 415, 429, 500, 503}),
        ("/ops/status", {200, 400, 401, 403, 500, 503}),
        ("/ops/halt", {200, 400, 401, 403, 409, 413, 500, 503}),
        ("/ops/isolate", {200, 400, 401, 403, 404, 409, 413, 500, 503}),
        ("/healthz", {200, 400, 500}),
        ("/openapi.json", {200, 400, 401, 500, 503}),
    ],
)
def test_the_statuses_that_can_happen_are_listed_and_no_others(path: str, expected: set[int]) -> None:
    """422 is the voters', not a parser's."""
    (told,) = openapi()["paths"][path].values()
    assert set(map(int, told["responses"])) == expected


def test_every_code_is_some_operations() -> None:
    """The codes that errors may carry are those that operations list."""
    assert {code for operation in OPERATIONS for code in operation.all_codes} == set(STATUS)


@pytest.mark.parametrize("explain", [False, True])
def test_a_completion_is_as_described(explain: bool) -> None:
    """Every field of a completion and of every vote in it, and no field that is not described."""
    body = completion(decided(), "consensus", explain=explain)
    assert undescribed(openapi(), "post", CHAT, 200, "application/json", body) == []


def test_what_senders_of_spans_are_told_is_as_described() -> None:
    """All taken, some rejected, and each error, in both encodings."""
    for kind in Encoding:
        for rejected, why in ((0, ""), (2, "no")):
            body = spans_answer(rejected, why, kind)
            assert undescribed(openapi(), "post", "/v1/traces", 200, kind.value, body) == []
        for status in (400, 401, 403, 413, 415, 429, 500, 503):
            body = failure(status, "why", kind)
            assert undescribed(openapi(), "post", "/v1/traces", status, kind.value, body) == []


@pytest.mark.parametrize("include_usage", [False, True])
def test_a_streams_events_are_as_described(include_usage: bool) -> None:
    """Every event's data is a described chunk."""
    body = event_stream(decided(), "consensus", explain=True, include_usage=include_usage)
    assert undescribed(openapi(), "post", CHAT, 200, "text/event-stream", body) == []


@pytest.mark.parametrize(
    "error",
    [
        errors.NoConsensus("x", details=decided().summary(explain=True)),
        errors.GenerationHalted("x", details={"decision_id": "01", "result": "withheld"}),
        errors.DeadlineExceeded("x", details={"decision_id": "01"}),
        errors.InvalidRequest("x", "field"),
        errors.IntegrityError("x", "step", {"version": 1}),
    ],
)
def test_an_error_is_as_described(error: WeaverGenError) -> None:
    """With a decision behind it, with a part of one, and without."""
    assert mismatches(openapi(), ERROR, problem(error).body) == []


def test_policy_and_readiness_are_as_described() -> None:
    """What is sent of the values that routes put together."""
    stated = {"strict": Calibration("0.050000", "measured")}
    policies = [policy_shown(snapshot(["a"], calibration=calibration)) for calibration in ({}, stated)]
    assert [shown["calibration"] for shown in policies] == [{}, {"strict": {"error": "0.050000", "source": "measured"}}]
    shapes = [
        *(("/ops/policy", shown) for shown in policies),
        ("/readyz", asdict(Readiness(False, ["x"], ["y"], True))),
    ]
    for path, value in shapes:
        assert undescribed(openapi(), "get", path, 200, "application/json", msgspec.json.encode(value)) == []


def test_an_envelope_is_as_described() -> None:
    """The record's envelope, byte for byte as it is sent."""
    body = canonical_json(decided().committed.envelope)
    assert undescribed(openapi(), "get", "/v1/decisions/{decision_id}", 200, "application/json", body) == []


def test_a_field_that_is_not_described_is_noticed() -> None:
    """The comparison proves itself: one more field, one less, another status, another media type."""
    body = json.loads(completion(decided(), "consensus", explain=False))
    body["weavergen"]["votes"][0]["mood"] = "good"
    del body["weavergen"]["agreement"]["quorum"]
    found = undescribed(openapi(), "post", CHAT, 200, "application/json", json.dumps(body).encode())
    assert len(found) == 2
    assert undescribed(openapi(), "post", CHAT, 418, "application/json", b"{}") != []
    assert undescribed(openapi(), "post", CHAT, 400, "text/plain", b"{}") != []


def test_request_bodies_are_the_parsers_own_models() -> None:
    """With the meaning of each field, where the model tells it."""
    schemas = openapi()["components"]["schemas"]
    named = {
        CHAT: "ChatCompletionBody", "/v1/feedback": "FeedbackBody", "/ops/halt": "HaltBody", "/ops/readmit": "ReadmitBody",
    }  # fmt: skip
    for path, name in named.items():
        body = openapi()["paths"][path]["post"]["requestBody"]
        assert body == {
            "required": True, "content": {"application/json": {"schema": {"$ref": f"#/components/schemas/{name}"}}},
        }  # fmt: skip
        assert schemas[name]["additionalProperties"] is False
    assert "never the text" in schemas["FeedbackBody"]["properties"]["note"]["description"]
    assert "signed by an operator" in schemas["ResumeBody"]["properties"]["transition"]["description"]


def test_two_schemas_of_one_name_are_refused() -> None:
    """One would hide the other."""

    class Status(BaseModel):
        pass

    status = next(operation for operation in OPERATIONS if operation.name == "status")
    twice = Operation("post", "/x", "x", "x", {200: Answer("x", None)}, (), body=Status)
    with pytest.raises(ValueError, match="Status"):
        document([status, twice])
