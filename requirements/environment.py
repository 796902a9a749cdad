#!/usr/bin/env python3
"""Build or update the virtual environment that the make targets run in, from the locks beside this file.

Rules:
- Needs nothing but a Python with ``venv``; an interpreter that is too old looks for a newer one, or says what to do.
- A part (a lock, torch, the project itself) is installed when the digest in its stamp differs; a stamp is written last.
- Installation that was killed half-way leaves its marker behind: the next run starts the environment anew.
- One run at a time: others wait for the lock file.
- pip never resolves: ``--no-deps --require-hashes`` installs what the lock says. What no lock names is removed.

Left out: making the locks (``lock.sh``).
"""

from __future__ import annotations  # an older interpreter must get as far as its message

import argparse
import fcntl
import hashlib
import os
import shutil
import subprocess
import sys
import time
from pathlib import Path

HERE = Path(__file__).resolve().parent
ROOT = HERE.parent
MINIMUM = (3, 11)
CANDIDATES = ("python3.11", "python3.12", "python3.13", "python3")
TORCH_INDEX = "https://download.pytorch.org/whl/cpu"
"""Where CPU builds of torch are published; asked only if pip's configured index has none."""
RELAUNCHED = "WEAVERGEN_ENVIRONMENT_RELAUNCHED"


class InstallError(Exception):
    """The environment cannot be built; the message says what to do."""


def digest(*parts: bytes) -> str:
    """Return one hex digest of several byte strings."""
    sums = b"".join(hashlib.sha256(part).digest() for part in parts)
    return hashlib.sha256(sums).hexdigest()


def locked_names(text: str) -> set[str]:
    """Return the normalised names of the packages that a lock or requirements file pins."""
    lines = (line.split("==")[0].strip() for line in text.splitlines() if "==" in line and line[0].isalnum())
    return {normalised(line.split("[")[0]) for line in lines}


def normalised(name: str) -> str:
    """Normalise a distribution's name as indexes do (PEP 503)."""
    return "-".join(part for part in name.lower().replace("_", "-").replace(".", "-").split("-") if part)


def usable(python: str) -> bool:
    """Tell whether ``python`` runs, is new enough and can build virtual environments with pip in them."""
    probe = f"import sys, venv, ensurepip; sys.exit(sys.version_info < {MINIMUM!r})"
    try:
        return subprocess.run([python, "-c", probe], check=False, capture_output=True).returncode == 0
    except OSError:
        return False


def relaunch(candidates: tuple[str, ...] = CANDIDATES) -> None:
    """Start again under the first usable interpreter; return if this one is to be used."""
    if RELAUNCHED in os.environ:
        return
    chosen = os.environ.get("PYTHON")
    for python in (chosen,) if chosen else candidates:
        path = shutil.which(python)
        if path and usable(path):
            os.environ[RELAUNCHED] = "1"
            os.execv(path, [path, *sys.argv])  # noqa: S606
    raise InstallError(
        "no Python {}.{} or newer with `venv` found (tried {}); install one (Debian: apt-get install python3 "
        "python3-venv) or name it: make PYTHON=/path/to/python3.11 …".format(*MINIMUM, chosen or ", ".join(candidates))
    )


