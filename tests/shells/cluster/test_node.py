"""The node's ports, environment and command."""

import json
import os
import re
import socket
import stat
from pathlib import Path

import pytest

from actors.base.errors import ConfigurationError, HomeError
from cluster.config import Config, load_profile, read_config
from cluster.home import create_home
from cluster.node import Node, choose_ports, port_is_free, require_port, serve_host
from cluster.processes import MARKER

ROOT = Path(__file__).resolve().parents[3]


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
    chosen = [getattr(ports, name) for name in ports.__slots__ if not name.endswith("_worker")]
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
    assert environ["WEAVERGEN_CHAT_BOUND"] == "448"
    assert environ["RAY_SERVE_HAPROXY_TIMEOUT_CLIENT_S"] == environ["RAY_SERVE_HAPROXY_TIMEOUT_SERVER_S"] == "406"
    several = read_config({"profile": "t", "gateway": gateway, "ray": {"bind": "network"}}, "t")
    assert serve_host(several) == "0.0.0.0"  # noqa: S104


@pytest.fixture
def all_free(monkeypatch: pytest.MonkeyPatch) -> None:
    """Have nobody else listen on this machine."""
    monkeypatch.setattr("cluster.node.port_is_free", lambda *_: True)


def told_ports(node: Node) -> dict[str, int]:
    """Return every port that the node's command and environment name."""
    environ = {name: value for name, value in node.environment().items() if re.search("(RAY_|METRIC_).*PORT$", name)}
    options = [part.partition("=") for part in node.command() if re.match("--[a-z-]*port=", part)]
    return {name: int(value) for name, value in [*environ.items(), *((name, value) for name, _, value in options)]}


@pytest.mark.usefixtures("all_free")
def test_a_node_that_others_join_keeps_to_the_ports_the_readme_lists(tmp_path: Path) -> None:
    """The cluster's head names no port outside README's range, none twice, and the same at every start."""
    config = read_config(load_profile("cluster") | {"profile": "t"}, "t")
    config = config.model_copy(update={"ray": config.ray.model_copy(update={"temp_root": tmp_path})})
    node = Node(create_home(tmp_path / "home"), config)
    node.prepare()
    told = told_ports(node)
    listed = re.search(r"ports (\d+)-(\d+) of every node", " ".join((ROOT / "README.md").read_text().split()))
    assert listed is not None
    assert range(int(listed[1]), int(listed[2]) + 1) == config.ray.port_range
    assert len(told) >= 18
    assert set(told.values()) <= set(config.ray.port_range)
    assert len(set(told.values())) == len(told)
    node.prepare()
    assert told_ports(node) == told


@pytest.mark.usefixtures("all_free")
def test_ray_s_workers_and_the_replicas_have_parts_of_their_own(tmp_path: Path) -> None:
    """No port of the node lies between the workers' first and last, and the replicas' lie before them."""
    ports = node_of(tmp_path, bind="network", first_port=40_000, gcs_port=6379).ports
    single = {getattr(ports, name) for name in ports.__slots__ if not name.endswith("_worker") and name != "ingress"}
    single -= {6379}
    assert 40_000 <= min(single) <= max(single) < ports.ingress
    assert ports.ingress + 64 <= ports.min_worker < ports.max_worker == 40_999
    assert ports.gcs == 6379


def test_a_range_that_is_not_free_is_refused_with_what_to_do(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A port of the range that is taken on any address is named, and nothing is moved out of its way."""
    monkeypatch.setattr("cluster.node.port_is_free", lambda host, port: (host, port) != ("0.0.0.0", 40_999))  # noqa: S104
    with pytest.raises(ConfigurationError, match=r"port 40999 is in use .* 40000-40999 are .* ray\.first_port"):
        node_of(tmp_path, bind="network", first_port=40_000)


def test_ports_of_an_earlier_release_can_be_read(tmp_path: Path) -> None:
    """What was written down before workers had ports of their own still tells how to reach the node."""
    node = node_of(tmp_path)
    file = node.home.run / "ports.json"
    kept = {name: port for name, port in json.loads(file.read_text()).items() if not name.endswith("_worker")}
    file.write_text(json.dumps(kept))
    assert node.ports.gcs == kept["gcs"]


@pytest.mark.usefixtures("all_free")
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
