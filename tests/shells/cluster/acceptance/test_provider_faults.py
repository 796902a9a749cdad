"""Providers that fail on order, what the official client makes of it, and what the campaign makes of that."""

import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import aiohttp
import openai
import pytest

from cluster.acceptance.fault_matrix import judged
from cluster.acceptance.official_client import hear, official_client
from cluster.acceptance.provider_faults import LAYERS, RETRY_AFTER, Strike, orders, strikes
from cluster.acceptance.providers import Provider
from cluster.acceptance.struck_providers import (
    BACKUP,
    PRIMARY,
    answers,
    faulted,
    profile,
    providers,
    question,
    text_of,
)
from cluster.config import Config
from models.protocol_servers.command import PROTOCOLS
from models.protocol_servers.faults import Fault
from models.protocol_servers.server import ProtocolServer
from models.recorded import load_recorded

NAME = "primary-openai"
BODY: dict[str, Any] = {"model": NAME, "messages": [{"role": "user", "content": question("openai")}]}
RUNNING = [
    Provider(f"{layer}-{item}", item, 9000 + n, 9100 + n, (f"{layer}-{item}",), Path("key"), "control")
    for layer, items in (("primary", PRIMARY), ("backup", BACKUP))
    for n, item in enumerate(items)
]


@pytest.fixture
async def provider(tmp_path: Path) -> AsyncIterator[Provider]:
    """Yield an OpenAI provider that runs in this process."""
    file = tmp_path / "answers.jsonl"
    file.write_text("\n".join(json.dumps(line) for line in answers(NAME, "openai", 20)))
    server = ProtocolServer(PROTOCOLS["openai"](None), load_recorded([file]), "control")
    await server.start()
    assert server.control_port
    yield Provider(NAME, "openai", server.port, server.control_port, (NAME,), file, "control")
    await server.stop()


@pytest.fixture
async def client(provider: Provider) -> AsyncIterator[openai.AsyncOpenAI]:
    """Yield the official client of that provider."""
    async with official_client(f"http://127.0.0.1:{provider.port}", "key", 0.5) as opened:
        yield opened


@pytest.mark.parametrize("stream", [False, True])
async def test_a_whole_answer_is_heard_whole(client: openai.AsyncOpenAI, *, stream: bool) -> None:
    """Its text, how it ended and, of a stream, that it ended with ``[DONE]``."""
    heard = await hear(client, BODY, stream=stream)
    assert (heard.status, heard.text, heard.finish_reason) == (200, text_of(NAME), "stop")
    assert (heard.is_done, heard.broke) == (True, "")


async def test_a_cut_stream_is_heard_without_its_end(client: openai.AsyncOpenAI, provider: Provider) -> None:
    """The SDK takes it for a success; whoever looks below it sees that ``[DONE]`` did not come."""
    await provider.order("cut_stream")
    heard = await hear(client, BODY, stream=True)
    assert (heard.status, heard.is_done, heard.finish_reason, heard.broke) == (200, False, None, "")
    assert text_of(NAME).startswith(heard.text)
    assert judged(heard, {text_of(NAME)}, LAYERS, 3.0) == "truncated"


@pytest.mark.parametrize(
    ("fault", "status"),
    [
        ("server_error", 500), ("bad_gateway", 502), ("silent", 0), ("reset_mid_body", 0), ("malformed_json", 0),
        ("error_event", 0), ("wrong_content_type", 0),
    ],
)  # fmt: skip
async def test_whatever_comes_is_heard(client: openai.AsyncOpenAI, provider: Provider, fault: str, status: int) -> None:
    """A refusal with its status, silence and a broken connection with how they broke, and none of them is clean."""
    state = await provider.order(fault)
    heard = await hear(client, BODY, stream=False)
    assert faulted(await provider.order(None)) - faulted(state) == 1
    with pytest.raises(RuntimeError, match="primary-openai refused an order"):
        await provider.order("no such fault")
    assert (heard.status, bool(heard.broke)) == (status, status == 0)
    assert judged(heard, {text_of(NAME)}, LAYERS, 3.0) == "unclean"


def test_every_fault_there_is_is_ordered() -> None:
    """Sixteen rows, and 429 once more with the provider's word on when to come back; what is late is later than any deadline."""
    assert set(orders()) == {fault.value for fault in Fault} | {RETRY_AFTER}
    assert len(orders()) == 17
    assert orders()["slow_first_token"]["delay_s"] > 3.0


def test_each_provider_is_struck_alone_then_all_of_a_layer_then_everybody() -> None:
    """A panel that loses one voter answers; where it may not, each layer that was asked has to say why."""
    made = strikes(RUNNING)
    assert [(item.name, len(item.struck), item.layers) for item in made] == [
        *[("one", 1, ("primary",)), ("named", 1, ())] * 3, ("primaries", 3, LAYERS), ("everybody", 5, LAYERS),
    ]  # fmt: skip
    assert [item.model for item in made if item.name == "named"] == [f"primary-{item}" for item in PRIMARY]
    assert Strike.body(made[0])["extra_body"]["weavergen"]["deadline_ms"] == 3000


@pytest.mark.parametrize("stream", [False, True])
def test_the_profile_is_one_that_up_takes(*, stream: bool) -> None:
    """Two layers of cloud voters behind the SDKs, asked for whole answers or streams."""
    config = Config.model_validate(profile(RUNNING, stream=stream))
    assert [(layer.name, len(layer.members)) for layer in config.layers] == [("primary", 3), ("backup", 2)]
    assert {(voter.adapter, voter.stream) for voter in config.voters} == {("sdk", stream)}


async def test_providers_run_as_processes_and_end(tmp_path: Path) -> None:
    """Five of them, each with its own keys, that only their owner reads; afterwards nobody listens."""
    with providers(tmp_path, 20) as found:
        assert [item.name for item in found] == [item.name for item in RUNNING]
        assert {item.key_file.stat().st_mode & 0o777 for item in found} == {0o600}
        assert all([(await item.order(None))["listening"] for item in found])
    for item in found:
        with pytest.raises(aiohttp.ClientConnectorError):
            await item.order(None)
