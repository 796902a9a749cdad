"""What is measured of cloud voters: one server a provider that speaks its protocol, and our gateway with voters of all three.

Rules:
- The servers are those of ``models.protocol_servers`` with right answers only, a process each. The peers pass through to
  OpenAI's.
- The profile extends ``cloud``: its breakers, and a price on every voter, so that the cap on spending is on the path. The cap
  is so high that no run comes near it.
- A server alone is asked what our thin adapter would ask it.
"""

import json
import secrets
import sys
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any, get_args

from cluster.bench.load import Target
from cluster.bench.started import LOOPBACK, free_port, listening, started
from cluster.bench.systems import ANSWER, PROMPT, UPSTREAM_KEY, VOTERS
from models.providers.build import Adapter, Provider, Settings, dialect_of
from models.voter import Message, Sampling, VoterRequest

PROVIDERS: tuple[Provider, ...] = get_args(Provider)
ADAPTERS: tuple[Adapter, ...] = ("thin", "sdk")
MODELS: Mapping[Provider, str] = dict(zip(PROVIDERS, VOTERS, strict=True))
"""Each provider's model; OpenAI's is the one that the peers pass through to."""
_BASE_PATH: Mapping[Provider, str] = {"openai": "/v1", "anthropic": "", "gemini": ""}
_PRICES: Mapping[Provider, Mapping[str, float]] = {
    "openai": {"input_usd": 2.0, "output_usd": 8.0},
    "anthropic": {"input_usd": 3.0, "output_usd": 15.0},
    "gemini": {"input_usd": 2.5, "output_usd": 15.0},
}
_CAP_USD = 100_000
_USAGE = {"prompt_tokens": 14, "completion_tokens": 8}
_MAX_TOKENS = 1024
_START_WAIT_S = 60.0


def recordings() -> list[dict[str, Any]]:
    """Return the lines of recorded answers in which every provider's model says the same to everything."""
    answer = {"content": ANSWER, "usage": _USAGE}
    return [
        {"default": {"voter": model, "family": model, "lineage": model, "answers": [answer]}}
        for model in MODELS.values()
    ]  # fmt: skip


def profile_of(ports: Mapping[Provider, int], adapter: Adapter) -> dict[str, Any]:
    """Return a profile with one voter a provider, named like it, in one layer."""
    voters = [
        {
            "id": provider, "provider": provider, "adapter": adapter, "family": provider, "lineage": provider,
            "model": MODELS[provider], "base_url": _base_url(provider, port), "api_key_env": UPSTREAM_KEY,
            "price": dict(_PRICES[provider]),
        }
        for provider, port in ports.items()
    ]  # fmt: skip
    return {
        "extends": "cloud", "profile": "bench-cloud", "demo": False, "voters": voters,
        "layers": [{"name": "primary", "members": list(ports)}], "budgets": {"spend_per_day_usd": _CAP_USD},
    }  # fmt: skip


def direct(provider: Provider, port: int, key: str) -> Target:
    """Return the request that a server gets without anybody between."""
    dialect, model = dialect_of(Settings(provider, MODELS[provider])), MODELS[provider]
    asked = VoterRequest("direct", (Message("user", PROMPT),), Sampling(_MAX_TOKENS))
    body = json.dumps(dialect.body(model, asked, _MAX_TOKENS, stream=False))
    return Target(_base_url(provider, port) + dialect.path(model, stream=False), body, dialect.headers(key))


@contextmanager
def providers(folder: Path) -> Iterator[tuple[dict[Provider, int], str]]:
    """Run a server a provider; yield their ports and the key they want."""
    key, key_file, answers = secrets.token_hex(16), folder / "upstream.key", folder / "answers.jsonl"
    key_file.touch(mode=0o600)
    key_file.write_text(key)
    answers.write_text("".join(json.dumps(line) + "\n" for line in recordings()))
    ports = {provider: free_port() for provider in PROVIDERS}
    with ExitStack() as stack:
        for provider, port in ports.items():
            command = [
                sys.executable, "-m", "models.protocol_servers", "--protocol", provider, "--answers", str(answers),
                "--port", str(port), "--key-file", str(key_file),
            ]  # fmt: skip
            log = folder / f"{provider}.log"
            stack.enter_context(started(command, log, listening(port), _START_WAIT_S))
        yield ports, key


def _base_url(provider: Provider, port: int) -> str:
    return f"http://{LOOPBACK}:{port}{_BASE_PATH[provider]}"
