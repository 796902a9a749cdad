"""Holds a process at every system call that changes files: seccomp's notifications (Linux 5.5 or later), no root needed.

A child that was forked calls ``watch_me``; whoever forked it answers its calls one by one through ``Watched``: it goes on,
fails with an error, or is killed before the call began.

Rules:
- All threads and all libraries are watched, those written in Rust and C++ as well: what a program does to files is counted by
  the kernel, not by whoever wrote the program.
- What would change files unseen is not there: io_uring and openat2 fail with ``ENOSYS``. A shared, writable mapping of a file
  is told like a call.
- Opening is told only where it may create or cut a file.

Left out: what a call does (``effects``), who is struck when (``strikes``).
"""

import ctypes
import errno
import fcntl
import mmap
import os
import platform
import select
import signal
import socket
import struct
from dataclasses import dataclass
from pathlib import Path

_X86_64 = {
    "write": 1, "pwrite64": 18, "writev": 20, "pwritev": 296, "pwritev2": 328, "sendfile": 40, "copy_file_range": 326,
    "open": 2, "openat": 257, "openat2": 437, "creat": 85, "truncate": 76, "ftruncate": 77, "fallocate": 285, "fsync": 74,
    "fdatasync": 75, "sync_file_range": 277, "sync": 162, "syncfs": 306, "rename": 82, "renameat": 264, "renameat2": 316,
    "link": 86, "linkat": 265, "symlink": 88, "symlinkat": 266, "unlink": 87, "unlinkat": 263, "mkdir": 83, "mkdirat": 258,
    "rmdir": 84, "mmap": 9, "io_uring_setup": 425, "seccomp": 317,
}  # fmt: skip
_ARM64 = {
    "write": 64, "pwrite64": 68, "writev": 66, "pwritev": 70, "pwritev2": 287, "sendfile": 71, "copy_file_range": 285,
    "openat": 56, "openat2": 437, "truncate": 45, "ftruncate": 46, "fallocate": 47, "fsync": 82, "fdatasync": 83,
    "sync_file_range": 84, "sync": 81, "syncfs": 267, "renameat": 38, "renameat2": 276, "linkat": 37, "symlinkat": 36,
    "unlinkat": 35, "mkdirat": 34, "mmap": 222, "io_uring_setup": 425, "seccomp": 277,
}  # fmt: skip
_MACHINES = {"x86_64": (0xC000003E, _X86_64), "aarch64": (0xC00000B7, _ARM64)}
"""Machine → what the kernel calls it, and its numbers of calls."""
_ABSENT = ("io_uring_setup", "openat2")
_LOAD, _EQUAL, _ANY_OF, _RETURN = 0x20, 0x15, 0x45, 0x06
_ALLOW, _NOTIFY, _NO_SUCH_CALL = 0x7FFF0000, 0x7FC00000, 0x00050000 | errno.ENOSYS
_NUMBER_AT, _MACHINE_AT, _ARGUMENTS_AT = 0, 4, 16
_NO_NEW_PRIVILEGES, _DIE_WITH_PARENT = 38, 1
_SET_FILTER, _NEW_LISTENER = 1, 8
_RECEIVE, _SEND = 0xC0502100, 0xC0182101
_REQUEST = struct.Struct("QIIiIQ6Q")
_ANSWER = struct.Struct("QqiI")
_GO_ON = 1
AT_FDCWD = -100
MAX_PATH = 4096


@dataclass(frozen=True, slots=True)
class Call:
    """A system call that waits for an answer."""

    id: int
    tid: int
    """The thread that makes it."""
    name: str
    args: tuple[int, ...]


class Ended(Exception):
    """The process that was watched is gone."""


class NeverBegun(Exception):
    """The process was gone before it could be watched."""


