"""Measures one run in the sandbox beside an empty bubblewrap start: ``python -m cluster.bench.sandbox``. Takes half a minute.

Rules:
- The three take turns, so that whatever else the machine does reaches all: a run with a pause before it (the next process is
  then waiting), a run right behind another, and ``bwrap --unshare-all … true``.
- Every run's outcome is checked; a wrong one ends the measurement.
"""

import argparse
import importlib.metadata
import shutil
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path

from actors.consensus.sandbox.adapters.interpreter import find_interpreter
from actors.consensus.sandbox.adapters.warm import WarmParent
from actors.consensus.sandbox.config import SandboxConfig
from actors.consensus.sandbox.confinement import confinement
from actors.consensus.sandbox.protocol import Job
from cluster.bench import facts
from cluster.bench.page import write_section
from cluster.node import REPOSITORY

TITLE = "Sandbox"
JOB = Job("def double(x):\n    return 2 * x\n", ("double(21)",))
EMPTY = ("--unshare-all", "--die-with-parent", "--new-session", "--ro-bind", "/", "/", "true")
_PAUSE_S = 0.05


@dataclass(frozen=True, slots=True)
class Figures:
    """Medians in milliseconds."""

    waiting_ms: float
    """A run for which a process is waiting."""
    behind_ms: float
    """A run right behind another."""
    empty_ms: float
    """An empty start of bubblewrap."""
    start_ms: float
    """Starting a warm parent, once."""


def section(figures: Figures, rounds: int, machine: dict[str, str]) -> str:
    """Return the page's section."""
    lines = [
        (
            "One candidate with one call in a process of its own behind every barrier (namespaces, seccomp, Landlock, limits), "
            f"forked from a warm parent, beside an empty bubblewrap start. Medians of {rounds} rounds in which they take turns."
        ),
        "",
        "| | ms | of an empty start |",
        "|---|---:|---:|",
    ]
    rows = (
        ("a run, the next process waiting", figures.waiting_ms),
        ("a run right behind another", figures.behind_ms),
        ("`bwrap … true`, nothing in it", figures.empty_ms),
        ("starting a warm parent, once", figures.start_ms),
    )
    lines += [f"| {name} | {took:.1f} | {took / figures.empty_ms:.2f} |" for name, took in rows]
    told = ", ".join(f"{name} {value}" for name, value in machine.items())
    return "\n".join([*lines, "", f"Run with `python -m cluster.bench.sandbox`, part of `make bench`; {told}."])


def main() -> int:
    """Measure and write the section into the page of benchmarks."""
    parser = argparse.ArgumentParser(prog="python -m cluster.bench.sandbox", description=__doc__)
    parser.add_argument("--rounds", type=int, default=200)
    parser.add_argument("--out", type=Path, default=REPOSITORY / "docs" / "benchmarks.md")
    options = parser.parse_args()
    machine = {
        "load average before the run": facts.machine()["load average before the run (1 min)"],
        "msgspec": importlib.metadata.version("msgspec"),
    }
    bwrap = shutil.which("bwrap")
    if bwrap is None:
        raise SystemExit("bubblewrap (bwrap) is not installed")
    figures = measured(bwrap, options.rounds)
    text = section(figures, options.rounds, machine)
    write_section(options.out, TITLE, text, {"sandbox": {"rounds": options.rounds, **asdict(figures)}})
    print(text)
    return 0


def measured(bwrap: str, rounds: int) -> Figures:
    """Let the three take turns; ``SystemExit`` if a run goes wrong."""
    config = SandboxConfig()
    confined = confinement(config, find_interpreter())
    began_s = time.monotonic()
    parent = WarmParent(bwrap, confined, config)
    start_ms = 1000 * (time.monotonic() - began_s)

    def run() -> None:
        ran = parent.run(JOB)
        if ran.end != "ran" or ran.calls[0].value != ["i", "42"]:
            raise SystemExit(f"a run went wrong: {ran}")

    def empty() -> None:
        subprocess.run([bwrap, *EMPTY], check=True)  # noqa: S603 - bubblewrap and words of ours

    waiting, behind, starts = [], [], []
    try:
        for _ in range(rounds):
            time.sleep(_PAUSE_S)
            waiting.append(_timed_ms(run))
            behind.append(_timed_ms(run))
            starts.append(_timed_ms(empty))
    finally:
        parent.close()
    median = statistics.median
    return Figures(median(waiting), median(behind), median(starts), start_ms)


def _timed_ms(work: Callable[[], None]) -> float:
    began_s = time.monotonic()
    work()
    return 1000 * (time.monotonic() - began_s)


if __name__ == "__main__":
    sys.exit(main())
