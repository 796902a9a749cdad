"""A real Redis server of a test's own: on a free port of loopback, without a disk, ended by its process id; and how one fails."""

import contextlib
import os
import random
import shutil
import signal
import socket
import subprocess
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from redis import Redis
from redis.exceptions import RedisError

PASSWORD = "a-password-of-the-tests"
WORK_S = 60.0
PORTS = range(21_000, 29_000)
"""Below those that the system gives to whoever connects: such a port would not be free again once a server is started anew, and
whoever tries it too early may be connected with himself."""


@dataclass
class Server:
    """A server that can be killed, started anew, stopped and filled."""

    folder: Path
    port: int
    options: Sequence[str] = ()
    _process: "subprocess.Popen[bytes] | None" = field(default=None, repr=False)

    @property
    def url(self) -> str:
        """Where it listens."""
        return f"redis://127.0.0.1:{self.port}"

    def client(self) -> Redis:
        """Return a client that is nobody's but the test's."""
        return Redis(host="127.0.0.1", port=self.port, password=PASSWORD, socket_timeout=WORK_S)

    def start(self) -> None:
        """Start it empty, and wait until it answers."""
        binary = shutil.which("redis-server", path="/usr/bin:/usr/local/bin:/bin")
        if binary is None:
            pytest.skip("Redis is not installed (Debian: redis-server)")
        arguments = [
            "--port", str(self.port), "--bind", "127.0.0.1", "--save", "", "--appendonly", "no", "--dir", str(self.folder),
            "--requirepass", PASSWORD, "--masterauth", PASSWORD, *self.options,
        ]  # fmt: skip
        with (self.folder / "redis.log").open("ab") as log:
            self._process = subprocess.Popen([binary, *arguments], stdout=log, stderr=log)  # noqa: S603 - our own command
        for _ in range(600):
            with contextlib.suppress(RedisError, OSError), self.client() as client:
                client.ping()
                return
            with contextlib.suppress(subprocess.TimeoutExpired):
                self._process.wait(0.05)
                pytest.fail(f"Redis ended at its start: {(self.folder / 'redis.log').read_text()}")
        pytest.fail("Redis did not become ready")

    def kill(self) -> None:
        """End it, with all that it knows."""
        if self._process is not None:
            os.kill(self._process.pid, signal.SIGCONT)
            self._process.kill()
            self._process.wait(30)
            self._process = None

    @contextmanager
    def frozen(self) -> Iterator[None]:
        """Stop it: who connects or waits for an answer hears nothing; what was sent it does later."""
        assert self._process is not None
        os.kill(self._process.pid, signal.SIGSTOP)
        try:
            yield
        finally:
            os.kill(self._process.pid, signal.SIGCONT)

    @contextmanager
    def full(self) -> Iterator[None]:
        """Leave it no memory: it refuses whatever would write."""
        with self.client() as client:
            client.config_set("maxmemory-policy", "noeviction")
            client.config_set("maxmemory", 1)
            try:
                yield
            finally:
                client.config_set("maxmemory", 0)


def own_port() -> int:
    """Return a port that nobody listens at and that nobody is given by chance."""
    for port in random.sample(PORTS, len(PORTS)):
        with socket.socket() as probe, contextlib.suppress(OSError):
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind(("127.0.0.1", port))
            return port
    pytest.fail("no port is free")


@contextmanager
def redis_server(folder: Path, *options: str, started: bool = True) -> Iterator[Server]:
    """Start a server; end it."""
    folder.mkdir(parents=True, exist_ok=True)
    server = Server(folder, own_port(), options)
    try:
        if started:
            server.start()
        yield server
    finally:
        server.kill()
