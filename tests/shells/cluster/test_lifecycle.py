"""What `up` tells of a system that is up."""

import json
import time
from pathlib import Path

import pytest
from click.testing import CliRunner

from actors.base.endings import DAY_S
from cluster.cli.main import cli
from cluster.config import read_config
from cluster.home import create_home
from cluster.node import Node
from cluster.trust import CERTIFIED_S, ensure_trust


@pytest.mark.parametrize(
    ("ray", "told"),
    [
        ({"bind": "loopback"}, None),
        ({"bind": "network"}, "19000-19999, for the cluster's nodes and nobody else"),
        ({"bind": "network", "gcs_port": 6379}, "6379 and 19000-19999, for the cluster's nodes and nobody else"),
        ({"bind": "network", "gcs_port": 19_000}, "19000-19999, for the cluster's nodes and nobody else"),
    ],
)
def test_up_prints_the_ports_that_other_nodes_reach(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, ray: dict[str, object], told: str | None
) -> None:
    """A node that others join says which range a firewall has to guard; one on loopback has none."""
    config = read_config({"profile": "t", "demo": False, "ray": ray | {"temp_root": str(tmp_path)}}, "t")
    home = create_home(tmp_path / "home")
    monkeypatch.setattr("cluster.node.port_is_free", lambda *_: True)
    Node(home, config).prepare()
    monkeypatch.setattr("cluster.cli.lifecycle.bring_up", lambda *_: (home, config, False))
    ensure_trust(home, tmp_path / "operator", int(time.time()))
    result = CliRunner().invoke(cli, ["up", "--home", str(home.root), "--json"], standalone_mode=False)
    assert json.loads(result.stdout).get("ray_ports") == told


def test_up_says_which_certificates_end_before_long(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Root certifies for years, and nothing is committed without the log's key: whoever starts the system hears of it in time."""
    config, home = read_config({"profile": "t", "demo": False}, "t"), create_home(tmp_path / "home")
    monkeypatch.setattr("cluster.cli.lifecycle.bring_up", lambda *_: (home, config, True))
    Node(home, config).prepare()
    ensure_trust(home, tmp_path / "operator", int(time.time()) - CERTIFIED_S + 12 * DAY_S + 60)
    up = ["up", "--home", str(home.root)]
    warned = json.loads(CliRunner().invoke(cli, [*up, "--json"], standalone_mode=False).stdout)["warnings"]
    assert [line.split(" ends in ")[0] for line in warned] == [
        f"the certificate of the {role} key" for role in ("operator", "policy", "log", "issuer")
    ]
    shown = CliRunner().invoke(cli, up, standalone_mode=False).stdout
    assert all(line in shown for line in warned)
