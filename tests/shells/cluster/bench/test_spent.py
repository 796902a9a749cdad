"""Processor time goes under the part of the system that spent it."""

import os
import subprocess
import sys
from pathlib import Path

from cluster.bench.spent import (
    INGRESS,
    PARTS,
    REPLICA,
    REST,
    SANDBOX,
    VOTERS,
    Account,
    per_request_ms,
    read_account,
    spent,
)

STAT = "42 (a) b) S 7 42 42 0 -1 4194304 1 2 3 4 150 50 300 100 20 0 1 0 99 1 1"


def test_the_kernel_s_line_is_read_whatever_a_process_is_called() -> None:
    """Ticks become seconds; a name may hold blanks and brackets."""
    assert read_account(42, STAT, 100) == Account(42, 7, 2.0, 4.0)


def test_the_sandbox_is_what_descends_from_the_replica() -> None:
    """With what has ended there, however deep; voters and the home's other processes are apart, strangers nowhere."""
    accounts = {
        1: Account(1, 0, 100.0, 100.0),
        2: Account(2, 1, 10.0, 0.5),  # the replica
        3: Account(3, 2, 1.0, 2.0),
        4: Account(4, 3, 0.25, 4.0),
        5: Account(5, 1, 7.0, 0.0),
        6: Account(6, 1, 3.0, 0.0),
        7: Account(7, 1, 0.75, 9.0),
    }
    found = spent(accounts, 2, {5}, {2: "gateway replica", 4: "other", 6: "HAProxy", 7: "supervisor", 8: "gone"})
    assert found == dict.fromkeys(PARTS, 0.0) | {REPLICA: 10.0, SANDBOX: 7.75, VOTERS: 7.0, INGRESS: 3.0, REST: 0.75}


def test_costs_are_milliseconds_a_request() -> None:
    """What went away with a process that ended makes no cost negative."""
    before, after = dict.fromkeys(PARTS, 1.0), dict.fromkeys(PARTS, 3.0) | {SANDBOX: 0.5}
    assert per_request_ms(before, after, 100) == dict.fromkeys(PARTS, 20.0) | {SANDBOX: 0.0}


def test_this_process_has_an_account() -> None:
    """The kernel's line of a real process can be read, with its parent's number and a child that has ended."""
    burn = "sum(i * i for i in range(2_000_000))"
    subprocess.run([sys.executable, "-c", burn], check=True)  # noqa: S603 - Python and words of ours
    account = read_account(os.getpid(), Path("/proc/self/stat").read_text(), os.sysconf("SC_CLK_TCK"))
    assert account.parent == os.getppid()
    assert account.own_s > 0
    assert account.waited_s > 0
