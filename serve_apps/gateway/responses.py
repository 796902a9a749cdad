"""Answers on the wire. Pure.

A completion is one JSON object, or server-sent events with the same content. A stream is written only after the decision: it
either ends with ``[DONE]`` or was never begun.
"""

from collections.abc import Iterator
from typing import Any, Protocol

import msgspec

from actors.base.canonical import to_builtins
from actors.consensus.ports import Committed
from actors.policy.snapshot import PolicySnapshot
from models.voter import Candidate

PIECE_CHARS = 256
"""Characters of one streamed chunk."""


class Answered(Protocol):
    """An answer that may leave: a decision just made, or one that was kept."""

    @property
    def candidate(self) -> Candidate:
        """The served answer."""

    @property
    def committed(self) -> Committed:
        """Its record."""

    @property
    def prompt_tokens(self) -> int:
        """What every voter read."""

    @property
    def completion_tokens(self) -> int:
        """What every voter wrote."""

    def summary(self, *, explain: bool = False) -> dict[str, Any]:
        """Return the response's ``weavergen`` object."""


def policy_shown(snapshot: PolicySnapshot) -> dict[str, Any]:
    """Return a policy as it is shown: its digest, and every field, also where it says nothing."""
    return {"sha256": snapshot.sha256, "calibration": {}, **to_builtins(snapshot)}


def decision_headers(decision: Answered) -> list[tuple[bytes, bytes]]:
    """Return the headers every answer carries."""
    record = decision.committed.record
    return [
        (b"x-weavergen-decision", record.id.encode()),
        (b"x-weavergen-layer", record.layer.name.encode()),
        (b"x-weavergen-degraded", b"true" if record.degraded else b"false"),
    ]


def completion(decision: Answered, model: str, *, explain: bool) -> bytes:
    """Return the body of an answer that is not streamed."""
    answer = decision.candidate
    message = {"role": "assistant", "content": answer.content, "refusal": None}
    choice = {"index": 0, "message": message, "finish_reason": answer.finish_reason, "logprobs": None}
    body = _head(decision, model, "chat.completion") | {
        "choices": [choice],
        "usage": _usage(decision),
        "weavergen": decision.summary(explain=explain),
    }
    return msgspec.json.encode(body)


def event_stream(decision: Answered, model: str, *, explain: bool, include_usage: bool) -> bytes:
    """Return the whole stream: role, content in pieces, the end with its record, usage if asked for, ``[DONE]``."""
    head = _head(decision, model, "chat.completion.chunk")
    chunks = [head | {"choices": [_delta({"role": "assistant", "content": ""})]}]
    chunks += [head | {"choices": [_delta({"content": piece})]} for piece in _pieces(decision.candidate.content)]
    end = _delta({}, decision.candidate.finish_reason)
    chunks.append(head | {"choices": [end], "weavergen": decision.summary(explain=explain)})
    if include_usage:
        chunks = [chunk | {"usage": None} for chunk in chunks]
        chunks.append(head | {"choices": [], "usage": _usage(decision)})
    events = [b"data: " + msgspec.json.encode(chunk) + b"\n\n" for chunk in chunks]
    return b"".join(events) + b"data: [DONE]\n\n"


def _head(decision: Answered, model: str, kind: str) -> dict[str, Any]:
    record = decision.committed.record
    return {
        "id": f"chatcmpl-{record.id}",
        "object": kind,
        "created": record.issued_at // 1000,
        "model": model,
        "system_fingerprint": f"wg_{record.config_sha256[:12]}",
    }


def _delta(delta: dict[str, str], finish_reason: str | None = None) -> dict[str, Any]:
    return {"index": 0, "delta": delta, "finish_reason": finish_reason, "logprobs": None}


def _pieces(content: str) -> Iterator[str]:
    return (content[i : i + PIECE_CHARS] for i in range(0, len(content), PIECE_CHARS))


def _usage(decision: Answered) -> dict[str, int]:
    return {
        "prompt_tokens": decision.prompt_tokens,
        "completion_tokens": decision.completion_tokens,
        "total_tokens": decision.prompt_tokens + decision.completion_tokens,
    }
