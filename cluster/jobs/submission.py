"""Submits a job to a home's own Ray node and follows it to its end, with Ray's own ``ray job submit``.

A job runs on the cluster under a readable id, is seen on the dashboard, goes on when whoever follows it leaves, and ends
with the system. What it has to say lies in ``home/reports/<id>.json``; what it prints on lines that begin with its mark is
progress. Left out: what jobs do.
"""

import json
import subprocess
import sys
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any

from actors.base.errors import StorageUnavailable, WeaverGenError
from actors.base.files import write_atomic
from actors.base.ids import new_ulid
from cluster.client import NotRunning
from cluster.home import Home
from cluster.node import LOOPBACK, REPOSITORY, Node
from cluster.status import supervisor

MARK = "job: "
_KEPT_LINES = 20


class JobFailed(WeaverGenError):
    """The job could not be submitted, or ended without a report."""

    code = "job_failed"


def new_job_id(kind: str) -> str:
    """Return the id of a new job, which its kind begins."""
    return f"{kind}-{new_ulid().lower()}"


def report_file(home: Home, job_id: str) -> Path:
    """Return where a job leaves its report."""
    return home.root / "reports" / f"{job_id}.json"


def submit(
    node: Node, job_id: str, module: str, arguments: Sequence[str], tell: Callable[[str], None], *, detach: bool
) -> dict[str, Any] | None:
    """Run ``module`` as a job and return its report, ``None`` at once where it is left to itself.

    Raises ``NotRunning`` if the home's system does not run, ``JobFailed`` if there is no report in the end.
    """
    if supervisor(node.home) is None:
        raise NotRunning(f"nothing runs for {node.home.root}; run `weavergen up`")
    command = _command(node, job_id, module, arguments, detach=detach)
    with subprocess.Popen(  # noqa: S603 - our own interpreter and arguments
        command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, errors="replace",
        env=node.environment(), cwd=REPOSITORY,
    ) as child:  # fmt: skip
        last = _followed(child.stdout or (), tell)
    if detach and child.returncode == 0:
        return None
    return _report(report_file(node.home, job_id), job_id, last)


def write_report(path: Path, report: dict[str, Any]) -> None:
    """Leave a job's report, whole or not at all."""
    try:
        path.parent.mkdir(mode=0o700, exist_ok=True)
        write_atomic(path, json.dumps(report, indent=1, sort_keys=True).encode())
    except OSError as error:
        raise StorageUnavailable(
            f"{path} cannot be written ({error.strerror}); free space and run the job again"
        ) from error


def _command(node: Node, job_id: str, module: str, arguments: Sequence[str], *, detach: bool) -> list[str]:
    return [
        sys.executable, "-m", "ray.scripts.scripts", "job", "submit",
        f"--address=http://{LOOPBACK}:{node.ports.dashboard}", f"--submission-id={job_id}",
        "--log-style=record", "--log-color=false", *(["--no-wait"] if detach else []),
        "--", sys.executable, "-m", module, *arguments,
    ]  # fmt: skip


def _followed(lines: Iterable[str], tell: Callable[[str], None]) -> list[str]:
    """Tell progress as it comes; return the last of everything else."""
    last: list[str] = []
    for line in lines:
        if line.startswith(MARK):
            tell(line.removeprefix(MARK).strip())
        elif line.strip():
            last = [*last, line.strip()][-_KEPT_LINES:]
    return last


def _report(path: Path, job_id: str, last: Sequence[str]) -> dict[str, Any]:
    try:
        report: dict[str, Any] = json.loads(path.read_bytes())
    except (OSError, ValueError):
        said = " | ".join(last[-3:]) or "it said nothing"
        raise JobFailed(f"job {job_id} ended without a report: {said}; its log is on the dashboard") from None
    return report
