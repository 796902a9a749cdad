"""A real S3-compatible server of a test's own (moto): a process on a free port of loopback, ended by its id; and how one fails.

``python -m tests.shells.s3_server`` is that process: it prints its port. Beside S3 it takes ``PUT /_fault`` and tells at
``GET /_seen`` what was asked of it.
"""

import http.client
import json
import os
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from actors.spans.config import SpansConfig
from actors.spans.place import AT_HOME, Location

REPOSITORY = Path(__file__).parents[2]
START_S, HANG_S = 120.0, 60.0
SLOW_DOWN = b'<?xml version="1.0" encoding="UTF-8"?><Error><Code>SlowDown</Code><Message>Slow down.</Message></Error>'
CREDENTIALS = {"AWS_ACCESS_KEY_ID": "of-the-tests", "AWS_SECRET_ACCESS_KEY": "a-secret-of-the-tests"}


class Server:
    """A server that can be told to fail."""

    def __init__(self, process: "subprocess.Popen[bytes]", port: int) -> None:
        self._process, self.port, self._buckets = process, port, 0

    @property
    def endpoint(self) -> str:
        """Where it listens."""
        return f"http://127.0.0.1:{self.port}"

    def bucket(self, timeout_s: float = 20.0, retries: int = 1) -> Location:
        """Make a bucket, and return a place in it."""
        self._buckets += 1
        name = f"bucket-{self._buckets}"
        self.ask("PUT", f"/{name}")
        return Location(f"s3://{name}/spans", self.endpoint, timeout_s, retries)

    def fails(self, how: str, verb: str = "", part: str = "", times: int = 1_000_000) -> None:
        """Have the next requests of a verb, with a part in their path, fail: ``slow down``, ``hang``, ``drop`` or ``cut``.

        What is dropped has no effect and no answer; what is cut has had its effect.
        """
        self.ask("PUT", "/_fault", json.dumps({"how": how, "verb": verb, "part": part, "times": times}).encode())

    def mends(self) -> None:
        """Have it work again."""
        self.fails("")

    def seen(self) -> list[str]:
        """Return what was asked since the last time: verb and path, but for what is asked here."""
        return list(json.loads(self.ask("GET", "/_seen")))

    def ask(self, verb: str, path: str, body: bytes = b"") -> bytes:
        """Ask it something."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=START_S)
        try:
            connection.request(verb, path, body)
            answer = connection.getresponse()
            data = answer.read()
            assert answer.status == 200, (answer.status, data)
            return data
        finally:
            connection.close()

    def kill(self) -> None:
        """End it at once, and with it all that it holds."""
        self._process.send_signal(signal.SIGKILL)
        self._process.wait()


def configured(location: Location, **changes: object) -> dict[str, object]:
    """Return a location as keys of the configuration."""
    return {
        "storage": location.url, "storage_endpoint": location.endpoint, "storage_timeout_s": location.timeout_s,
        "storage_retries": location.retries, **changes,
    }  # fmt: skip


def in_bucket(config: SpansConfig, location: Location, **changes: object) -> SpansConfig:
    """Return a configuration whose table lies there."""
    return config.model_copy(update=configured(location, **changes))


@contextmanager
def served() -> Iterator[Server]:
    """Run a server."""
    pytest.importorskip("moto")
    command = [sys.executable, "-m", "tests.shells.s3_server"]
    process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, cwd=REPOSITORY)  # noqa: S603 - our own command
    try:
        assert process.stdout is not None
        port = process.stdout.readline()
        assert port, "the server ended before it listened"
        yield Server(process, int(port))
    finally:
        process.kill()
        process.wait()
        assert process.stdout is not None
        process.stdout.close()
        assert process.stdin is not None
        process.stdin.close()


@pytest.fixture(scope="session")
def s3_process() -> Iterator[Server]:
    """Run an S3-compatible server."""
    with served() as server:
        yield server


@pytest.fixture
def s3(s3_process: Server, monkeypatch: pytest.MonkeyPatch) -> Server:
    """Return a server that works, with credentials in the environment."""
    for name, value in CREDENTIALS.items():
        monkeypatch.setenv(name, value)
    s3_process.mends()
    s3_process.seen()
    return s3_process


@pytest.fixture(params=["directory", "bucket"])
def location(request: pytest.FixtureRequest) -> Location:
    """Return a place for a table: in its home, or in a bucket of its own."""
    return AT_HOME if request.param == "directory" else request.getfixturevalue("s3").bucket()


# The process.

App = Callable[[dict[str, Any], Callable[..., Any]], Iterable[bytes]]


class Failing:
    """A server's application that fails as it is told."""

    def __init__(self, app: App) -> None:
        self._app, self._lock = app, threading.Lock()
        self._fault: dict[str, Any] = {"how": ""}
        self._mended = threading.Event()
        self._seen: list[str] = []

    def __call__(self, environ: dict[str, Any], start: Callable[..., Any]) -> Iterable[bytes]:
        """Answer a request, or fail."""
        verb, path = environ["REQUEST_METHOD"], environ["PATH_INFO"]
        if path == "/_fault":
            length = int(environ["CONTENT_LENGTH"])
            self._mended.set()
            self._fault, self._mended = json.loads(environ["wsgi.input"].read(length)), threading.Event()
            return _answer(start, b"")
        if path == "/_seen":
            told, self._seen = self._seen, []
            return _answer(start, json.dumps(told).encode())
        self._seen.append(f"{verb} {path}")
        return self._fail(self._taken(verb, path), environ, start)

    def _taken(self, verb: str, path: str) -> str:
        """Return how this request fails."""
        fault = self._fault
        with self._lock:
            if not fault["how"] or fault["times"] <= 0 or fault["verb"] not in verb or fault["part"] not in path:
                return ""
            fault["times"] -= 1
        return str(fault["how"])

    def _fail(self, how: str, environ: dict[str, Any], start: Callable[..., Any]) -> Iterable[bytes]:
        if how in {"slow down", "drop"}:
            environ["wsgi.input"].read(int(environ.get("CONTENT_LENGTH") or 0))
        if how == "slow down":
            start("503 Slow Down", [("Content-Type", "application/xml"), ("Content-Length", str(len(SLOW_DOWN)))])
            return [SLOW_DOWN]
        if how == "hang":
            self._mended.wait(HANG_S)
        if how == "cut":
            b"".join(self._app(environ, lambda *_: None))
        if how:
            environ["werkzeug.socket"].shutdown(socket.SHUT_RDWR)
            return _answer(start, b"")
        return self._app(environ, start)


def _answer(start: Callable[..., Any], body: bytes) -> Iterable[bytes]:
    start("200 OK", [("Content-Type", "application/json"), ("Content-Length", str(len(body)))])
    return [body]


def _end_with_parent() -> None:
    """End when whoever started this process is gone, however it ended."""
    sys.stdin.buffer.read()
    os._exit(0)


def serve() -> None:
    """Serve until this process is ended."""
    import logging

    from moto.server import DomainDispatcherApplication, create_backend_app
    from werkzeug.serving import make_server

    logging.getLogger("werkzeug").setLevel(logging.CRITICAL)
    app = Failing(DomainDispatcherApplication(create_backend_app))
    server = make_server("127.0.0.1", 0, app, threaded=True)
    threading.Thread(target=_end_with_parent, daemon=True).start()
    print(server.server_port, flush=True)
    server.serve_forever()


if __name__ == "__main__":
    serve()
