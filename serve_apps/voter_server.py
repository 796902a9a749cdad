"""One local engine as a voter: an ``LLMServer`` with one more door that takes and returns plain values.

The door spares its callers vLLM: a gateway replica that imported the engine's request types would carry 600 MiB of it. A
call is unary, so cancelling it cancels this coroutine, and with it the request inside the engine.
"""

import json
import logging
from dataclasses import asdict
from typing import Any

from ray.llm._internal.serve.core.configs.openai_api_models import ChatCompletionRequest, ErrorResponse
from ray.serve.llm.deployment import LLMServer

from models.errors import VoterError, VoterFailed, VoterInvalid, VoterRefused
from models.voter import Candidate, FinishReason, Message, Sampling, VoterRequest

_log = logging.getLogger("weavergen.voter")

_FINISHED: dict[str, FinishReason] = {"stop": "stop", "length": "length"}


class VoterServer(LLMServer):  # type: ignore[misc]  # Ray ships no types
    """The engine of one voter, running in a Serve replica of its own."""

    async def __init__(  # type: ignore[misc]  # Serve awaits it
        self,
        llm_config: Any,  # noqa: ANN401 - Ray's type
        voter: str,
        stop: tuple[str, ...],
    ) -> None:
        await super().__init__(llm_config)
        self._voter = voter
        self._model = llm_config.model_id
        self._stop = stop
        await self._warm_up()

    async def ask(self, request: VoterRequest) -> Candidate:
        """Return one complete candidate or raise ``VoterError``."""
        payload = chat_payload(self._model, request, self._stop)
        try:
            stream = await self.chat(ChatCompletionRequest(**payload))
            response = await anext(stream)
        except ValueError as error:
            raise VoterInvalid(self._voter, f"the engine refused the request: {error}") from error
        if isinstance(response, ErrorResponse):
            raise engine_error(self._voter, json.loads(response.model_dump_json()))
        return candidate_of(self._voter, json.loads(response.model_dump_json()))

    async def _warm_up(self) -> None:
        """Let the first request, which takes seconds, be nobody's."""
        request = VoterRequest("warm-up", (Message("user", "Hello"),), Sampling(max_tokens=1, temperature=0.0))
        try:
            await self.ask(request)
        except VoterInvalid:
            _log.info("%s is warm and had nothing to say", self._voter)


def chat_payload(model: str, request: VoterRequest, stop: tuple[str, ...]) -> dict[str, Any]:
    """Return the body of a chat completion; a seed is shifted by the sample's number."""
    body: dict[str, Any] = {
        "model": model,
        "messages": [asdict(message) for message in request.messages],
        "stream": False,
        **_sampling(request.sampling, request.sample),
    }
    if stops := [*request.sampling.stop, *stop]:
        body["stop"] = stops
    return body


def candidate_of(voter: str, body: dict[str, Any]) -> Candidate:
    """Read a chat completion; anything that is no complete answer raises."""
    choice = body["choices"][0]
    content, reason = choice["message"].get("content") or "", choice.get("finish_reason")
    if reason == "content_filter":
        raise VoterRefused(voter, "declined (content filter)")
    if reason not in _FINISHED:
        raise VoterFailed(voter, f"broke off ({reason})")
    if not content.strip():
        raise VoterInvalid(voter, "answered nothing")
    usage = body.get("usage") or {}
    return Candidate(
        content=content,
        finish_reason=_FINISHED[reason],
        prompt_tokens=int(usage.get("prompt_tokens") or 0),
        completion_tokens=int(usage.get("completion_tokens") or 0),
    )


def engine_error(voter: str, body: dict[str, Any]) -> VoterError:
    """Turn the engine's error object into a voter's error, without the text that it may quote."""
    error = body.get("error") or {}
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
