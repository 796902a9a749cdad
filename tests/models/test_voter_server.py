"""The engine's door with the engine replaced by a generator: needs vLLM's and Serve's classes, no weights, no Ray."""

import asyncio
from collections.abc import AsyncGenerator, Callable
from types import SimpleNamespace
from typing import Any

import pytest

from models.errors import VoterEmpty, VoterFailed, VoterTooLong
from models.voter import Candidate, Message, Sampling, VoterRequest

REQUEST = VoterRequest("r", (Message("user", "hello"),), Sampling(max_tokens=8))
TOO_LONG = "This model's maximum context length is 2048 tokens. However, you requested 2048 output tokens"

Chat = Callable[[Any], AsyncGenerator[Any, None]]


@pytest.fixture(scope="module")
def types() -> Any:
    """Return Serve's classes of requests and answers."""
    pytest.importorskip("vllm")
    import ray.llm._internal.serve.core.configs.openai_api_models as found

    return found


@pytest.fixture
def server_of(types: Any) -> Callable[[Chat], Any]:
    """Return a function that makes a server whose engine is a generator."""
    from serve_apps.voter_server import VoterServer

    def make(generate: Chat) -> Any:
        server: Any = VoterServer.__new__(VoterServer)
        server._voter, server._model, server._stop = "v", "m", ()

        async def chat(request: Any) -> AsyncGenerator[Any, None]:
            return generate(request)

        server.chat = chat
        return server

    return make


def completion(types: Any, content: str) -> Any:
    """Return an engine's answer."""
    choice = {"index": 0, "message": {"role": "assistant", "content": content}, "finish_reason": "stop"}
    usage = {"prompt_tokens": 3, "completion_tokens": 1, "total_tokens": 4}
    return types.ChatCompletionResponse(model="m", choices=[choice], usage=usage)


def refusal(types: Any, message: str) -> Any:
    """Return an engine's refusal."""
    return types.ErrorResponse(error=types.ErrorInfo(message=message, type="BadRequestError", code=400))


async def test_cancelling_the_ask_ends_the_engine_s_generator(server_of: Any) -> None:
    """The generator in which the engine works sees the cancellation and its end, so that the engine aborts the request."""
    seen: list[str] = []
    working = asyncio.Event()

    async def generate(_: Any) -> AsyncGenerator[Any, None]:
        working.set()
        try:
            await asyncio.Event().wait()
            yield None
        except asyncio.CancelledError:
            seen.append("cancelled")
            raise
        finally:
            seen.append("closed")

    task = asyncio.create_task(server_of(generate).ask(REQUEST))
    await asyncio.wait_for(working.wait(), 5)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert seen == ["cancelled", "closed"]


async def test_a_generator_is_closed_after_its_answer(server_of: Any, types: Any) -> None:
    """Nothing of a finished request stays behind in the engine."""
    closed = asyncio.Event()

    async def generate(_: Any) -> AsyncGenerator[Any, None]:
        try:
            yield completion(types, "yes")
            yield completion(types, "more")
        finally:
            closed.set()

    assert await server_of(generate).ask(REQUEST) == Candidate("yes", "stop", 3, 1)
    assert closed.is_set()


async def test_the_time_to_the_first_token_comes_with_the_candidate(server_of: Any, types: Any) -> None:
    """As vLLM's own classes carry it, through Ray's."""
    from vllm.entrypoints.generate.base.serving import build_per_request_timing_metrics
    from vllm.v1.metrics.stats import RequestStateStats

    stats = RequestStateStats(queued_ts=10.0, scheduled_ts=10.25, first_token_ts=10.75, last_token_ts=12.0)

    async def generate(_: Any) -> AsyncGenerator[Any, None]:
        response = completion(types, "yes")
        response.metrics = build_per_request_timing_metrics(stats, 5)
        yield types.ChatCompletionResponse(**response.model_dump())

    assert await server_of(generate).ask(REQUEST) == Candidate("yes", "stop", 3, 1, first_token_ms=750)


async def test_what_does_not_fit_is_asked_again_for_the_room_that_is_left(server_of: Any, types: Any) -> None:
    """``max_tokens`` is an upper bound: the engine fills what its context has left, once."""
    bounds: list[int | None] = []

    async def generate(request: Any) -> AsyncGenerator[Any, None]:
        bounds.append(request.max_tokens)
        yield completion(types, "yes") if request.max_tokens is None else refusal(types, TOO_LONG)

    assert (await server_of(generate).ask(REQUEST)).content == "yes"
    assert bounds == [8, None]


async def test_a_prompt_without_room_is_refused_after_two_looks(server_of: Any, types: Any) -> None:
    """Where nothing is left after the prompt, the ballot says so."""
    bounds: list[int | None] = []

    async def generate(request: Any) -> AsyncGenerator[Any, None]:
        bounds.append(request.max_tokens)
        yield refusal(types, TOO_LONG)

    with pytest.raises(VoterTooLong):
        await server_of(generate).ask(REQUEST)
    assert bounds == [8, None]


async def test_an_engine_that_cannot_be_asked_does_not_become_warm(server_of: Any, types: Any) -> None:
    """A first request that is refused, or breaks a chat template, fails the start; one answered with nothing does not."""

    async def broken(_: Any) -> AsyncGenerator[Any, None]:
        raise ValueError("the chat template is broken")
        yield

    async def refusing(_: Any) -> AsyncGenerator[Any, None]:
        yield refusal(types, "no")

    async def silent(_: Any) -> AsyncGenerator[Any, None]:
        yield completion(types, "")

    for generate in (broken, refusing):
        with pytest.raises(VoterFailed):
            await server_of(generate)._warm_up()
    with pytest.raises(VoterEmpty):
        await server_of(silent).ask(REQUEST)
    await server_of(silent)._warm_up()


async def test_starting_an_engine_asks_ray_for_no_download(types: Any) -> None:
    """The weights are a checked local directory: Ray is told so before the engine starts, and starts no process to look."""
    from ray.llm._internal.common.callbacks.base import CallbackBase

    from serve_apps.voter_server import VoterServer

    callback = CallbackBase(llm_config=None)
    seen: list[bool] = []

    class Engine:
        async def start(self) -> None:
            seen.append(callback.ctx.run_init_node)

    server: Any = VoterServer.__new__(VoterServer)
    server._llm_config = SimpleNamespace(get_or_create_callback=lambda: callback)
    server.engine = Engine()

    await server._start_engine()

    assert (seen, CallbackBase(llm_config=None).ctx.run_init_node) == ([False], True)
