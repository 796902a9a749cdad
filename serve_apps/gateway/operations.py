"""Every operation the gateway has: who may call it, what it takes, what it answers, and how it may fail. Pure."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any, Literal

from pydantic import BaseModel

from actors.spans.record import Envelope
from actors.store.adapters.incidents import Incident
from serve_apps.gateway.answers import (
    Alive,
    ChatCompletion,
    ChatCompletionChunk,
    FeedbackTaken,
    Model,
    ModelList,
    PolicyInForce,
    Predictions,
    Quarantine,
    SeatedVoter,
    Status,
)
from serve_apps.gateway.guards import BreakerShown
from serve_apps.gateway.layers import LayerStanding
from serve_apps.gateway.readiness import Readiness
from serve_apps.gateway.schemas import TRANSITIONS, BreakerBody, ChatCompletionBody, FeedbackBody

ANY_KEY = ("client", "operator", "auditor", "writer")
READERS = ("operator", "auditor")
DECISION_HEADERS = ("X-Weavergen-Decision", "X-Weavergen-Layer", "X-Weavergen-Degraded")
ONE_ANSWER = (
    "One answer for one key of the API key's, for a day: the same request sent again waits for the first and gets its answer; "
    "errors are not kept. 1 to 255 printable ASCII characters."
)


@dataclass(frozen=True, slots=True)
class Answer:
    """One documented answer."""

    description: str
    body: object
    """Type of a JSON body; without one it is text."""
    media_type: str = "application/json"
    events: object = None
    """Type of each server-sent event's data, where the same answer may be streamed."""
    headers: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Operation:
    """One method of one path."""

    method: Literal["get", "post"]
    path: str
    name: str
    summary: str
    answers: Mapping[int, Answer]
    """Status → answer, of the statuses that are no error."""
    roles: tuple[str, ...]
    """Whose keys may; empty: nobody needs one."""
    key_optional: bool = False
    """A key is not needed, and shows more."""
    codes: tuple[str, ...] = ()
    """Error codes beside those that every operation with its roles has."""
    body: type[BaseModel] | None = None
    parameters: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}))
    """Name of a path parameter → what it is."""
    request_headers: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}))
    """Name of an optional header → what it asks for."""

    @property
    def all_codes(self) -> tuple[str, ...]:
        """Return every error code this operation may answer with."""
        codes = ("invalid_request", *self.codes, "internal_error")
        if self.roles:
            codes += ("invalid_key", "not_ready")
        return codes if set(self.roles) in (set(), set(ANY_KEY)) else (*codes, "role_required")


def _ok(body: object, description: str, media_type: str = "application/json") -> dict[int, Answer]:
    return {200: Answer(description, body, media_type)}


def _transition(verb: str, *codes: str) -> Operation:
    return Operation(
        "post", f"/ops/{verb}", verb, f"Apply the transition `{verb}`", _ok(PolicyInForce, "The policy then in force."),
        ("operator",), body=TRANSITIONS[verb],
        codes=("unsupported_parameter", "prompt_too_large", "version_conflict", *codes),
    )  # fmt: skip


_CHAT = Operation(
    "post", "/v1/chat/completions", "chat_completions", "Answer by consensus, or by one named voter",
    {200: Answer(
        "The decision's answer. With `stream: true` server-sent events, begun after the decision; the last is `[DONE]`.",
        ChatCompletion, events=ChatCompletionChunk, headers=(*DECISION_HEADERS, "Idempotent-Replayed"),
    )},
    ("client",), body=ChatCompletionBody, request_headers={"Idempotency-Key": ONE_ANSWER},
    codes=(
        "unsupported_parameter", "policy_not_allowed", "model_not_found", "prompt_too_large", "no_consensus",
        "screened_out", "rate_limited", "overloaded", "generation_halted", "all_layers_failed", "voter_unavailable",
        "deadline_exceeded", "idempotency_mismatch",
    ),
)  # fmt: skip
_READY = Answer("Body only with a key: why, and what is degraded.", Readiness)

