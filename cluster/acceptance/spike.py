"""A step to fifty times the load, five times what the system can take, in the running system and in LiteLLM's proxy.

Three recorded voters, a process each, are asked over HTTP on loopback; prompt by prompt they take as long as requests of a real
code service would (the trace's tokens, each at a pace). LiteLLM passes through to the first of them. Both get the same requests,
from an open loop: a request is sent when it is due, whatever became of those before, and its latency runs from then. What the
generator can do is measured first, against a server that does nothing.

*Saturation* is measured first, with arrivals that know nothing of each other: the highest rate at which 99 % are served and the
p99 is within twice that of a low rate. Then arrivals follow the trace, scaled so that their mean is a tenth of the system's own
saturation, the same two minutes three times over; for a minute it is fifty times as much, then what it was before, the same
arrivals again. Each system is loaded by its own saturation: the absolute loads stand beside each other. Clients wait for 10 s and
do not come again, whatever they are told.

*Back to normal* is when nothing is refused, fails, or takes more than twice the normal p99 any more; a request that takes long
by its nature is held against the same one before the spike. The trace asks for more than saturation in some seconds by itself:
there a refusal that says when to come again is what is wanted, before the spike and after it, and counts for nothing. In all
other seconds of normal load a hundredth may be refused at most, as at a rate that is held. Memory is
what is resident, summed over processes. One system runs at a time, the generator and the voters on the same cores. When our
system is down, records of answers that were received are looked for on its disk and verified there, evenly spread over all
where they are many.
"""

import json
import math
import os
import shutil
import statistics
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from functools import partial
from itertools import chain
from pathlib import Path
from typing import Any

from cluster.acceptance.accounts import checked
from cluster.acceptance.arrivals import Schedule, Span, Traced, evenly, poisson, read_trace, scheduled, spiked
from cluster.acceptance.disk import records_of
from cluster.acceptance.driven import driven, empty_server
from cluster.acceptance.load import Outcome
from cluster.acceptance.looks import Look, of_children, of_system, watched
from cluster.acceptance.sent import Plan, Report, Sent, percentile
from cluster.acceptance.spike_figures import (
    Normal,
    Step,
    back_after_s,
    below_saturation,
    beyond_saturation,
    bounds,
    next_rate,
    phase_figures,
    series,
    step,
    verdict,
    within,
)
from cluster.acceptance.system import WORK, running
from cluster.bench.started import run
from cluster.bench.systems import ANSWER, CACHE, VOTERS, litellm, profile_of, upstreams
from cluster.node import REPOSITORY

Save = Callable[[str, dict[str, Any]], None]
Roles = Callable[[], Mapping[int, str]]
NAME = "spike"
PORT = 8187
TRACE = REPOSITORY.parent / "shared" / "data" / "traffic" / "azure_llm_2023_code.csv"
GENERATOR, OURS, PEER = "generator", "weavergen", "LiteLLM"
ROWS = 200
"""Prompts; any two hundred requests in a row have the latencies of the whole trace."""
NORMAL_SHARE, TIMES = 0.1, 50.0
BASE_PER_S, HIGHEST_PER_S, WARM_S = 10.0, 1200.0, 3.0
LIMITS = (500.0, 1000.0, 2000.0, 3000.0, 4000.0, 6000.0)
LIMIT_LATE_MS = 10.0
TIMEOUT_S = 10.0
"""A client's patience, from when its request was due."""
CONNECTIONS = 8192
"""So many that requests hardly ever wait for one: clients do not know of each other."""
LOOK_S = 2.0
SAMPLE = 5000
"""Most records that are verified; what is more is looked at evenly."""


