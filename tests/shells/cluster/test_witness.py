"""Witnesses as processes of their own: they outlive the log's home being owned, and kill -9."""

import http.client
import os
import shutil
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

from actors.base.canonical import canonical_json
from actors.spans.adapters.witness import Witness
from actors.spans.adapters.witnesses import Witnesses
from actors.spans.log.checkpoint import read_checkpoint
from actors.spans.log.note import NoteKey, read_key
from actors.spans.log.witness import MAX_REQUEST_BYTES
from cluster import witness as process
from cluster.witness import WitnessServer
from tests.shells.actors.spans.adapters.sealed import Sealed

ROOT = Path(__file__).parents[3]
NAMES = ("witness.example/1", "witness.example/2")
PATIENCE_S = 10.0


@dataclass
class Running:
    """A witness's process."""

    process: subprocess.Popen[str]
    port: int
    key: NoteKey

    @property
    def url(self) -> str:
        """Return its address."""
        return f"http://127.0.0.1:{self.port}"

    def ask(
        self, method: str, path: str, body: bytes = b"", headers: dict[str, str] | None = None
    ) -> tuple[int, bytes]:
        """Send a request."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=60)
        connection.request(method, path, body or None, headers or {})
        answer = connection.getresponse()
        told = answer.status, answer.read()
        connection.close()
        return told


@contextmanager
def running(folder: Path, name: str, trust: Path, stop: int = signal.SIGTERM) -> Iterator[Running]:
    """Run a witness; end it with a signal."""
    command = [
        sys.executable,
        "-m",
        "cluster.witness",
        "--dir",
        str(folder),
        "--name",
        name,
        "--trust",
        str(trust),
        "--port",
        "0",
    ]
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    process = subprocess.Popen(command, cwd=ROOT, env=environment, stdout=subprocess.PIPE, text=True)  # noqa: S603
    try:
        assert process.stdout is not None
        port, key = process.stdout.readline().split()
        yield Running(process, int(port), read_key(key))
        process.send_signal(stop)
        assert process.wait(60) in {0, -signal.SIGKILL}
    finally:
        process.kill()
        process.communicate()


@pytest.fixture
def made(tmp_path: Path) -> Sealed:
    """Return a home with three sealed batches and its trust bundle."""
    made = Sealed(tmp_path / "home")
    (tmp_path / "home" / "trust.json").write_bytes(canonical_json(made.authority.trust()))
    made.batches(3)
    return made


def test_two_witnesses_catch_a_home_that_was_set_back_and_went_another_way(tmp_path: Path, made: Sealed) -> None:
    """Whoever did it owned all of home and the log's key; neither saw a restart nor a kill make a witness forget."""
    home, trust, folders = made.home, made.home / "trust.json", [tmp_path / "one", tmp_path / "two"]
    shutil.copytree(home, tmp_path / "before")
    keys = []
    for stop in (signal.SIGKILL, signal.SIGTERM):
        with running(folders[0], NAMES[0], trust, stop) as one, running(folders[1], NAMES[1], trust, stop) as two:
            asking = Witnesses(made.files, [(each.url, each.key) for each in (one, two)], 60, 0)
            made.batches(2)
            assert asking.ask().signed == NAMES
            keys.append((one.key, two.key))
    assert keys[0] == keys[1]
    shutil.rmtree(home)
    (tmp_path / "before").rename(home)
    other = Sealed(home)
    other.next_seq += 1
    with running(folders[0], NAMES[0], trust) as one, running(folders[1], NAMES[1], trust) as two:
        asking = Witnesses(other.files, [(each.url, each.key) for each in (one, two)], 60, 0)
        for _ in range(2):  # smaller than what they saw, then larger
            found = asking.ask()
            assert (found.signed, len(found.contradicted), found.away) == ((), 2, ())
            other.batches(9)
        assert other.files.witnessed() is None
        assert other.damage() == []
        seen = read_checkpoint(one.ask("GET", "/seen")[1])
        assert seen.head.size == 7


