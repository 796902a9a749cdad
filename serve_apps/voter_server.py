"""One local engine as a voter: an ``LLMServer`` with one more door that takes and returns plain values.

The door spares its callers vLLM: a gateway replica that imported the engine's request types would carry 600 MiB of it. A
call is unary, so cancelling it cancels this coroutine, and with it the request inside the engine.
"""

import json
import logging
from contextlib import aclosing
from typing import Any, Self

from ray.llm._internal.serve.core.configs.accelerators import CPUAccelerator
from ray.llm._internal.serve.core.configs.openai_api_models import ChatCompletionRequest, ErrorResponse
from ray.serve.llm.deployment import LLMServer

from models.errors import VoterEmpty, VoterFailed, VoterTooLong
from models.voter import Candidate, Message, Sampling, VoterRequest
from serve_apps.cpu_engine import CpuEngine
from serve_apps.engine_chat import candidate_of, chat_payload, engine_error, without_bound

_log = logging.getLogger("weavergen.voter")


class VoterServer(LLMServer):  # type: ignore[misc]  # Ray ships no types
    """The engine of one voter, running in a Serve replica of its own."""

    engine: Any

    @classmethod
    def of(cls, llm_config: Any, voter: str, stop: tuple[str, ...]) -> Self:  # noqa: ANN401 - Ray's type
        """Return the server of one voter, not started; ``stop`` are strings every request to this model needs."""
        server: Self = cls.sync_init(llm_config, engine_cls=_engine_class(llm_config))
        server._voter = voter
        server._model = llm_config.model_id
        server._stop = stop
        return server

    async def start(self) -> None:
        """Start the engine and let it answer once."""
        await super().start()
        await self._warm_up()

    async def close(self) -> None:
        """End the engine's processes."""
        engine = self.engine
        if engine is not None:
            await engine.shutdown()

    def __del__(self) -> None:
        """Leave out what only Serve would await: the replica that holds this server closes it."""

    async def _start_engine(self) -> None:
        """Start the engine, without two processes that Ray would start for every model and that have nothing to do here.

        One downloads weights: ours are a local directory whose digest is checked, and it would import vLLM to find that out
        (20 s of a processor). The other, of 390 MiB, reports usage statistics.
        """
        self._llm_config.get_or_create_callback().ctx.run_init_node = False
        await self.engine.start()

    async def ask(self, request: VoterRequest) -> Candidate:
        """Return one complete candidate or raise ``VoterError``."""
        payload = chat_payload(self._model, request, self._stop)
        try:
            return await self._complete(payload)
        except VoterTooLong:  # prompt and answer together do; does the prompt alone?
            return await self._complete(without_bound(payload))

    async def _complete(self, payload: dict[str, Any]) -> Candidate:
        try:
            async with aclosing(await self.chat(ChatCompletionRequest(**payload))) as stream:
                response = await anext(stream)
        except ValueError as error:
            name = type(error).__name__  # its words may hold the request's
            raise VoterFailed(self._voter, f"the engine refused the request ({name})") from None
        body = json.loads(response.model_dump_json())
        if isinstance(response, ErrorResponse):
            raise engine_error(self._voter, body)
        return candidate_of(self._voter, body)

    async def _warm_up(self) -> None:
        """Let the first request, which takes seconds, be nobody's; an engine that cannot answer it does not start."""
        request = VoterRequest("warm-up", (Message("user", "Hello"),), Sampling(max_tokens=1, temperature=0.0))
        try:
            await self.ask(request)
        except VoterEmpty:
            _log.info("%s is warm and had nothing to say", self._voter)


def _engine_class(llm_config: Any) -> type | None:  # noqa: ANN401 - Ray's type
    """Return the class that runs the engine, ``None`` for Ray's own."""
    if isinstance(llm_config.get_engine_config().accelerator, CPUAccelerator):
        return CpuEngine
    return None