@dataclass(frozen=True, slots=True)
class Times:
    """How long each part takes, in seconds."""

    base_s: float = 40.0
    step_s: float = 12.0
    step_requests: int = 2 * ROWS
    """A step with fewer takes longer."""
    settled_s: float = 10.0
    normal_s: float = 120.0
    """Before the spike, and after it again."""
    repeats: int = 3
    """Of normal load before the spike: what chance does to its bursts is seen there."""
    spike_s: float = 60.0
    limit_s: float = 5.0


QUICK = Times(base_s=20, step_s=4, step_requests=100, settled_s=3, normal_s=20, spike_s=15, limit_s=2)


def quick_stages(save: Save, done: set[str]) -> None:
    """Run every stage in a fraction of its time, to see that it runs."""
    stages(save, done, QUICK)


@dataclass(frozen=True, slots=True)
class Loaded:
    """A system whose requests go to ``url``."""

    url: str
    headers: Mapping[str, str]
    model: str
    find: Roles

    def plan(self, due_s: Sequence[float], numbers: Sequence[int]) -> Plan:
        """Return requests for it."""
        return Plan(
            url=self.url, headers=dict(self.headers), bodies=[body(self.model, row) for row in range(ROWS)],
            due_s=list(due_s), numbers=list(numbers), timeout_s=TIMEOUT_S, max_connections=CONNECTIONS,
        )  # fmt: skip


@dataclass(frozen=True, slots=True)
class Ran:
    """One system as it was seen from outside."""

    steps: Sequence[Step]
    schedule: Schedule
    report: Report
    looks: Sequence[Look]
    load_average: float


def stages(save: Save, done: set[str], times: Times = Times()) -> None:
    """Run every stage that is not done yet."""
    trace = traced(TRACE)
    stages_of: dict[str, Callable[[], dict[str, Any]]] = {
        GENERATOR: partial(_limit, times), OURS: partial(_ours, trace, times), PEER: partial(_peer, trace, times),
    }  # fmt: skip
    for name, stage in stages_of.items():
        if name not in done:
            save(name, stage())


def traced(file: Path) -> tuple[Traced, ...]:
    """Read the trace; raise ``RuntimeError`` if it is not there."""
    if not file.exists():
        raise RuntimeError(
            f"{file} is not there: put the trace of requests (Azure/AzurePublicDataset, 2023, code) there"
        )
    with file.open() as lines:
        return read_trace(lines)


def prompt(row: int) -> str:
    """Return the question with that number. Pure."""
    return f"What is the capital of France? Case {row}."


def body(model: str, row: int) -> str:
    """Return the request with that number, the same for every system apart from the model. Pure."""
    return json.dumps({"model": model, "messages": [{"role": "user", "content": prompt(row)}], "max_tokens": 64})


def recordings(trace: Sequence[Traced]) -> list[dict[str, Any]]:
    """Return what every voter says to every prompt, and how long it takes; prompts lie in no order of latency. Pure."""
    import hashlib

    rows = evenly(trace, ROWS)
    shuffled = [rows[number * 37 % ROWS] for number in range(ROWS)]  # 37 and 200 share no divisor
    return [
        {
            "prompt_sha256": hashlib.sha256(prompt(number).encode()).hexdigest(),
            "voter": voter, "family": voter, "lineage": voter,
            "answers": [{"content": ANSWER, "latency_ms": row.latency_ms}],
        }
        for voter in VOTERS for number, row in enumerate(shuffled)
    ]  # fmt: skip


def _limit(times: Times) -> dict[str, Any]:
    """Return what the generator can do: rates against a server that does nothing, while it keeps up."""
    tried: list[dict[str, Any]] = []
    with empty_server() as url:
        for per_s in LIMITS:
            due = poisson(per_s, times.limit_s, 1)
            bodies = [body("consensus", row) for row in range(ROWS)]
            report = driven(Plan(url, {}, bodies, due, list(range(len(due))), TIMEOUT_S, CONNECTIONS))
            tried.append({"per_s": per_s, **_generator(report, report.sent)})
            if tried[-1]["late_p99_ms"] > LIMIT_LATE_MS or tried[-1]["not_served"]:
                break
    held = [item["per_s"] for item in tried if item["late_p99_ms"] <= LIMIT_LATE_MS and not item["not_served"]]
    return {"limit_per_s": max(held, default=0.0), "tried": tried}


