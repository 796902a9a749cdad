"""Samples a gateway replica under load, from outside, and says where its time goes."""

import os
import shutil
import sys
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from cluster.bench.load import Target, drive
from cluster.bench.stages import Share, count, shares, stage_of
from cluster.bench.started import BenchError, run
from cluster.home import Home
from cluster.status import processes
from serve_apps.builder import APPLICATION, GATEWAY

RATE_HZ = 250
SECONDS = 8
_MARGIN_S = 4
_TITLE = f"ray::ServeReplica:{APPLICATION}:{GATEWAY}"


@dataclass(frozen=True, slots=True)
class Sampled:
    """What a sampler saw of a process under load."""

    raw: str = field(repr=False)
    """Stacks, as py-spy writes them."""
    requests: float
    """How many were answered meanwhile."""
    cpu_us_per_request: float
    """Processor time of the whole process, as the kernel counted it."""

    def by(self, name_of: Callable[[Sequence[str]], str] = stage_of) -> list[Share]:
        """Return where the time goes, by what each stack is called."""
        return shares(count(self.raw, name_of), RATE_HZ, self.requests, self.cpu_us_per_request)


def replica_pid(home: Home) -> int:
    """Return the process of the home's gateway replica."""
    for known in processes(home):
        path = Path("/proc") / str(known.pid) / "cmdline"
        if path.exists() and path.read_bytes().startswith(_TITLE.encode()):
            return known.pid
    raise BenchError("the gateway's replica was not found among this home's processes")


def sampled(pid: int, wrk: str, target: Target, folder: Path, connections: int) -> Sampled:
    """Load the target and sample the process meanwhile."""
    spy = shutil.which("py-spy", path=str(Path(sys.executable).parent)) or shutil.which("py-spy")
    if spy is None:
        raise BenchError("py-spy is not installed; run `make bench`, which does that")
    raw = folder / "stacks.txt"
    command = [
        spy, "record", "--pid", str(pid), "--duration", str(SECONDS), "--rate", str(RATE_HZ), "--format", "raw", "--gil",
        "--nonblocking", "--output", str(raw),  # a replica that is stopped for every look is late, and sheds
    ]  # fmt: skip
    failed: list[BaseException] = []
    rates: list[float] = []

    def load() -> None:
        try:
            rates.append(drive(wrk, target, folder, connections, SECONDS + _MARGIN_S).requests_per_s)
        except Exception as error:  # noqa: BLE001 - raised again below, in the thread that waits
            failed.append(error)

    before_s = _cpu_s(pid)
    loading = threading.Thread(target=load)
    loading.start()
    try:
        run(command, SECONDS + 60.0)
    finally:
        loading.join()
    if failed:
        raise failed[0]
    used_us = (_cpu_s(pid) - before_s) / (rates[0] * (SECONDS + _MARGIN_S)) * 1e6
    return Sampled(raw.read_text(), rates[0] * SECONDS, used_us)


def _cpu_s(pid: int) -> float:
    """Return the processor time a process has used, all its threads together."""
    fields = (Path("/proc") / str(pid) / "stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")
