"""A system of a campaign's own: brought up in a home under ``.cache``, and ended with it."""

import json
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from actors.base.certificates import TrustBundle, read_trust
from cluster.home import Home, open_home
from cluster.node import REPOSITORY
from cluster.processes import Process
from cluster.status import processes, supervisor

WORK = REPOSITORY / ".cache" / "acceptance"
COMMAND_TIMEOUT_S = 1800.0


@dataclass(frozen=True, slots=True)
class System:
    """A running system."""

    home: Home
    url: str
    client_key: str
    operator_key: str
    trust: TrustBundle
    up_s: float
    """How long ``up`` took."""

    def command(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        """Run ``weavergen`` against this system."""
        return _weavergen(self.home.root, *arguments)

    def named(self, *words: str) -> list[Process]:
        """Return this system's processes whose title holds one of the words, the supervisor's never."""
        spare = supervisor(self.home)
        found = [known for known in processes(self.home) if spare is None or known.pid != spare.pid]
        return [known for known in found if any(word in title(known.pid) for word in words)]


def title(pid: int) -> str:
    """Return a process's command line, or its name where that is empty."""
    try:
        line = Path(f"/proc/{pid}/cmdline").read_bytes().replace(b"\0", b" ").decode("utf-8", "replace").strip()
        return line or Path(f"/proc/{pid}/comm").read_text().strip()
    except OSError:
        return ""


def pss_mib(system: System) -> float:
    """Return the proportional set size of all of a system's processes, in MiB."""
    total = 0
    for known in processes(system.home):
        try:
            text = Path(f"/proc/{known.pid}/smaps_rollup").read_text()
        except OSError:
            continue  # it ended between the two looks
        total += sum(int(line.split()[1]) for line in text.splitlines() if line.startswith("Pss:"))
    return total / 1024


@contextmanager
def running(name: str, port: int, arguments: Sequence[str]) -> Iterator[System]:
    """Bring a fresh system up, yield it, end it: also one that was only half up. Raise ``RuntimeError`` if that fails."""
    root = WORK / name / "home"
    _brought_down(root)
    shutil.rmtree(WORK / name, ignore_errors=True)
    root.parent.mkdir(parents=True, exist_ok=True)  # it stays where something is mounted on it
    began = time.monotonic()
    try:
        done = _weavergen(root, "up", "--port", str(port), *arguments)
        if done.returncode != 0:
            raise RuntimeError(f"`weavergen up` ended with {_told(done)}")
        home = open_home(root)
        yield System(
            home=home,
            url=f"http://127.0.0.1:{port}",
            client_key=(home.keys / "client.key").read_text().strip(),
            operator_key=(home.keys / "operator.key").read_text().strip(),
            trust=read_trust(home.trust_file.read_bytes()),
            up_s=time.monotonic() - began,
        )
    finally:
        _brought_down(root)


def _brought_down(root: Path) -> None:
    """End what runs for a home, and see that nothing does."""
    if (root / "version.json").exists():
        done = _weavergen(root, "down")
        if processes(open_home(root)):
            raise RuntimeError(f"`weavergen down` ended with {_told(done)}")


def _told(done: "subprocess.CompletedProcess[str]") -> str:
    return f"{done.returncode}: {done.stderr[-2000:]}{done.stdout[-2000:]}"


def write_answers(path: Path, answers: dict[str, Sequence[str]]) -> Path:
    """Write recorded answers: voter → contents that answer every prompt in turn."""
    lines = [
        {
            "default": {
                "voter": voter, "family": f"family-{voter}", "lineage": f"lineage-{voter}",
                "answers": [{"content": content, "latency_ms": 2} for content in contents],
            }
        }
        for voter, contents in answers.items()
    ]  # fmt: skip
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("".join(json.dumps(line) + "\n" for line in lines))
    return path


def _weavergen(root: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    environment = {
        **os.environ,
        "WEAVERGEN_HOME": str(root),
        "WEAVERGEN_OPERATOR_DIR": str(root.parent / "operator"),
        "WEAVERGEN_MODELS_DIR": os.environ.get("WEAVERGEN_MODELS_DIR", str(REPOSITORY / "var" / "models")),
    }
    return subprocess.run(  # noqa: S603 - our own command line
        [sys.executable, "-m", "cluster", *arguments],
        env=environment,
        cwd=REPOSITORY,
        capture_output=True,
        text=True,
        timeout=COMMAND_TIMEOUT_S,
        check=False,
        start_new_session=True,  # a signal to this process's group must not end a `down` half-way
    )
