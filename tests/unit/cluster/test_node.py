"""The node's ports, environment and command."""

import json
import os
import socket
import stat
from pathlib import Path

import pytest

from actors.base.errors import ConfigurationError, HomeError
from cluster.config import Config, read_config
from cluster.home import create_home
from cluster.node import Node, choose_ports, port_is_free, require_port, serve_host
from cluster.processes import MARKER


def node_of(tmp_path: Path, **ray: object) -> Node:
    """Return a prepared node with a temporary root of its own."""
    config: Config = read_config({"profile": "t", "ray": {"temp_root": str(tmp_path / "t"), **ray}}, "t")
    (tmp_path / "t").mkdir(exist_ok=True)
    node = Node(create_home(tmp_path / "home"), config)
    node.prepare()
    return node


def test_ports_are_distinct_and_free() -> None:
    """No two parts of the node are given the same port, and the replicas' span is wholly free."""
    ports = choose_ports(0)
    chosen = [getattr(ports, name) for name in ports.__slots__]
    assert len(set(chosen)) == len(chosen)
    assert all(port_is_free("127.0.0.1", port) for port in chosen)
    assert choose_ports(6379).gcs == 6379


def test_a_taken_port_is_refused_with_what_to_do() -> None:
    """Whoever listens there is left alone."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen(1)
        port = taken.getsockname()[1]
        with pytest.raises(ConfigurationError, match=f"port {port} .* is in use .* --port"):
            require_port("127.0.0.1", port)
    require_port("127.0.0.1", port)


def test_secrets_and_sockets_are_closed_to_others(tmp_path: Path) -> None:
    """The token is 0600; what Ray opens to everybody lies inside a directory that only we can enter."""
    node = node_of(tmp_path)
    assert stat.S_IMODE(node.home.ray_token.stat().st_mode) == 0o600
    assert stat.S_IMODE(node.private.stat().st_mode) == 0o700
    assert node.temp.parent == node.private
    assert node.haproxy.parent == node.private


def test_the_token_stays_and_the_ports_are_chosen_anew(tmp_path: Path) -> None:
    """A restarted node keeps its token: whoever was given the dashboard's keeps access."""
    node = node_of(tmp_path)
    token, ports = node.home.ray_token.read_bytes(), node.ports
    node.prepare()
    assert node.home.ray_token.read_bytes() == token
    assert node.ports != ports


def test_haproxy_s_sockets_fit_the_kernel_s_bound(tmp_path: Path) -> None:
    """HAProxy takes 97 characters at most, of which Serve puts 56 of the node's id between directory and name."""
    home = create_home(tmp_path / "home")
    node = Node(home, read_config({"profile": "t"}, "t"))
    assert len(str(node.haproxy / ("f" * 56) / "metrics.sock")) <= 97


def test_a_directory_of_somebody_else_is_not_used(tmp_path: Path) -> None:
    """A name that is taken, open to others or a link is refused instead of filled with sockets."""
    node = node_of(tmp_path)
    node.private.chmod(0o755)
    with pytest.raises(HomeError, match="belongs to somebody else or is open"):
        node.prepare()
    node.private.chmod(0o700)
    node.tidy()
    (tmp_path / "elsewhere").mkdir(mode=0o700)
    node.private.symlink_to(tmp_path / "elsewhere")
    with pytest.raises(HomeError, match="belongs to somebody else"):
        node.prepare()


def test_logs_outlive_the_session(tmp_path: Path) -> None:
    """Tidying keeps the newest session's logs in the home and removes everything else."""
    node = node_of(tmp_path)
    for name, text in (("session_2026-01-01", "old"), ("session_2026-01-02", "new")):
        (node.temp / name / "logs").mkdir(parents=True)
        (node.temp / name / "logs" / "raylet.out").write_text(text)
    node.tidy()
    assert (node.home.logs / "ray" / "raylet.out").read_text() == "new"
    assert not node.private.exists()


def test_the_environment_marks_guards_and_forgets(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Our marker and the token's place are in it; foreign settings of Ray's are not, other variables are."""
    monkeypatch.setenv("RAY_ADDRESS", "elsewhere:6379")
    monkeypatch.setenv("RAY_AUTH_TOKEN", "foreign")
    monkeypatch.setenv("UPSTREAM_KEY", "kept")
    node = node_of(tmp_path)
    environ = node.environment()
    assert environ[MARKER] == node.home.marker
    assert (environ["RAY_AUTH_MODE"], environ["RAY_AUTH_TOKEN_PATH"]) == ("token", str(node.home.ray_token))
    assert environ["RAY_ADDRESS"] == node.address
    assert "RAY_AUTH_TOKEN" not in environ
    assert environ["UPSTREAM_KEY"] == "kept"
    assert node.home.ray_token.read_text() not in json.dumps(environ)
    assert os.access(environ["WEAVERGEN_HAPROXY"], os.X_OK)


def test_only_haproxy_faces_other_machines(tmp_path: Path) -> None:
    """On one machine the replicas stay on loopback whatever ``gateway.host`` is; HAProxy is told it, and our time limits."""
    gateway = {"host": "0.0.0.0", "request_timeout_s": 400.5, "request_head_timeout_s": 7}  # noqa: S104
    config = read_config({"profile": "t", "gateway": gateway, "ray": {"temp_root": str(tmp_path)}}, "t")
    node = Node(create_home(tmp_path / "home"), config)
    node.prepare()
    environ = node.environment()
    assert serve_host(config) == "127.0.0.1"
    assert environ["WEAVERGEN_HTTP_HOST"] == "0.0.0.0"  # noqa: S104
    assert environ["WEAVERGEN_HTTP_REQUEST_TIMEOUT_S"] == "7"
    assert environ["RAY_SERVE_HAPROXY_TIMEOUT_CLIENT_S"] == environ["RAY_SERVE_HAPROXY_TIMEOUT_SERVER_S"] == "406"
    several = read_config({"profile": "t", "gateway": gateway, "ray": {"bind": "network"}}, "t")
    assert serve_host(several) == "0.0.0.0"  # noqa: S104


def test_a_single_machine_binds_loopback_and_a_cluster_does_not(tmp_path: Path) -> None:
    """The node's address is 127.0.0.1 unless other machines shall join; then Ray's port is the one they are told."""
    alone = node_of(tmp_path)
    assert "--node-ip-address=127.0.0.1" in alone.command()
    assert alone.environment()["RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER"] == "0"
    head = node_of(tmp_path, bind="network", gcs_port=6379, autoscaling_config="~/a.yaml")
    assert not any("node-ip-address" in part for part in head.command())
    assert "RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER" not in head.environment()
    assert "--port=6379" in head.command()
    assert f"--autoscaling-config={Path.home()}/a.yaml" in head.command()
