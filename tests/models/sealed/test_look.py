"""What is seen of the network of this machine, which is not closed off."""

import socket

import pytest

from models.sealed import look as looking
from models.sealed.look import leads_out, look


def test_this_machine_is_seen_as_it_is() -> None:
    """The loopback interface is up, and a listener on it is reached; a port where nobody listens is not."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
        seen = look(port)
    assert "lo" in seen.interfaces
    assert seen.reached
    assert seen.families  # some family that knows no namespace
    assert not look(port).reached
    assert "lo" not in leads_out("self")


def test_an_interface_that_is_down_does_not_count(monkeypatch: pytest.MonkeyPatch) -> None:
    """A new namespace may begin with tunnels that lead nowhere."""
    monkeypatch.setattr(socket, "if_nameindex", lambda: [(1, "lo"), (2, "tunl0")])
    monkeypatch.setattr(looking, "_is_up", lambda name: name == "lo")
    assert look(9).interfaces == ("lo",)
