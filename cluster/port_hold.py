"""One supervisor a port: a claim on the gateway's port that lasts as long as the process and leaves nothing behind.

HAProxy listens with ``SO_REUSEPORT``, so that the kernel lets two of them of one user share a port and deals requests out
to both. The claim is a listening Unix socket in the abstract namespace, which has the scope that ports have (the network
namespace), its name the scope that sharing has (the user). Connecting to it tells who holds it.
"""

import os
import socket
import struct

from actors.base.errors import ConfigurationError


def hold_port(port: int) -> socket.socket:
    """Claim a port until the socket is closed; raise ``ConfigurationError`` naming the process that has it."""
    claim = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        claim.bind(_name(port))
        claim.listen(8)
    except OSError as error:
        claim.close()
        raise ConfigurationError(
            f"port {port} belongs to another home of yours{_holder(port)}; bring that down or choose --port N"
        ) from error
    return claim


def require_unheld(port: int) -> None:
    """Raise if another supervisor of this user has the port."""
    hold_port(port).close()


def _name(port: int) -> str:
    return f"\0weavergen-{os.getuid()}-{port}"


def _holder(port: int) -> str:
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as asking:
        asking.settimeout(1.0)
        try:
            asking.connect(_name(port))
            pid, _, _ = struct.unpack("3i", asking.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, 12))
        except OSError:
            return ""
    return f" (process {pid})"
