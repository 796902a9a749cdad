"""``kill -9`` of SpanActor and of HealthActor, three times each, during a stream of requests.

Serving is unaffected if no request failed; latency before and after each kill says how much it felt. An actor is back when
another process of it gives a sign of life. Nothing is lost or doubled if the spans table holds each row that the gateway
emitted exactly once, the transparency log is whole, and no tick that HealthActor kept before is gone. The supervisor tells of
every restart. When the system is down, the record of every answer that was received is looked for on its disk.
"""

import asyncio
import signal
import sqlite3
import time
from collections.abc import Callable, Sequence
from itertools import pairwise
from typing import Any

import msgspec

from actors.spans.adapters.table import SpanTable
from cluster.acceptance.accounts import checked
from cluster.acceptance.disk import records_of
from cluster.acceptance.load import Load, Outcome, stream, value_question
from cluster.acceptance.spans import emitted, rows_of
from cluster.acceptance.system import WORK, System, running, write_answers
from cluster.client import gateway_client
from cluster.processes import processes_sent
from serve_apps.beats import HEALTH_ACTOR, SPAN_ACTOR, read_beat

PORT = 8175
PROCESSES = {SPAN_ACTOR: "ray::SpanProcess", HEALTH_ACTOR: "ray::HealthProcess"}
KILLS = 3
CONNECTIONS = 2
AROUND_S = 15.0
"""Traffic before a kill and after it that is compared; Ray has brought the actor back within the second."""
BACK_S = 60.0
"""How long is waited for an actor before the campaign says that it did not come."""
RECONCILED_S = 120.0


def stages(save: Callable[[str, dict[str, Any]], None], done: set[str]) -> None:
    """Run the one campaign there is: the accounts of both actors are of one system."""
    if "accounts" in done:
        return
    answers = write_answers(WORK / "answers.jsonl", {"m1": ["Paris"], "m2": ["Paris"], "m3": ["Paris", "Rome"]})
    with running("control_actors", PORT, ["--profile", "replay", "--answers", str(answers)]) as system:
        load, stages_of = asyncio.run(_loaded(system))
        told = accounts(system)
    proven = checked(load.answered(), records_of(system), system.trust, int(time.time()))
    for name, figures in stages_of.items():
        save(name, figures)
    save("accounts", {"requests": len(load.outcomes), "failures": load.failures()} | told | proven)


async def _loaded(system: System) -> tuple[Load, dict[str, dict[str, Any]]]:
    load, found = Load(), dict[str, dict[str, Any]]()
    sending = asyncio.create_task(stream(system, lambda _: value_question(0), load, 1_000_000, CONNECTIONS, 30.0))
    try:
        for name in PROCESSES:
            kept, killed_s, back = set[int](), list[float](), list[float]()
            for _ in range(KILLS):
                await asyncio.sleep(AROUND_S)
                kept |= set(ticks(system))
                killed_s.append(time.monotonic())
                back.append(await killed(system, name))
                await asyncio.sleep(max(AROUND_S - back[-1], 0))
            lost = len(kept - set(ticks(system)))
            found[name] = around(load.outcomes, killed_s) | {"back_after_s": back, "kept_ticks_that_are_gone": lost}
    finally:
        load.stop = True
        await sending
    return load, found


async def killed(system: System, name: str) -> float:
    """Kill an actor; return after how many seconds another process of it lives."""
    before, victims, began = read_beat(system.home.root, name), system.named(PROCESSES[name]), time.monotonic()
    if before is None or len(victims) != 1:
        raise RuntimeError(f"{len(victims)} processes of {name} run, sign of life: {before}; there should be one")
    processes_sent(victims, signal.SIGKILL)
    while (beat := read_beat(system.home.root, name)) is None or beat.incarnation == before.incarnation:
        if time.monotonic() - began > BACK_S:
            raise RuntimeError(f"{name} gave no sign of life within {BACK_S:g} s")
        await asyncio.sleep(0.05)
    return round(time.monotonic() - began, 1)


def around(outcomes: Sequence[Outcome], killed_s: Sequence[float]) -> dict[str, Any]:
    """Return what requests met before and after the kills. Pure."""
    before, after = list[Outcome](), list[Outcome]()
    for outcome in outcomes:
        before += [outcome for moment in killed_s if moment - AROUND_S <= outcome.began_s < moment]
        after += [outcome for moment in killed_s if moment <= outcome.ended_s < moment + AROUND_S]
    ends = sorted(outcome.ended_s for outcome in after if outcome.status == 200)
    gaps = [late - early for early, late in pairwise(ends) if late - early < AROUND_S]
    return {
        "kills": len(killed_s),
        "requests_after": len(after),
        "failed_after": sum(outcome.status != 200 for outcome in after),
        "latency_before_ms": quantiles(before),
        "latency_after_ms": quantiles(after),
        "longest_time_without_an_answer_s": round(max(gaps, default=AROUND_S), 3),
    }


def quantiles(outcomes: Sequence[Outcome]) -> dict[str, float]:
    """Return the median and the 99th percentile of how long answers took, in milliseconds. Pure."""
    took = sorted(outcome.ended_s - outcome.began_s for outcome in outcomes if outcome.status == 200)
    if not took:
        return {}
    return {name: round(took[int(share * (len(took) - 1))] * 1000, 1) for name, share in (("p50", 0.5), ("p99", 0.99))}


def ticks(system: System) -> list[int]:
    """Return when HealthActor's ticks were that the state database keeps."""
    with sqlite3.connect(f"file:{system.home.root / 'state.db'}?mode=ro", uri=True) as database:
        return [int(row[0]) for row in database.execute("SELECT at_ms FROM health_ticks")]


def accounts(system: System) -> dict[str, Any]:
    """Return what was emitted and what is in table and log, once the table has it all, and what the supervisor told."""
    table, sent = SpanTable(system.home.root / "spans", 100), emitted(system)
    give_up = time.monotonic() + RECONCILED_S
    while (rows := rows_of(table, sent.writer_id)) < sent.spans and time.monotonic() < give_up:
        time.sleep(0.5)
    client = gateway_client(system.home, system.home.read_config(), system.home.keys / "operator.key")
    listed = msgspec.json.decode(client.get_bytes("/ops/incidents"), type=list[dict[str, Any]])
    restarted = [item for item in listed if item["kind"] == "control_actor_restarted"]
    checked = msgspec.json.decode(system.command("log", "verify", "--json").stdout, type=dict[str, Any])
    return {
        "emitted_spans": sent.spans,
        "rows_in_the_table": rows,
        "log_batches": checked["size"],
        "log_batches_whole": checked["whole"],
        "restarts_told": {item["evidence"]["actor"]: int(item["occurrences"]) for item in restarted},
    }
