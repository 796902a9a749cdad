"""Seccomp filters as BPF programs: what a process may ask of the kernel.

Rules:
- What no rule allows is refused with ``EPERM``; calls that libraries only try, with an older one behind them, with ``ENOSYS``.
- Calls of another architecture (or x86-64's x32 numbers) end the process: their numbers mean other calls.
- A rule may look at argument words; it allows only if all its conditions hold. Pointers are never followed.
- The harness may start processes, signal and set up barriers; a candidate, filtered once more, may do none of that. Neither
  may map memory that is executable, open a socket, change the file system or start a program.

Left out: installing (the harness does it, after ``no_new_privs``), and what paths may be opened (Landlock).
Source: ``linux/filter.h``, ``linux/seccomp.h``, seccomp(2).
"""

import struct
from collections.abc import Collection, Sequence
from dataclasses import dataclass

from actors.consensus.sandbox.syscalls import AUDIT_ARCHITECTURES, Machine, number

_LOAD, _EQUAL, _AT_LEAST, _AND, _RETURN = 0x20, 0x15, 0x35, 0x54, 0x06
_NUMBER_AT, _ARCHITECTURE_AT, _ARGUMENTS_AT = 0, 4, 16
_X32 = 0x4000_0000
ALLOW, KILL, REFUSE, UNKNOWN = 0x7FFF_0000, 0x8000_0000, 0x0005_0001, 0x0005_0026
"""``SECCOMP_RET_ALLOW``, ``_KILL_PROCESS``, ``_ERRNO`` with ``EPERM`` and with ``ENOSYS``."""
MAX_INSTRUCTIONS = 4096

_PROT_EXEC = 4
_CLONE_NEW = 0x7E02_0000
"""Every flag of ``clone`` that makes a namespace."""
_PR_SET_DUMPABLE, _PR_SET_SECCOMP, _PR_SET_NO_NEW_PRIVS = 4, 22, 38
_AF_UNIX, _SOCK_STREAM, _SOCK_TYPE = 1, 1, 0xF


@dataclass(frozen=True, slots=True)
class Word:
    """A condition on 32 bits of an argument: one of ``values`` under ``mask``."""

    argument: int
    values: tuple[int, ...]
    mask: int = 0xFFFF_FFFF
    high: bool = False
    """The upper half of the argument rather than the lower."""


@dataclass(frozen=True, slots=True)
class Rule:
    """A call that is allowed if every condition holds."""

    call: str
    words: tuple[Word, ...] = ()


def _plain(names: str) -> tuple[Rule, ...]:
    return tuple(Rule(name) for name in names.split())


CANDIDATE: tuple[Rule, ...] = (
    *_plain("read write readv writev pread64 close fstat newfstatat stat lstat lseek openat open readlink readlinkat"),
    *_plain("access faccessat getdents64 getcwd munmap mremap madvise brk rt_sigaction rt_sigprocmask rt_sigreturn"),
    *_plain("sigaltstack futex clock_gettime clock_getres clock_nanosleep nanosleep gettimeofday time getrandom getpid"),
    *_plain("gettid getppid getuid geteuid getgid getegid poll ppoll select pselect6 pipe pipe2 dup dup2 dup3 exit"),
    *_plain("exit_group sched_yield sched_getaffinity uname times getrusage setitimer getitimer restart_syscall"),
    *_plain("epoll_create1 epoll_ctl epoll_wait epoll_pwait sendto recvfrom shutdown"),
    Rule("mmap", (Word(2, (0,), _PROT_EXEC),)),
    Rule("mprotect", (Word(2, (0,), _PROT_EXEC),)),
    Rule("fcntl", (Word(1, (0, 1, 2, 3, 4, 1030)),)),
    Rule("ioctl", (Word(1, (0x5401, 0x5421, 0x5450, 0x5451)),)),
    # Read limits, never set them: the pointer to new ones is null, the process is the caller itself.
    Rule("prlimit64", (Word(0, (0,)), Word(2, (0,)), Word(2, (0,), high=True))),
    # The pair an event loop wakes itself with: connected to nothing but itself.
    Rule("socketpair", (Word(0, (_AF_UNIX,)), Word(1, (_SOCK_STREAM,), _SOCK_TYPE))),
)  # fmt: skip
"""What Python needs to read its library, compute, print and end."""

HARNESS: tuple[Rule, ...] = (
    *CANDIDATE,
    *_plain("wait4 waitid kill set_robust_list landlock_create_ruleset landlock_add_rule landlock_restrict_self"),
    Rule("clone", (Word(0, (0,), _CLONE_NEW),)),
    Rule("prlimit64", (Word(0, (0,)),)),
    Rule("prctl", (Word(0, (_PR_SET_DUMPABLE, _PR_SET_SECCOMP, _PR_SET_NO_NEW_PRIVS)),)),
)
"""What the harness needs besides, to start, confine and end candidates."""

TRIED: tuple[str, ...] = ("clone3", "close_range", "openat2", "faccessat2", "statx", "rseq")


def program(rules: Sequence[Rule], machine: Machine, tried: Collection[str] = TRIED) -> bytes:
    """Return the filter as ``struct sock_filter`` records; ``ValueError`` if it is longer than the kernel takes."""
    steps = [
        _step(_LOAD, _ARCHITECTURE_AT),
        _step(_EQUAL, AUDIT_ARCHITECTURES[machine], 1, 0),
        _step(_RETURN, KILL),
        _step(_LOAD, _NUMBER_AT),
    ]
    if machine == "x86_64":
        steps += [_step(_AT_LEAST, _X32, 0, 1), _step(_RETURN, KILL)]
    for rule in rules:
        steps += _rule(rule, machine)
    for name in sorted(tried):
        if (called := number(name, machine)) is not None:
            steps += [_step(_EQUAL, called, 0, 1), _step(_RETURN, UNKNOWN)]
    steps.append(_step(_RETURN, REFUSE))
    if len(steps) > MAX_INSTRUCTIONS:
        raise ValueError(f"a filter of {len(steps)} instructions is longer than the kernel takes")
    return b"".join(steps)


def _rule(rule: Rule, machine: Machine) -> list[bytes]:
    """Return the steps of one rule: on any other call, and where a condition fails, go on behind them."""
    called = number(rule.call, machine)
    if called is None:
        return []
    body: list[bytes] = []
    for word in reversed(rule.words):
        body = _word(word, len(body) + 1) + body
    body.append(_step(_RETURN, ALLOW))
    if rule.words:
        body.append(_step(_LOAD, _NUMBER_AT))
    return [_step(_EQUAL, called, 0, len(body)), *body]


def _word(word: Word, left: int) -> list[bytes]:
    """Return the steps of one condition, with ``left`` steps of the rule behind it until the number is loaded again."""
    offset = _ARGUMENTS_AT + 8 * word.argument + 4 * word.high
    last = len(word.values) - 1
    tests = [_step(_EQUAL, value, last - at, left if at == last else 0) for at, value in enumerate(word.values)]
    return [_step(_LOAD, offset), _step(_AND, word.mask), *tests]


def _step(code: int, operand: int, jump_true: int = 0, jump_false: int = 0) -> bytes:
    return struct.pack("<HBBI", code, jump_true, jump_false, operand)
