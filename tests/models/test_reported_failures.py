"""What users of other gateways reported of streams, each by its name: here it does not happen, with any provider or adapter."""

import json
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from models.errors import VoterError, VoterFailed, VoterInvalid, VoterTimeout
from models.protocol_servers.command import PROTOCOLS
from models.protocol_servers.faults import Fault, Order
from models.protocol_servers.server import ProtocolServer
from models.providers.build import Adapter, Provider
from models.providers.cloud import Limits
from models.recorded import load_recorded
from models.voter import Candidate
from tests.providers import REQUEST
from tests.upstreams import voting

TEXT = "Paris\n\nSo it has been for centuries, and half of this reads like the whole."
USAGE = {"prompt_tokens": 3, "completion_tokens": 40}
ALL: list[tuple[Provider, Adapter]] = [
    (provider, adapter) for provider in ("openai", "anthropic", "gemini") for adapter in ("sdk", "thin")
]  # type: ignore[misc]
BROKEN = [
    Fault.RESET_MID_BODY, Fault.CUT_STREAM, Fault.MALFORMED_JSON, Fault.MALFORMED_SSE, Fault.ERROR_EVENT,
    Fault.WRONG_CONTENT_TYPE,
]  # fmt: skip
either_way = pytest.mark.parametrize("stream", [True, False])
any_provider = pytest.mark.parametrize(("provider", "adapter"), ALL)


@pytest.fixture
async def server(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[ProtocolServer]:
    """Yield a server of the test's provider that always says the same."""
    file = tmp_path / "answers.jsonl"
    said = {"voter": "model-x", "family": "f", "lineage": "l", "answers": [{"content": TEXT, "usage": USAGE}]}
    file.write_text(json.dumps({"default": said}))
    begun = ProtocolServer(PROTOCOLS[request.getfixturevalue("provider")](None), load_recorded([file]))
    await begun.start()
    yield begun
    await begun.stop()


@either_way
@any_provider
async def test_1_a_truncated_answer_is_returned_as_success(
    server: ProtocolServer, provider: Provider, adapter: Adapter, *, stream: bool
) -> None:
    """However it breaks after half of its text, what came is no answer."""
    async with voting(provider, adapter, server.port, stream=stream) as voter:
        for fault in BROKEN:
            await server.order(Order(fault))
            with pytest.raises((VoterFailed, VoterInvalid)):
                await voter.ask(REQUEST)
        assert server.counts["model-x"].faulted == len(BROKEN)


@any_provider
async def test_1_an_error_after_a_valid_first_event_goes_unnoticed(
    server: ProtocolServer, provider: Provider, adapter: Adapter
) -> None:
    """It is a failure that passes, so that others are asked, and nothing of what the provider said of it is repeated."""
    await server.order(Order(Fault.ERROR_EVENT))
    async with voting(provider, adapter, server.port, stream=True) as voter:
        with pytest.raises(VoterFailed, match="in the middle of its answer"):
            await voter.ask(REQUEST)


@either_way
@any_provider
async def test_1_a_stalled_stream_holds_its_caller(
    server: ProtocolServer, provider: Provider, adapter: Adapter, *, stream: bool
) -> None:
    """Silence in the middle ends the call after its own limit, and what had come by then is no answer."""
    await server.order(Order(Fault.STALLED_STREAM))
    limits = Limits(0.4, 5.0, 0.2) if not stream else Limits(30.0, 30.0, 0.2)
    async with voting(provider, adapter, server.port, stream=stream, limits=limits) as voter:
        with pytest.raises(VoterTimeout):
            await voter.ask(REQUEST)


@either_way
@any_provider
async def test_2_state_of_the_failed_attempt_leaks_into_the_next(
    server: ProtocolServer, provider: Provider, adapter: Adapter, *, stream: bool
) -> None:
    """After every fault the same voter's next answer is whole, with its own text, end and usage and nothing of the broken one."""
    answers = []
    async with voting(provider, adapter, server.port, stream=stream) as voter:
        for fault in BROKEN:
            await server.order(Order(fault, remaining=1))
            with pytest.raises(VoterError):
                await voter.ask(REQUEST)
            answered = await voter.ask(REQUEST)
            answers.append(
                Candidate(answered.content, answered.finish_reason, answered.prompt_tokens, answered.completion_tokens)
            )
    assert answers == [Candidate(TEXT, "stop", 3, 40)] * len(BROKEN)
