"""A disk fills steadily until nothing more goes in, under a stream of requests; then the space is given back.

The home lies on a disk of 1.5 GiB in memory, and somebody else's file grows on it at a steady rate, so that the limit
(`health.disk_limit`) is passed 13 minutes later. Everything is at its defaults. Three rotated logs of 8 MiB lie below
`home/run/logs`, as an older system has them. *Predicted* is when the incident could first be read from
`/ops/incidents`; the lead is from there to when the limit was passed. Once the disk is full, the file takes whatever
becomes free, and eight connections ask without a pause until the preallocated log is used up and a minute longer.

When the system is down, the record of every answer that was received is looked for on its disk and verified.
"""

import asyncio
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import msgspec

from actors.base.certificates import TrustBundle
from actors.base.errors import WeaverGenError
from cluster.acceptance.accounts import Records, checked
from cluster.acceptance.disk import records_of
from cluster.acceptance.load import Load, stream, value_question
from cluster.acceptance.small_disk import Filler, mounted, used_share
from cluster.acceptance.system import WORK, System, running, write_answers
from cluster.bringup import reasons
from cluster.client import gateway_client
from cluster.status import read_status

NAME = "disk_fills"
PORT = 8174
DISK_BYTES = 1536 << 20
FILL_S = 780.0
"""From the beginning until the limit is passed."""
AHEAD_S = 300.0
EVERY_S = 0.2
CONNECTIONS_AT_FULL = 8
REFUSED_WITHIN_S = 300.0
HELD_S = 60.0
RECOVERED_WITHIN_S = 300.0
ANSWERS_AFTER = 100
REQUESTS = 1_000_000
TIMEOUT_S = 40.0
LOOK_S = 1.0
LOGS, LOG_BYTES = 3, 8 << 20
PREDICTED = "infrastructure_breach_predicted"


@dataclass(slots=True)
class Ran:
    """What was seen from outside; times are monotonic seconds."""

    limit: float
    began_s: float
    filling: Load = field(default_factory=Load)
    full: Load = field(default_factory=Load)
    after: Load = field(default_factory=Load)
    predicted_s: float | None = None
    passed_s: float | None = None
    full_s: float | None = None
    freed_s: float = 0.0
    said_at_full: str = ""
    """What `/readyz` gave as its reasons."""
    used_after_free: float = 0.0
    phase_after: str = ""
    restarts: int = 0
    logs_left: int = 0
    incidents: Sequence[dict[str, Any]] = ()


def stages(save: Callable[[str, dict[str, Any]], None], done: set[str]) -> None:
    """Run it as a whole: half a filling says nothing."""
    if "recovery" in done:
        return
    answers = write_answers(WORK / "answers.jsonl", {"m1": ["Paris"], "m2": ["Paris"], "m3": ["Paris"]})
    with mounted(WORK / NAME, DISK_BYTES):
        with running(NAME, PORT, ["--profile", "replay", "--answers", str(answers)]) as system:
            ran = asyncio.run(_ran(system))
        told = figures(ran, records_of(system), system.trust, int(time.time()))
    for stage, result in told.items():
        save(stage, result)


async def _ran(system: System) -> Ran:
    for number in range(LOGS):
        (system.home.logs / f"node.log.{number + 1}").write_bytes(bytes(LOG_BYTES))
    disk, limit = system.home.root.parent, system.home.read_config().health.disk_limit
    left = (limit - used_share(disk)) * DISK_BYTES
    filler = Filler(disk / "somebody.else", limit, left / FILL_S)
    filler.start()
    ran = Ran(limit, filler.began_s)
    try:
        await _filling(system, filler, ran)
        await _at_full(system, ran)
    finally:
        filler.free()
    ran.freed_s, ran.used_after_free = time.monotonic(), used_share(disk)
    await _recovered(system, ran)
    ran.logs_left = len(list(system.home.logs.glob("node.log.*")))
    ran.incidents = _incidents(system)
    return ran


async def _filling(system: System, filler: Filler, ran: Ran) -> None:
    sending = asyncio.create_task(stream(system, value_question, ran.filling, REQUESTS, 1, TIMEOUT_S, every_s=EVERY_S))
    while filler.full_s is None:
        if ran.predicted_s is None and _predicted(await asyncio.to_thread(_incidents, system)):
            ran.predicted_s = time.monotonic()
        await asyncio.sleep(LOOK_S)
    ran.passed_s, ran.full_s = filler.passed_s, filler.full_s
    await _ended(sending, ran.filling)


async def _at_full(system: System, ran: Ran) -> None:
    sending = asyncio.create_task(
        stream(system, value_question, ran.full, REQUESTS, CONNECTIONS_AT_FULL, TIMEOUT_S, pause_s=EVERY_S)
    )
    await _until(lambda: any(outcome.status == 503 for outcome in ran.full.outcomes), REFUSED_WITHIN_S)
    await asyncio.sleep(HELD_S)
    ran.said_at_full = await asyncio.to_thread(reasons, system.home, system.home.read_config())
    await _ended(sending, ran.full)


