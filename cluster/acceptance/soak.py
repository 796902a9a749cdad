"""Bounded load with faults on the running system for 45 minutes: what the system holds has to stay what it is.

Three voters are protocol servers, a process each, that fail on order. Ten requests begin each second, whatever became of those
before. A fault comes in each period of five minutes, a minute after its begin, and lasts half a minute: the HealthActor killed,
the SpanActor killed, twenty times the load, a provider that is unavailable, a halt and its end, a locked state database, a silent
provider, all providers unavailable; the last period has none. After each period there is a checkpoint: what became of
its requests, and what the system held in its last minute.

Every five seconds resident memory, open file handles and threads of every process are looked at, and the gateway's tasks; from
these looks it is judged in the end whether anything grows, as told below. When the system is down, records of answers that were
received are looked for on its disk and verified there. The spans that the SpanActor remembers, to know a copy, are few
(`spans.remembered_spans`), and twenty times the load comes while it warms up: what it may hold at most, and what its libraries
keep of the largest commit, it holds before anything is judged, and whatever grows then has no bound. Checkpoints of its table
come often (`spans.table_checkpoint_commits`): the library reads all commits since the last at once, by a thread each, and keeps
threads for as long as each is used within ten seconds, so that there are soon as many as were ever needed at once. Its log is
kept for five minutes (`spans.removed_files_keep_s`), and so is what it remembers of each commit.

A run that is interrupted begins anew: growth is one system's. What was run until then is judged and kept, with the time that
it took.
"""

import json
import os
import re
import shutil
import statistics
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from actors.base.errors import WeaverGenError
from cluster.acceptance.accounts import checked
from cluster.acceptance.arrivals import Span, poisson
from cluster.acceptance.disk import records_of
from cluster.acceptance.driven import driven
from cluster.acceptance.failover import BREAKERS
from cluster.acceptance.load import Outcome, value_question
from cluster.acceptance.looks import Looks, of_system, watched
from cluster.acceptance.providers import Provider, provider
from cluster.acceptance.sent import Plan, Sent
from cluster.acceptance.soak_faults import FAULTS, SPIKE, struck
from cluster.acceptance.soak_figures import ALLOWED_A_DAY, Point, Window, climbing, minutes, shown, trends
from cluster.acceptance.spike import sampled
from cluster.acceptance.spike_figures import phase_figures
from cluster.acceptance.system import WORK, System, running, write_answers
from cluster.client import gateway_client

Save = Callable[[str, dict[str, Any]], None]
NAME = "soak"
PORT = 8188
VERDICT = "verdict"
VOTERS = ("v1", "v2", "v3")
PER_S, SPIKE_TIMES = 10.0, 20.0
DEADLINE_MS = 6000
TIMEOUT_S = 30.0
CONNECTIONS = 512
QUESTIONS = 8
SPANS = {"remembered_spans": 8192, "recalled_rows": 8192, "table_checkpoint_commits": 10, "removed_files_keep_s": 300}
"""Ids, decisions and the table's log are as many as ever within ten minutes; threads that read commits within one."""
LAST_S = 60.0
_TASKS = re.compile(rb"^weavergen_event_loop_tasks\{[^}]*\} (\S+)$", re.MULTILINE)


@dataclass(frozen=True, slots=True)
class Times:
    """How long each part takes, in seconds."""

    period_s: float = 300.0
    fault_at_s: float = 60.0
    fault_s: float = 30.0
    look_s: float = 5.0
    """Shorter than the 10 s for which an idle thread of the SpanActor's table stays: no tooth's top is missed."""
    warm_s: float = 600.0
    window_s: float = 400.0


QUICK = Times(period_s=20, fault_at_s=4, fault_s=6, look_s=1, warm_s=40, window_s=20)


@dataclass(slots=True)
class Soaked:
    """What was seen from outside until now."""

    began_s: float
    looks: Looks
    tasks: list[Point] = field(default_factory=list)
    unread: int = 0
    """Looks at the tasks that nobody answered."""
    received: list[Outcome] = field(default_factory=list)
    ended_s: float = 0.0


