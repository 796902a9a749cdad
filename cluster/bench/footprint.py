"""Measures what each process of the whole system takes: ``python -m cluster.bench.footprint``. Takes about eight minutes.

Rules:
- The three real engines are loaded all the time; a recorded voter stands beside them.
- Three phases: nobody asks; ten requests a second to the recorded voter, each begun on time whatever became of the last;
  one consensus request of the real engines after the other.
- CPU share is what the kernel accounted to a process (100 % is one core); memory is its proportional set size at the end
  of the phase. A process that ended meanwhile counts for neither.
"""

import argparse
import asyncio
import json
import os
import sys
import time
from collections.abc import Callable, Coroutine, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import aiohttp

from actors.base.digests import sha256_hex
from cluster.acceptance.guarded import unwind_once
from cluster.acceptance.load import Load, Outcome, one, stream, value_question
from cluster.acceptance.system import WORK, System, running, title, write_answers
from cluster.bench import facts
from cluster.bench.page import write_section
from cluster.config import load_profile
from cluster.node import REPOSITORY
from cluster.processes import Process
from cluster.status import processes, supervisor

PORT = 8176
TITLE = "What each process takes"
RECORDED = "recorded"
PACE_S = 0.1
TIMEOUT_S = 120.0
SETTLED_S = 60.0
ROLES = (
    ("gateway replica", "ServeReplica:weavergen:gateway"), ("engine", "ServeReplica:weavergen:"), ("engine core", "VLLM::"),
    ("engine server, closed off", "models.sealed.inside"),
    ("Serve proxy", "ProxyActor"), ("Serve proxy", "HAProxyManager"),
    ("Serve controller", "ServeController"), ("SpanActor", "ray::SpanProcess"), ("log witness", "cluster.witness"),
    ("HealthActor", "ray::HealthProcess"), ("HAProxy", "haproxy"), ("Ray: raylet", "/raylet/raylet"),
    ("Ray: GCS", "gcs_server"), ("Ray: dashboard", "dashboard/dashboard.py"), ("Ray: dashboard", "ray-dashboard"),
    ("Ray: agents", "agent"), ("Ray: log monitor", "log_monitor"), ("Ray: monitor", "monitor"), ("Ray: idle worker", "ray::IDLE"),
    ("Ray: other workers", "ray::"),
)  # fmt: skip
"""Name → a word of its processes' titles; the first that fits counts."""


@dataclass(frozen=True, slots=True)
class Look:
    """One process at one moment."""

    role: str
    cpu_s: float
    pss_mib: float


@dataclass(frozen=True, slots=True)
class Taken:
    """What the processes of one name took in one phase."""

    processes: int
    cpu_percent: float
    pss_mib: float


@dataclass(frozen=True, slots=True)
class Phase:
    """One phase: what was asked, and what each name took."""

    name: str
    seconds: float
    answered: int
    failed: int
    taken: Mapping[str, Taken]


def role(line: str, *, supervises: bool = False) -> str:
    """Return the name that a process's title goes under. Pure."""
    if supervises:
        return "supervisor"
    found = next((name for name, word in ROLES if word in line), "other")
    if found == "engine":
        return f"engine {line.split('ServeReplica:weavergen:')[1].split(maxsplit=1)[0]}"
    return found


def taken(before: Mapping[Process, Look], after: Mapping[Process, Look], seconds: float) -> dict[str, Taken]:
    """Return what was taken between two looks, by name, the largest first. Pure."""
    both = [(before[known], look) for known, look in after.items() if known in before]
    names = {look.role for _, look in both}
    found = {name: [(early, late) for early, late in both if late.role == name] for name in names}
    summed = {
        name: Taken(
            len(pairs), round(sum(late.cpu_s - early.cpu_s for early, late in pairs) / seconds * 100, 1),
            round(sum(late.pss_mib for _, late in pairs), 1),
        )
        for name, pairs in found.items()
    }  # fmt: skip
    return dict(sorted(summed.items(), key=lambda item: (-item[1].pss_mib, item[0])))


def section(phases: Sequence[Phase], up_s: float, machine: Mapping[str, str]) -> str:
    """Return the page's section. Pure."""
    names = {name: None for phase in phases for name in phase.taken}
    heads = " | ".join(f"{phase.name}: CPU | PSS MiB" for phase in phases)
    lines = [
        (
            "The whole system with its three real engines on two cores (100 % is one core). Processes of one name are summed. "
            f"Warm `weavergen up` before it: {up_s:.0f} s."
        ),
        "",
        f"| process | number | {heads} |",
        "|---|---:|" + "---:|---:|" * len(phases),
    ]
    for name in names:
        number = max(phase.taken[name].processes for phase in phases if name in phase.taken)
        cells = " | ".join(_cell(phase.taken.get(name)) for phase in phases)
        lines.append(f"| {name} | {number} | {cells} |")
    whole = [_whole(phase) for phase in phases]
    lines.append(f"| **all** | {max(item.processes for item in whole)} | {' | '.join(map(_cell, whole))} |")
    asked = "; ".join(
        f"{phase.name}: {phase.seconds:.0f} s, {phase.answered} answered, {phase.failed} failed" for phase in phases
    )
    told = ", ".join(f"{name} {value}" for name, value in machine.items())
    return "\n".join([*lines, "", f"{asked}.", "", f"Run with `python -m cluster.bench.footprint`; {told}."])


