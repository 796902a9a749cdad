"""Everything that confines a candidate, as plain values: the arguments of bubblewrap and the settings of the harness.

Rules:
- Namespaces of its own for users, processes, network, messages, host name and control groups; the uid is nobody's; no capability.
- The file system holds the interpreter, its standard library and the shared libraries those load, all read-only, an empty
  ``/tmp`` of bounded size, ``/dev/null``, and nothing else: no ``/proc``, no home, no configuration.
- The environment is empty but for a fixed hash seed, which the harness removes, so that a set's order is the same every time.
- Limits, Landlock and filters are set inside by the harness; it refuses to run where one cannot be set.

Left out: starting it (``adapters``), what each filter allows (``seccomp``).
"""

import base64
from dataclasses import dataclass
from typing import Any

from actors.consensus.sandbox.config import MIB, SandboxConfig
from actors.consensus.sandbox.seccomp import CANDIDATE, HARNESS, program
from actors.consensus.sandbox.syscalls import Machine

PRELOADED = (
    "_heapq _bisect _random _struct _datetime _decimal _statistics _csv _pickle _json _hashlib _blake2 _sha1 "
    "_sha256 _sha512 _md5 _sha3 _queue _contextvars _zoneinfo _elementtree pyexpat zlib _bz2 _lzma unicodedata "
    "array math cmath binascii mmap abc ast asyncio base64 bisect calendar collections concurrent.futures "
    "contextlib copy csv dataclasses datetime decimal difflib enum fractions functools hashlib heapq hmac html "
    "inspect io itertools json locale logging numbers operator pathlib pickle pprint queue random re secrets "
    "statistics string struct tempfile textwrap threading time timeit traceback types typing unittest urllib.parse "
    "uuid warnings weakref zoneinfo "
).split()
"""Modules the warm parent loads: candidates may not map executable memory, so what is native must be there before."""


@dataclass(frozen=True, slots=True)
class Interpreter:
    """The Python that runs candidates, as files of this machine."""

    executable: str
    library: str
    """Folder of the standard library."""
    packages: tuple[str, ...]
    """Folders in it where others installed theirs: hidden."""
    shared: tuple[str, ...]
    """Shared libraries it loads, the loader among them, under the names they are looked up by."""
    machine: Machine


@dataclass(frozen=True, slots=True)
class Confinement:
    """How a warm parent is started: ``bwrap`` takes the arguments, then the command, then the settings as JSON."""

    arguments: tuple[str, ...]
    """Of bubblewrap, up to ``--``."""
    command: tuple[str, ...]
    """Inside: the interpreter and its options, up to the source of the harness."""
    settings: dict[str, Any]
    """Of the harness."""


def confinement(config: SandboxConfig, interpreter: Interpreter) -> Confinement:
    """Return the full set of barriers."""
    return Confinement(
        arguments=_arguments(config, interpreter),
        command=(interpreter.executable, "-s", "-P", "-S", "-B", "-X", "utf8=1", "-c"),
        settings=_settings(config, interpreter),
    )


def _arguments(config: SandboxConfig, interpreter: Interpreter) -> tuple[str, ...]:
    bound = (interpreter.executable, interpreter.library, *interpreter.shared)
    return (
        "--unshare-all", "--unshare-user", "--die-with-parent", "--new-session", "--as-pid-1", "--cap-drop", "ALL",
        "--uid", "65534", "--gid", "65534", "--hostname", "sandbox",
        "--clearenv", "--setenv", "PYTHONHASHSEED", "0",
        *(word for path in bound for word in ("--ro-bind", path, path)),
        *(word for path in interpreter.packages for word in ("--perms", "0555", "--tmpfs", path)),
        "--dev-bind", "/dev/null", "/dev/null",
        "--size", str(config.tmp_mib * MIB), "--tmpfs", "/tmp",  # noqa: S108 - inside
        "--remount-ro", "/", "--chdir", "/",
    )  # fmt: skip


def _settings(config: SandboxConfig, interpreter: Interpreter) -> dict[str, Any]:
    filters = {"harness": HARNESS, "candidate": CANDIDATE}
    return {
        "preload": PRELOADED,
        "readable": [interpreter.library],
        "filters": {
            role: base64.b64encode(program(rules, interpreter.machine)).decode() for role, rules in filters.items()
        },
        "limits": _limits(config),
        "start_ms": config.spare_ms,
        "call_ms": config.call_ms,
        "job_ms": config.job_ms,
        "cpu_s": config.cpu_s,
        "output_bytes": config.output_bytes,
        "value_bytes": config.value_bytes,
        "value_depth": config.value_depth,
        "printed_bytes": config.printed_bytes,
    }


def _limits(config: SandboxConfig) -> dict[str, dict[str, int]]:
    """Return what ``setrlimit`` gets, by role; the harness has room for what it passes on."""
    common = {
        "RLIMIT_CORE": 0,
        "RLIMIT_FSIZE": config.file_bytes,
        "RLIMIT_NPROC": config.processes,
        "RLIMIT_MEMLOCK": 0,
        "RLIMIT_MSGQUEUE": 0,
    }
    candidate = {
        "RLIMIT_AS": config.address_space_mib * MIB,
        "RLIMIT_CPU": config.cpu_s,
        "RLIMIT_NOFILE": config.open_files,
    }
    return {
        "harness": {**common, "RLIMIT_AS": 2 * config.address_space_mib * MIB, "RLIMIT_NOFILE": 64},
        "candidate": {**common, **candidate},
    }
