"""OpenAPI of the hot path, which bypasses the framework: the same models that parse it, published by hand."""

from typing import Any

from fastapi import FastAPI

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
    generated = app.openapi

    def openapi() -> dict[str, Any]:
        document = generated()
        if "/v1/chat/completions" not in document["paths"]:
            schema = ChatCompletionBody.model_json_schema(ref_template="#/components/schemas/{model}")
            components = document.setdefault("components", {}).setdefault("schemas", {})
            components.update(schema.pop("$defs", {}))
            components["ChatCompletionBody"] = schema
            document["paths"]["/v1/chat/completions"] = {"post": _operation()}
        return document

    app.openapi = openapi  # type: ignore[method-assign]


def _operation() -> dict[str, Any]:
    body = {"application/json": {"schema": {"$ref": "#/components/schemas/ChatCompletionBody"}}}
    answer = {
        "description": "An OpenAI chat completion with a `weavergen` object; server-sent events when `stream` is true.",
        "content": {"application/json": {"schema": {"type": "object"}}, "text/event-stream": {}},
    }
    return {
        "summary": "Answer by consensus, or by one named voter",
        "operationId": "chat_completions",
        "requestBody": {"required": True, "content": body},
        "responses": {"200": answer} | {status: {"description": text} for status, text in _ERRORS.items()},
    }