def _cell(found: Taken | None) -> str:
    return "– | –" if found is None else f"{found.cpu_percent:.1f} % | {found.pss_mib:.0f}"


def _whole(phase: Phase) -> Taken:
    every = phase.taken.values()
    return Taken(
        sum(item.processes for item in every), sum(item.cpu_percent for item in every), sum(item.pss_mib for item in every)
    )  # fmt: skip


def look(system: System) -> dict[Process, Look]:
    """Look at every process of a system that can be looked at."""
    spare, found = supervisor(system.home), dict[Process, Look]()
    for known in processes(system.home):
        folder = Path(f"/proc/{known.pid}")
        try:
            fields = (folder / "stat").read_text().rpartition(")")[2].split()
            memory = (folder / "smaps_rollup").read_text()
        except OSError:
            continue  # it ended meanwhile
        pss_kib = next((int(line.split()[1]) for line in memory.splitlines() if line.startswith("Pss:")), 0)
        named = role(title(known.pid), supervises=spare is not None and known.pid == spare.pid)
        found[known] = Look(named, (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK"), pss_kib / 1024)
    return found


def main() -> int:
    """Measure and write the section into the page of benchmarks."""
    parser = argparse.ArgumentParser(prog="python -m cluster.bench.footprint", description=__doc__)
    parser.add_argument("--seconds", type=float, default=60.0, help="of each phase")
    parser.add_argument("--out", type=Path, default=REPOSITORY / "docs" / "benchmarks.md")
    options = parser.parse_args()
    unwind_once()
    facts_of = facts.machine()
    machine = {name: facts_of[name] for name in ("processor", "load average before the run (1 min)")}
    with running("footprint", PORT, ["--profile", str(_profile())]) as system:
        time.sleep(SETTLED_S)
        phases = [
            _measured(system, name, options.seconds, ask)
            for name, ask in (("at rest", _nobody), ("10 requests/s, recorded", _paced), ("real requests", _real))
        ]
    text = section(phases, system.up_s, machine)
    write_section(
        options.out, TITLE, text, {"footprint": {"up_s": round(system.up_s, 1), "phases": list(map(asdict, phases))}}
    )
    print(text)
    return 0


def _profile() -> Path:
    """Write the profile: the engines of ``cpu`` decide, a recorded voter can be asked by its name."""
    answers = write_answers(WORK / "footprint.jsonl", {RECORDED: ["Paris"]})
    recorded = {
        "id": RECORDED,
        "provider": "recorded",
        "family": f"family-{RECORDED}",
        "lineage": f"lineage-{RECORDED}",
    }
    voters = [*load_profile("cpu")["voters"], recorded]
    file = {"path": str(answers), "sha256": sha256_hex(answers.read_bytes())}
    profile = WORK / "footprint.yaml"
    settings = {"extends": "cpu", "profile": "footprint", "demo": False, "voters": voters, "answers": [file]}
    profile.write_text(json.dumps(settings))  # JSON is YAML
    return profile


def _measured(
    system: System, name: str, seconds: float, ask: Callable[[System, float, Load], Coroutine[Any, Any, None]]
) -> Phase:
    load, before, began = Load(), look(system), time.monotonic()
    asyncio.run(ask(system, seconds, load))
    took_s, after = time.monotonic() - began, look(system)
    answered = len(load.answered())
    print(f"· {name}: {answered} answered, {load.failures() or 'none failed'}", file=sys.stderr, flush=True)
    return Phase(name, round(took_s, 1), answered, len(load.outcomes) - answered, taken(before, after, took_s))


async def _nobody(_: System, seconds: float, __: Load) -> None:
    await asyncio.sleep(seconds)


async def _paced(system: System, seconds: float, load: Load) -> None:
    body = value_question(0) | {"model": RECORDED}
    headers = {"Authorization": f"Bearer {system.client_key}"}
    sent: list[asyncio.Task[Outcome]] = []
    async with aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=TIMEOUT_S), headers=headers) as session:
        began = time.monotonic()
        for number in range(int(seconds / PACE_S)):
            await asyncio.sleep(max(began + number * PACE_S - time.monotonic(), 0))
            sent.append(asyncio.create_task(one(session, system.url, body)))
        load.outcomes += await asyncio.gather(*sent)


async def _real(system: System, seconds: float, load: Load) -> None:
    asking = asyncio.create_task(stream(system, value_question, load, 1_000_000, 1, TIMEOUT_S))
    await asyncio.sleep(seconds)
    load.stop = True
    await asking


if __name__ == "__main__":
    sys.exit(main())
