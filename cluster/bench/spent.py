"""Processor time by part of the system, from the kernel's account of its processes.

Rules:
- The sandbox is whatever descends from the gateway's replica. Its candidates live for milliseconds: what a process has spent is
  its own time and that of the children it has waited for, and of the replica's waited-for children all is the sandbox's.
- Voters are the benchmark's own children that play recorded answers; every other process of the home is told by its name.
- Time is looked up before and after a load and divided by its requests. A process that ends meanwhile, unless its parent waits
  for it, takes its time along.
"""

import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from cluster.acceptance.system import title
from cluster.bench.footprint import role
from cluster.bench.profiling import replica_pid
from cluster.home import Home
from cluster.status import processes

REPLICA, SANDBOX, VOTERS, INGRESS, SPANS, REST = (
    "gateway replica", "sandbox", "recorded voters", "HAProxy", "SpanActor", "the rest of ours",
)  # fmt: skip
PARTS = (REPLICA, SANDBOX, INGRESS, SPANS, REST, VOTERS)
_VOTER_PROGRAM = "models.recorded_server"
_PROC = Path("/proc")


@dataclass(frozen=True, slots=True)
class Account:
    """One process in the kernel's account."""

    pid: int
    parent: int
    own_s: float
    """Processor time of all its threads."""
    waited_s: float
    """That of its descendants that have ended and were waited for."""


def read_account(pid: int, stat: str, ticks_per_s: int) -> Account:
    """Read ``/proc/PID/stat`` (proc(5)). Pure."""
    fields = stat.rpartition(")")[2].split()
    user, system, waited_user, waited_system = (int(field) / ticks_per_s for field in fields[11:15])
    return Account(pid, int(fields[1]), user + system, waited_user + waited_system)


def spent(
    accounts: Mapping[int, Account], replica: int, voters: set[int], names: Mapping[int, str]
) -> dict[str, float]:
    """Return the seconds of each part; ``names`` are the roles of the home's processes. Pure."""
    inside = set(_descendants(accounts, replica))
    found = dict.fromkeys(PARTS, 0.0)
    found[REPLICA] = accounts[replica].own_s
    found[SANDBOX] = accounts[replica].waited_s + sum(accounts[pid].own_s + accounts[pid].waited_s for pid in inside)
    found[VOTERS] = sum(accounts[pid].own_s for pid in voters & accounts.keys())
    for pid, name in names.items():
        if pid in accounts and pid != replica and pid not in inside:
            found[name if name in {INGRESS, SPANS} else REST] += accounts[pid].own_s
    return found


def per_request_ms(before: Mapping[str, float], after: Mapping[str, float], requests: float) -> dict[str, float]:
    """Return the milliseconds that each part spent on a request. Pure."""
    return {part: max(0.0, after[part] - before[part]) / requests * 1000 for part in PARTS}


def _descendants(accounts: Mapping[int, Account], pid: int) -> Iterator[int]:
    for account in accounts.values():
        if account.parent == pid:
            yield account.pid
            yield from _descendants(accounts, account.pid)


def look(home: Home) -> dict[str, float]:
    """Return what each part of a running home has spent by now."""
    ticks = os.sysconf("SC_CLK_TCK")
    accounts = {account.pid: account for account in _accounts(ticks)}
    children = {account.pid for account in accounts.values() if account.parent == os.getpid()}
    voters = {pid for pid in children if _VOTER_PROGRAM in title(pid)}
    names = {known.pid: role(title(known.pid)) for known in processes(home)}
    return spent(accounts, replica_pid(home), voters, names)


def _accounts(ticks: int) -> Iterator[Account]:
    for entry in _PROC.iterdir():
        if entry.name.isdigit():
            try:
                yield read_account(int(entry.name), (entry / "stat").read_text(), ticks)
            except OSError:
                continue  # it ended between the two looks
