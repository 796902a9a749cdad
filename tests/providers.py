"""What the tests of cloud voters share: the providers' fixtures, each naming its source, and what a voter is asked.

A fixture whose name begins with ``published_`` or ``reported_`` is what its source shows, but for what ``changed`` says;
every other is written after the documents that its source names, and proves nothing about them.
"""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from models.errors import VoterError
from models.providers.anthropic_map import Anthropic
from models.providers.dialect import Accumulator, Dialect
from models.providers.gemini_map import Gemini
from models.providers.openai_map import OpenAI
from models.voter import Candidate, Message, Sampling, VoterInfo, VoterRequest

FOLDER = Path(__file__).parent / "data" / "providers"
DIALECTS: dict[str, Dialect] = {"openai": OpenAI(), "anthropic": Anthropic(), "gemini": Gemini()}
INFO = VoterInfo("m1", "f", "l", 100_000)
KEY = "k3y-that-nobody-may-see"
REQUEST = VoterRequest(
    "r",
    (Message("system", "be brief"), Message("user", "hello"), Message("assistant", "yes?"), Message("user", "why?")),
    Sampling(max_tokens=8, seed=1, temperature=0.5, top_p=0.9, stop=("END",)),
    sample=2,
)


@dataclass(frozen=True)
class Fixture:
    """One response as a provider documents it."""

    provider: str
    name: str
    origin: str
    """``published`` by the provider, ``reported`` by who saw it, or written by us ``after the documents``."""
    source: str
    """Where it stands, or what of the documents it follows."""
    unlike_sdk: str
    """Why the SDK's own types do not take it; empty if they do."""
    kind: str
    status: int
    headers: dict[str, str]
    said: str
    """What it says, as JSON."""
    means: dict[str, Any]

    def __str__(self) -> str:
        return f"{self.provider}-{self.name}"

    @property
    def dialect(self) -> Dialect:
        """Return the provider's protocol."""
        return DIALECTS[self.provider]

    @property
    def content(self) -> Any:
        """Return what it says, anew each time: an SDK's type changes what it is given."""
        return json.loads(self.said)

    @property
    def events(self) -> list[dict[str, Any]]:
        """Return the data of a stream's events, its end marker left out."""
        return [event["data"] for event in self.content if event["data"] != "[DONE]"]

    @property
    def wire(self) -> bytes:
        """Return the body as it travels."""
        if self.kind != "stream":
            return json.dumps(self.content).encode()
        return b"".join(event_bytes(event) for event in self.content)


def event_bytes(event: dict[str, Any]) -> bytes:
    """Return one server-sent event."""
    name = f"event: {event['event']}\n" if "event" in event else ""
    data = event["data"] if isinstance(event["data"], str) else json.dumps(event["data"])
    return f"{name}data: {data}\n\n".encode()


def _load(path: Path) -> Fixture:
    read = json.loads(path.read_text())
    content = read["events" if read["kind"] == "stream" else "body"]
    return Fixture(
        path.parent.name,
        path.stem,
        read["origin"],
        read["source"],
        read.get("unlike_sdk", ""),
        read["kind"],
        read["status"],
        read["headers"],
        json.dumps(content),
        read["means"],
    )


FIXTURES = [_load(path) for path in sorted(FOLDER.glob("*/*.json"))]
WHOLE = [fixture for fixture in FIXTURES if fixture.kind == "whole"]
STREAMS = [fixture for fixture in FIXTURES if fixture.kind == "stream"]
ERRORS = [fixture for fixture in FIXTURES if fixture.kind == "error"]


def fixture_named(provider: str, name: str) -> Fixture:
    """Return one fixture."""
    return next(fixture for fixture in FIXTURES if (fixture.provider, fixture.name) == (provider, name))


def fed(accumulator: Accumulator, events: list[dict[str, Any]]) -> Accumulator:
    """Return the accumulator after these events."""
    for event in events:
        accumulator.add(event)
    return accumulator


def meaning(outcome: Candidate | VoterError) -> dict[str, Any]:
    """Return what a candidate or an error is, as fixtures write it."""
    if isinstance(outcome, VoterError):
        return {"outcome": type(outcome).__name__, "retry_after_s": outcome.retry_after_s}
    fields = ("content", "finish_reason", "prompt_tokens", "completion_tokens")
    return {"outcome": "Candidate"} | {name: getattr(outcome, name) for name in fields}
