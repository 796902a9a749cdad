"""Providers fail under a steady load, and come back: layers, breakers and budgets in the running gateway.

Voters are protocol servers in processes of their own, which count every call. One system has three layers: primary (three
providers, one each of OpenAI's, Anthropic's and Google's protocol), backup (three voters), emergency (two). All primaries
fail at once: with 503, then nobody listens, then they are silent. 20 requests begin each second, whatever became of those
before. *Normal* is measured in the same stage before the fault. *Calls* are counted by the providers; a refused connection is
no call there, so the ballots of whom a fault hits are also counted from the records, by outcome. At the moment that the
fault ends 300 requests come at once on top of the load, more than a replica takes. *Well* is a request that the first layer
answered.

Then the state database is locked exclusively while the primaries fail and come back: whoever writes to it waits and fails.
Then one primary voter dissents in every request, so that the primary (quorum 0.7) disagrees: the backup (0.55) is weaker and
would say what the dissenter says. Another system has one layer of five voters, of which one is sick.

Breakers have a cool-down, ejections and patience short enough for recovery within 10 s; the figures of `up` name them.
Requests have 6 s, of which a silent primary takes a third. Other measurements may run on the machine: each stage tells its load
average. When a system is down, the record of every answer that was received is looked for on its disk and verified there.
"""

import asyncio
import hashlib
import json
import os
import shutil
import sqlite3
import time
from collections.abc import Callable, Coroutine, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from functools import partial
from pathlib import Path
from typing import Any

import aiohttp
import msgspec

from actors.base.certificates import TrustBundle
from cluster.acceptance.accounts import Records
from cluster.acceptance.disk import records_of
from cluster.acceptance.failover_figures import Held, Looked, Mark, Ran, database_figures, fault_figures, jury_figures
from cluster.acceptance.load import Load, noted, steady, value_question
from cluster.acceptance.providers import Provider, all_calls, provider
from cluster.acceptance.system import WORK, System, running, write_answers
from cluster.client import gateway_client

Save = Callable[[str, dict[str, Any]], None]
Figures = Callable[[Records, TrustBundle, int], dict[str, Any]]
Stage = Callable[[System], Coroutine[Any, Any, Figures]]
NAME = "failover"
PORT = 8177
PER_S = 20.0
NORMAL_S, FAULT_S, SICK_S, RECOVERY_S = 15.0, 60.0, 30.0, 15.0
FIRST_S = 2.0
BURST = 300
LOOK_S = 0.2
TIMEOUT_S = 30.0
DEADLINE_MS = 6000
JURY_REQUESTS, JURY_PER_S = 600, 40.0
PRIMARY, BACKUP, EMERGENCY = ("p1", "p2", "p3"), ("b1", "b2", "b3"), ("e1", "e2")
FIVE = ("v1", "v2", "v3", "v4", "v5")
BREAKERS = {"open_s": 3.0, "patience_s": 1.0, "outliers": {"base_s": 2.0, "max_s": 4.0}}
DOWN = ("unavailable", "connection_refused", "silent")
SICK: dict[str, dict[str, object]] = {"server_error": {}, "slow_first_token": {"delay_s": 5.0}, "silent": {}}
DATABASE, JURY = "state database locked", "jury shopping"
ATTACKED = "What is the capital of Atlantis?"
LAYERS: list[dict[str, Any]] = [
    {"name": "primary", "members": PRIMARY, "quorum": 0.7}, {"name": "backup", "members": BACKUP},
    {"name": "emergency", "members": EMERGENCY},
]  # fmt: skip


