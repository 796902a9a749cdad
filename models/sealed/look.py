"""What an engine sees of the network from inside, and whether that is nothing."""

import socket
from pathlib import Path

import msgspec

_TRIES_S = 2.0
LOOPBACK = "lo"


class Look(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What was seen from inside."""

    interfaces: tuple[str, ...]
    routes: tuple[str, ...]
    """Interfaces that routes lead out by, other than the loopback one."""
    reached: bool
    """Whether a listener outside could be connected to."""


def look(port: int) -> Look:
    """Return what is seen from here; ``port`` is of a listener on the loopback address outside."""
    return Look(
        interfaces=tuple(sorted(name for _, name in socket.if_nameindex())),
        routes=tuple(sorted(name for name in _routes() if name != LOOPBACK)),
        reached=_reaches(port),
    )


def why_open(seen: Look, own_namespace: int, engines_namespace: int) -> str:
    """Return in one line why an engine is not closed off; empty if it is. Namespaces are told by their inode numbers."""
    if engines_namespace == own_namespace:
        return "it runs in the network namespace of the machine"
    if seen.reached:
        return "it reached a listener outside"
    if strange := [name for name in (*seen.interfaces, *seen.routes) if name != LOOPBACK]:
        return f"it sees the network interface {strange[0]}"
    return ""


def _routes() -> set[str]:
    """Return the interfaces of all routes of this namespace (Linux ``/proc/net/route`` and ``/proc/net/ipv6_route``)."""
    found = set()
    for name, column in (("route", 0), ("ipv6_route", -1)):
        path = Path("/proc/net") / name
        if path.exists():  # a kernel without IPv6 has no table of its routes
            words = [line.split() for line in path.read_text().splitlines()]
            found |= {line[column] for line in words if line and line[0] != "Iface"}
    return found


def _reaches(port: int) -> bool:
    try:
        socket.create_connection(("127.0.0.1", port), _TRIES_S).close()
    except OSError:
        return False
    return True
