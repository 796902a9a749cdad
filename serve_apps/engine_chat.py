"""Between a voter's request and an engine's chat completion, as plain JSON values. Pure.

Rules:
- A seed is shifted by the sample's number; the model's own stop strings are added to the caller's.
- ``max_tokens`` is an upper bound: ``without_bound`` leaves it to the engine to fill what its context has left.
- Only a complete, non-empty answer is a candidate. Error texts of the engine are not repeated: they may quote the prompt.

Left out: the call itself (``voter_server``).
"""

from collections.abc import Mapping
from typing import Any

from msgspec import structs

from models.context import says_too_long
from models.errors import VoterEmpty, VoterError, VoterFailed, VoterRefused, VoterTooLong
from models.timing import first_token_ms
from models.voter import Candidate, FinishReason, Sampling, VoterRequest

_FINISHED: dict[str, FinishReason] = {"stop": "stop", "length": "length"}


def chat_payload(model: str, request: VoterRequest, stop: tuple[str, ...]) -> dict[str, Any]:
    """Return the body of a chat completion; a seed is shifted by the sample's number."""
    body: dict[str, Any] = {
        "model": model,
        "messages": [structs.asdict(message) for message in request.messages],
        "stream": False,
        **_sampling(request.sampling, request.sample),
    }
    if stops := [*request.sampling.stop, *stop]:
        body["stop"] = stops
    return body


def without_bound(payload: Mapping[str, Any]) -> dict[str, Any]:
    """Return the same request for as many tokens as the prompt leaves room for."""
    return {name: value for name, value in payload.items() if name != "max_tokens"}


def candidate_of(voter: str, body: Mapping[str, Any]) -> Candidate:
    """Read a chat completion; anything that is no complete answer raises."""
    choice = body["choices"][0]
    content, reason = choice["message"].get("content") or "", choice.get("finish_reason")
    if reason == "content_filter":
        raise VoterRefused(voter, "declined (content filter)")
    if reason not in _FINISHED:
        raise VoterFailed(voter, f"broke off ({reason})")
    if not content.strip():
        raise VoterEmpty(voter, "answered nothing")
    usage = body.get("usage") or {}
    return Candidate(
        content=content,
        finish_reason=_FINISHED[reason],
        prompt_tokens=int(usage.get("prompt_tokens") or 0),
        completion_tokens=int(usage.get("completion_tokens") or 0),
        first_token_ms=first_token_ms(body.get("metrics")),
    )


def engine_error(voter: str, body: Mapping[str, Any]) -> VoterError:
    """Turn the engine's error object into a voter's error, without the text that it may quote."""
    error = body.get("error") or {}
    if says_too_long(str(error.get("message"))):
        return VoterTooLong(voter, "the prompt is too long for it")
    return VoterFailed(voter, f"the engine answered with error {error.get('code') or error.get('type') or 'unknown'}")


def _sampling(sampling: Sampling, sample: int) -> dict[str, Any]:
    fields = {
        "max_tokens": sampling.max_tokens,
        "temperature": sampling.temperature,
        "top_p": sampling.top_p,
        "presence_penalty": sampling.presence_penalty,
        "frequency_penalty": sampling.frequency_penalty,
        "seed": None if sampling.seed is None else sampling.seed + sample,
    }
    return {name: value for name, value in fields.items() if value is not None}
