"""The self-test of the sandbox: what is tried, what is looked at from outside, and what is seen while every barrier holds.

Rules:
- A probe tries what its barrier forbids and must be refused in the very way that barrier refuses; good code must give its right
  value, so that a sandbox in which nothing works proves nothing.
- Namespaces, capabilities and filters are looked at from outside as well: inside, one barrier hides another.
- A proof names what it was made with (``made_with``) and counts only for that and only until it expires. None, a failed one and
  a stale one are the same: nothing runs.

Left out: running it and sharing the proof between the replicas of a node (``adapters``).
"""

import hashlib
import json
from collections.abc import Mapping, Sequence
from typing import Final

import msgspec

from actors.consensus.sandbox.config import SandboxConfig
from actors.consensus.sandbox.confinement import Confinement
from actors.consensus.sandbox.protocol import Job, Observed, Ran

NAMESPACES: Final = ("cgroup", "ipc", "mnt", "net", "pid", "user", "uts")
STATUS: Final = {"CapEff": "0000000000000000", "CapPrm": "0000000000000000", "NoNewPrivs": "1", "Seccomp": "2"}
"""What ``/proc/<pid>/status`` must say of the warm parent."""

_CODE = """
import errno, os

def tried(attempt):
    try:
        attempt()
    except OSError as error:
        return errno.errorcode[error.errno]
    return "nothing stopped it"

def network():
    import socket
    return tried(socket.socket)

def path(name, flags=os.O_RDONLY):
    return tried(lambda: os.open(name, flags, 0o600))

def library():
    seen = path(os.__file__, os.O_RDWR)
    return "refused" if seen in {"EROFS", "EACCES"} else seen

def listing():
    return tried(lambda: os.listdir("/"))

def process():
    return tried(os.fork)

def program():
    import sys
    return tried(lambda: os.execv(sys.executable, ["python"]))

def signal():
    return tried(lambda: os.kill(os.getppid(), 0))

def native():
    import mmap
    return tried(lambda: mmap.mmap(-1, 4096, prot=mmap.PROT_READ | mmap.PROT_EXEC))

def kernel(number, *arguments):
    kind = next(c for c in object.__subclasses__() if c.__name__ == "CDLL")
    code = kind(None, use_errno=True).syscall(number, *arguments)
    return "nothing stopped it" if code >= 0 else errno.errorcode[kind.__init__.__globals__["get_errno"]()]

def memory(size):
    return len(bytearray(size))

def surroundings():
    return [dict(os.environ), os.getuid(), os.uname().nodename]

def descriptors():
    found = []
    for number in range(64):
        try:
            os.fstat(number)
        except OSError as error:
            found += [] if error.errno == errno.EBADF else [-number]
        else:
            found.append(number)
    return found

def limit(name):
    import resource
    return list(resource.getrlimit(getattr(resource, name)))

def sound(values):
    return sorted(values)[0] + 0.5

def unsound():
    raise LookupError

def endless():
    import time
    time.sleep(3600)
"""


_NOBODY: Final = [["d", []], ["i", "65534"], ["s", "sandbox"]]
"""No environment, nobody's uid, a made-up host name."""


class Probe(msgspec.Struct, frozen=True):
    """One attempt and what must come of it."""

    barrier: str
    """What is broken if it does not."""
    call: str
    sees: Observed