def quick_stages(save: Save, done: set[str]) -> None:
    """Run everything in a fraction of its time, to see that it runs."""
    stages(save, done, QUICK)


def stages(save: Save, done: set[str], times: Times = Times()) -> None:
    """Run it as a whole: growth is one system's."""
    if VERDICT in done:
        return
    shutil.rmtree(WORK / f"{NAME}-providers", ignore_errors=True)
    answers = write_answers(WORK / f"{NAME}-providers" / "answers.jsonl", {voter: ["Paris"] for voter in VOTERS})
    soaked: Soaked | None = None
    try:
        with ExitStack() as stack:
            providers = [stack.enter_context(provider(voter, "openai", [voter], answers)) for voter in VOTERS]
            system = stack.enter_context(running(NAME, PORT, ["--profile", str(_profile(providers))]))
            looks = stack.enter_context(watched(lambda: of_system(system), times.look_s))
            soaked = Soaked(time.monotonic(), looks)
            stack.enter_context(_tasks_noted(system, soaked, times.look_s))
            for number, fault in enumerate(FAULTS):
                name, told = _period(system, providers, soaked, times, number, fault)
                save(name, told)
    finally:  # whatever ended it, what was run is worth keeping
        if soaked is not None and soaked.received:
            save(VERDICT, verdict(soaked, times) | {"records": _proven(system, soaked)})


def _profile(providers: Sequence[Provider]) -> Path:
    path = WORK / f"{NAME}.yaml"
    voters = [voter for each in providers for voter in each.voters()]
    layers = [{"name": "primary", "members": VOTERS}]
    path.write_text(
        json.dumps(
            {"profile": NAME, "demo": False, "voters": voters, "layers": layers, "breakers": BREAKERS, "spans": SPANS}
        )
    )
    return path


def _proven(system: System, soaked: Soaked) -> dict[str, Any]:
    return checked(soaked.received, records_of(system), system.trust, int(time.time()))


def question(number: int) -> str:
    """Return a value question. Pure."""
    asked = value_question(number)
    return json.dumps(asked | {"weavergen": {"answer_kind": "value", "deadline_ms": DEADLINE_MS}})


def plan(url: str, key: str, times: Times, number: int, *, spiked: bool) -> Plan:
    """Return a period's requests, drawn by its number; with a spike there are so many times more while the fault lasts. Pure."""
    due = poisson(PER_S, times.period_s, number)
    if spiked:
        more = poisson(PER_S * (SPIKE_TIMES - 1), times.fault_s, number)
        due = sorted([*due, *(times.fault_at_s + moment for moment in more)])
    return Plan(
        url=f"{url}/v1/chat/completions", headers={"Authorization": f"Bearer {key}"},
        bodies=[question(item) for item in range(QUESTIONS)], due_s=due, numbers=list(range(len(due))),
        timeout_s=TIMEOUT_S, max_connections=CONNECTIONS,
    )  # fmt: skip


def _period(
    system: System, providers: Sequence[Provider], soaked: Soaked, times: Times, number: int, fault: str
) -> tuple[str, dict[str, Any]]:  # fmt: skip
    """Load for a period with a fault in it; return the checkpoint's name and figures."""
    asked = plan(system.url, system.client_key, times, number, spiked=fault == SPIKE)
    began_s = time.monotonic()
    with ThreadPoolExecutor(1) as pool:
        sending = pool.submit(driven, asked)
        fault_ended_s = struck(fault, system, providers, began_s + times.fault_at_s, times.fault_s)
        report = sending.result()
    soaked.received += sampled([item for item in report.sent if item.status == 200])
    soaked.ended_s = time.monotonic()
    told = requests(report.sent, times.period_s, fault_ended_s - report.began_s)
    minute = round((soaked.ended_s - soaked.began_s) / 60, 1)
    return f"checkpoint {number + 1}", {"minute": minute, "fault": fault, **told, **_holds(system, soaked)}


