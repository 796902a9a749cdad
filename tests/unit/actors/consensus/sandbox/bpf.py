"""A small machine for classic BPF, to ask a filter what it says of a call."""

import struct

from actors.consensus.sandbox.syscalls import AUDIT_ARCHITECTURES, Machine


def verdict(program: bytes, machine: Machine, number: int, *arguments: int, architecture: int | None = None) -> int:
    """Return what the filter returns for a call; ``IndexError`` if it runs off its end."""
    mark = AUDIT_ARCHITECTURES[machine] if architecture is None else architecture
    padded = [*arguments, *[0] * (6 - len(arguments))]
    data = struct.pack("<IIQ6Q", number, mark, 0, *(value & 0xFFFF_FFFF_FFFF_FFFF for value in padded))
    steps = list(struct.iter_unpack("<HBBI", program))
    at, accumulator = 0, 0
    while True:
        code, jump_true, jump_false, operand = steps[at]
        at += 1
        if code == 0x20:
            accumulator = struct.unpack_from("<I", data, operand)[0]
        elif code == 0x54:
            accumulator &= operand
        elif code == 0x15:
            at += jump_true if accumulator == operand else jump_false
        elif code == 0x35:
            at += jump_true if accumulator >= operand else jump_false
        elif code == 0x06:
            return int(operand)
        else:
            raise ValueError(f"step {code:#x} is not known")