def stages(save: Save, done: set[str]) -> None:
    """Run every stage that is not done yet; one is done when its records have been found on disk."""
    answers = _answers()
    with ExitStack() as stack:
        protocols = zip(("openai", "anthropic", "gemini"), PRIMARY, strict=True)
        primaries = [stack.enter_context(provider(voter, protocol, [voter], answers)) for protocol, voter in protocols]
        others = [
            stack.enter_context(provider(layer, "openai", voters, answers))
            for layer, voters in (("backup", BACKUP), ("emergency", EMERGENCY))
        ]
        everybody = [*primaries, *others]
        layered: dict[str, Stage] = {
            f"primaries: {fault}": partial(_stage, primaries, everybody, PRIMARY, fault, {}, FAULT_S) for fault in DOWN
        }
        layered |= {DATABASE: partial(_locked, primaries), JURY: _jury}
        _run(save, _profile(everybody, LAYERS), _left(layered, done))
    with provider("five", "openai", FIVE, answers) as five:
        sick: dict[str, Stage] = {
            f"one of five: {fault}": partial(
                _stage, [five], [five], FIVE[:1], fault, {"model": FIVE[0], **more}, SICK_S
            )
            for fault, more in SICK.items()
        }
        _run(save, _profile([five], [{"name": "primary", "members": FIVE}]), _left(sick, done))


def _left(stages_of: dict[str, Stage], done: set[str]) -> dict[str, Stage]:
    return {name: stage for name, stage in stages_of.items() if name not in done}


def _run(save: Save, profile: Path, stages_of: dict[str, Stage]) -> None:
    """Run stages in a system of their own, and save them when their records have been found on its disk."""
    if not stages_of:
        return
    told: dict[str, Figures] = {}
    try:
        with running(NAME, PORT, ["--profile", str(profile)]) as system:
            load = [round(value, 1) for value in os.getloadavg()]
            save("up", {"seconds": round(system.up_s, 1), "load_average": load, "breakers": BREAKERS})
            for name, stage in stages_of.items():
                told[name] = asyncio.run(stage(system))
    finally:  # whatever ended the campaign, stages that were run are worth keeping
        records = records_of(system) if told else {}
        for name, figures in told.items():
            save(name, figures(records, system.trust, int(time.time())))


def _answers() -> Path:
    """Write what all voters say: the same to everything, but of the attacked question the primary layer's last one dissents."""
    everybody = (*PRIMARY, *BACKUP, *EMERGENCY, *FIVE)
    shutil.rmtree(WORK / f"{NAME}-providers", ignore_errors=True)
    path = write_answers(WORK / f"{NAME}-providers" / "answers.jsonl", {voter: ["Paris"] for voter in everybody})
    said = {voter: "Poseidonis" if voter in PRIMARY[:-1] else "Lyon" for voter in everybody}
    digest = hashlib.sha256(ATTACKED.encode()).hexdigest()
    with path.open("a") as file:
        for voter, content in said.items():
            who = {"voter": voter, "family": f"family-{voter}", "lineage": f"lineage-{voter}"}
            file.write(json.dumps({"prompt_sha256": digest, **who, "answers": [{"content": content}]}) + "\n")
    return path


def _profile(providers: Sequence[Provider], layers: Sequence[dict[str, Any]]) -> Path:
    path = WORK / f"{NAME}.yaml"
    voters = [voter for each in providers for voter in each.voters()]
    path.write_text(
        json.dumps({"profile": NAME, "demo": False, "voters": voters, "layers": layers, "breakers": BREAKERS})
    )
    return path


def question(number: int) -> dict[str, Any]:
    """Return a value question with a deadline that three layers divide."""
    body = value_question(number)
    return body | {"weavergen": {"answer_kind": "value", "deadline_ms": DEADLINE_MS}}


def attacked(_: int) -> dict[str, Any]:
    """Return the question about which the primary layer disagrees."""
    return question(0) | {"messages": [{"role": "user", "content": ATTACKED}]}


async def _stage(
    failing: Sequence[Provider], providers: Sequence[Provider], voters: Sequence[str], fault: str,
    more: dict[str, object], lasts_s: float, system: System,
) -> Figures:  # fmt: skip
    """Send normal load, order the fault, end it with a burst on top, wait for recovery."""
    load, burst, looked, marks = Load(), Load(), list[Looked](), list[Mark]()

    async def mark() -> None:
        marks.append(Mark(time.monotonic(), await all_calls(providers)))

    async with _session(system) as session:
        sending = asyncio.create_task(steady(session, system.url, question, load, PER_S))
        looking = asyncio.create_task(_looks(system, looked))
        await asyncio.sleep(FIRST_S)  # the first requests open connections
        await mark()
        await asyncio.sleep(NORMAL_S)
        await mark()
        if not load.answered(marks[0].at_s):
            raise RuntimeError(f"no request was answered before the fault began: {load.failures()}")
        await asyncio.gather(*(each.order(fault, **more) for each in failing))
        await asyncio.sleep(FIRST_S)
        await mark()
        await asyncio.sleep(lasts_s - FIRST_S)
        await mark()
        await asyncio.gather(*(each.order(None) for each in failing))
        ended_s = time.monotonic()
        await asyncio.gather(*(noted(session, system.url, question(number), burst) for number in range(BURST)))
        await asyncio.sleep(max(ended_s + RECOVERY_S - time.monotonic(), 0))
        load.stop = True
        await sending
        looking.cancel()
    ran = Ran(load, burst, tuple(marks), ended_s, tuple(looked), os.getloadavg()[0])
    return partial(fault_figures, ran, voters)


