"""The filter of system calls, run by a small machine that does what the kernel's does."""

import struct

import pytest

from models.sealed.seccomp import FAMILIES, program

X86, ARM = 0xC000_003E, 0xC000_00B7
ALLOWED, KILLED, NO_FAMILY, NO_CALL = 0x7FFF_0000, 0x8000_0000, 0x0005_0000 | 97, 0x0005_0000 | 38


def verdict(machine: str, number: int, argument: int = 0, architecture: int | None = None) -> int:
    """Return what the filter says of a call."""
    found = program(machine)
    assert found is not None
    steps = list(struct.iter_unpack("<HBBI", found))
    own = X86 if machine == "x86_64" else ARM
    data = {0: number, 4: own if architecture is None else architecture, 16: argument & 0xFFFF_FFFF}
    at = held = 0
    while True:
        code, yes, no, value = steps[at]
        at += 1
        match code:
            case 0x20:
                held = data[value]
            case 0x15:
                at += yes if held == value else no
            case 0x35:
                at += yes if held >= value else no
            case 0x06:
                return int(value)


@pytest.mark.parametrize(("machine", "number"), [("x86_64", 41), ("aarch64", 198)])
def test_sockets_are_of_families_that_namespaces_hold_in(machine: str, number: int) -> None:
    """Unix, IPv4, IPv6, netlink; vsock, and whatever else there is, is refused, also where the upper half of the word is set."""
    for family in range(1, 64):
        assert verdict(machine, number, family) == (ALLOWED if family in FAMILIES else NO_FAMILY)
    assert verdict(machine, number, (1 << 32) + 40) == NO_FAMILY


@pytest.mark.parametrize("machine", ["x86_64", "aarch64"])
def test_rings_are_refused_and_all_else_is_allowed(machine: str) -> None:
    """What is asked for through a ring would pass by the filter."""
    sockets = 41 if machine == "x86_64" else 198
    allowed = {number for number in range(500) if verdict(machine, number) == ALLOWED}
    assert set(range(500)) - allowed == {425, sockets}
    assert verdict(machine, 425) == NO_CALL


def test_calls_of_another_architecture_end_the_process() -> None:
    """Their numbers mean other calls: 32 bit, and x32 by its bit."""
    assert verdict("x86_64", 1, architecture=0x4000_0003) == KILLED
    assert verdict("x86_64", 0x4000_0000 + 41, 1) == KILLED
    assert verdict("aarch64", 1, architecture=X86) == KILLED


def test_no_filter_is_made_up_for_another_machine() -> None:
    """Where the numbers of calls are not known nothing is closed off."""
    assert program("riscv64") is None
