"""What an engine sees of the network, and whether that is nothing.

Interfaces that are down do not count: where tunnels are loaded, every new namespace begins with some that lead nowhere.
"""

import fcntl
import socket
import struct
from pathlib import Path

import msgspec

from models.sealed.seccomp import FAMILIES

LOOPBACK = "lo"
_TRIES_S = 2.0
_SIOCGIFFLAGS, _IFF_UP = 0x8913, 1
_IFREQ = "16sH22x"
_MOST_FAMILIES = 64


class Look(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What was seen from inside."""

    interfaces: tuple[str, ...]
    """That are up."""
    routes: tuple[str, ...]
    """Interfaces that routes lead out by, other than the loopback one."""
    families: tuple[int, ...]
    """Address families, beside those that a network namespace holds in, of which a socket could be made."""
    reached: bool
    """Whether a listener outside could be connected to."""


def look(port: int) -> Look:
    """Return what is seen from here; ``port`` is of a listener on the loopback address outside."""
    others = [family for family in range(1, _MOST_FAMILIES) if family not in FAMILIES]
    return Look(
        interfaces=tuple(sorted(name for _, name in socket.if_nameindex() if _is_up(name))),
        routes=leads_out("self"),
        families=tuple(family for family in others if _is_made(family)),
        reached=_reaches(port),
    )


def leads_out(process: str) -> tuple[str, ...]:
    """Return the interfaces, but for the loopback one, that routes of a process's namespace lead by.

    Sources: ``/proc/PID/net/route`` and ``ipv6_route``.
    """
    found = set()
    for name, column in (("route", 0), ("ipv6_route", -1)):
        path = Path("/proc") / process / "net" / name
        if path.exists():  # a kernel without IPv6 has no table of its routes
            words = [line.split() for line in path.read_text().splitlines()]
            found |= {line[column] for line in words if line and line[0] != "Iface"}
    return tuple(sorted(found - {LOOPBACK}))


def why_open(seen: Look, own_namespace: int, engines_namespace: int) -> str:
    """Return in one line why an engine is not closed off; empty if it is. Namespaces are told by their inode numbers."""
    if engines_namespace == own_namespace:
        return "it runs in the network namespace of the machine"
    if seen.reached:
        return "it reached a listener outside"
    if strange := [name for name in (*seen.interfaces, *seen.routes) if name != LOOPBACK]:
        return f"it sees the network interface {strange[0]}"
    if seen.families:
        return f"it makes sockets of address family {seen.families[0]}"
    return ""


def _is_up(name: str) -> bool:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as asked:
        found = fcntl.ioctl(asked, _SIOCGIFFLAGS, struct.pack(_IFREQ, name.encode(), 0))
    flags: int = struct.unpack(_IFREQ, found)[1]
    return bool(flags & _IFF_UP)


def _is_made(family: int) -> bool:
    for kind in (socket.SOCK_STREAM, socket.SOCK_DGRAM, socket.SOCK_SEQPACKET, socket.SOCK_RAW):
        try:
            socket.socket(family, kind).close()
        except OSError:
            continue
        return True
    return False


def _reaches(port: int) -> bool:
    try:
        socket.create_connection(("127.0.0.1", port), _TRIES_S).close()
    except OSError:
        return False
    return True
