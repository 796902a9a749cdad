"""One vLLM engine with real weights, closed off: what it answers, and that it is ended where it is not closed off any more."""

import asyncio
from collections.abc import AsyncIterator

import pytest

from models.catalog import load_catalog
from models.engine import engine_settings
from models.errors import VoterFailed
from models.processor import this_processors_dtype
from models.sealed import engine as sealing
from models.sealed.engine import NotSealed, SealedEngine
from models.voter import Message, Sampling, VoterRequest
from tests.engines.catalogue import SMALLEST, weights_of

QUESTION = VoterRequest(
    "r",
    (Message("user", "What is the capital of France? Answer in one short sentence."),),
    Sampling(48, temperature=0.0),
)


async def running(engine: SealedEngine) -> float:
    """Return how many requests vLLM says that it computes."""
    reader, writer = await asyncio.open_unix_connection(str(engine._sealed.folder / "api.sock"))
    writer.write(b"GET /metrics HTTP/1.0\r\n\r\n")
    lines = (await reader.read()).decode().splitlines()
    writer.close()
    return sum(float(line.split()[-1]) for line in lines if line.startswith("vllm:num_requests_running{"))


async def becomes(engine: SealedEngine, wanted: float) -> None:
    """Wait until so many requests are computed."""
    async with asyncio.timeout(60):
        while await running(engine) != wanted:  # noqa: ASYNC110 - another process's state
            await asyncio.sleep(0.2)


@pytest.fixture
async def engine() -> AsyncIterator[SealedEngine]:
    """Run the smallest voter's engine."""
    pytest.importorskip("vllm")
    entry, weights = load_catalog().entry(SMALLEST), weights_of(SMALLEST)
    settings = engine_settings(entry, weights, "cpu", threads=2, cpu_dtype=this_processors_dtype())
    engine = SealedEngine(SMALLEST, settings, 512)
    try:
        await engine.start()
        yield engine
    finally:
        await engine.close()


@pytest.mark.weights
@pytest.mark.timeout(900)
async def test_a_real_engine_answers_through_its_only_door(
    engine: SealedEngine, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It answers what the model knows, stops when an ask is cancelled, is kept warm, and is missed when it is gone."""
    told = await engine.ask(QUESTION)
    assert "Paris" in told.content
    assert told.first_token_ms is not None
    assert 0 < told.first_token_ms < 60_000
    assert sealing._namespace(str(engine._sealed._inner)) != sealing._namespace("self")

    long = VoterRequest("l", (Message("user", "Count to a thousand."),), Sampling(1500, temperature=0.0))
    asks = [asyncio.create_task(engine.ask(long)) for _ in range(3)]
    await becomes(engine, 3)
    for ask in asks:
        ask.cancel()
    await becomes(engine, 0)

    answered = engine._answered_s
    await engine.check()
    assert engine._answered_s == answered  # somebody was answered just now
    monkeypatch.setattr(sealing, "IDLE_S", 0.0)
    await engine.check()
    assert engine._answered_s > answered

    with monkeypatch.context() as patch:
        patch.setattr(sealing, "leads_out", lambda _: ("veth0",))
        with pytest.raises(NotSealed, match="leads out by the network interface veth0"):
            engine._sealed.check()

    process = engine._sealed._process
    assert process is not None
    monkeypatch.setattr(sealing, "_namespace", lambda _: 1)
    with pytest.raises(NotSealed, match="network namespace of the machine"):
        await engine.check()
    assert process.returncode is not None  # ended, not only told
    with pytest.raises(NotSealed, match="does not run"):
        await engine.check()
    with pytest.raises(VoterFailed):
        await engine.ask(QUESTION)
