"""Providers of a campaign's own: protocol servers as processes on loopback, each with its keys, that fail on order and count."""

import asyncio
import json
import secrets
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import aiohttp

from cluster.node import REPOSITORY

_END_S = 10.0
_TALK_S = 30.0
_PATHS = {"openai": "/v1", "anthropic": "", "gemini": ""}


@dataclass(frozen=True, slots=True)
class Provider:
    """One running protocol server."""

    name: str
    protocol: str
    port: int
    control_port: int
    models: tuple[str, ...]
    key_file: Path
    """Holds the key that its voters show."""
    control_key: str

    def voters(self, adapter: str = "thin") -> list[dict[str, Any]]:
        """Return its models as voters of a profile, each of a family and a lineage of its own."""
        base_url = f"http://127.0.0.1:{self.port}{_PATHS[self.protocol]}"
        return [
            {
                "id": model, "provider": self.protocol, "model": model, "base_url": base_url, "adapter": adapter,
                "family": f"family-{model}", "lineage": f"lineage-{model}", "api_key_file": str(self.key_file),
            }
            for model in self.models
        ]  # fmt: skip

    async def order(self, fault: str | None, **more: object) -> dict[str, Any]:
        """Order a fault, or with ``None`` the right answers again; return its state after that."""
        return await self._control({"fault": fault, **more})

    async def calls(self) -> dict[str, int]:
        """Return how many requests came for each model so far; a connection that is refused is none."""
        counts = (await self._control(None))["models"]
        return {model: int(counts[model]["received"]) for model in self.models}

    async def _control(self, order: dict[str, object] | None) -> dict[str, Any]:
        url, method = f"http://127.0.0.1:{self.control_port}/control", "GET" if order is None else "POST"
        headers, limit = {"Authorization": f"Bearer {self.control_key}"}, aiohttp.ClientTimeout(total=_TALK_S)
        async with (
            aiohttp.ClientSession(headers=headers, timeout=limit) as session,
            session.request(method, url, json=order) as response,
        ):
            told: dict[str, Any] = await response.json()
            if response.status != 200:
                raise RuntimeError(f"{self.name} refused an order: {told}")
            return told


@contextmanager
def provider(name: str, protocol: str, models: Sequence[str], answers: Path) -> Iterator[Provider]:
    """Run a protocol server on free ports; ``answers`` are recorded for its models and may be for others.

    Its keys lie beside them, and its log: clients that leave are told there, with a traceback each.
    """
    key_file, control_file = (_key(answers.parent / f"{name}.{kind}") for kind in ("key", "control"))
    command = [
        sys.executable, "-m", "models.protocol_servers", "--protocol", protocol, "--answers", str(answers),
        "--key-file", str(key_file), "--control-key-file", str(control_file),
    ]  # fmt: skip
    log = answers.parent / f"{name}.log"
    with log.open("w") as errors:
        process = subprocess.Popen(  # noqa: S603 - our own command
            command, stdout=subprocess.PIPE, stderr=errors, cwd=REPOSITORY, text=True
        )
    try:
        line = process.stdout.readline() if process.stdout is not None else ""
        if not line:
            raise RuntimeError(f"{name} did not start; it ended with {process.wait(_END_S)}: {log.read_text()[-2000:]}")
        said = json.loads(line)
        control_key = control_file.read_text()
        yield Provider(name, protocol, said["port"], said["control_port"], tuple(models), key_file, control_key)
    finally:
        process.terminate()
        try:
            process.wait(_END_S)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
        if process.stdout is not None:
            process.stdout.close()


async def all_calls(providers: Sequence[Provider]) -> dict[str, int]:
    """Return how many requests came for each model of all providers so far."""
    found = await asyncio.gather(*(provider.calls() for provider in providers))
    return {model: count for counts in found for model, count in counts.items()}


def _key(path: Path) -> Path:
    path.touch(mode=0o600)
    path.write_text(secrets.token_hex(16))
    return path
