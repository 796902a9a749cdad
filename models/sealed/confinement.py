"""Everything that closes an engine off, as plain values: the arguments of bubblewrap and what the engine is told. Pure.

Rules:
- A network namespace of its own that has a loopback interface and no route, and no sockets of families that know no namespaces
  (``seccomp``).
- The file system holds system libraries, the Python that runs, this package and the weights, all read-only. No home, no keys,
  and no socket of anybody else: a path would be a way round the network.
- What can be written lies in memory, has a bound and is gone with the engine: the folder with its socket, temporary files and
  shared memory.
- Nobody inside, without a capability, and none of this process's environment but what is named here.
- It stays in the session of whoever started it: so it is found, and ended, with the rest of a system.
- A GPU's device files are there for an engine on a GPU, and nothing else of the machine's: no terminal, log or shared memory.

Left out: starting it (``engine``), what it does inside (``inside``). An engine spread over several machines cannot be closed off.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from models.engine import EngineArgument, EngineSettings
from models.timing import TELLS_TIMES

FOLDER = "/engine"
"""The folder of the engine's socket, inside."""
SOCKET = "api.sock"
LOOK = "look.json"
INHERITED = (
    "LANG", "LC_ALL", "LD_LIBRARY_PATH", "CUDA_VISIBLE_DEVICES", "NVIDIA_VISIBLE_DEVICES", "OPENBLAS_CORETYPE",
    "OPENBLAS_L2_SIZE",
)  # fmt: skip
"""What an engine takes from the environment of whoever starts it: where libraries and devices are."""
_SYSTEM = ("/usr", "/bin", "/sbin", "/lib", "/lib32", "/lib64", "/sys", "/opt/rocm")
_SETTINGS = (
    "/etc/ld.so.cache", "/etc/ld.so.conf", "/etc/ld.so.conf.d", "/etc/alternatives", "/etc/hosts", "/etc/passwd", "/etc/group",
    "/etc/nsswitch.conf", "/etc/localtime",
)  # fmt: skip
_TMP, _SHARED = "/tmp", "/dev/shm"  # noqa: S108 - inside: file systems of its own
_FOLDER_BYTES = 1 << 20


@dataclass(frozen=True, slots=True)
class Python:
    """The Python that runs inside, as folders of this machine."""

    executable: str
    prefixes: tuple[str, ...]
    """Of the virtual environment and of the installation below it."""
    package: str
    """Folder of the package ``models``."""


def arguments(
    python: Python, weights: Path | None, scratch_mib: int, devices: Sequence[str] = ()
) -> tuple[str, ...]:  # fmt: skip
    """Return the arguments of bubblewrap up to ``--``; ``devices`` are a GPU's.

    ``scratch_mib`` is the most that temporary files, and the most that shared memory may hold.
    """
    scratch = scratch_mib << 20
    seen = [python.package, *([str(weights)] if weights else [])]
    return (
        "--unshare-all", "--unshare-user", "--die-with-parent", "--cap-drop", "ALL",
        "--uid", "65534", "--gid", "65534", "--hostname", "localhost", "--clearenv",
        *_each("--ro-bind-try", _SYSTEM), "--dev", "/dev", *_each("--dev-bind", devices), "--proc", "/proc",
        *_in_memory(_TMP, scratch), *_in_memory(_SHARED, scratch), *_in_memory(FOLDER, _FOLDER_BYTES),
        *_each("--ro-bind-try", _SETTINGS), *_each("--ro-bind", _outermost(python.prefixes)), *_each("--ro-bind", seen),
        "--remount-ro", "/dev", "--remount-ro", "/", "--chdir", str(PurePosixPath(python.package).parent),
    )  # fmt: skip


def environment(settings: Mapping[str, str], own: Mapping[str, str]) -> tuple[str, ...]:
    """Return the arguments that set what is known inside; ``own`` is the environment of whoever starts it."""
    known = {
        "PATH": "/usr/local/bin:/usr/bin:/bin", "HOME": _TMP, "USER": "nobody", "VLLM_CACHE_ROOT": f"{_TMP}/vllm",
        "PYTHONDONTWRITEBYTECODE": "1", "PYTHONUNBUFFERED": "1",
        **{name: own[name] for name in INHERITED if name in own}, **settings,
    }  # fmt: skip
    return tuple(word for name, value in sorted(known.items()) for word in ("--setenv", name, value))


def serve_arguments(settings: EngineSettings) -> list[str]:
    """Return the arguments of vLLM's own server for an engine, on the socket in its folder."""
    return [
        "--model", settings.model_path, "--served-model-name", settings.served_name, "--uds", f"{FOLDER}/{SOCKET}",
        "--disable-uvicorn-access-log", "--disable-fastapi-docs",
        *(word for name, value in sorted({**settings.engine_kwargs, **TELLS_TIMES}.items()) for word in _flag(name, value)),
    ]  # fmt: skip


def _flag(name: str, value: EngineArgument) -> list[str]:
    flag = name.replace("_", "-")
    if isinstance(value, bool):
        return [f"--{flag}" if value else f"--no-{flag}"]
    return [f"--{flag}", str(value)]


def _in_memory(path: str, most_bytes: int) -> list[str]:
    return ["--size", str(most_bytes), "--tmpfs", path]


def _each(option: str, paths: Iterable[str]) -> list[str]:
    return [word for path in paths for word in (option, path, path)]


def _outermost(paths: Iterable[str]) -> list[str]:
    """Return the folders without those that are there already, inside another of them or of the system's."""
    found: list[PurePosixPath] = [PurePosixPath(path) for path in _SYSTEM]
    new = []
    for path in sorted({PurePosixPath(path) for path in paths}):
        if not any(path.is_relative_to(known) for known in found):
            found.append(path)
            new.append(str(path))
    return new
