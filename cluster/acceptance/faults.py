"""``kill -9`` of a gateway replica, of an engine, and of the whole Ray node, each during a stream of requests."""

import asyncio
import signal
import time
from collections.abc import Callable
from typing import Any

from cluster.acceptance.load import Load, stream, unverifiable, value_question
from cluster.acceptance.system import System, pss_mib, running
from cluster.processes import Process, processes_sent

PORT = 8170
REQUESTS = 200
CONNECTIONS = 4
KILL_AFTER_ANSWERS = 20
ANSWERS_AFTER = 20
WAIT_S = 600.0
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


def stages(save: Callable[[str, dict[str, Any]], None], done: set[str]) -> None:
    """Run every stage that is not done yet."""
    left = [name for name in TARGETS if name not in done]
    if not left:
        return
    with running("faults", PORT, ["--profile", "cpu"]) as system:
        save("up", {"seconds": round(system.up_s, 1), "pss_mib": round(pss_mib(system))})
        for name in left:
            save(name, asyncio.run(_stage(system, TARGETS[name])))


async def _stage(system: System, target: Callable[[System], list[Process]]) -> dict[str, Any]:
    """Kill during the stream; measure until answers come again; check every answer's record."""
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
    after = sorted(outcome.ended_s for outcome in load.answered(killed))
    bad = await unverifiable(system, load.answered())
    return {
        "killed": len(victims),
        "requests": len(load.outcomes),
        "answered": len(load.answered()),
        "failed": sum(outcome.status != 200 for outcome in load.outcomes),
        "recovered": enough,
        "first_answer_after_s": round(after[0] - killed, 1) if after else None,
        "answers_without_verifiable_record": len(bad),
        "examples": bad[:3],
    }


async def _until(condition: Callable[[], bool], timeout_s: float) -> bool:
    give_up = time.monotonic() + timeout_s
    while not condition() and time.monotonic() < give_up:  # noqa: ASYNC110 - other processes decide, nothing signals it
        await asyncio.sleep(0.05)
    return condition()
