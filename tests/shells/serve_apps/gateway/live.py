"""Live replicas: real ``Gateway``s over one home, whose voters are protocol servers on loopback. Only Ray is left out."""

import asyncio
import json
import threading
import time
from collections.abc import AsyncIterator, Iterable, Iterator, Mapping
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from actors.base.certificates import read_trust
from actors.base.errors import NotReady
from actors.base.files import write_atomic
from actors.base.signing import SigningKey
from actors.consensus.verification import verify_envelope
from actors.spans.record import DecisionRecord
from cluster.acceptance.system import write_answers
from cluster.application import app_settings
from cluster.config import Config, read_config
from cluster.home import Home
from cluster.issuer import Issuer
from models.catalog import load_catalog
from models.protocol_servers.faults import Order
from models.protocol_servers.openai_chat import OpenAIChat
from models.protocol_servers.server import ProtocolServer
from models.recorded import load_recorded
from serve_apps.gateway import replica
from serve_apps.gateway.replica import Gateway
from tests.shells.cluster.governed import LINEAGES, governed

KEY = "a-key-of-the-provider"
PATIENCE_S = 20.0
UNANIMOUS = dict.fromkeys(LINEAGES, "Paris")
OFTEN_S = 0.05
"""How often replicas compare and publish here."""


class Meter:
    """What a replica publishes, kept instead of given to Ray."""

    def __init__(self, _: str) -> None:
        self._gauges: dict[str, float] = {}
        self._news = asyncio.Event()
        self.told = False
        """Whether it was asked to hand over what it counted."""

    async def until(self, gauge: str, value: float) -> None:
        """Wait until a gauge shows a value."""
        async with asyncio.timeout(PATIENCE_S):
            while self._gauges.get(gauge) != value:
                self._news.clear()
                await self._news.wait()

    def show(self, values: Mapping[str, float]) -> None:
        """Keep the gauges."""
        self._gauges.update(values)
        self._news.set()

    def tell(self) -> None:
        """Take note that nothing is kept back."""
        self.told = True

    def show_voters(self, states: Mapping[str, int], asks: Mapping[str, int]) -> None:
        """Take each voter's."""

    def decided(self, result: str, kind: str, seconds: float) -> None:
        """Take a deliberation's end."""

    def voted(self, voter: str, outcome: str, seconds: float) -> None:
        """Take a ballot."""

    def supported(self, support: float) -> None:
        """Take a tally's end."""

    def answered(self, surface: str, status: str) -> None:
        """Take a request's end."""

    def content(self, outcome: str) -> None:
        """Take what became of a content."""


@dataclass(frozen=True)
class Told:
    """What a client was told."""

    status: int
    headers: Mapping[str, str]
    body: Mapping[str, Any]


@dataclass
class Live:
    """Replicas of one home and the provider that they ask."""

    home: Home
    provider: ProtocolServer
    replicas: list[Gateway] = field(default_factory=list)

    def meter(self, number: int = 0) -> Meter:
        """Return what a replica publishes."""
        kept: Any = self.replicas[number]._meter
        assert isinstance(kept, Meter)
        return kept

    @property
    def asked(self) -> dict[str, int]:
        """Return how many requests came for each voter."""
        return {voter: counts.received for voter, counts in self.provider.counts.items()}

    async def order(self, **order: Any) -> None:
        """Order a fault."""
        await self.provider.order(Order(**order))

    async def ask(self, model: str = "consensus", number: int = 0, deadline_ms: int = 10_000) -> Told:
        """Ask a replica as a client does."""
        wanted = {"deadline_ms": deadline_ms, "answer_kind": "value"}
        question = {"role": "user", "content": "What is the capital of France?"}
        data = json.dumps({"model": model, "messages": [question], "weavergen": wanted}).encode()
        messages, sent = iter([{"type": "http.request", "body": data}]), []

        async def receive() -> dict[str, Any]:
            if (message := next(messages, None)) is None:
                await asyncio.Event().wait()
            return message or {}

        async def send(message: Any) -> None:
            sent.append(message)

        await self.replicas[number].chat({"headers": self._headers}, receive, send)
        headers = {name.decode().lower(): value.decode() for name, value in sent[0]["headers"]}
        return Told(sent[0]["status"], headers, json.loads(sent[1]["body"]))

    async def record(self, told: Told, number: int = 0) -> DecisionRecord:
        """Return the record of an answer, verified."""
        gateway = self.replicas[number]
        principal = gateway.access.require(self._headers, "client")
        data = await gateway.decision(told.headers["x-weavergen-decision"], principal)
        return verify_envelope(data, read_trust(self.home.trust_file.read_bytes()), int(time.time())).record

    @property
    def _headers(self) -> list[tuple[bytes, bytes]]:
        key = (self.home.keys / "client.key").read_text().strip()
        return [(b"authorization", f"Bearer {key}".encode())]


