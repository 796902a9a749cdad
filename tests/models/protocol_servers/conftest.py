"""A function that starts a provider."""

import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from models.protocol_servers.command import PROTOCOLS
from models.protocol_servers.server import ProtocolServer
from models.recorded import load_recorded
from tests.models.protocol_servers.world import ANSWER, CLIENTS, CONTROL_KEY, KEY, PATIENCE_S, WHO, Provider, Serve


@pytest.fixture
async def serve(tmp_path: Path) -> AsyncIterator[Serve]:
    """Return a function that starts a provider with some answers and gives its clients."""
    cleanups: list[Any] = []

    async def begin(
        protocol: str, *answers: dict[str, Any], key: str = KEY, patience_s: float = PATIENCE_S
    ) -> Provider:
        lines = [
            {"default": {**WHO, "answers": list(answers or (ANSWER,))}},
            {"default": {**WHO, "voter": "m2", "answers": [{"content": "I am m2."}]}},
        ]
        file = tmp_path / "answers.jsonl"
        file.write_text("\n".join(json.dumps(line) for line in lines), encoding="utf-8")
        server = ProtocolServer(PROTOCOLS[protocol](KEY), load_recorded([file]), CONTROL_KEY)
        await server.start()
        provider = Provider(server, CLIENTS[protocol](server.port, key, patience_s), aiohttp.ClientSession())
        cleanups.extend([provider.client.close, provider.http.close, server.stop])
        return provider

    yield begin
    for cleanup in cleanups:
        await cleanup()