def _generator(report: Report, sent: Sequence[Sent]) -> dict[str, Any]:
    return {
        "p50_ms": round(percentile([item.latency_s * 1000 for item in sent], 0.5), 2),
        "p99_ms": round(percentile([item.latency_s * 1000 for item in sent], 0.99), 2),
        "late_p99_ms": round(report.late_p99_ms, 2),
        "not_served": sum(item.status != 200 for item in sent),
        "cores": round(report.cpu_s / report.seconds, 3),
        "connections": report.connections,
    }


@contextmanager
def _folder(name: str) -> Iterator[Path]:
    """Yield an empty folder beside the system's own."""
    folder = WORK / f"{NAME}-{name}"
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    yield folder


def _ours(trace: Sequence[Traced], times: Times) -> dict[str, Any]:
    with _folder(OURS) as folder, upstreams(folder, recordings(trace)) as (ports, _):
        file = folder / "profile.yaml"
        file.write_text(json.dumps(profile(ports, folder / "upstream.key")))
        with running(NAME, PORT, ["--profile", str(file)]) as system:
            headers = {"Authorization": f"Bearer {system.client_key}"}
            loaded = Loaded(f"{system.url}/v1/chat/completions", headers, "consensus", lambda: of_system(system))
            ran = _overloaded(loaded, trace, times)
        received = sampled([item for item in ran.report.sent if item.status == 200])
        proven = checked(received, records_of(system), system.trust, int(time.time()))
    return figures(ran) | {"records": proven}


def profile(ports: Sequence[int], key_file: Path) -> dict[str, Any]:
    """Return the profile of our system: one layer of three voters, everything else at its defaults. Pure."""
    settings = profile_of(list(ports))
    for voter in settings["voters"]:
        del voter["api_key_env"]
        voter["api_key_file"] = str(key_file)
    return settings | {"profile": NAME}


def _peer(trace: Sequence[Traced], times: Times) -> dict[str, Any]:
    script = "from importlib.metadata import version; print(version('litellm'))"
    with (
        _folder(PEER) as folder,
        upstreams(folder, recordings(trace)) as (ports, key),
        litellm(folder, ports[0], key) as target,
    ):
        version = run([str(CACHE / "litellm" / "bin" / "python"), "-c", script], 60.0).strip()
        loaded = Loaded(target.url, target.headers, VOTERS[0], of_children(PEER, "litellm"))
        return {"version": version} | figures(_overloaded(loaded, trace, times))


def sampled(served: Sequence[Sent]) -> list[Outcome]:
    """Return answers to look for on disk: all, or so many of them evenly. Pure."""
    chosen = served[:: max(1, math.ceil(len(served) / SAMPLE))]
    return [Outcome(item.due_s, item.ended_s, item.status, item.decision_id) for item in chosen]


def _overloaded(loaded: Loaded, trace: Sequence[Traced], times: Times) -> Ran:
    time.sleep(times.settled_s)
    steps = _searched(loaded, times)
    if not (saturation := bounds(steps)[0]):
        raise RuntimeError(f"no rate held, {BASE_PER_S:g} a second included: {steps}")
    time.sleep(times.settled_s)
    phases = spiked(saturation * NORMAL_SHARE, TIMES, times.normal_s, times.spike_s, times.repeats)
    schedule = scheduled(trace, phases)
    with watched(loaded.find, LOOK_S) as looks:
        report = driven(loaded.plan(schedule.due_s, schedule.numbers))
        time.sleep(LOOK_S)
    return Ran(steps, schedule, report, looks.seen, round(os.getloadavg()[0], 1))


