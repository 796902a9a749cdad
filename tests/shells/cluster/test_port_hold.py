"""A port belongs to one supervisor."""

import os
import socket

import pytest

from actors.base.errors import ConfigurationError
from cluster.port_hold import hold_port, require_unheld


def free_port() -> int:
    """Return a port that nobody uses now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def test_a_port_is_held_by_one_and_free_after() -> None:
    """The second is refused by the first one's process id, and the claim ends with its socket."""
    port = free_port()
    with hold_port(port):
        with pytest.raises(ConfigurationError, match=rf"port {port} belongs to another home .*process {os.getpid()}\)"):
            hold_port(port)
        with pytest.raises(ConfigurationError, match="--port"):
            require_unheld(port)
        hold_port(free_port()).close()
    require_unheld(port)
