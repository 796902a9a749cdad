"""The OpenAPI document, built from the table of operations and from the types that are parsed and sent. Pure.

Every error has the one model, whatever its status, but where a protocol of others says what errors are; which codes hide behind
a status is in the response's description.
"""

from collections import defaultdict
from collections.abc import Iterable, Mapping
from functools import cache
from typing import Any

import msgspec
from pydantic import BaseModel

from serve_apps.gateway.answers import ErrorBody
from serve_apps.gateway.operations import OPERATIONS, Answer, Operation
from serve_apps.gateway.problems import STATUS

BEARER = "bearer"
_REFERENCE = "#/components/schemas/{name}"
_TEXT = {"schema": {"type": "string"}}
_ERROR_HEADERS = {
    401: ("WWW-Authenticate",),
    422: ("X-Weavergen-Decision",),
    429: ("Retry-After",),
    503: ("Retry-After", "x-should-retry", "X-Weavergen-Decision"),
    504: ("x-should-retry", "X-Weavergen-Decision"),
}
_HEADERS = {
    "WWW-Authenticate": "`Bearer`.",
    "Retry-After": "Seconds until asking again can make sense, where that is known.",
    "x-should-retry": "`false` where repeating the request makes it worse, `true` where it is to be repeated with the same "
    "`Idempotency-Key`; absent otherwise.",
    "X-Weavergen-Decision": "Id of the recorded decision, if there is one.",
    "X-Weavergen-Layer": "Name of the layer that decided.",
    "Idempotent-Replayed": "`true` with an answer that was kept under the request's `Idempotency-Key`; absent otherwise.",
    "X-Weavergen-Degraded": "`true` if the answer rests on less than agreement of a full panel.",
}


@cache
def openapi() -> dict[str, Any]:
    """Return the gateway's document."""
    return document(OPERATIONS)


def document(operations: Iterable[Operation]) -> dict[str, Any]:
    """Return the OpenAPI 3.1 document of the operations."""
    wanted = tuple(operations)
    types = [kind for each in wanted for answer in _all_answers(each) for kind in _types(answer)]
    described, components = msgspec.json.schema_components((ErrorBody, *types), ref_template=_REFERENCE)
    error, *bodies = described
    schema_of = dict(zip(map(str, types), bodies, strict=True))
    paths: dict[str, dict[str, Any]] = defaultdict(dict)
    for each in wanted:
        paths[each.path][each.method] = _operation(each, schema_of, error)
    return {
        "openapi": "3.1.0",
        "info": {"title": "WeaverGen", "version": "2.0.0"},
        "paths": dict(paths),
        "components": {
            "schemas": _joined(components, _requests(each.body for each in wanted)),
            "securitySchemes": {BEARER: {"type": "http", "scheme": "bearer"}},
        },
    }


def _operation(each: Operation, schema_of: Mapping[str, Any], error: Mapping[str, Any]) -> dict[str, Any]:
    told: dict[str, Any] = {
        "operationId": each.name,
        "summary": each.summary,
        "security": _security(each),
        "responses": _errors(each, error, schema_of)
        | {str(status): _answer(a, schema_of) for status, a in each.answers.items()},
    }
    if each.body is not None:
        content = {"application/json": {"schema": {"$ref": _REFERENCE.format(name=each.body.__name__)}}}
        told["requestBody"] = {"required": True, "content": content}
    if each.takes:
        taken = {kind: {"schema": {"description": text}} for kind, text in each.takes.items()}
        told["requestBody"] = {"required": True, "content": taken}
    if parameters := _parameters(each):
        told["parameters"] = parameters
    return told


def _parameters(each: Operation) -> list[dict[str, Any]]:
    places = (("path", True, each.parameters), ("header", False, each.request_headers))
    return [
        {"name": name, "in": place, "required": required, "description": text, **_TEXT}
        for place, required, named in places
        for name, text in named.items()
    ]


def _security(each: Operation) -> list[dict[str, list[str]]]:
    """Any one of the list is enough; the roles are OpenAPI 3.1's, which has them for every scheme."""
    if each.key_optional:
        return [{}, {BEARER: []}]
    return [{BEARER: [role]} for role in each.roles]


def _answer(answer: Answer, schema_of: Mapping[str, Any]) -> dict[str, Any]:
    schema = {"type": "string"} if answer.body is None else schema_of[str(answer.body)]
    content: dict[str, Any] = {answer.media_type: {"schema": schema}}
    if answer.events is not None:
        # OpenAPI 3.1 has no word for the type of each event.
        content["text/event-stream"] = _TEXT | {"x-weavergen-event-data": schema_of[str(answer.events)]}
    if answer.also:
        content[answer.also] = _TEXT
    return _response(answer.description, content, answer.headers)


def _errors(each: Operation, error: Mapping[str, Any], schema_of: Mapping[str, Any]) -> dict[str, Any]:
    codes: dict[int, list[str]] = defaultdict(list)
    for code in each.all_codes:
        codes[STATUS[code]].append(f"`{code}`")
    content: dict[str, Any] = {"application/json": {"schema": error}}
    if each.failure is not None:
        content = {"application/json": {"schema": schema_of[str(each.failure.body)]}, each.failure.also: _TEXT}
    return {
        str(status): _response(", ".join(names), content, _ERROR_HEADERS.get(status, ()))
        for status, names in sorted(codes.items())
    }


def _response(description: str, content: Mapping[str, Any], headers: Iterable[str]) -> dict[str, Any]:
    told: dict[str, Any] = {"description": description, "content": content}
    if named := {name: {"description": _HEADERS[name], **_TEXT} for name in headers}:
        told["headers"] = named
    return told


def _all_answers(each: Operation) -> list[Answer]:
    return [*each.answers.values(), *([] if each.failure is None else [each.failure])]


def _types(answer: Answer) -> list[object]:
    return [kind for kind in (answer.body, answer.events) if kind is not None]


def _requests(bodies: Iterable[type[BaseModel] | None]) -> dict[str, Any]:
    schemas: dict[str, Any] = {}
    for body in bodies:
        if body is not None:
            schema = body.model_json_schema(ref_template="#/components/schemas/{model}")
            schemas |= schema.pop("$defs", {}) | {body.__name__: schema}
    return schemas


def _joined(answers: Mapping[str, Any], requests: Mapping[str, Any]) -> dict[str, Any]:
    if both := answers.keys() & requests.keys():
        raise ValueError(f"requests and answers both name {sorted(both)}")
    return {**answers, **requests}
