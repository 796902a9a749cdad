"""A layer that fails and comes back, on a real node: voters are protocol servers that fail as ordered."""

import asyncio
import json
from collections.abc import Iterator
from contextlib import ExitStack

import httpx
import pytest

from actors.base.certificates import read_trust
from actors.consensus.verification import verify_envelope
from cluster.acceptance.providers import Provider, provider
from cluster.acceptance.system import write_answers
from tests.ray.test_command_line import members
from tests.ray.test_health import get
from tests.ray.waiting import until
from tests.ray.world import AGREED, UP_S, System, free_port, logs

pytestmark = [pytest.mark.ray, pytest.mark.timeout(300)]
PRIMARY, BACKUP = ("p1", "p2"), ("b1", "b2")
BREAKERS = {"open_s": 2.0, "outliers": {"base_s": 1.0, "max_s": 2.0}}
RECOVERED_S = 10.0


@pytest.fixture(scope="module")
def providers(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Provider, Provider]]:
    """Start a provider for each layer."""
    answers = write_answers(
        tmp_path_factory.mktemp("providers") / "answers.jsonl", {voter: ["Paris"] for voter in (*PRIMARY, *BACKUP)}
    )
    with ExitStack() as stack:
        yield (
            stack.enter_context(provider("primary", "openai", PRIMARY, answers)),
            stack.enter_context(provider("backup", "openai", BACKUP, answers)),
        )


@pytest.fixture(scope="module")
def layered(providers: tuple[Provider, Provider], tmp_path_factory: pytest.TempPathFactory) -> Iterator[System]:
    """Bring up a system of two layers; the session's has one, of recorded answers."""
    folder, port = tmp_path_factory.mktemp("layered"), free_port()
    layers = [{"name": "primary", "members": PRIMARY}, {"name": "backup", "members": BACKUP}]
    voters = [voter for each in providers for voter in each.voters()]
    profile = folder / "profile.yaml"
    profile.write_text(
        json.dumps({"profile": "layered", "demo": False, "voters": voters, "layers": layers, "breakers": BREAKERS})
    )
    running = System(folder / "home", f"http://127.0.0.1:{port}", "", "", folder / "operator")
    try:
        up = running.weavergen("up", "--profile", str(profile), "--port", str(port), timeout_s=UP_S)
        assert up.returncode == 0, up.stderr + logs(running.home)
        keys = {name: (running.home / "keys" / f"{name}.key").read_text() for name in ("client", "operator")}
        yield System(running.home, running.base_url, keys["client"], keys["operator"], running.operator_dir)
    finally:
        down = running.weavergen("down", timeout_s=120)
        assert down.returncode in (0, 3), down.stderr


def answered_by(system: System) -> str:
    """Ask; return the layer that answered, with a word where that is degraded, once its record has been verified."""
    body = {
        "model": "consensus",
        "messages": [{"role": "user", "content": AGREED}],
        "weavergen": {"answer_kind": "value"},
    }
    key = {"Authorization": f"Bearer {system.client_key.strip()}"}
    told = httpx.post(f"{system.base_url}/v1/chat/completions", json=body, headers=key, timeout=60)
    assert told.status_code == 200, told.text
    assert told.json()["choices"][0]["message"]["content"] == "Paris"
    decision = told.headers["x-weavergen-decision"]
    data = httpx.get(f"{system.base_url}/v1/decisions/{decision}", headers=key, timeout=60).content
    record = verify_envelope(data, read_trust((system.home / "trust.json").read_bytes()), 2_000_000_000).record
    assert record.layer.name == told.headers["x-weavergen-layer"]
    return told.headers["x-weavergen-layer"] + (" degraded" if told.headers["x-weavergen-degraded"] == "true" else "")


def states(system: System) -> dict[str, str]:
    """Return every voter's breaker."""
    return {item["voter"]: item["state"] for item in json.loads(get(system, "/ops/breakers"))}


def opened(system: System) -> set[str]:
    """Return the voters of whose breakers an incident tells that they opened."""
    listed = json.loads(get(system, "/ops/incidents"))
    return {item["evidence"]["service"] for item in listed if item["kind"] == "circuit_breaker_opened"}


def gateways(system: System) -> set[int]:
    """Return the process ids of the gateway's replicas: nobody was restarted if they stay the same."""
    return {pid for pid, line in members(system.home).items() if "ServeReplica:weavergen:gateway" in line}


def test_a_primary_that_is_down_is_replaced_and_answers_again_when_it_is_back(
    layered: System, providers: tuple[Provider, Provider]
) -> None:
    """The backup answers, degraded; the breakers open and are told of; the end of the fault is noticed, without a restart."""
    primary, _ = providers
    gateway = gateways(layered)
    assert answered_by(layered) == "primary"
    asyncio.run(primary.order("unavailable"))

    def is_open() -> bool:
        assert answered_by(layered) == "backup degraded"
        return all(states(layered)[voter] == "open" for voter in PRIMARY)

    until(is_open, 20, lambda: states(layered))
    until(lambda: opened(layered) == set(PRIMARY), 20, lambda: opened(layered))
    asyncio.run(primary.order(None))
    until(lambda: answered_by(layered) == "primary", RECOVERED_S, lambda: states(layered))
    until(lambda: set(states(layered).values()) == {"closed"}, RECOVERED_S, lambda: states(layered))
    assert gateways(layered) == gateway
