"""A filter of system calls for engines: sockets of the families that a network namespace holds in, and no others. Pure.

Rules:
- ``socket`` makes Unix, IPv4, IPv6 and netlink sockets. Others are refused, since not every family knows namespaces: over
  ``AF_VSOCK`` a guest reaches its host whatever its network is.
- ``io_uring_setup`` is refused: what is asked for through a ring passes by filters.
- Calls of another architecture (32 bit, x32), whose numbers mean something else, end the process.

The form is classic BPF over ``struct seccomp_data`` (Linux ``Documentation/userspace-api/seccomp_filter.rst``).
"""

import errno
import struct
from collections.abc import Mapping
from dataclasses import dataclass

FAMILIES = (1, 2, 10, 16)
"""``AF_UNIX``, ``AF_INET``, ``AF_INET6``, ``AF_NETLINK``."""
_IO_URING_SETUP = 425
_X32 = 0x4000_0000
_NUMBER, _ARCHITECTURE, _FIRST_ARGUMENT = 0, 4, 16
_LOAD, _IF_EQUAL, _IF_AT_LEAST, _RETURN = 0x20, 0x15, 0x35, 0x06
_ALLOW, _KILL, _ERRNO = 0x7FFF_0000, 0x8000_0000, 0x0005_0000


@dataclass(frozen=True, slots=True)
class _Machine:
    architecture: int
    """``AUDIT_ARCH_*``."""
    socket: int
    """The number of ``socket``."""


_MACHINES: Mapping[str, _Machine] = {
    "x86_64": _Machine(0xC000_003E, 41),
    "aarch64": _Machine(0xC000_00B7, 198),
}


def program(machine: str) -> bytes | None:
    """Return the filter for a machine as ``platform.machine`` names it; ``None`` if none is written for it."""
    known = _MACHINES.get(machine)
    if known is None:
        return None
    ends = [
        (_RETURN, 0, 0, _ERRNO | errno.EAFNOSUPPORT),
        (_RETURN, 0, 0, _ALLOW),
        (_RETURN, 0, 0, _ERRNO | errno.ENOSYS),
    ]
    ends.append((_RETURN, 0, 0, _KILL))
    families = [(_IF_EQUAL, len(FAMILIES) - at, 0, family) for at, family in enumerate(FAMILIES)]
    refuse = len(families) + 1  # from behind the load of the family to its refusal
    steps = [
        (_LOAD, 0, 0, _ARCHITECTURE),
        (_IF_EQUAL, 0, refuse + 7, known.architecture),
        (_LOAD, 0, 0, _NUMBER),
        (_IF_AT_LEAST, refuse + 5, 0, _X32),
        (_IF_EQUAL, refuse + 3, 0, _IO_URING_SETUP),
        (_IF_EQUAL, 0, refuse + 1, known.socket),
        (_LOAD, 0, 0, _FIRST_ARGUMENT),
        *families,
        *ends,
    ]
    return b"".join(struct.pack("<HBBI", *step) for step in steps)