OPERATIONS: tuple[Operation, ...] = (
    _CHAT,
    Operation(
        "get", "/v1/models", "models", "List `consensus` and every voter", _ok(ModelList, "The models."), ("client",),
    ),
    Operation(
        "get", "/v1/models/{model}", "model", "Describe one model", _ok(Model, "The model."), ("client",),
        codes=("model_not_found",), parameters={"model": "`consensus` or a voter's id"},
    ),
    Operation(
        "get", "/v1/decisions/{decision_id}", "decision", "Return the signed record of a decision",
        _ok(Envelope, "The envelope; `weavergen verify` takes exactly these bytes."), ("client", "auditor", "operator"),
        codes=("not_found", "overloaded"),
        parameters={"decision_id": "ULID of a decision: one's own tenant's, or any for an auditor"},
    ),
    Operation(
        "post", "/v1/feedback", "feedback", "Tell what became of an answer",
        _ok(FeedbackTaken, "It is durable. Taken while generation is halted, too."), ("client",), body=FeedbackBody,
        codes=("unsupported_parameter", "prompt_too_large", "not_found", "overloaded"),
    ),
    Operation(
        "get", "/v1/log/checkpoint", "log_checkpoint", "The transparency log's newest checkpoint",
        _ok(None, "A signed note (c2sp.org/tlog-checkpoint).", "text/plain"), ANY_KEY, codes=("not_found", "overloaded"),
    ),
    Operation(
        "get", "/v1/log/tile/{path}", "log_tile", "A tile of the log's hashes, or a bundle of its leaves",
        _ok(None, "Bytes that never change (c2sp.org/tlog-tiles).", "application/octet-stream"), ANY_KEY,
        codes=("not_found", "overloaded"),
        parameters={"path": "`<L>/<N>` or `entries/<N>`, with `.p/<W>` where partial, as C2SP writes them"},
    ),
    Operation(
        "get", "/v1/log/key", "log_key", "The keys that the log's checkpoints are signed with",
        _ok(None, "Verifier keys of signed notes, one a line: without a time, and with one.", "text/plain"), ANY_KEY,
    ),
    Operation("get", "/healthz", "healthz", "Tell that the process is alive", _ok(Alive, "It is."), ()),
    Operation(
        "get", "/readyz", "readyz", "Tell whether this replica can answer", {200: _READY, 503: _READY}, (), key_optional=True,
    ),
    Operation(
        "get", "/metrics", "metrics", "The union of all processes' metrics",
        _ok(None, "Prometheus text.", "text/plain"), ("operator",),
    ),
    Operation(
        "get", "/ops/status", "status", "Versions, layers, voters, the log, readiness",
        _ok(Status, "The state of the replica that answers."), READERS,
    ),
    Operation(
        "get", "/ops/layers", "layers", "How every layer stands: rule, independence, members, whether enough of them vote",
        _ok(list[LayerStanding], "The layers, in the order they are asked."), READERS,
    ),
    Operation(
        "get", "/ops/breakers", "breakers", "Every voter's circuit breaker",
        _ok(list[BreakerShown], "The breakers of the replica that answers."), READERS,
    ),
    Operation(
        "post", "/ops/breakers", "force_breaker", "Force a voter's circuit breaker in every replica, or let it go",
        _ok(list[BreakerShown], "The breakers as they then are; the other replicas follow within seconds."), ("operator",),
        body=BreakerBody, codes=("unsupported_parameter", "prompt_too_large", "model_not_found"),
    ),
    Operation(
        "get", "/ops/voters", "voters", "Voters with family, lineage, layers and state",
        _ok(list[SeatedVoter], "The voters."), READERS,
    ),
    Operation("get", "/ops/policy", "policy", "The policy snapshot in force", _ok(PolicyInForce, "The policy."), READERS),
    Operation(
        "get", "/ops/incidents", "incidents", "Newest incidents first", _ok(list[Incident], "The incidents."), READERS,
        codes=("overloaded",),
    ),
    Operation(
        "get", "/ops/quarantine", "quarantine", "Spans that were set aside or quarantined in the table, newest first",
        _ok(Quarantine, "The entries."), READERS, codes=("overloaded",),
    ),
    Operation(
        "get", "/ops/predictions", "predictions", "Health score, checks and forecasts of the newest tick",
        _ok(Predictions, "What the health actor saw last."), READERS, codes=("overloaded",),
    ),
    _transition("halt"),
    _transition("resume", "operator_signature_required"),
    _transition("isolate", "model_not_found"),
    _transition("readmit", "operator_signature_required"),
    Operation("get", "/openapi.json", "openapi", "This document", _ok(dict[str, Any], "OpenAPI 3.1."), ANY_KEY),
)  # fmt: skip
"""All there is; a test holds it against the application's routes."""