class Environment:
    """One virtual environment and the stamps of what is installed in it."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.python = path / "bin" / "python"
        self.marker = path / ".installing"
        self.identity = f"{sys.version} {os.path.realpath(sys.executable)}"

    def stamp(self, part: str) -> Path:
        """Return where the stamp of a part lies."""
        return self.path / f".stamp-{part}"

    def current(self, part: str, wanted: str) -> bool:
        """Tell whether a part is installed as wanted."""
        stamp = self.stamp(part)
        return stamp.is_file() and stamp.read_text() == wanted

    def prepare(self) -> None:
        """Make the environment unless a whole one of this interpreter stands already."""
        if not self.marker.exists() and self.current("python", self.identity):
            return
        if self.path.exists():
            print(f"{self.path.name} was left half-installed or belongs to another Python: making it anew", flush=True)
            shutil.rmtree(self.path)
        self.run([sys.executable, "-m", "venv", str(self.path)])
        self.stamp("python").write_text(self.identity)

    def install(self, part: str, wanted: str, attempts: list[list[str]]) -> None:
        """Install a part by the first of several pip command lines that works."""
        if self.current(part, wanted):
            return
        print(f"installing {part} into {self.path.name} …", flush=True)
        started = time.monotonic()
        self.marker.touch()
        for number, arguments in enumerate(attempts, 1):
            try:
                self.pip("install", "--quiet", "--no-deps", "--no-input", "--disable-pip-version-check", *arguments)
                break
            except InstallError:
                # pip ended by itself and rolled back; a kill would have left the marker.
                if number == len(attempts):
                    self.marker.unlink()
                    raise
        self.stamp(part).write_text(wanted)
        self.marker.unlink()
        print(f"installed {part} in {time.monotonic() - started:.0f} s", flush=True)

    def remove_strays(self, wanted: set[str]) -> None:
        """Uninstall what no lock names."""
        listed = self.pip("list", "--format=freeze", "--disable-pip-version-check").stdout
        present = {line.split("==")[0] for line in listed.splitlines() if "==" in line}
        strays = sorted(name for name in present if normalised(name) not in wanted)
        if strays:
            self.pip("uninstall", "--quiet", "--yes", *strays)

    def pip(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        """Run the environment's own pip."""
        return self.run([str(self.python), "-m", "pip", *arguments])

    @staticmethod
    def run(command: list[str]) -> subprocess.CompletedProcess[str]:
        """Run a command in the project's root; raise with the end of what it said if it fails."""
        done = subprocess.run(command, cwd=ROOT, check=False, capture_output=True, text=True)
        if done.returncode:
            said = "\n".join((done.stdout + done.stderr).splitlines()[-20:])
            raise InstallError("{} failed:\n{}".format(" ".join(command[:6]), said))
        return done


def lock_file(name: str) -> Path:
    """Return the path of a lock."""
    return HERE / f"{name}.lock"


def build(environment: Environment, locks: list[str], project: bool) -> None:
    """Bring an environment to what the locks say; costs a few file reads when it is there already."""
    environment.prepare()
    requirements = [lock_file(name) for name in locks]
    fresh = all(environment.current(file.stem, digest(file.read_bytes())) for file in requirements)
    for file in requirements:
        if not environment.current(file.stem, digest(file.read_bytes())):
            print(
                f"{file.name}: {len(locked_names(file.read_text()))} packages; the first time takes minutes", flush=True
            )
        arguments = ["--require-hashes", "--only-binary", ":all:", "--requirement", str(file)]
        environment.install(file.stem, digest(file.read_bytes()), [arguments])
    if "cpu" in locks:
        torch = HERE / "torch-cpu.txt"
        arguments = ["--requirement", str(torch)]
        attempts = [arguments, [*arguments, "--extra-index-url", TORCH_INDEX]]
        environment.install("torch", digest(torch.read_bytes()), attempts)
        requirements.append(torch)
    if not fresh:
        known = [*requirements, lock_file("test")] if project else requirements
        wanted = set().union(*(locked_names(file.read_text()) for file in known))
        environment.remove_strays(wanted | {"pip", "setuptools", "weavergen"})
    if project:
        build_inputs = digest((ROOT / "pyproject.toml").read_bytes(), str(ROOT).encode())
        environment.install("project", build_inputs, [["--no-build-isolation", "--editable", str(ROOT)]])


def main() -> int:
    """Build the environment named on the command line."""
    parser = argparse.ArgumentParser(description="Build or update a virtual environment from the project's locks.")
    parser.add_argument("venv", type=Path, help="where the environment is, e.g. .venv")
    parser.add_argument("locks", nargs="+", choices=["cpu", "gpu", "test", "bench"], help="what belongs in it")
    arguments = parser.parse_args()
    environment = Environment(arguments.venv.absolute())
    try:
        relaunch()
        guard = ROOT / ".cache" / (f"{environment.path.name}.lock")
        guard.parent.mkdir(exist_ok=True)
        with guard.open("w") as handle:
            try:
                fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                print("another installation is running: waiting for it", flush=True)
                fcntl.flock(handle, fcntl.LOCK_EX)
            build(environment, arguments.locks, project="bench" not in arguments.locks)
    except InstallError as error:
        print(error, file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main())