def requests(sent: Sequence[Sent], period_s: float, fault_ended_s: float) -> dict[str, Any]:
    """Return what became of a period's requests, and of those that were due once the fault was over. Pure."""
    whole = phase_figures(sent, Span("period", 0.0, period_s))
    since = phase_figures(sent, Span("since the fault", min(fault_ended_s, period_s - 1), period_s))
    kept = (
        "requests",
        "served",
        "p50_ms",
        "p99_ms",
        "refused_429_by_code",
        "refused_429_without_retry_after",
        "other_outcomes",
    )
    last = max((item.due_s for item in sent if item.status != 200), default=None)
    return {key: whole[key] for key in kept} | {
        "requests_after_the_fault": since["requests"],
        "served_after_the_fault": since["served"],
        "p99_after_the_fault_ms": since["p99_ms"],
        "last_not_served_s_after_the_fault": None if last is None else round(last - fault_ended_s, 1),
    }


def _holds(system: System, soaked: Soaked) -> dict[str, Any]:
    """Return what the system held in the last minute, and what lies on its disk."""
    looks = soaked.looks.between(soaked.ended_s - LAST_S, float("inf")) or soaked.looks.seen[-1:]
    tasks = [value for at_s, value in soaked.tasks if at_s >= soaked.ended_s - LAST_S]
    roles = looks[-1].roles
    return {
        "rss_mib": round(statistics.median(look.rss_mib for look in looks)),
        "rss_mib_by_role": {role: round(held.rss_mib) for role, held in roles.items()},
        "handles": sum(held.handles for held in roles.values()),
        "threads": sum(held.threads for held in roles.values()),
        "tasks": round(statistics.median(tasks)) if tasks else None,
        "wal_mib": _mib(system.home.root / "wal"),
        "spans_mib": _mib(system.home.root / "spans"),
        "state_db_mib": _mib(system.home.root / "state.db"),
        "load_average": round(os.getloadavg()[0], 1),
    }


def _mib(path: Path) -> float:
    """Return how much lies there; what goes away meanwhile is not counted."""
    total = 0
    for file in [path, *path.rglob("*")] if path.is_dir() else [path]:
        try:
            total += file.stat().st_size if file.is_file() else 0
        except OSError:
            continue
    return round(total / (1 << 20), 1)


@contextmanager
def _tasks_noted(system: System, soaked: Soaked, every_s: float) -> Iterator[None]:
    """Ask the gateway again and again how many tasks its event loop has."""
    client = gateway_client(system.home, system.home.read_config(), system.home.keys / "operator.key")
    over = threading.Event()

    def ask() -> None:
        while not over.wait(every_s):
            try:
                found = tasks_in(client.get_bytes("/metrics"))
            except WeaverGenError:
                soaked.unread += 1
                continue
            if found is not None:
                soaked.tasks.append((time.monotonic(), found))

    asking = threading.Thread(target=ask, name="tasks", daemon=True)
    asking.start()
    try:
        yield
    finally:
        over.set()
        asking.join()


def tasks_in(page: bytes) -> float | None:
    """Return how many tasks all replicas have, ``None`` while they do not say. Pure."""
    found = _TASKS.findall(page)
    return sum(map(float, found)) if found else None


def verdict(soaked: Soaked, times: Times) -> dict[str, Any]:
    """Return how everything that the system holds went. Pure."""
    window = Window(soaked.began_s, times.warm_s, times.window_s)
    found = trends(soaked.looks.seen, soaked.tasks, window)
    climbs = climbing(found)
    return {
        "minutes": round((soaked.ended_s - soaked.began_s) / 60, 1),
        "looks": len(soaked.looks.seen),
        "looks_at_tasks_unanswered": soaked.unread,
        "flat": not climbs,
        "not_flat": climbs,
        "allowed_a_day": dict(ALLOWED_A_DAY),
        "warm_s": times.warm_s,
        "window_s": times.window_s,
        "trends": {role: {what: shown(one) for what, one in held.items()} for role, held in found.items()},
        "series": minutes(soaked.looks.seen, soaked.began_s),
    }
