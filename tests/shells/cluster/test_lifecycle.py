"""What `up` tells of a system that is up."""

import json
from pathlib import Path

import pytest
from click.testing import CliRunner

from cluster.cli.main import cli
from cluster.config import read_config
from cluster.home import create_home
from cluster.node import Node


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
    result = CliRunner().invoke(cli, ["up", "--home", str(home.root), "--json"], standalone_mode=False)
    assert json.loads(result.stdout).get("ray_ports") == told
