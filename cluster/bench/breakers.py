"""Measures what a breaker costs a call beside an empty function: ``python -m cluster.bench.breakers``. Takes some seconds.

Rules:
- All take turns, so that whatever else the machine does reaches all; a round is many calls of each, and its figure their mean.
- Every call's end is checked; one that went otherwise, or a breaker that moved, ends the measurement.
"""

import argparse
import asyncio
import platform
import statistics
import sys
import time
from collections.abc import Callable, Mapping
from pathlib import Path

from actors.consensus.adapters.clock import SystemClock
from actors.consensus.adapters.guarded import AIServiceCircuitBreaker
from actors.consensus.breakers.breaker import Breaker
from actors.consensus.breakers.circuits import Circuits
from actors.consensus.breakers.config import BreakerConfig
from actors.consensus.breakers.ports import Gate
from actors.consensus.breakers.vocabulary import Permit, Transition
from cluster.bench import facts
from cluster.bench.page import write_section
from cluster.node import REPOSITORY

TITLE = "Breakers"
EMPTY = "an empty function"
AWAITED = "awaiting an empty coroutine"
SHELL = "an empty coroutine through `call_ai_service`, clock read"
_HOUR_S = 3600.0
Round = Callable[[int], float]
"""Makes so many calls and returns nanoseconds a call."""


class _Silent:
    """A listener for breakers that do not move."""

    def moved(self, service: str, transition: Transition) -> None:
        raise SystemExit(f"the breaker of {service} moved: {transition}")

    def alert(self, kind: str, service: str, evidence: Mapping[str, str]) -> None:
        raise SystemExit(f"{kind}: {service}: {dict(evidence)}")


def _empty() -> None:
    return None


async def _nothing() -> None:
    return None


def _repeated(work: Callable[[], None]) -> Round:
    def measured(calls: int) -> float:
        began_ns = time.perf_counter_ns()
        for _ in range(calls):
            work()
        return (time.perf_counter_ns() - began_ns) / calls

    return measured


def _permitted(gate: Gate) -> Round:
    def call() -> None:
        permit, _ = gate.admit(1.0)
        if not isinstance(permit, Permit):
            raise SystemExit(f"a call was denied: {permit}")
        gate.settle(permit, "healthy", 2.0)

    return _repeated(call)


def _denied(gate: Gate) -> Round:
    def call() -> None:
        if isinstance(gate.admit(1.0)[0], Permit):
            raise SystemExit("an open breaker let a call in")

    return _repeated(call)


def _awaited() -> Round:
    async def measured(calls: int) -> float:
        began_ns = time.perf_counter_ns()
        for _ in range(calls):
            await _nothing()
        return (time.perf_counter_ns() - began_ns) / calls

    return lambda calls: asyncio.run(measured(calls))


def _shell() -> Round:
    breaker = AIServiceCircuitBreaker(service="nothing", clock=SystemClock(), listener=_Silent())

    async def measured(calls: int) -> float:
        began_ns = time.perf_counter_ns()
        for _ in range(calls):
            await breaker.call_ai_service(_nothing)
        return (time.perf_counter_ns() - began_ns) / calls

    return lambda calls: asyncio.run(measured(calls))


def rounds() -> dict[str, Round]:
    """Return what is measured."""
    config, timed = BreakerConfig(window_calls=100, minimum_calls=100), BreakerConfig(window="time")
    opened = Breaker(config)
    opened.open(_HOUR_S, "outlier", 0.0)
    among = Circuits(config, [["a", "b", "c"], ["d", "e", "f"]])
    return {
        EMPTY: _repeated(_empty),
        "permit and record, count window": _permitted(Breaker(config)),
        "permit and record, time window": _permitted(Breaker(timed)),
        "permit and record, one of six voters": _permitted(among.of("a")),
        "a denied call": _denied(opened),
        AWAITED: _awaited(),
        SHELL: _shell(),
    }


def measured(number: int, calls: int) -> dict[str, float]:
    """Let all take turns; return medians in nanoseconds a call."""
    what = rounds()
    found: dict[str, list[float]] = {name: [] for name in what}
    for _ in range(number):
        for name, measure in what.items():
            found[name].append(measure(calls))
    return {name: statistics.median(samples) for name, samples in found.items()}


def section(figures: Mapping[str, float], number: int, calls: int, machine: Mapping[str, str]) -> str:
    """Return the page's section."""
    lines = [
        (
            "What a breaker adds to a call: a permit before it and a record after it, beside calling a function that does "
            f"nothing. Medians of {number} rounds of {calls} calls in which they take turns; the loop around them included."
        ),
        "",
        "| | µs a call | beside an empty function, µs |",
        "|---|---:|---:|",
    ]
    lines += [f"| {name} | {took / 1e3:.2f} | {(took - figures[EMPTY]) / 1e3:+.2f} |" for name, took in figures.items()]
    told = ", ".join(f"{name} {value}" for name, value in machine.items())
    return "\n".join([*lines, "", f"Run with `python -m cluster.bench.breakers`, part of `make bench`; {told}."])


def main() -> int:
    """Measure and write the section into the page of benchmarks."""
    parser = argparse.ArgumentParser(prog="python -m cluster.bench.breakers", description=__doc__)
    parser.add_argument("--rounds", type=int, default=31)
    parser.add_argument("--calls", type=int, default=20_000)
    parser.add_argument("--out", type=Path, default=REPOSITORY / "docs" / "benchmarks.md")
    options = parser.parse_args()
    machine = {
        "Python": platform.python_version(),
        "load average before the run": facts.machine()["load average before the run (1 min)"],
    }
    figures = measured(options.rounds, options.calls)
    text = section(figures, options.rounds, options.calls, machine)
    ns = {name: round(took, 1) for name, took in figures.items()}
    write_section(options.out, TITLE, text, {"breakers": {"rounds": options.rounds, "calls": options.calls, "ns": ns}})
    print(text)
    return 0


if __name__ == "__main__":
    sys.exit(main())