class Proof(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What a self-test came to."""

    at_s: float
    """Monotonic seconds of this machine, since it was started."""
    boot: str
    """Which start of the machine those are counted from."""
    made_with: str
    """Digest of everything the sandbox was built from."""
    failed: tuple[str, ...]
    """Barriers that did not hold; none if the sandbox is sound."""


def probes(config: SandboxConfig, outside: Sequence[str]) -> tuple[Probe, ...]:
    """Return what is tried; ``outside`` are paths of this machine that exist and must not be seen inside."""
    limits = {
        "RLIMIT_CPU": (config.cpu_s, config.cpu_s + 1),
        "RLIMIT_FSIZE": (config.file_bytes,) * 2,
        "RLIMIT_NOFILE": (config.open_files,) * 2,
        "RLIMIT_NPROC": (config.processes,) * 2,
        "RLIMIT_CORE": (0, 0),
    }
    return (
        Probe("good code runs", "sound([3, 2, 7])", Observed("value", ["f", "2.5"])),
        Probe("exceptions are told", "unsound()", Observed("exception", exception="LookupError")),
        _refused("no network", "network()", "EPERM"),
        *(_refused("no files of the machine", f"path({path!r})", "ENOENT") for path in outside),
        _refused("no processes to look at", "path('/proc/self/status')", "ENOENT"),
        _refused("reading is restricted", "listing()", "EACCES"),
        _refused("the library is read-only", "library()", "refused"),
        _refused("nothing can be written", f"path('/tmp/x', {0o101})", "EACCES"),
        _refused("no new processes", "process()", "EPERM"),
        _refused("no other programs", "program()", "EPERM"),
        _refused("no signals", "signal()", "EPERM"),
        _refused("no new native code", "native()", "EPERM"),
        *(_refused("system calls are filtered", f"kernel({number}, 0, 0, 0, 0)", "EPERM") for number in (425, 434, 438)),
        Probe("memory is bounded", f"memory({config.address_space_mib << 20})", Observed("exception", exception="MemoryError")),
        Probe("nothing is told about the machine", "surroundings()", _value(["l", _NOBODY])),
        Probe("no descriptors are inherited", "descriptors()", _value(["l", [["i", str(n)] for n in range(5)]])),
        *(
            Probe(f"{name} is set", f"limit({name!r})", _value(["l", [["i", str(bound)] for bound in bounds]]))
            for name, bounds in limits.items()
        ),
        Probe("time is bounded", "endless()", Observed("timeout")),
    )  # fmt: skip


def _value(encoded: object) -> Observed:
    return Observed("value", encoded)


def _refused(barrier: str, call: str, error: str) -> Probe:
    return Probe(barrier, call, _value(["s", error]))


def job(tried: Sequence[Probe]) -> Job:
    """Return the job that makes all attempts, the endless one last."""
    return Job(_CODE, tuple(probe.call for probe in tried))


def judge(tried: Sequence[Probe], ran: Ran) -> tuple[str, ...]:
    """Return the barriers that did not hold, each once, in order."""
    if len(ran.calls) != len(tried):
        return ("the self-test runs",)
    seen = (msgspec.structs.replace(observed, arguments=()) for observed in ran.calls)
    return tuple(dict.fromkeys(probe.barrier for probe, was in zip(tried, seen, strict=True) if was != probe.sees))


def cut_short(tried: Sequence[Probe], ran: Ran) -> bool:
    """Tell whether the clock ended the run before its last probe, as on a machine that is too busy: it is worth another try."""
    return any(seen.end in {"timeout", "not_run"} for seen in ran.calls[: len(tried) - 1])


def judge_outside(ours: Mapping[str, str], theirs: Mapping[str, str], status: Mapping[str, str]) -> tuple[str, ...]:
    """Return what is wrong as seen from outside: namespaces that are shared or unknown, privileges that were kept."""
    shared = [
        f"a {name} namespace of its own" for name in NAMESPACES if theirs.get(name, ours.get(name)) == ours.get(name)
    ]
    kept = [f"{name} is {wanted}" for name, wanted in STATUS.items() if status.get(name) != wanted]
    return (*shared, *kept)


def made_with(confined: Confinement, harness: str, bwrap: str) -> str:
    """Return the digest of everything a sandbox is built from."""
    parts = [confined.arguments, confined.command, confined.settings, harness, bwrap]
    return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()


def why_not(proof: Proof | None, boot: str, made: str, now_s: float, expiry_s: float) -> str:
    """Return in one line why the sandbox may not be used now; empty if it may."""
    if proof is None:
        return "the sandbox's self-test has not been run"
    if proof.failed:
        return f"the sandbox's self-test failed: {', '.join(proof.failed)}"
    if (proof.boot, proof.made_with) != (boot, made):
        return "the sandbox's self-test was of another sandbox"
    if not 0 <= now_s - proof.at_s < expiry_s:
        return f"the sandbox's self-test is older than {expiry_s:.0f} s"
    return ""
