"""Holds what was sent against an OpenAPI document, field by field: what is not described is not let through."""

import json
from collections.abc import Iterator, Mapping
from typing import Any

from jsonschema import Draft202012Validator

Document = Mapping[str, Any]


def closed(schema: Any) -> Any:
    """Return a schema in which every object with described fields has no others."""
    if isinstance(schema, list):
        return [closed(item) for item in schema]
    if not isinstance(schema, dict):
        return schema
    told = {name: closed(item) for name, item in schema.items()}
    return {"additionalProperties": False, **told} if isinstance(schema.get("properties"), dict) else told


def nodes(value: Any) -> Iterator[dict[str, Any]]:
    """Yield every object of a document."""
    if isinstance(value, dict):
        yield value
    for item in value.values() if isinstance(value, dict) else value if isinstance(value, list) else ():
        yield from nodes(item)


def mismatches(document: Document, schema: Mapping[str, Any], body: bytes) -> list[str]:
    """Name what a body has beside or against a schema of the document."""
    whole = {**schema, "components": {"schemas": closed(document["components"]["schemas"])}}
    errors = Draft202012Validator(whole).iter_errors(json.loads(body))
    return [f"{error.json_path}: {error.message[:200]}" for error in errors]


def undescribed(document: Document, method: str, path: str, status: int, media_type: str, body: bytes) -> list[str]:
    """Name what an answer has that its operation does not describe: status, media type, fields."""
    responses = document["paths"][path][method]["responses"]
    if str(status) not in responses:
        return [f"{method} {path}: {status} is not described"]
    content = responses[str(status)]["content"]
    if media_type not in content:
        return [f"{method} {path} {status}: {media_type} is not described"]
    if media_type == "text/event-stream":
        return _events(document, content[media_type]["x-weavergen-event-data"], body)
    schema = content[media_type]["schema"]
    return [] if schema.get("type") == "string" else mismatches(document, schema, body)


def _events(document: Document, schema: Mapping[str, Any], body: bytes) -> list[str]:
    *events, done, rest = body.split(b"\n\n")
    assert (done, rest) == (b"data: [DONE]", b"")
    return [found for event in events for found in mismatches(document, schema, event.removeprefix(b"data: "))]
