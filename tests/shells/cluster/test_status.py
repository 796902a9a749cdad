"""``status`` when everything is well, and when it is needed."""

import json
import os
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from cluster.cli.main import cli
from cluster.cli.status import open_incidents, replicas
from cluster.client import NotRunning
from cluster.config import read_config
from cluster.home import Home, create_home
from cluster.processes import process
from cluster.status import Status, system_id, write_status
from serve_apps.gateway.readiness import SYSTEM_HEADER

GATEWAY: dict[str, Any] = {
    "readiness": {"ready": True, "degraded": ["root: co-located"], "reasons": []},
    "policy": {"version": 3, "sha256": "f" * 64, "halt": {"on": False}},
    "layers": [{"name": "primary", "members": ["a", "b"], "quorum": "0.6", "min_lineages": 2, "time_share": "1"}],
    "voters": [{"id": "a", "family": "f", "lineage": "l", "layers": ["primary"], "state": "active"}],
    "breakers": [
        {"voter": "a", "state": "open", "cause": "failure_rate", "open_left_s": 12.4},
        {"voter": "b", "state": "closed", "cause": "", "open_left_s": 0.0},
    ],
    "admission": {
        "limit": 256, "under_way": 3, "waiting": 1, "admitted": 90, "shed": 4, "rate_limited": 2, "cuts": ["hedges"],
        "can_cut": ["hedges"],
    },
    "wal": {"emitted_spans": 7, "queued_bytes": 0, "refused": 0, "reserve_depth": 2},
    "log": {"batches": 9, "merge_delay_s": 0.5},
    "spans": {"rows_read": 3, "rows_accepted": 2, "rows_quarantined": 1},
}  # fmt: skip
HEALTH: dict[str, Any] = {
    "at_ms": 5, "age_s": 3.0, "score": 0.42, "levels": {"disk": 0.7}, "alarms": ["forecast/disk"],
    "checks": [{"name": "disk", "score": 0.42, "detail": "70%", "blind": False}, {"name": "cpu", "score": 1.0, "detail": "low"}],
    "predictions": [{
        "signal": "disk", "level": 0.7, "limit": 0.9, "slope_per_h": 0.1, "probabilities": {"300": 0.01, "3600": 0.83},
    }, {"signal": "cpu", "level": 0.1, "limit": 0.95, "slope_per_h": 0.0, "probabilities": {}}],
}  # fmt: skip
INCIDENT = {"kind": "policy_rollback", "level": "level_2_major", "acked_at_ms": None}


class Gateway(BaseHTTPRequestHandler):
    """Answers what a test has laid out, 503 for the rest."""

    pages: dict[str, bytes] = {}  # noqa: RUF012 - laid out anew for each test
    system = ""

    def do_GET(self) -> None:
        """Answer."""
        body = self.pages.get(self.path)
        self.send_response(503 if body is None else 200)
        self.send_header(SYSTEM_HEADER, self.system)
        self.end_headers()
        self.wfile.write(body or b"")

    def log_message(self, *_: object) -> None:
        """Say nothing."""


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Home]:
    """Return a home whose supervisor is this process, in front of a gateway that a test lays out."""
    server = HTTPServer(("127.0.0.1", 0), Gateway)
    Gateway.pages = {}
    threading.Thread(target=server.serve_forever, daemon=True).start()
    home = create_home(tmp_path / "home")
    home.write_config(read_config({"profile": "t", "gateway": {"port": server.server_port}}, "t"))
    Gateway.system = system_id(home, home.read_config())
    (home.keys / "operator.key").write_text("key")
    (home.keys / "operator.key").chmod(0o600)
    monkeypatch.setattr("cluster.cli.status.supervisor", lambda _: process(os.getpid()))
    yield home
    server.shutdown()
    server.server_close()


def ask(home: Home, *words: str) -> Result:
    """Run `status` on a home."""
    return CliRunner().invoke(cli, ["status", "--home", str(home.root), *words], standalone_mode=False)


def phase(home: Home, name: str, cause: str = "") -> None:
    """Write what the supervisor says."""
    write_status(
        home, Status(name, cause, 2, 0.0, home.read_config().sha256, 1, blocked=bool(cause), alerted=bool(cause))
    )


