"""What the filters say of each call, asked on a machine for BPF."""

from typing import get_args

import pytest

from actors.consensus.sandbox.seccomp import (
    ALLOW,
    CANDIDATE,
    HARNESS,
    KILL,
    REFUSE,
    TRIED,
    UNKNOWN,
    Rule,
    Word,
    program,
)
from actors.consensus.sandbox.syscalls import NUMBERS, Machine, number
from tests.unit.actors.consensus.sandbox.bpf import verdict

MACHINES: tuple[Machine, ...] = get_args(Machine)
NEVER = (
    "socket connect bind listen sendmsg recvmsg ptrace process_vm_readv process_vm_writev mount umount2 pivot_root chroot "
    "unshare setns keyctl add_key request_key bpf perf_event_open userfaultfd io_uring_setup kexec_load init_module "
    "finit_module clock_settime sethostname personality execve execveat fork vfork tkill tgkill pidfd_open pidfd_getfd "
    "pidfd_send_signal rt_sigqueueinfo rt_tgsigqueueinfo reboot swapon acct quotactl setuid memfd_create unlink unlinkat "
    "mkdir mkdirat rename renameat renameat2 link linkat symlink symlinkat truncate ftruncate chmod fchmodat fchownat "
    "open_by_handle_at name_to_handle_at setxattr shmget shmat msgget semget mq_open inotify_init1 fanotify_init "
    "sched_setaffinity setpriority setrlimit seccomp sysinfo syslog"
).split()
"""Calls that no process of the sandbox may make once it is set up."""
HARNESS_ALONE = ("clone", "wait4", "waitid", "kill", "prctl", "landlock_create_ruleset", "landlock_restrict_self")
CLONE_NEW = (0x2_0000, 0x200_0000, 0x400_0000, 0x800_0000, 0x1000_0000, 0x2000_0000, 0x4000_0000)


def asked(rules: tuple[Rule, ...], machine: Machine, name: str, *arguments: int) -> int | None:
    """Return the verdict on a call by its name; ``None`` if the machine has no such call."""
    called = number(name, machine)
    return None if called is None else verdict(program(rules, machine), machine, called, *arguments)


@pytest.mark.parametrize("machine", MACHINES)
@pytest.mark.parametrize("name", NEVER)
def test_dangerous_calls_are_refused(machine: Machine, name: str) -> None:
    """Neither the harness nor a candidate may make them."""
    assert {asked(CANDIDATE, machine, name), asked(HARNESS, machine, name)} <= {REFUSE, None}


@pytest.mark.parametrize("machine", MACHINES)
@pytest.mark.parametrize("name", HARNESS_ALONE)
def test_a_candidate_may_do_less_than_the_harness(machine: Machine, name: str) -> None:
    """Starting, ending and confining processes is for the harness alone."""
    arguments = (22,) if name == "prctl" else (17,)
    assert asked(HARNESS, machine, name, *arguments) == ALLOW
    assert asked(CANDIDATE, machine, name, *arguments) == REFUSE


@pytest.mark.parametrize("machine", MACHINES)
def test_only_what_a_rule_names_is_allowed(machine: Machine) -> None:
    """Of the first thousand numbers, exactly those of the rules can pass; calls that are only tried look unknown."""
    built = program(CANDIDATE, machine)
    named = {number(rule.call, machine) for rule in CANDIDATE}
    tried = {number(name, machine) for name in TRIED}
    for called in range(1000):
        wanted = UNKNOWN if called in tried else REFUSE
        assert called in named or verdict(built, machine, called, *[0xFFFF_FFFF] * 6) == wanted


@pytest.mark.parametrize("machine", MACHINES)
def test_another_architecture_ends_the_process(machine: Machine) -> None:
    """The same number means another call there, so no number is looked at."""
    for rules in (CANDIDATE, HARNESS):
        other = 0x4000_0003
        assert verdict(program(rules, machine), machine, NUMBERS["read"][0] or 0, architecture=other) == KILL


def test_x32_numbers_end_the_process() -> None:
    """On x86-64 the numbers of the x32 interface are another architecture in disguise."""
    assert verdict(program(CANDIDATE, "x86_64"), "x86_64", 0x4000_0000) == KILL


@pytest.mark.parametrize("machine", MACHINES)
@pytest.mark.parametrize("call", ["mmap", "mprotect"])
def test_memory_is_never_executable(machine: Machine, call: str) -> None:
    """Mapping passes unless it asks for execution, alone or with other rights."""
    verdicts = {rights: asked(CANDIDATE, machine, call, 0, 4096, rights) for rights in range(8)}
    assert verdicts == {rights: REFUSE if rights & 4 else ALLOW for rights in range(8)}


@pytest.mark.parametrize("machine", MACHINES)
def test_the_harness_makes_no_namespaces(machine: Machine) -> None:
    """Forking passes, forking into any new namespace does not."""
    assert asked(HARNESS, machine, "clone", 0x0120_0011) == ALLOW
    assert {asked(HARNESS, machine, "clone", flag | 17) for flag in CLONE_NEW} == {REFUSE}


@pytest.mark.parametrize("machine", MACHINES)
def test_limits_can_be_read_but_not_set(machine: Machine) -> None:
    """A candidate may ask for its own limits; a pointer to new ones in either half of the word is refused."""
    assert asked(CANDIDATE, machine, "prlimit64", 0, 7, 0, 0x7FFF_0000) == ALLOW
    assert asked(CANDIDATE, machine, "prlimit64", 0, 7, 0x1000, 0) == REFUSE
    assert asked(CANDIDATE, machine, "prlimit64", 0, 7, 0x1_0000_0000, 0) == REFUSE
    assert asked(CANDIDATE, machine, "prlimit64", 1, 7, 0, 0) == REFUSE


@pytest.mark.parametrize("machine", MACHINES)
def test_only_a_connected_pair_of_sockets_can_be_made(machine: Machine) -> None:
    """An event loop gets its stream pair; no other domain or type does."""
    made = {
        (domain, kind): asked(CANDIDATE, machine, "socketpair", domain, kind)
        for domain in (1, 2, 16)
        for kind in (1, 1 | 0x80000, 2, 3, 5)
    }
    assert {key for key, said in made.items() if said == ALLOW} == {(1, 1), (1, 1 | 0x80000)}


def test_a_failed_condition_goes_on_to_the_next_rule() -> None:
    """Two rules on one call: it passes if either holds, and calls behind them are still found."""
    rules = (Rule("fcntl", (Word(1, (1, 2)), Word(2, (0,)))), Rule("fcntl", (Word(1, (9,)),)), Rule("read"))
    said = {
        (command, value): asked(rules, "x86_64", "fcntl", 0, command, value)
        for command in (1, 2, 3, 9)
        for value in (0, 1)
    }
    assert {key for key, verdict_ in said.items() if verdict_ == ALLOW} == {(1, 0), (2, 0), (9, 0), (9, 1)}
    assert asked(rules, "x86_64", "read") == ALLOW


def test_a_filter_that_is_too_long_is_an_error() -> None:
    """The kernel takes 4096 instructions."""
    with pytest.raises(ValueError, match="longer than the kernel takes"):
        program([Rule("read")] * 3000, "x86_64")
