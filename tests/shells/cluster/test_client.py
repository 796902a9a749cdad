"""The command line's client: whom it shows a key, and whom not."""

import os
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from actors.policy.transitions import halted, isolated
from cluster.bringup import reasons
from cluster.client import GatewayClient, NotRunning, Refused, Stranger, gateway_client
from cluster.processes import process
from cluster.status import Status, system_id, write_status
from tests.shells.cluster.cli_home import Terminal, terminal
from tests.shells.cluster.governed import governed
from tests.shells.cluster.listener import Listener, listening

DECISION = "01JD0000000000000000000000"


@pytest.fixture
def listener() -> Iterator[Listener]:
    """Return whoever listens in the gateway's place."""
    with listening() as found:
        yield found


@pytest.fixture
def shell(listener: Listener, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Terminal:
    """Return a shell beside a home whose gateway's place is the listener's."""
    monkeypatch.setattr("cluster.cli.status.supervisor", lambda _: process(os.getpid()))
    return terminal(governed(tmp_path, int(time.time())), monkeypatch, listener.port)


def client(shell: Terminal) -> GatewayClient:
    """Return the home's client."""
    home = shell.system.home
    return gateway_client(home, home.read_config(), home.keys / "operator.key")


def test_the_home_s_own_gateway_is_shown_the_key(shell: Terminal, listener: Listener) -> None:
    """It is asked without one first, and then the key goes with the request alone."""
    listener.system = system_id(shell.system.home, shell.system.home.read_config())
    listener.body = {"fine": True}
    assert client(shell).get("/ops/status") == {"fine": True}
    assert listener.sent == ["GET /readyz", "GET /ops/status"]
    assert listener.keys == [f"Bearer {(shell.system.home.keys / 'operator.key').read_text().strip()}"]


@pytest.mark.parametrize("system", [None, "f" * 24])
@pytest.mark.parametrize("readyz", [200, 401, 404, 503])
def test_a_stranger_is_shown_no_key(shell: Terminal, listener: Listener, system: str | None, readyz: int) -> None:
    """Another program, another home's gateway, an ingress without one: not running is what that is, in one line."""
    listener.system, listener.readyz = system, readyz
    mine = client(shell)
    for attempt in (lambda: mine.get("/x"), lambda: mine.post("/x", {}), lambda: mine.ask({}, 1.0)):
        with pytest.raises(NotRunning) as caught:
            attempt()
        assert isinstance(caught.value, Stranger) == (system is not None or readyz < 500)
    assert (listener.keys, set(listener.sent)) == ([], {"GET /readyz"})


@pytest.mark.parametrize(
    "words",
    [
        ("ask", "q"), ("verify", DECISION), ("status",), ("halt", "--reason", "r"), ("isolate", "a", "--reason", "r"),
        ("resume", "--reason", "r"), ("readmit", "a"),
    ],
    ids=lambda words: words[0],
)  # fmt: skip
def test_no_command_shows_a_stranger_a_key(shell: Terminal, listener: Listener, words: tuple[str, ...]) -> None:
    """Whatever is asked of the gateway goes through the one client that looks first."""
    shell.system.tighten(lambda current, now_ms: halted(current, "r", "x", now_ms), note=False)
    shell.system.tighten(isolated, "a")
    shell.run(*words)
    assert listener.sent
    assert listener.keys == []


def test_bring_up_shows_a_stranger_no_key(shell: Terminal, listener: Listener) -> None:
    """Its reasons are asked of the home's own gateway only, ready or not."""
    home = shell.system.home
    listener.body, listener.readyz = {"reasons": ["no disk"]}, 503
    assert (reasons(home, home.read_config()), listener.keys) == ("", [])
    listener.system = system_id(home, home.read_config())
    assert reasons(home, home.read_config()) == "no disk"


def test_a_gateway_that_another_build_started_is_still_the_home_s(shell: Terminal, listener: Listener) -> None:
    """The supervisor's word tells under which configuration it runs, should today's defaults read the kept one otherwise."""
    home = shell.system.home
    config = home.read_config()
    before = config.model_copy(update={"demo": False})
    listener.system = system_id(home, before)
    with pytest.raises(Stranger):
        client(shell).get("/ops/status")
    write_status(home, Status("ready", "", 0, 0.0, before.sha256, listener.port))
    assert client(shell).get("/ops/status") == {}


@pytest.mark.parametrize(
    ("status", "on_the_merits"), [(400, True), (403, True), (401, False), (429, False), (503, False)]
)
def test_a_refusal_on_the_merits_is_told_from_trouble(status: int, *, on_the_merits: bool) -> None:
    """Failing, overloaded, or without the key in its snapshot, the gateway did not judge what was asked."""
    assert Refused("x", None, {"status": status}).is_on_the_merits == on_the_merits
