"""``kill -9`` of a gateway replica, of an engine, and of the whole Ray node, each during a stream of requests.

When the system is down, the record of every answer that was received is looked for in the log and the table on its disk
and verified there: what a process remembers proves nothing. A request that was cut by the kill, or that was sent while
nothing listened (a node that restarts refuses connections), failed and is counted as failed, by cause; a record that
nobody received is no fault, because a record proves what was decided, not that it was delivered.
"""

import asyncio
import signal
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from actors.base.certificates import TrustBundle
from cluster.acceptance.accounts import Records, checked
from cluster.acceptance.disk import records_of
from cluster.acceptance.load import Load, stream, value_question
from cluster.acceptance.system import System, pss_mib, running
from cluster.processes import Process, processes_sent

PORT = 8170
REQUESTS = 200
CONNECTIONS = 4
KILL_AFTER_ANSWERS = 20
ANSWERS_AFTER = 20
WAIT_S = 900.0
TIMEOUT_S = 40.0
"""Longer than the requests' own deadline."""


def _replica(system: System) -> list[Process]:
    return system.named("ServeReplica:weavergen:gateway")[:1]


def _engine(system: System) -> list[Process]:
    return system.named("VLLM::EngineCore")[:1]


def _node(system: System) -> list[Process]:
    return system.named("")


TARGETS: dict[str, Callable[[System], list[Process]]] = {
    "gateway replica": _replica, "vLLM engine": _engine, "whole Ray node": _node,
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Ran:
    """One stage as it was seen from outside."""

    load: Load
    killed: int
    killed_s: float
    """When (monotonic)."""
    recovered: bool


def stages(save: Callable[[str, dict[str, Any]], None], done: set[str]) -> None:
    """Run every stage that is not done yet; one is done when its records have been found on disk."""
    left = [name for name in TARGETS if name not in done]
    if not left:
        return
    ran: dict[str, Ran] = {}
    try:
        with running("faults", PORT, ["--profile", "cpu"]) as system:
            save("up", {"seconds": round(system.up_s, 1), "pss_mib": round(pss_mib(system))})
            for name in left:
                ran[name] = asyncio.run(_stage(system, TARGETS[name]))
    finally:  # whatever ended the campaign, stages that were run are worth keeping
        records = records_of(system) if ran else {}
        for name, stage in ran.items():
            save(name, figures(stage, records, system.trust, int(time.time())))


async def _stage(system: System, target: Callable[[System], list[Process]]) -> Ran:
    """Kill during the stream; go on until answers come again."""
    load = Load()
    sending = asyncio.create_task(stream(system, value_question, load, 10 * REQUESTS, CONNECTIONS, TIMEOUT_S))
    await _until(lambda: len(load.answered()) >= KILL_AFTER_ANSWERS, WAIT_S)
    victims = target(system)
    processes_sent(victims, signal.SIGKILL)
    killed = time.monotonic()
    enough = await _until(
        lambda: len(load.answered(killed)) >= ANSWERS_AFTER and len(load.outcomes) >= REQUESTS, WAIT_S
    )
    load.stop = True
    await sending
    return Ran(load, len(victims), killed, enough)


def figures(ran: Ran, records: Records, trust: TrustBundle, now_s: int) -> dict[str, Any]:
    """Return a stage's figures, from what was received and what is on disk. Pure."""
    received = ran.load.answered()
    after = sorted(outcome.ended_s for outcome in ran.load.answered(ran.killed_s))
    return {
        "killed": ran.killed,
        "requests": len(ran.load.outcomes),
        "answered": len(received),
        "failed": len(ran.load.outcomes) - len(received),
        "failures": ran.load.failures(),
        "recovered": ran.recovered,
        "first_answer_after_s": round(after[0] - ran.killed_s, 1) if after else None,
        **checked(received, records, trust, now_s),
    }


async def _until(condition: Callable[[], bool], timeout_s: float) -> bool:
    give_up = time.monotonic() + timeout_s
    while not condition() and time.monotonic() < give_up:  # noqa: ASYNC110 - other processes decide, nothing signals it
        await asyncio.sleep(0.05)
    return condition()
