"""Transitions from the command line: what goes without the gateway, and what is never signed."""

import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest

from actors.base.canonical import canonical_json
from actors.base.errors import HomeError, InvalidRequest, ModelNotFound
from actors.base.signing import SigningKey
from actors.policy.snapshot import Calibration, sign_snapshot
from actors.policy.transitions import halted, isolated, successor
from cluster.cli.policies import described, rolled_back
from cluster.client import GatewayClient, NotRunning, Refused
from cluster.status import system_id
from tests.shells.cluster.cli_home import Terminal, terminal
from tests.shells.cluster.governed import config_of, governed
from tests.shells.cluster.listener import Listener, listening

OVERLOADED = Refused("overloaded: too much", None, {"status": 429})
FAILING = Refused("not_ready: no disk", None, {"status": 503})


@pytest.fixture
def shell(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Terminal:
    """Return a shell beside a home whose gateway does not run."""
    system = governed(tmp_path, int(time.time()))
    answer_with(monkeypatch, NotRunning("nobody answers"))
    return terminal(system, monkeypatch)


def answer_with(monkeypatch: pytest.MonkeyPatch, error: Exception) -> None:
    """Have the gateway answer every transition with an error."""

    def post(*_: Any) -> dict[str, Any]:
        raise error

    monkeypatch.setattr(GatewayClient, "post", post)


@pytest.mark.parametrize("error", [NotRunning("nobody answers"), OVERLOADED, FAILING])
def test_an_operator_halts_without_the_gateway(
    shell: Terminal, monkeypatch: pytest.MonkeyPatch, error: Exception
) -> None:
    """Stopped, overloaded or failing: the halt is published for every replica, noted, and said to have gone this way."""
    answer_with(monkeypatch, error)
    told = shell.told("halt", "--reason", "wrong answers")
    assert (told["halt"]["on"], told["halt"]["reason"], told["via"]) == (True, "wrong answers", "home")
    current = shell.system.succession.in_force()
    assert (current.version, current.halt.on) == (2, True)
    newest = shell.system.succession.history.list()[0]
    assert (newest.kind, newest.reason) == ("halt", "wrong answers")
    assert shell.system.up(config_of("a", "b", quorum=0.6)).snapshot == current


@pytest.fixture
def beside(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[tuple[Terminal, Listener]]:
    """Return a shell and whoever listens in the gateway's place: the home's own gateway, until told otherwise."""
    with listening() as listener:
        shell = terminal(governed(tmp_path, int(time.time())), monkeypatch, listener.port)
        listener.system = system_id(shell.system.home, shell.system.home.read_config())
        yield shell, listener


@pytest.mark.parametrize(
    ("ours", "status", "body"),
    [
        (False, 200, {}),
        (False, 200, {"halt": {"on": True}}),
        (False, 404, {}),
        (True, 401, {"error": {"code": "invalid_api_key", "message": "unknown key"}}),
        (True, 200, {}),
        (True, 200, {"halt": {"on": False}}),
        (True, 200, {"halt": {"on": "true"}}),
    ],
)
def test_a_halt_counts_only_when_it_is_shown(
    beside: tuple[Terminal, Listener], ours: bool, status: int, body: dict[str, Any]
) -> None:
    """A stranger's word, a key nobody knows, an answer that shows no halt: it is signed and published here."""
    shell, listener = beside
    listener.system, listener.status, listener.body = listener.system if ours else None, status, body
    told = shell.told("halt", "--reason", "wrong answers")
    assert (told["via"], told["halt"]["on"]) == ("home", True)
    assert shell.system.succession.in_force().halt.on


def test_the_gateway_s_halt_is_not_made_twice(beside: tuple[Terminal, Listener]) -> None:
    """Where it shows the halt, or the isolation of the voter that was named, nothing is signed here."""
    shell, listener = beside
    listener.body = {"version": 2, "halt": {"on": True}, "voter_state": {"a": "isolated", "b": "active"}}
    assert shell.told("halt", "--reason", "r")["via"] == "gateway"
    assert shell.told("isolate", "a", "--reason", "r")["via"] == "gateway"
    assert shell.system.versions == [1]
    assert shell.told("isolate", "b", "--reason", "r")["via"] == "home"


@pytest.mark.parametrize("text", [b"profile: t\nremoved_key: 1\n", b"{", b"\xff\xfe"])
def test_a_configuration_that_cannot_be_read_stops_no_tightening(shell: Terminal, text: bytes) -> None:
    """Another build's, edited or damaged: halt and isolation are in force, and one line says why they went this way."""
    home = shell.system.home
    home.config_file.write_bytes(text)
    shown = shell.run("isolate", "a", "--reason", "r").stdout
    assert shown.count("\n") == 1
    assert f"without the gateway: {home.config_file}" in shown
    assert "signed and published here" in shell.run("halt", "--reason", "r").stdout
    current = shell.system.succession.in_force()
    assert (current.halt.on, current.isolated("a")) == (True, True)


def test_a_refusal_is_the_operator_s_answer(shell: Terminal, monkeypatch: pytest.MonkeyPatch) -> None:
    """What the gateway refuses on its merits is not done past it."""
    answer_with(monkeypatch, Refused("role_required: no", None, {"status": 403}))
    assert isinstance(shell.run("halt", "--reason", "r").exception, Refused)
    assert shell.system.versions == [1]


def test_a_halt_that_is_in_force_already_is_no_failure(shell: Terminal) -> None:
    """The gateway may have done it and answered too late."""
    shell.system.tighten(lambda current, now_ms: halted(current, "first", "x", now_ms), note=False)
    assert shell.told("halt", "--reason", "again")["halt"]["reason"] == "first"
    assert "in force already" in shell.run("halt", "--reason", "again").stdout


def test_a_voter_is_isolated_without_the_gateway(shell: Terminal) -> None:
    """An unknown voter is said, a known one isolated; a missing API key keeps nobody from it."""
    (shell.system.home.keys / "operator.key").unlink()
    assert isinstance(shell.run("isolate", "zz", "--reason", "r").exception, ModelNotFound)
    assert "signed and published here, without the gateway" in shell.run("isolate", "a", "--reason", "r").stdout
    assert shell.system.succession.in_force().isolated("a")


def test_a_halt_needs_no_database(shell: Terminal) -> None:
    """With the state database broken the halt is in force and the missing note is said."""
    for path in shell.system.home.root.glob("state.db*"):
        path.unlink()
    (shell.system.home.root / "state.db").mkdir()
    result = shell.run("halt", "--reason", "r")
    assert "NOT in the policy history" in result.stdout
    assert shell.system.versions == [1, 2]


def test_a_rollback_signs_no_forgery(shell: Terminal) -> None:
    """A replaced file of an earlier version stops the command; nothing is signed."""
    system = shell.system
    first = system.succession.in_force()
    system.tighten(isolated, "a")
    forged = msgspec.structs.replace(first, layers=[msgspec.structs.replace(first.layers[0], quorum="0.000001")])
    system.file(1).unlink()
    system.file(1).write_bytes(canonical_json(sign_snapshot(forged, SigningKey.generate())))
    assert isinstance(shell.run("policy", "rollback", "1", "--reason", "r").exception, HomeError)
    assert system.versions == [1, 2]


def test_a_pin_signs_nothing_below_the_mark(shell: Terminal) -> None:
    """With the newest file removed neither pin nor rollback goes on from an older one."""
    shell.system.tighten(lambda current, now_ms: halted(current, "r", "x", now_ms))
    shell.system.tighten(isolated, "a")
    shell.system.file(3).unlink()
    for words in (("pin",), ("rollback", "1")):
        assert isinstance(shell.run("policy", *words, "--reason", "r").exception, HomeError)
    assert shell.system.versions == [1, 2]
    assert shell.system.incidents == ["policy rollback"]


def test_a_rollback_says_what_it_changes_and_keeps_a_halt(shell: Terminal) -> None:
    """The changes are shown before signing; halt and isolation stay without being asked for."""
    system = shell.system
    system.up(config_of("a", "b", quorum=0.8))
    system.tighten(lambda current, now_ms: halted(current, "why", "x", now_ms), note=False)
    system.tighten(isolated, "a")
    result = shell.run("policy", "rollback", "1", "--reason", "r")
    assert "layer p: quorum: 0.800000 → 0.600000 (looser)" in result.stderr
    current = system.succession.in_force()
    assert (current.version, current.halt.on, current.isolated("a")) == (5, True, True)
    assert current.layers[0].quorum == "0.600000"


def test_halt_and_voters_come_back_when_asked_for(shell: Terminal) -> None:
    """An operator may say so, each by itself."""
    system = shell.system
    system.tighten(lambda current, now_ms: halted(current, "why", "x", now_ms), note=False)
    system.tighten(isolated, "a")
    assert shell.told("policy", "rollback", "1", "--reason", "r", "--restore-voters")["halt"]["on"]
    assert not system.succession.in_force().isolated("a")
    assert not shell.told("policy", "rollback", "1", "--reason", "r", "--restore-halt")["halt"]["on"]


def test_a_voter_only_the_old_version_knows_comes_with_its_state(shell: Terminal) -> None:
    """Bringing back layers brings their voters' states, and changes nobody else's."""
    old = shell.system.succession.in_force()
    now = successor(old, 0, voter_state={"a": "isolated", "n": "active"})
    assert rolled_back(now, old, 0, halt=False, voters=False).voter_state == {
        "a": "isolated",
        "b": "active",
        "n": "active",
    }


def test_recovery_names_what_was_lost(shell: Terminal) -> None:
    """Going on above lost versions halts and prints what is noted of them."""
    shell.system.tighten(isolated, "a")
    shell.system.file(2).unlink()
    result = shell.run("policy", "recover", "--reason", "disk")
    assert "lost: version 2, isolated" in result.stderr
    assert "version 3 is in force; generation is HALTED" in result.stdout
    shell.told("policy", "pin", "--reason", "r")
    assert shell.system.succession.in_force().version == 4


def test_learning_is_frozen_and_goes_on_by_the_operator_s_word(shell: Terminal) -> None:
    """Both are noted; without a pin there is nothing to put away, and nothing to unfreeze is said."""
    assert shell.told("policy", "freeze", "--reason", "odd")["learning_frozen"]
    assert "learning is FROZEN" in shell.run("policy", "show").stdout
    assert not shell.told("policy", "unfreeze", "--reason", "fine")["learning_frozen"]
    assert [(note.kind, note.reason) for note in shell.system.succession.history.list()[:2]] == [
        ("unfreeze", "fine"), ("freeze", "odd"),
    ]  # fmt: skip
    assert isinstance(shell.run("policy", "unfreeze", "--reason", "r").exception, InvalidRequest)


def test_the_policy_in_force_is_shown_to_people_and_to_programs(shell: Terminal) -> None:
    """Who is halted, by whom and why, layers, voters and thresholds in lines; with --json the whole snapshot."""
    system = shell.system
    system.tighten(lambda current, now_ms: halted(current, "wrong answers", "ops", now_ms), note=False)
    system.tighten(isolated, "a")
    shown = shell.run("policy", "show").stdout.splitlines()
    current = system.succession.in_force()
    assert shown[0] == f"policy version 3 is in force, sha256 {current.sha256}"
    assert shown[1] == "generation is HALTED by ops: wrong answers"
    assert {"voter a: isolated", "voter b: active", "threshold similarity: 0.850000"} <= set(shown)
    assert any(line.startswith("layer p: quorum 0.600000") and line.endswith("; a, b") for line in shown)
    assert shown[-1] == "no policy states an error that it is calibrated for"
    stated = msgspec.structs.replace(current, calibration={"strict": Calibration("0.050000", "measured")})
    assert described(stated)[-1] == "strict is calibrated for an error of 0.050000: measured"
    told = shell.told("policy", "show")
    assert (told["sha256"], told["version"], told["halt"]["on"]) == (current.sha256, 3, True)
