"""Providers of a campaign's own: protocol servers as processes on loopback, each with its keys, that fail on order.

Rules:
- A provider's only voter bears its name, and answers every question with the same whole text after ``others_ms``; the question
  that names its own protocol it answers at once, so that it is the first to be heard wherever it is the one that is struck.
- All texts begin with the same value and go on after it: half of one reads like the whole, so that who takes it for whole is
  found out.
"""

import hashlib
import json
import secrets
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import aiohttp

from cluster.node import REPOSITORY

PRIMARY = ("openai", "anthropic", "gemini")
BACKUP = ("openai", "anthropic")
VALUE = "Paris"
SILENT_S = 1.4
"""How long a stream may be silent: a little less than the layer's time."""
ENDED_WITHIN_S = 10.0


@dataclass(frozen=True, slots=True)
class Provider:
    """One running protocol server."""

    name: str
    protocol: str
    port: int
    control_port: int
    key_file: Path
    control_key: str

    def voter(self, *, stream: bool) -> dict[str, Any]:
        """Return its voter as a profile has it: asked through the provider's own SDK."""
        base = f"http://127.0.0.1:{self.port}" + ("/v1" if self.protocol == "openai" else "")
        limits = {"first_token_s": SILENT_S, "stall_s": SILENT_S} if stream else {}
        return {
            "id": self.name, "provider": self.protocol, "adapter": "sdk", "model": self.name, "base_url": base,
            "family": self.protocol, "lineage": self.name, "api_key_file": str(self.key_file), "stream": stream, **limits,
        }  # fmt: skip


def text_of(name: str) -> str:
    """Return what a provider's voter answers. Pure."""
    return f"{VALUE}\n\nSo says {name}, and the Seine flows through it to the north-west and on to the sea."


def question(struck: str) -> str:
    """Return the question that a protocol answers at once, or all at once where ``struck`` is none. Pure."""
    return f"What is the capital of France? Case {struck}."


def answers(name: str, protocol: str, others_ms: int) -> list[dict[str, Any]]:
    """Return the recorded answers of a provider's voter. Pure."""

    def said(latency_ms: int) -> dict[str, Any]:
        return {"voter": name, "family": protocol, "lineage": name,
                "answers": [{"content": text_of(name), "latency_ms": latency_ms}]}  # fmt: skip

    late = [other for other in PRIMARY if other != protocol]
    lines = [
        {"prompt_sha256": hashlib.sha256(question(other).encode()).hexdigest(), **said(others_ms)} for other in late
    ]
    return [*lines, {"default": said(1)}]


@contextmanager
def providers(directory: Path, others_ms: int) -> Iterator[list[Provider]]:
    """Start three primary and two backup providers in a directory of their own; end them."""
    directory.mkdir(parents=True, exist_ok=True)
    names = [(f"primary-{item}", item) for item in PRIMARY] + [(f"backup-{item}", item) for item in BACKUP]
    with ExitStack() as stack:
        yield [stack.enter_context(_provider(directory, name, item, others_ms)) for name, item in names]


async def order(session: aiohttp.ClientSession, provider: Provider, wanted: Mapping[str, Any]) -> dict[str, Any]:
    """Order a fault of a provider, or lift it; return its state after that."""
    headers = {"Authorization": f"Bearer {provider.control_key}"}
    url = f"http://127.0.0.1:{provider.control_port}/control"
    async with session.post(url, json=wanted, headers=headers) as response:
        told: dict[str, Any] = await response.json()
        if response.status != 200:
            raise RuntimeError(f"{provider.name} refused an order: {told}")
        return told


def faulted(state: Mapping[str, Any]) -> int:
    """Return how many requests have met a fault. Pure."""
    return sum(int(counts["faulted"]) for counts in state["models"].values())


@contextmanager
def _provider(directory: Path, name: str, protocol: str, others_ms: int) -> Iterator[Provider]:
    key_file, control_file = (_key(directory / f"{name}.{kind}") for kind in ("key", "control"))
    recorded = directory / f"{name}.jsonl"
    recorded.write_text("".join(json.dumps(line) + "\n" for line in answers(name, protocol, others_ms)))
    command = [
        sys.executable, "-m", "models.protocol_servers", "--protocol", protocol, "--answers", str(recorded),
        "--key-file", str(key_file), "--control-key-file", str(control_file),
    ]  # fmt: skip
    with subprocess.Popen(command, cwd=REPOSITORY, stdout=subprocess.PIPE, text=True) as process:  # noqa: S603 - ours
        try:
            yield _listening(process, name, protocol, key_file, control_file.read_text())
        finally:
            process.terminate()
            process.wait(ENDED_WITHIN_S)


def _listening(process: "subprocess.Popen[str]", name: str, protocol: str, key_file: Path, control: str) -> Provider:
    line = process.stdout.readline() if process.stdout is not None else ""
    if not line:
        raise RuntimeError(f"the protocol server {name} did not start; what it wrote to stderr says why")
    told = json.loads(line)
    return Provider(name, protocol, told["port"], told["control_port"], key_file, control)


def _key(path: Path) -> Path:
    path.touch(mode=0o600)
    path.write_text(secrets.token_hex(16))
    return path


def profile(found: Sequence[Provider], *, stream: bool) -> dict[str, Any]:
    """Return the profile of a system that asks these providers: two layers with half of the time each. Pure."""
    layers = [
        {
            "name": layer, "members": [item.name for item in found if item.name.startswith(layer)], "min_lineages": 2,
            "time_share": 0.5,
        }
        for layer in ("primary", "backup")
    ]  # fmt: skip
    return {
        "profile": "provider_faults", "demo": False, "voters": [item.voter(stream=stream) for item in found],
        "layers": layers,
    }  # fmt: skip
