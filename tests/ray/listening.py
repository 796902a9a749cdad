"""Who listens where, from ``/proc`` alone."""

import ipaddress
import re
import socket
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

IPAddress = ipaddress.IPv4Address | ipaddress.IPv6Address
_LISTEN = "0A"


@dataclass(frozen=True, slots=True)
class Listener:
    """A listening TCP socket and the process that owns it."""

    address: IPAddress
    port: int
    pid: int
    name: str

    @property
    def on_loopback(self) -> bool:
        """Tell whether only this machine reaches it."""
        mapped = getattr(self.address, "ipv4_mapped", None)
        return (mapped or self.address).is_loopback


def listeners(pids: Iterable[int]) -> list[Listener]:
    """Return every listening socket of the given processes."""
    sockets = {**_listening("tcp"), **_listening("tcp6")}
    found = []
    for pid in pids:
        for inode in _inodes(pid) & sockets.keys():
            address, port = sockets[inode]
            found.append(Listener(address, port, pid, _name(pid)))
    return found


def own_address() -> str | None:
    """Return this machine's address on a network, if it has one; nothing is sent."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        try:
            probe.connect(("203.0.113.1", 9))
        except OSError:
            return None
        return str(probe.getsockname()[0])


def answers(host: str, port: int) -> bool:
    """Tell whether a connection to an address is taken."""
    try:
        socket.create_connection((host, port), 1).close()
    except OSError:
        return False
    return True


def _listening(table: str) -> dict[int, tuple[IPAddress, int]]:
    found = {}
    for line in Path("/proc/net", table).read_text().splitlines()[1:]:
        fields = line.split()
        if fields[3] == _LISTEN:
            address, _, port = fields[1].partition(":")
            found[int(fields[9])] = (_address(address), int(port, 16))
    return found


def _address(text: str) -> IPAddress:
    """Read the kernel's notation: 32-bit words, each in the machine's (little-endian) order."""
    words = bytes.fromhex(text)
    return ipaddress.ip_address(b"".join(words[at : at + 4][::-1] for at in range(0, len(words), 4)))


def _inodes(pid: int) -> set[int]:
    try:
        targets = [_target(handle) for handle in Path("/proc", str(pid), "fd").iterdir()]
    except OSError:  # it ended meanwhile
        return set()
    return {int(match[1]) for target in targets if (match := re.fullmatch(r"socket:\[(\d+)\]", target))}


def _target(handle: Path) -> str:
    try:
        return str(handle.readlink())
    except OSError:
        return ""


def _name(pid: int) -> str:
    try:
        return Path("/proc", str(pid), "cmdline").read_text().replace("\0", " ").strip()
    except OSError:
        return ""
