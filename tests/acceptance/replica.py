"""One real replica in this process, over a home and a state database of its own: all of the gateway but Ray and its ingress.

Its voters play recorded answers. Nobody seals what it logs, for there is no Ray to run a span actor in; it says so itself.
"""

import asyncio
import hashlib
import json
import threading
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest

from actors.base.digests import sha256_hex
from actors.base.errors import NotReady
from actors.base.signing import SigningKey
from cluster.access import database, ensure_keys
from cluster.application import app_settings
from cluster.config import read_config
from cluster.home import create_home
from cluster.issuer import Issuer
from cluster.migrations import upgrade
from cluster.profile_policy import ensure_policy
from cluster.succession import Succession
from cluster.trust import ensure_trust, operator_key
from models.catalog import load_catalog
from serve_apps.gateway import replica
from serve_apps.gateway.app import create_entry
from serve_apps.gateway.replica import Gateway
from serve_apps.gateway.settings import GatewaySettings

VOTERS = ("m1", "m2", "m3", "m4", "m5", "m6")
BREAKS = "Break the first voter."
LOOK_S = 0.1


@dataclass(frozen=True, slots=True)
class Replica:
    """A running replica and who may ask it."""

    gateway: Gateway
    http: httpx.AsyncClient
    keys: Mapping[str, str]

    async def ask(self, prompt: str = "How many days are in a week?") -> httpx.Response:
        """Ask the panel."""
        body = {"model": "consensus", "messages": [{"role": "user", "content": prompt}],
                "weavergen": {"answer_kind": "value"}}  # fmt: skip
        return await self.http.post("/v1/chat/completions", json=body, headers=self._headers("client"))

    async def get(self, path: str) -> httpx.Response:
        """Look as an operator."""
        return await self.http.get(path, headers=self._headers("operator"))

    async def order(self, verb: str, **body: str) -> httpx.Response:
        """Order a transition as an operator."""
        return await self.http.post(f"/ops/{verb}", json={"reason": "r", **body}, headers=self._headers("operator"))

    async def degraded(self) -> list[str]:
        """Return what ``/readyz`` says of a database that fails; it has to be ready all the same."""
        answer = await self.get("/readyz")
        assert answer.status_code == 200, answer.text
        return [line for line in answer.json()["degraded"] if line.startswith("state database: ")]

    async def break_a_voter(self) -> None:
        """Ask until the first voter's breaker has opened, which raises an incident; the others answer."""
        for _ in range(10):
            assert (await self.ask(BREAKS)).status_code == 200
            if "m1" in {item.voter for item in self.gateway.breakers() if item.state == "open"}:
                return
        pytest.fail("the breaker of a voter that always fails did not open")

    def _headers(self, role: str) -> dict[str, str]:
        return {"Authorization": f"Bearer {self.keys[role]}"}


def prepared(folder: Path, database_url: str, timeout_s: float) -> GatewaySettings:
    """Make a home with keys and a policy, as bring-up leaves it; return what its replica is built from."""
    home, operators = create_home(folder / "home"), folder / "operator"
    answers, lineages = folder / "answers.jsonl", {voter: f"lineage-{voter}" for voter in VOTERS}
    answers.write_text("".join(json.dumps(line) + "\n" for line in _answers(lineages)))
    config = read_config({
        "profile": "t",
        "voters": [{"id": voter, "provider": "recorded", "family": "f", "lineage": lineages[voter]} for voter in VOTERS],
        "layers": [{"name": "primary", "members": VOTERS}],
        "answers": [{"path": str(answers), "sha256": sha256_hex(answers.read_bytes())}],
        "store": {"database_url": database_url, "pool_size": 2, "timeout_s": timeout_s},
    }, "t")  # fmt: skip
    trust = ensure_trust(home, operators, int(time.time()))
    with database(home, config.store) as opened:
        upgrade(opened)
        ensure_keys(home, opened, trust)
        succession = Succession(home, config.policy, lambda: trust, opened)
        ensure_policy(succession, config, lineages, lambda: operator_key(operators))
    return app_settings(home, config, load_catalog(), {}, ()).gateway


def _answers(lineages: Mapping[str, str]) -> list[dict[str, Any]]:
    lines: list[dict[str, Any]] = [
        {"default": {"voter": voter, "family": "f", "lineage": lineage, "answers": [{"content": "7", "latency_ms": 5}]}}
        for voter, lineage in lineages.items()
    ]
    digest = hashlib.sha256(BREAKS.encode()).hexdigest()
    fails = {"voter": "m1", "family": "f", "lineage": lineages["m1"], "answers": [{"error": {"status": 400}}]}
    return [*lines, {"prompt_sha256": digest, **fails}]


@asynccontextmanager
async def running(settings: GatewaySettings, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Replica]:
    """Start the replica, with an issuer that certifies its writer; end both."""
    monkeypatch.setattr(replica, "ask_span_actor", _no_span_actor)
    monkeypatch.setattr(replica, "INCIDENTS_LOOK_S", LOOK_S)
    keys, ended = settings.home / "keys", threading.Event()
    issuer = Issuer(settings.home / "run" / "certs", lambda: SigningKey.load(keys / "issuer.key"), 4, lambda _: True)
    certifying = threading.Thread(target=_certify, args=(issuer, ended))
    certifying.start()
    try:
        gateway = Gateway(settings, {})
        await gateway.start()
        try:
            transport = httpx.ASGITransport(create_entry(gateway))
            async with httpx.AsyncClient(transport=transport, base_url="http://replica", timeout=60) as http:
                texts = {role: (keys / f"{role}.key").read_text() for role in ("client", "operator")}
                yield Replica(gateway, http, texts)
        finally:
            await gateway.close()
    finally:
        ended.set()
        certifying.join()


async def until(holds: Callable[[], Awaitable[object]], timeout_s: float = 20.0) -> None:
    """Wait for a condition, never longer than said."""
    async with asyncio.timeout(timeout_s):
        while not await holds():  # noqa: ASYNC110 - what is asked runs in other threads and processes, too
            await asyncio.sleep(LOOK_S)


async def _no_span_actor() -> Mapping[str, Any]:
    raise NotReady("no Ray runs here")


def _certify(issuer: Issuer, ended: threading.Event) -> None:
    while not ended.wait(0.02):
        issuer.tick(int(time.time()))