async def _recovered(system: System, ran: Ran) -> None:
    sending = asyncio.create_task(stream(system, value_question, ran.after, REQUESTS, 1, TIMEOUT_S, every_s=EVERY_S))

    def is_well() -> bool:
        said = read_status(system.home)
        return len(ran.after.answered()) >= ANSWERS_AFTER and said is not None and said.phase == "ready"

    await _until(is_well, RECOVERED_WITHIN_S)
    await _ended(sending, ran.after)
    if (said := read_status(system.home)) is not None:
        ran.phase_after, ran.restarts = said.phase, said.restarts


def figures(ran: Ran, records: Records, trust: TrustBundle, now_s: int) -> dict[str, dict[str, Any]]:
    """Return stage → figures, from what was received and what is on disk. Pure."""
    received = [outcome for load in (ran.filling, ran.full, ran.after) for outcome in load.answered()]
    return {
        "prediction": _prediction(ran),
        "filling": _requests(ran.filling),
        "full": _full(ran),
        "recovery": _recovery(ran),
        "disk": checked(received, records, trust, now_s),
    }


def _prediction(ran: Ran) -> dict[str, Any]:
    predicted = _predicted(ran.incidents)
    evidence = predicted[0]["evidence"] if predicted else {}
    lead_s = ran.passed_s - ran.predicted_s if ran.passed_s and ran.predicted_s else None
    return {
        "limit": ran.limit,
        "limit_passed_after_s": _since(ran.passed_s, ran.began_s),
        "predicted_after_s": _since(ran.predicted_s, ran.began_s),
        "lead_s": None if lead_s is None else round(lead_s, 1),
        "five_minutes_ahead": lead_s is not None and lead_s >= AHEAD_S,
        "level_when_predicted": evidence.get("level"),
        "probability": evidence.get("probability"),
        "within_s": evidence.get("within_s"),
        "incidents": len(predicted),
        "occurrences": sum(int(incident["occurrences"]) for incident in predicted),
        "mitigation": evidence.get("mitigation"),
        "rotated_logs_before": LOGS,
        "rotated_logs_after": ran.logs_left,
        "incidents_of_all_kinds": {item["kind"]: item["occurrences"] for item in ran.incidents},
    }


def _full(ran: Ran) -> dict[str, Any]:
    refused = [outcome.ended_s for outcome in ran.full.outcomes if outcome.status == 503]
    last = max((outcome.ended_s for outcome in ran.full.answered()), default=None)
    return {
        "full_after_s": _since(ran.full_s, ran.began_s),
        **_requests(ran.full),
        "first_503_after_s": _since(min(refused, default=None), ran.full_s),
        "last_answer_after_s": _since(last, ran.full_s),
        "neither_answer_nor_503": sum(outcome.status not in (200, 503) for outcome in ran.full.outcomes),
        "readyz_said": ran.said_at_full,
    }


def _recovery(ran: Ran) -> dict[str, Any]:
    first = min((outcome.ended_s for outcome in ran.after.answered()), default=None)
    return {
        "used_after_free": round(ran.used_after_free, 3),
        "first_answer_after_s": _since(first, ran.freed_s),
        **_requests(ran.after),
        "phase": ran.phase_after,
        "node_restarts": ran.restarts,
    }


def _requests(load: Load) -> dict[str, Any]:
    return {"requests": len(load.outcomes), "answered": len(load.answered()), "failures": load.failures()}


def _since(then_s: float | None, began_s: float | None) -> float | None:
    return None if then_s is None or began_s is None else round(then_s - began_s, 1)


def _predicted(incidents: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """Return the incidents that foretell the disk's breach."""
    return [item for item in incidents if item["kind"] == PREDICTED and item["evidence"].get("signal") == "disk"]


def _incidents(system: System) -> list[dict[str, Any]]:
    """Return every incident there is; none while nobody answers."""
    client = gateway_client(system.home, system.home.read_config(), system.home.keys / "operator.key")
    try:
        return msgspec.json.decode(client.get_bytes("/ops/incidents"), type=list[dict[str, Any]])
    except WeaverGenError:
        return []


async def _ended(sending: "asyncio.Task[None]", load: Load) -> None:
    load.stop = True
    await sending


async def _until(condition: Callable[[], bool], timeout_s: float) -> None:
    give_up = time.monotonic() + timeout_s
    while not condition() and time.monotonic() < give_up:  # noqa: ASYNC110 - other processes decide, nothing signals it
        await asyncio.sleep(LOOK_S / 4)
