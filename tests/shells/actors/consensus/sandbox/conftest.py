"""One warm parent for the whole suite, and what the machine must have for it."""

import shutil
import socket
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from actors.consensus.sandbox.adapters.interpreter import find_interpreter
from actors.consensus.sandbox.adapters.warm import WarmParent
from actors.consensus.sandbox.config import SandboxConfig
from actors.consensus.sandbox.confinement import Confinement, Interpreter, confinement

CONFIG = SandboxConfig(call_ms=600, job_ms=2000, start_ms=30_000, spare_ms=10_000)


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
