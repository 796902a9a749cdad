"""The guards around unit tests hold."""

import socket

import pytest


@pytest.mark.parametrize("address", ["192.0.2.1", "example.invalid"])
def test_a_connection_off_the_machine_is_refused(address: str) -> None:
    """Neither an address nor a name of another machine can be connected to."""
    with socket.socket() as connection, pytest.raises(AssertionError, match="unit test connects"):
        connection.connect((address, 80))


def test_loopback_is_open() -> None:
    """A server on loopback can be reached."""
    with socket.create_server(("127.0.0.1", 0)) as server, socket.create_connection(server.getsockname()) as connection:
        assert connection.getpeername() == server.getsockname()


def test_ray_is_refused() -> None:
    """Importing Ray fails while a unit test runs."""
    with pytest.raises(AssertionError, match="imports ray"):
        import ray  # noqa: F401
