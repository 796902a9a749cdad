"""The providers that the fault campaign strikes, one by one and together: what they say, and who asks them.

Rules:
- A provider's only voter bears its name, and answers every question with the same whole text after ``others_ms``; the question
  that names its own protocol it answers at once, so that it is the first to be heard wherever it is the one that is struck.
- All texts begin with the same value and go on after it: half of one reads like the whole, so that who takes it for whole is
  found out.
"""

import hashlib
import json
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

from cluster.acceptance.providers import Provider, provider

PRIMARY = ("openai", "anthropic", "gemini")
BACKUP = ("openai", "anthropic")
VALUE = "Paris"
SILENT_S = 1.4
"""How long a stream may be silent: a little less than the layer's time."""


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
        found = []
        for name, protocol in names:
            recorded = directory / f"{name}.jsonl"
            recorded.write_text("".join(json.dumps(line) + "\n" for line in answers(name, protocol, others_ms)))
            found.append(stack.enter_context(provider(name, protocol, [name], recorded)))
        yield found


def faulted(state: Mapping[str, Any]) -> int:
    """Return how many requests have met a fault. Pure."""
    return sum(int(counts["faulted"]) for counts in state["models"].values())


def profile(found: Sequence[Provider], *, stream: bool) -> dict[str, Any]:
    """Return the profile of a system that asks these providers: two layers with half of the time each. Pure."""
    layers = [
        {
            "name": layer, "members": [item.name for item in found if item.name.startswith(layer)], "min_lineages": 2,
            "time_share": 0.5,
        }
        for layer in ("primary", "backup")
    ]  # fmt: skip
    asked = {"stream": stream} | ({"first_token_s": SILENT_S, "stall_s": SILENT_S} if stream else {})
    voters = [voter | asked for item in found for voter in item.voters("sdk")]
    return {"profile": "provider_faults", "demo": False, "voters": voters, "layers": layers}