def test_a_ready_system_is_shown_whole(home: Home) -> None:
    """Replicas, layers with their rules, voters, versions, log, incidents and breakers; exit code 0."""
    phase(home, "ready")
    metrics = b'weavergen_ready{a="b",replica="r1"} 1.0\nweavergen_ready{replica="r2",c="d"} 0.0\n'
    Gateway.pages = {
        "/ops/status": json.dumps(GATEWAY).encode(), "/metrics": metrics, "/ops/incidents": json.dumps([INCIDENT]).encode(),
    }  # fmt: skip
    shown = ask(home)
    assert shown.return_value == 0, shown.output
    for words in (
        "supervisor: ready", "profile t", home.read_config().sha256, "version 3", "f" * 64, "quorum 0.6",
        "min_lineages 2", "co-located", "7 spans", "2 segments", "breakers: a open (failure_rate, 12 s left)",
        "admission: 3 of 256 under way, 1 wait, 90 let in, 4 shed, 2 rate limited, saves hedges",
        "transparency log: 9 batches", "spans: 3 read, 2 accepted, 1 set aside",
        "replicas: 2", "r2 not ready", "open incidents: 1", "policy_rollback",
    ):  # fmt: skip
        assert words in shown.output
    told = json.loads(ask(home, "--json").output)
    assert (told["ready"], told["replicas"], told["incidents"]["open"]) == (True, {"r1": True, "r2": False}, 1)


@pytest.mark.parametrize(
    ("can_cut", "words"),
    [
        (["hedges", "voters"], "2 rate limited, could save hedges, voters\n"),
        ([], "2 rate limited, nothing to save under pressure\n"),
        (None, "2 rate limited\n"),
    ],
)
def test_what_could_be_saved_here_is_told_in_calm(home: Home, can_cut: list[str] | None, words: str) -> None:
    """A brown-out that can save nothing is told as such; without a policy nobody knows."""
    phase(home, "ready")
    told = GATEWAY | {"admission": GATEWAY["admission"] | {"cuts": [], "can_cut": can_cut}}
    Gateway.pages = {"/ops/status": json.dumps(told).encode()}
    assert words in ask(home).output


def test_a_gateway_that_says_no_more_than_503_hides_nothing(home: Home) -> None:
    """The supervisor's state is shown all the same, as JSON too, and the exit code is 1."""
    phase(home, "degraded", "no space")
    for words in ((), ("--json",)):
        shown = ask(home, *words)
        assert shown.return_value == 1
        assert "no space" in shown.output
        assert "degraded" in shown.output
    assert json.loads(ask(home, "--json").output)["ready"] is False


def test_an_unreachable_gateway_is_not_well(home: Home) -> None:
    """Whatever the supervisor last said, nobody at the gateway's address is exit code 1; so is a damaged configuration."""
    phase(home, "ready")
    home.write_config(read_config({"profile": "t", "gateway": {"port": 1024}}, "t"))
    shown = ask(home, "--json")
    assert shown.return_value == 1
    assert "unreachable" in json.loads(shown.output)["gateway"]
    home.config_file.write_bytes(b"\xff")
    assert ask(home, "--json").return_value == 1


def test_nothing_running_is_3_and_json_all_the_same(tmp_path: Path) -> None:
    """A home without supervisor, and none at all."""
    for home in (create_home(tmp_path / "home"), Home(tmp_path / "none", "x")):
        shown = ask(home, "--json")
        assert isinstance(shown.exception, NotRunning)
        assert json.loads(shown.output)["running"] is False


def test_what_is_not_understood_is_left_out() -> None:
    """Foreign metrics are no replicas; a list that is none has no incidents."""
    assert replicas(b'weavergen_ready 1\nother{replica="x"} 1\n') == {}
    assert open_incidents(b"garbage") == {"open": 0, "newest": None}
    assert open_incidents(json.dumps([INCIDENT | {"acked_at_ms": 1}]).encode()) == {"open": 0, "newest": None}


def test_health_and_forecasts_are_shown_and_so_is_their_age(home: Home) -> None:
    """Score, what is short of whole, every forecast, open alarms; an old tick is called one, and none yet is none."""
    phase(home, "ready")
    Gateway.pages = {"/ops/status": json.dumps(GATEWAY).encode(), "/ops/predictions": json.dumps(HEALTH).encode()}
    shown = ask(home).output
    for words in (
        "health: score 0.42\n", "disk: 0.42, 70%", "disk: 70% of at most 90%; breach within 5 min 1%, 60 min 83%",
        "cpu: 10% of at most 95%; breach within too little seen", "alarm: forecast/disk",
    ):  # fmt: skip
        assert words in shown
    assert "cpu: 1.00" not in shown
    assert json.loads(ask(home, "--json").output)["health"]["score"] == 0.42
    Gateway.pages["/ops/predictions"] = json.dumps(HEALTH | {"age_s": 300.0}).encode()
    assert "of 300 s ago: no tick was kept since" in ask(home).output
    Gateway.pages["/ops/predictions"] = json.dumps(HEALTH | {"age_s": None, "score": None}).encode()
    assert "health: no tick yet" in ask(home).output
