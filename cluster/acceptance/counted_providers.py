"""Providers of a campaign's own: protocol servers as processes, with faults ordered and calls counted at run time."""

import asyncio
import json
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import aiohttp

from actors.base.files import write_atomic
from cluster.node import REPOSITORY

KEY = "a-key-of-the-campaign"
_END_S = 10.0
_TALK_S = 30.0
_PATHS = {"openai": "/v1", "anthropic": "", "gemini": ""}


@dataclass(frozen=True, slots=True)
class Provider:
    """One running protocol server."""

    protocol: str
    port: int
    control_port: int
    models: tuple[str, ...]
    key_file: Path
    """Holds the key that its voters show, and that opens its control."""

    def voters(self) -> list[dict[str, str]]:
        """Return its models as voters of a profile, each of a family and a lineage of its own."""
        base_url = f"http://127.0.0.1:{self.port}{_PATHS[self.protocol]}"
        return [
            {
                "id": model, "provider": self.protocol, "model": model, "base_url": base_url, "adapter": "thin",
                "family": f"family-{model}", "lineage": f"lineage-{model}", "api_key_file": str(self.key_file),
            }
            for model in self.models
        ]  # fmt: skip

    async def order(self, fault: str | None, **more: object) -> None:
        """Order a fault, or with ``None`` the right answers again."""
        await self._control({"fault": fault, **more})

    async def calls(self) -> dict[str, int]:
        """Return how many requests came for each model so far; a connection that is refused is none."""
        counts: Mapping[str, Any] = (await self._control(None))["models"]
        return {model: int(counts[model]["received"]) for model in self.models}

    async def _control(self, order: dict[str, object] | None) -> dict[str, Any]:
        url, method = f"http://127.0.0.1:{self.control_port}/control", "GET" if order is None else "POST"
        headers, limit = {"Authorization": f"Bearer {KEY}"}, aiohttp.ClientTimeout(total=_TALK_S)
        async with (
            aiohttp.ClientSession(headers=headers, timeout=limit) as session,
            session.request(method, url, json=order) as response,
        ):
            told: dict[str, Any] = await response.json()
            if response.status != 200:
                raise RuntimeError(f"the protocol server refused: {told}")
            return told


@contextmanager
def provider(protocol: str, models: Sequence[str], answers: Path) -> Iterator[Provider]:
    """Run a protocol server on free ports; ``answers`` are recorded for its models and may be for others."""
    key = answers.parent / "provider.key"
    write_atomic(key, KEY.encode())
    command = [sys.executable, "-m", "models.protocol_servers", "--protocol", protocol, "--answers", str(answers)]
    command += ["--key-file", str(key), "--control-key-file", str(key)]
    log = answers.parent / "providers.log"  # clients that leave are told there, with a traceback each
    with log.open("a") as errors:
        process = subprocess.Popen(  # noqa: S603 - our own command
            command, stdout=subprocess.PIPE, stderr=errors, cwd=REPOSITORY, text=True
        )
    try:
        line = process.stdout.readline() if process.stdout is not None else ""
        if not line:
            raise RuntimeError(
                f"a protocol server did not start; it ended with {process.wait(_END_S)}: {log.read_text()[-2000:]}"
            )
        said = json.loads(line)
        yield Provider(protocol, said["port"], said["control_port"], tuple(models), key)
    finally:
        process.terminate()
        process.wait(_END_S)


async def all_calls(providers: Sequence[Provider]) -> dict[str, int]:
    """Return how many requests came for each model of all providers so far."""
    found = await asyncio.gather(*(provider.calls() for provider in providers))
    return {model: count for counts in found for model, count in counts.items()}