def _session(system: System) -> aiohttp.ClientSession:
    headers = {"Authorization": f"Bearer {system.client_key}"}
    limit, connector = aiohttp.ClientTimeout(total=TIMEOUT_S), aiohttp.TCPConnector(limit=0)
    return aiohttp.ClientSession(headers=headers, timeout=limit, connector=connector)


async def _looks(system: System, looked: list[Looked]) -> None:
    """Look at the breakers again and again."""
    headers = {"Authorization": f"Bearer {system.operator_key}"}
    async with aiohttp.ClientSession(headers=headers, timeout=aiohttp.ClientTimeout(total=TIMEOUT_S)) as session:
        while True:
            async with session.get(f"{system.url}/ops/breakers") as response:
                breakers: list[dict[str, Any]] = await response.json()
            looked.append(Looked(time.monotonic(), {item["voter"]: item["state"] for item in breakers}))
            await asyncio.sleep(LOOK_S)


async def _jury(system: System) -> Figures:
    load = Load()
    async with _session(system) as session:
        sending = asyncio.create_task(steady(session, system.url, attacked, load, JURY_PER_S))
        await asyncio.sleep(JURY_REQUESTS / JURY_PER_S)
        load.stop = True
        await sending
    return partial(jury_figures, load)


@contextmanager
def locked(database: Path) -> Iterator[None]:
    """Hold an SQLite database's lock for writing: every other writer waits, and fails when its time is up."""
    connection = sqlite3.connect(database, isolation_level=None, timeout=TIMEOUT_S)
    try:
        connection.execute("BEGIN EXCLUSIVE")
        yield
        connection.execute("ROLLBACK")
    finally:
        connection.close()


def is_locked(database: Path) -> bool:
    """Tell whether a writer is turned away."""
    connection = sqlite3.connect(database, isolation_level=None, timeout=0)
    try:
        connection.execute("BEGIN IMMEDIATE")
    except sqlite3.OperationalError:
        return True
    finally:
        connection.close()
    return False


async def _locked(primaries: Sequence[Provider], system: System) -> Figures:
    load, database = Load(), system.home.root / "state.db"
    async with _session(system) as session:
        sending = asyncio.create_task(steady(session, system.url, question, load, PER_S))
        await asyncio.sleep(FIRST_S)
        before = await asyncio.to_thread(_incidents, system)
        with locked(database):
            began_s = time.monotonic()
            await asyncio.sleep(SICK_S / 3)  # longer than a writer waits
            await asyncio.gather(*(each.order("unavailable") for each in primaries))
            await asyncio.sleep(SICK_S / 3)
            refused = await asyncio.to_thread(is_locked, database)
            await asyncio.gather(*(each.order(None) for each in primaries))
            await asyncio.sleep(SICK_S / 3)
            ended_s = time.monotonic()
        await asyncio.sleep(RECOVERY_S)
        load.stop = True
        await sending
    held = Held(load, began_s, ended_s, refused, await asyncio.to_thread(_incidents, system) - before)
    return partial(database_figures, held)


def _incidents(system: System) -> int:
    """Return how often breakers opened, as incidents tell it."""
    client = gateway_client(system.home, system.home.read_config(), system.home.keys / "operator.key")
    listed = msgspec.json.decode(client.get_bytes("/ops/incidents"), type=list[dict[str, Any]])
    return sum(int(item["occurrences"]) for item in listed if item["kind"] == "circuit_breaker_opened")