def watch_me(to: socket.socket) -> None:
    """Have this process, and every thread that it starts from now on, watched by whoever reads the other end of ``to``."""
    machine, numbers = _machine()
    program = _program(machine, numbers)
    kept = ctypes.create_string_buffer(program)
    described = struct.pack("HxxxxxxQ", len(program) // 8, ctypes.addressof(kept))
    libc = die_with_parent()
    libc.prctl(_NO_NEW_PRIVILEGES, 1, 0, 0, 0)
    listener = libc.syscall(numbers["seccomp"], _SET_FILTER, _NEW_LISTENER, described)
    if listener < 0:
        raise RuntimeError(
            f"this kernel does not let a process be watched: seccomp says {os.strerror(ctypes.get_errno())}"
        )
    socket.send_fds(to, [b"w"], [listener])
    os.close(listener)
    to.close()


def die_with_parent(number: signal.Signals = signal.SIGKILL) -> ctypes.CDLL:
    """Have this process killed, or sent another signal, when the one that forked it ends; return the C library."""
    libc = ctypes.CDLL(None, use_errno=True)
    libc.prctl(_DIE_WITH_PARENT, number, 0, 0, 0)
    return libc


def _machine() -> tuple[int, dict[str, int]]:
    known = _MACHINES.get(platform.machine())
    if known is None:
        raise RuntimeError(f"the numbers of system calls are not known here for {platform.machine()}")
    return known


def _program(machine: int, numbers: dict[str, int]) -> bytes:
    """Return the filter: classic BPF, one block a call, each of which answers or falls through to the next."""
    code = [(_LOAD, 0, 0, _MACHINE_AT), (_EQUAL, 1, 0, machine), (_RETURN, 0, 0, _NO_SUCH_CALL)]
    code.append((_LOAD, 0, 0, _NUMBER_AT))
    for name, number in numbers.items():
        code += _block(name, number)
    code.append((_RETURN, 0, 0, _ALLOW))
    return b"".join(struct.pack("HBBI", *step) for step in code)


def _block(name: str, number: int) -> list[tuple[int, int, int, int]]:
    if name == "seccomp":
        return []
    if name in _ABSENT:
        return [(_EQUAL, 0, 1, number), (_RETURN, 0, 0, _NO_SUCH_CALL)]
    if name in {"open", "openat"}:
        return [
            (_EQUAL, 0, 4, number),
            (_LOAD, 0, 0, _argument(1 if name == "open" else 2)),
            (_ANY_OF, 0, 1, os.O_CREAT | os.O_TRUNC),
            (_RETURN, 0, 0, _NOTIFY),
            (_RETURN, 0, 0, _ALLOW),
        ]
    if name == "mmap":
        return [
            (_EQUAL, 0, 7, number),
            (_LOAD, 0, 0, _argument(2)),
            (_ANY_OF, 0, 4, mmap.PROT_WRITE),
            (_LOAD, 0, 0, _argument(3)),
            (_ANY_OF, 2, 0, mmap.MAP_ANONYMOUS),
            (_ANY_OF, 0, 1, mmap.MAP_SHARED),
            (_RETURN, 0, 0, _NOTIFY),
            (_RETURN, 0, 0, _ALLOW),
        ]
    return [(_EQUAL, 0, 1, number), (_RETURN, 0, 0, _NOTIFY)]


def _argument(number: int) -> int:
    return _ARGUMENTS_AT + 8 * number


class Watched:
    """The calls of a process that called ``watch_me``."""

    def __init__(self, pid: int, of: socket.socket) -> None:
        """Wait for the process to begin; raise ``NeverBegun`` if it dies before."""
        self.pid = pid
        _, handles, _, _ = socket.recv_fds(of, 1, 1)
        of.close()
        if not handles:
            raise NeverBegun
        self._listener = handles[0]
        self._names = {number: name for name, number in _machine()[1].items()}
        self._poll = select.poll()
        self._poll.register(self._listener, select.POLLIN)

    def next(self, wait_s: float | None = None) -> Call | None:
        """Return the next call; ``None`` if none came in time. Raises ``Ended``."""
        found = self._poll.poll(None if wait_s is None else max(0, int(wait_s * 1000)))
        if not found:
            return None
        if not found[0][1] & select.POLLIN:
            raise Ended
        request = bytearray(_REQUEST.size)
        try:
            fcntl.ioctl(self._listener, _RECEIVE, request)
        except FileNotFoundError:  # whoever made the call was killed meanwhile
            return None
        number, tid, _, which, _, _, *args = _REQUEST.unpack(request)
        return Call(number, tid, self._names[which], tuple(args))

    def go_on(self, call: Call) -> None:
        """Let the call be made."""
        self._answer(_ANSWER.pack(call.id, 0, 0, _GO_ON))

    def fail(self, call: Call, error: int) -> None:
        """Let the call fail without having been made."""
        self._answer(_ANSWER.pack(call.id, 0, -error, 0))

    def returns(self, call: Call, value: int) -> None:
        """Let the call say that it was made."""
        self._answer(_ANSWER.pack(call.id, value, 0, 0))

    def _answer(self, answer: bytes) -> None:
        try:
            fcntl.ioctl(self._listener, _SEND, bytearray(answer))
        except FileNotFoundError as error:
            raise Ended from error

    def kill(self) -> None:
        """Kill it, whatever it is doing, and wait until it is gone."""
        os.kill(self.pid, signal.SIGKILL)
        os.waitpid(self.pid, 0)

    def close(self) -> None:
        """Watch no longer."""
        os.close(self._listener)

    def bytes_at(self, call: Call, address: int, count: int) -> bytes:
        """Return what lies in the memory of whoever makes the call."""
        with open(f"/proc/{call.tid}/mem", "rb", buffering=0) as memory:  # noqa: PTH123 - no file of a folder
            return os.pread(memory.fileno(), count, address)

    def path_at(self, call: Call, address: int, folder: int = AT_FDCWD) -> Path:
        """Return the path that a call names, below the folder that it names."""
        step = 256 - address % 256  # no further than a page goes
        text = b""
        while b"\0" not in text and len(text) < MAX_PATH:
            text += self.bytes_at(call, address + len(text), step)
            step = 256
        name = Path(os.fsdecode(text.partition(b"\0")[0]))
        if name.is_absolute():
            return name
        folder = ctypes.c_int(folder & 0xFFFFFFFF).value
        return Path(f"/proc/{call.tid}", "cwd" if folder == AT_FDCWD else f"fd/{folder}").readlink() / name

    def open_file(self, call: Call, handle: int) -> Path:
        """Return the path of a file that is open."""
        return Path(f"/proc/{call.tid}/fd/{ctypes.c_int(handle & 0xFFFFFFFF).value}").readlink()