def _searched(loaded: Loaded, times: Times) -> list[Step]:
    """Try rates until saturation is known."""
    steps: list[Step] = []
    per_s: float | None = BASE_PER_S
    while per_s is not None:
        seconds = WARM_S + (max(times.step_s, times.step_requests / per_s) if steps else times.base_s)
        due = poisson(per_s, seconds, len(steps))
        report = driven(loaded.plan(due, range(len(due))))
        steps.append(step(per_s, within(report.sent, WARM_S, seconds), report.late_p99_ms))
        print(f"· {steps[-1]}", flush=True)
        per_s = next_rate(steps, HIGHEST_PER_S)
    return steps


def figures(ran: Ran) -> dict[str, Any]:
    """Return a system's figures. Pure."""
    held, left = bounds(ran.steps)
    *normals, spike, after = ran.schedule.spans
    spans = (_normal(ran.schedule), spike, after)
    phases = {span.name: phase_figures(ran.report.sent, span) for span in spans}
    sent = [within(ran.report.sent, each.begin_s, each.end_s) for each in normals]
    normal = Normal(sent, phases["normal"]["p99_ms"], held)
    memory, back_s = _memory(ran), back_after_s(ran.report.sent, after, normal)
    below = below_saturation(ran.report.sent, normals, held)
    return {
        "load_average": ran.load_average,
        "saturation_per_s": round(held, 1),
        "saturation_left_at_per_s": None if left is None else round(left, 1),
        "saturation_steps": [asdict(item) for item in ran.steps],
        "phases": phases,
        "back_to_normal_after_s": back_s,
        "beyond_saturation": [beyond_saturation(ran.report.sent, each, held) for each in (*normals, after)],
        "below_saturation": below,
        "rss_mib": memory,
        "generator": {
            **_generator(ran.report, ran.report.sent),
            "cores_in_the_spike": max(ran.report.cpu_each_s[int(spike.begin_s) : int(spike.end_s)], default=0.0),
        },
        "verdict": verdict(phases, back_s, memory["all"]["most_over_normal"], below),
        "series": series(ran.report.sent, after.end_s) | {"rss_mib": _rss_series(ran)},
    }


def _normal(schedule: Schedule) -> Span:
    """Return all that came before the spike."""
    first, last = schedule.spans[0], schedule.spans[-3]
    return Span(first.name, first.begin_s, last.end_s)


def _memory(ran: Ran) -> dict[str, dict[str, float]]:
    """Return by role, and of all: resident memory under normal load, the most of the spike and after it, and at the end."""
    normal_end_s, spike_begin_s = (
        at_s + ran.report.began_s for at_s in (_normal(ran.schedule).end_s, ran.schedule.spans[-2].begin_s)
    )
    names = sorted(set(chain.from_iterable(look.roles for look in ran.looks)))
    found: dict[str, dict[str, float]] = {}
    for name in ["all", *names]:
        at = [(look.at_s, _rss(look, name)) for look in ran.looks]
        usual = statistics.median([mib for at_s, mib in at if at_s < normal_end_s] or [at[0][1]])
        most = max([mib for at_s, mib in at if at_s >= spike_begin_s], default=usual)
        found[name] = {
            "normal": round(usual, 1), "most": round(most, 1), "at_the_end": round(at[-1][1], 1),
            "most_over_normal": round(most / usual, 3) if usual else 0.0,
        }  # fmt: skip
    return found


def _rss(look: Look, name: str) -> float:
    if name == "all":
        return look.rss_mib
    return look.roles[name].rss_mib if name in look.roles else 0.0


def _rss_series(ran: Ran) -> dict[str, list[tuple[float, float]]]:
    names = ["all", *(name for name in ("gateway replica", "HAProxy") if name in ran.looks[0].roles)]
    return {
        name: [(round(look.at_s - ran.report.began_s, 1), round(_rss(look, name), 1)) for look in ran.looks]
        for name in names
    }
