"""One warm parent for the whole suite, and what the machine must have for it."""

import shutil
import socket
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from actors.consensus.sandbox.adapters.interpreter import find_interpreter
from actors.consensus.sandbox.adapters.proof_file import ProofFile
from actors.consensus.sandbox.adapters.warm import HARNESS, WarmParent
from actors.consensus.sandbox.config import SandboxConfig
from actors.consensus.sandbox.confinement import Confinement, Interpreter, confinement
from actors.consensus.sandbox.selftest import Proof, made_with

CONFIG = SandboxConfig(call_ms=600, job_ms=2000, start_ms=30_000, spare_ms=10_000)
STEADY = CONFIG.model_copy(update={"call_ms": 2000, "job_ms": 8000})
"""For what must run and must be ended, both."""
PATIENT = CONFIG.model_copy(update={"call_ms": 5000, "job_ms": 20_000})
"""For what must run, however busy the machine is."""


class Ticks:
    """A monotonic clock that stands still until it is moved."""

    def __init__(self, now_s: float) -> None:
        self.now_s = now_s

    def __call__(self) -> float:
        """Return the time it shows."""
        return self.now_s


def vouch(folder: Path, confined: Confinement, bwrap: str, at_s: float) -> Path:
    """Lay a proof of a sandbox as if it had been made at a time; return its folder. Making one takes longer than a call may."""
    boot = Path("/proc/sys/kernel/random/boot_id").read_text().strip()
    ProofFile(folder).write(Proof(at_s, boot, made_with(confined, HARNESS.read_text(), bwrap), ()))
    return folder


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Skip, counted and with the reason, where bubblewrap is missing."""
    if shutil.which("bwrap") is None:
        for item in items:
            if "consensus/sandbox" in str(item.path):
                item.add_marker(pytest.mark.skip(reason="bubblewrap (bwrap) is not installed"))


@pytest.fixture(scope="session")
def bwrap() -> str:
    """Path of bubblewrap."""
    found = shutil.which("bwrap")
    assert found is not None
    return found


@pytest.fixture(scope="session")
def interpreter() -> Interpreter:
    """Find the Python inside."""
    return find_interpreter()


@pytest.fixture(scope="session")
def confined(interpreter: Interpreter) -> Confinement:
    """Every barrier."""
    return confinement(CONFIG, interpreter)


@pytest.fixture(scope="session")
def warm(bwrap: str, confined: Confinement) -> Iterator[WarmParent]:
    """Start a warm parent behind every barrier."""
    parent = WarmParent(bwrap, confined, CONFIG)
    yield parent
    parent.close()


@pytest.fixture(scope="session")
def patient(bwrap: str, interpreter: Interpreter) -> Iterator[WarmParent]:
    """Start a warm parent with time to spare."""
    parent = WarmParent(bwrap, confinement(PATIENT, interpreter), PATIENT)
    yield parent
    parent.close()


@pytest.fixture(scope="session")
def secret(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Write a file of this machine."""
    path = tmp_path_factory.mktemp("of-the-machine") / "secret"
    path.write_text("secret")
    return path


@pytest.fixture(scope="session")
def listener() -> Iterator[int]:
    """Port of a listener outside that greets whoever calls."""
    with socket.create_server(("127.0.0.1", 0)) as server:

        def greet() -> None:
            while True:
                try:
                    connection, _ = server.accept()
                except OSError:
                    return
                with connection:
                    connection.sendall(b"hello")

        thread = threading.Thread(target=greet, daemon=True)
        thread.start()
        yield server.getsockname()[1]
        server.shutdown(socket.SHUT_RDWR)
        thread.join()