def test_a_witness_tells_who_it_is_and_refuses_what_is_no_request(tmp_path: Path, made: Sealed) -> None:
    """Its key is public; bodies are bounded before they are read."""
    with running(tmp_path / "one", NAMES[0], made.home / "trust.json") as one:
        assert one.ask("GET", "/key") == (200, f"{one.key.text}\n".encode())
        assert one.ask("GET", "/seen")[0] == 404
        assert one.ask("POST", "/elsewhere")[0] == 404
        assert one.ask("POST", "/add-checkpoint", b"x")[0] == 400
        assert one.ask("POST", "/add-checkpoint", headers={"Content-Length": str(MAX_REQUEST_BYTES + 1)})[0] == 413
        assert one.ask("POST", "/add-checkpoint", headers={"Content-Length": "-1"})[0] == 411


def test_a_folder_that_is_taken_is_told(tmp_path: Path, made: Sealed) -> None:
    """The second process ends with what to do."""
    trust = made.home / "trust.json"
    with running(tmp_path / "one", NAMES[0], trust):
        command = [
            sys.executable,
            "-m",
            "cluster.witness",
            "--dir",
            str(tmp_path / "one"),
            "--name",
            "a",
            "--trust",
            str(trust),
        ]
        done = subprocess.run(  # noqa: S603
            [*command, "--port", "0"], cwd=ROOT, capture_output=True, text=True, check=False, timeout=120
        )
        assert (done.returncode, "end it first" in done.stderr) == (1, True)


@contextmanager
def serving(folder: Path, trust: Path) -> Iterator[int]:
    """Serve a witness in a thread of this process; give its port."""
    witness = Witness(folder, NAMES[0], trust)
    server = WitnessServer(witness, "127.0.0.1", 0)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield server.server_port
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
        witness.close()


def status(port: int, path: str) -> int:
    """Ask, and return the answer's status."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
    connection.request("GET", path)
    found = connection.getresponse().status
    connection.close()
    return found


def test_who_speaks_slowly_holds_a_witness_no_longer_than_anybody_may(
    tmp_path: Path, made: Sealed, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A byte now and then is no reason to wait for the next: the log's own request stands behind it."""
    monkeypatch.setattr(process, "TIMEOUT_S", 0.5)
    with serving(tmp_path / "one", made.home / "trust.json") as port:
        with socket.create_connection(("127.0.0.1", port), timeout=0.1) as slow:
            slow.sendall(b"POST /add-checkpoint HTTP/1.0\r\nContent-Length: 20000\r\n\r\n")
            assert ended(slow)
        assert status(port, "/key") == 200


def ended(slow: socket.socket) -> bool:
    """Send a byte each tenth of a second until the other side ends the connection; tell whether it did in time."""
    give_up_s = time.monotonic() + PATIENCE_S
    while time.monotonic() < give_up_s:
        try:
            slow.sendall(b"x")
            slow.recv(1000)
        except TimeoutError:
            continue
        except OSError:
            return True
        return True  # it was answered, or closed
    return False


def test_a_memory_that_cannot_be_read_is_said(tmp_path: Path, made: Sealed) -> None:
    """With 503, like one that cannot be written."""
    with serving(tmp_path / "one", made.home / "trust.json") as port:
        (tmp_path / "one" / "seen").write_text("nonsense")
        assert [status(port, path) for path in ("/seen", "/key")] == [503, 200]


@pytest.mark.parametrize(("port", "told"), [("taken", "give another"), ("70000", "give another"), ("0", "cannot be")])
def test_a_witness_that_cannot_begin_says_why(
    tmp_path: Path, made: Sealed, capsys: pytest.CaptureFixture[str], port: str, told: str
) -> None:
    """In a word, not with a traceback: its port is another's or none, or there is no trust bundle to begin with."""
    trust = made.home / ("none.json" if port == "0" else "trust.json")
    with socket.create_server(("127.0.0.1", 0)) as other:
        wanted = str(other.getsockname()[1]) if port == "taken" else port
        with pytest.raises(SystemExit) as ending:
            process.main(["--dir", str(tmp_path / "one"), "--name", "a", "--trust", str(trust), "--port", wanted])
    assert told in str(ending.value)
    assert capsys.readouterr().out == ""