@asynccontextmanager
async def live(
    folder: Path, monkeypatch: pytest.MonkeyPatch, replicas: int = 1, says: Mapping[str, str] = UNANIMOUS,
    streamed: bool | None = None, **settings: Any,
) -> AsyncIterator[Live]:  # fmt: skip
    """Bring up replicas over voters that say this, with these sections of a profile; all are in one layer unless it says.

    ``streamed`` lets voters be asked for streams.
    """
    monkeypatch.setattr(replica, "RayMeter", Meter)
    monkeypatch.setattr(replica, "ask_span_actor", _nobody)
    monkeypatch.setenv("PATH", "")  # without bwrap no sandbox is proven: what is asked here runs nothing
    answers = write_answers(folder / "answers.jsonl", {voter: [text] for voter, text in says.items()})
    write_atomic(folder / "provider.key", KEY.encode())
    provider = ProtocolServer(OpenAIChat(KEY), load_recorded([answers]))
    await provider.start()
    system = governed(folder, int(time.time()))
    running = Live(system.home, provider)
    try:
        config = _config(provider.port, folder / "provider.key", says, settings, streamed)
        system.up(config, {voter.id: voter.lineage or voter.id for voter in config.voters})
        with _issuing(system.home):
            for _ in range(replicas):
                running.replicas.append(_gateway(system.home, config))
                await running.replicas[-1].start()
            yield running
    finally:
        for gateway in running.replicas:
            await gateway.close()
        system.database.close()
        await provider.stop()


async def _nobody() -> Mapping[str, Any]:
    raise NotReady("no Ray here")


def _config(
    port: int, key: Path, voters_of: Iterable[str], settings: Mapping[str, Any], streamed: bool | None
) -> Config:  # fmt: skip
    voters = [
        {
            "id": voter, "provider": "openai", "model": voter, "base_url": f"http://127.0.0.1:{port}/v1",
            "api_key_file": str(key), "family": voter, "lineage": f"l{voter}", "stream": streamed,
        }
        for voter in voters_of
    ]  # fmt: skip
    layers = [{"name": "primary", "members": list(voters_of)}]
    return read_config({"profile": "live", "voters": voters, "layers": layers, **settings}, "live")


def _gateway(home: Home, config: Config) -> Gateway:
    built = app_settings(home, config, load_catalog(), {}, ()).gateway
    return Gateway(built.model_copy(update={"breakers_exchange_s": OFTEN_S, "metrics_refresh_s": OFTEN_S}), {})


@contextmanager
def _issuing(home: Home) -> Iterator[None]:
    """Answer certificate requests while inside, as the supervisor does."""
    issuer = Issuer(home.certs, lambda: SigningKey.load(home.keys / "issuer.key"), 16, lambda _: True)
    ended = threading.Event()

    def answer() -> None:
        while not ended.wait(0.01):
            issuer.tick(int(time.time()))

    thread = threading.Thread(target=answer, name="issuer")
    thread.start()
    try:
        yield
    finally:
        ended.set()
        thread.join()
