"""What the benchmarks that drive wrk have in common: how one is called, runs beside its peers and ends.

Left out: what is left of one that was killed: they have threads before they begin, so no guard can stand before them as it does
before campaigns (``acceptance.guarded``).
"""

import argparse
import shutil
import sys
import tempfile
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager, ExitStack
from pathlib import Path
from typing import TypeVar

from cluster.acceptance.guarded import unwind_once
from cluster.bench import systems
from cluster.bench.figures import CONNECTIONS
from cluster.bench.load import Figures, Target, drive, warm_up
from cluster.bench.profiling import Sampled, replica_pid, sampled
from cluster.bench.started import BenchError
from cluster.home import Home
from cluster.node import REPOSITORY

T = TypeVar("T")


def arguments(program: str, description: str | None) -> argparse.ArgumentParser:
    """Return the options that each of them has."""
    parser = argparse.ArgumentParser(prog=f"python -m {program}", description=description)
    parser.add_argument("--seconds", type=int, default=8, help="measured time of one cell")
    parser.add_argument("--warm-up", type=int, default=2, help="seconds before each cell that do not count")
    parser.add_argument("--rounds", type=int, default=3, help="how often every cell is measured")
    parser.add_argument("--out", type=Path, default=REPOSITORY / "docs" / "benchmarks.md")
    return parser


def driven(prefix: str, run: Callable[[str, Path], T]) -> T:
    """Return what ``run`` finds with wrk, in a folder of its own; end the process, and say why, where it finds nothing."""
    unwind_once()  # so that everything that was started is ended, whoever asks again meanwhile
    wrk = shutil.which("wrk")
    if wrk is None:
        print("wrk is not installed (Debian: apt-get install wrk)", file=sys.stderr)
        raise SystemExit(2)
    systems.CACHE.mkdir(parents=True, exist_ok=True)
    try:
        with tempfile.TemporaryDirectory(prefix=prefix, dir=systems.CACHE) as name:
            return run(wrk, Path(name))
    except BenchError as error:
        print(error, file=sys.stderr)
        raise SystemExit(1) from error


def started(
    stack: ExitStack, missing: dict[str, str], name: str, system: AbstractContextManager[Target]
) -> Target | None:
    """Start a system that may be missing; the report then says why."""
    say(name)
    try:
        return stack.enter_context(system)
    except BenchError as error:
        missing[name] = " ".join(str(error).split())[-200:]
        say(f"{name}: {error}")
        return None


def take_turns(
    wrk: str, folder: Path, options: argparse.Namespace, targets: Mapping[str, Target], number: int,
    samples: dict[tuple[str, int], list[Figures]],
) -> None:  # fmt: skip
    """Measure every target once at each number of connections, in a round of that number."""
    for connections in CONNECTIONS:
        for name, target in targets.items():
            warm_up(wrk, target, folder, connections, options.warm_up)
            found = drive(wrk, target, folder, connections, options.seconds)
            samples.setdefault((name, connections), []).append(found)
            say(
                f"round {number}, {connections} conn., {name}: {found.requests_per_s:.0f}/s, "
                f"p50 {found.p50_ms:.2f} ms, p99 {found.p99_ms:.2f} ms"
            )


def samples_of(
    home: Home, wrk: str, folder: Path, missing: dict[str, str], cells: Mapping[str, tuple[Target, int]]
) -> dict[str, Sampled]:
    """Return what a sampler saw of the replica under each (target, connections); nothing, and why, if that cannot be told."""
    say("where the time goes")
    try:
        pid = replica_pid(home)
        return {name: sampled(pid, wrk, target, folder, count) for name, (target, count) in cells.items()}
    except BenchError as error:
        missing["profile"] = str(error)
        say(f"no profile: {error}")
        return {}


def say(text: str) -> None:
    """Tell whoever waits what is done."""
    print(f"· {text}", file=sys.stderr, flush=True)
