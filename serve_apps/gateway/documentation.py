"""OpenAPI of what the framework does not parse: the same models that do, published by hand."""

from collections.abc import Iterable
from typing import Any

from fastapi import FastAPI
from pydantic import BaseModel

from serve_apps.gateway.schemas import ChatCompletionBody

_ERRORS = {
    "400": "a field is invalid or not supported; `param` names it",
    "401": "no valid key",
    "403": "the key's role or policies do not allow it",
    "404": "no such model",
    "413": "the prompt is too large",
    "422": "the voters answered and none can be vouched for; votes included",
    "429": "too much is under way; see Retry-After",
    "503": "halted, every layer failed, or not ready",
    "504": "the deadline passed",
}


def publish_chat_completions(app: FastAPI) -> None:
    """Add the chat completions path to the application's OpenAPI document."""
    publish_bodies(app, [ChatCompletionBody])
    generated = app.openapi

    def openapi() -> dict[str, Any]:
        document = generated()
        document["paths"].setdefault("/v1/chat/completions", {"post": _operation()})
        return document

    app.openapi = openapi  # type: ignore[method-assign]


def publish_bodies(app: FastAPI, schemas: Iterable[type[BaseModel]]) -> None:
    """Add the schemas of bodies that routes read themselves, which ``body_of`` refers to."""
    generated, wanted = app.openapi, tuple(schemas)

    def openapi() -> dict[str, Any]:
        document = generated()
        components = document.setdefault("components", {}).setdefault("schemas", {})
        for model in wanted:
            schema = model.model_json_schema(ref_template="#/components/schemas/{model}")
            components.update(schema.pop("$defs", {}))
            components[model.__name__] = schema
        return document

    app.openapi = openapi  # type: ignore[method-assign]


def body_of(schema: type[BaseModel]) -> dict[str, Any]:
    """Return OpenAPI's description of a required JSON body."""
    reference = {"$ref": f"#/components/schemas/{schema.__name__}"}
    return {"required": True, "content": {"application/json": {"schema": reference}}}


def _operation() -> dict[str, Any]:
    answer = {
        "description": "An OpenAI chat completion with a `weavergen` object; server-sent events when `stream` is true.",
        "content": {"application/json": {"schema": {"type": "object"}}, "text/event-stream": {}},
    }
    return {
        "summary": "Answer by consensus, or by one named voter",
        "operationId": "chat_completions",
        "requestBody": body_of(ChatCompletionBody),
        "responses": {"200": answer} | {status: {"description": text} for status, text in _ERRORS.items()},
    }
