"""Unit tests need no network and no Ray: both are refused while one runs."""

import builtins
import ipaddress
import socket
from collections.abc import Callable
from typing import Any

import pytest


def is_local(family: int, address: Any) -> bool:
    """Tell whether an address lies on this machine: a Unix socket, or a loopback address or name."""
    if family == socket.AF_UNIX:
        return True
    host = str(address[0])
    try:
        return ipaddress.ip_address(host.split("%", maxsplit=1)[0]).is_loopback
    except ValueError:
        return host == "localhost"


@pytest.fixture(autouse=True)
def no_network(monkeypatch: pytest.MonkeyPatch) -> None:
    """Refuse connections that leave the machine."""

    def guarded(original: Callable[..., Any]) -> Callable[..., Any]:
        def connect(self: socket.socket, address: Any) -> Any:
            if not is_local(self.family, address):
                raise AssertionError(f"a unit test connects to {address}")
            return original(self, address)

        return connect

    for method in ("connect", "connect_ex"):
        monkeypatch.setattr(socket.socket, method, guarded(getattr(socket.socket, method)))


@pytest.fixture(autouse=True)
def no_ray(monkeypatch: pytest.MonkeyPatch) -> None:
    """Refuse importing Ray."""
    original = builtins.__import__

    def guarded(name: str, *arguments: Any, **options: Any) -> Any:
        if name.split(".", maxsplit=1)[0] == "ray":
            raise AssertionError("a unit test imports ray")
        return original(name, *arguments, **options)

    monkeypatch.setattr(builtins, "__import__", guarded)
