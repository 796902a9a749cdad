"""Bad spans: what the guard makes of rows in order, of rows that are wrong, and of rows that only shift.

Rows in order are those of a running system with recorded voters that differ in speed, length and opinion: its own SpanActor
judges them while they come, and every one that it sets aside is a mistake. Kinds of bad rows are made from these by somebody who
holds a writer's key, a few hundred of each, and judged by the guard as it is built for a home; a kind is caught if a row of
the instance is set aside. Shifts are what no single row shows (a voter slower, another voter): the statistics see them after
they learned from rows in order, by several magnitudes each.

What nobody claims: a writer whose key is stolen and that makes record and rows agree throughout says what it likes; a shift
that is slow or small enough is learned.
"""

import asyncio
import json
import time
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from random import Random
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np

from actors.base.certificates import Certificate, certify, read_trust
from actors.base.ids import ulid
from actors.base.ports import IncidentLevel
from actors.base.signing import SigningKey
from actors.spans import conventions as names
from actors.spans.adapters.guard import SpanIntegrityGuard, open_guard
from actors.spans.adapters.reporting import Reports
from actors.spans.adapters.sealer import HomeAuthority
from actors.spans.adapters.segments import Disk
from actors.spans.adapters.table import SpanTable
from actors.spans.checkers.finding import WEIGHT
from actors.spans.columns import pinned_schema, rows_of
from actors.spans.config import SpansConfig
from actors.spans.span import Span
from cluster.acceptance.bad_spans_kinds import KINDS, Forger, Instance, Maker, Source
from cluster.acceptance.bad_spans_shifts import learned, sweep
from cluster.acceptance.load import Load, stream, value_question
from cluster.acceptance.spans import emitted
from cluster.acceptance.spans import rows_of as rows_in
from cluster.acceptance.system import WORK, System, running
from cluster.home import open_home

PORT = 8185
REQUESTS = 22_000
CONNECTIONS = 16
WAIT_S = 120.0
INSTANCES = 200
TAUGHT, CALM, SHIFTED = 4_000, 6_000, 400
"""Decisions that the statistics learn from, that set their threshold, and that are shifted."""
SEED = 7
VOTERS = ("m1", "m2", "m3")
NAME = "bad_spans"
LATE_S = 2 * 86_400.0
"""How late the guard takes rows in: the log's promise and ``spans.wal_max_age_s`` as they come."""


def stages(save: Callable[[str, dict[str, Any]], None], done: set[str]) -> None:
    """Run every stage that is not done yet; those after the first read what it left on disk."""
    if "in order" not in done:
        answers = write_answers(WORK / "bad_spans.jsonl")
        with running(NAME, PORT, ["--profile", "replay", "--answers", str(answers)]) as system:
            save("in order", asyncio.run(_in_order(system)))
    home = WORK / NAME / "home"
    if {"kinds", "shifts"} <= done:
        return
    decisions = decisions_in(home)
    if "kinds" not in done:
        save("kinds", kinds(home, decisions))
    if "shifts" not in done:
        detector = learned(decisions[:TAUGHT])
        calm, later = decisions[TAUGHT : TAUGHT + CALM], decisions[TAUGHT + CALM : TAUGHT + CALM + SHIFTED]
        save("shifts", sweep(detector, calm, later, VOTERS[0], SEED))


def write_answers(path: Path) -> Path:
    """Write answers of three voters of different speed, length and opinion."""
    rng, said = np.random.default_rng(SEED), ("Paris", "The capital of France is Paris.", "It is Paris.")
    opinions = {"m1": ["London"], "m2": ["London", "Rome"], "m3": ["Rome", "Berlin"]}
    lines = []
    for place, voter in enumerate(VOTERS):
        answers = []
        for _ in range(211 + 2 * place):
            agrees = rng.random() < 0.97 - 0.05 * place
            latency_ms = int(min(60, rng.lognormal(1.5 + 0.3 * place, 0.5)))
            tokens = int(rng.lognormal(3 + 0.5 * place, 0.4)) + 1
            content = said[rng.integers(len(said))] if agrees else opinions[voter][rng.integers(len(opinions[voter]))]
            usage = {"prompt_tokens": int(rng.integers(18, 26)), "completion_tokens": tokens}
            answers.append({"content": content, "latency_ms": latency_ms, "usage": usage})
        lines.append(
            {
                "default": {
                    "voter": voter,
                    "family": f"family-{voter}",
                    "lineage": f"lineage-{voter}",
                    "answers": answers,
                }
            }
        )
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("".join(json.dumps(line) + "\n" for line in lines))
    return path


async def _in_order(system: System) -> dict[str, Any]:
    load, began = Load(), time.monotonic()
    await stream(system, lambda _: value_question(0), load, REQUESTS, CONNECTIONS, 60.0)
    seconds = time.monotonic() - began
    return {"requests": len(load.outcomes), "requests_per_s": round(len(load.outcomes) / seconds, 1)} | await arrived(
        system
    )


async def arrived(system: System) -> dict[str, Any]:
    """Wait until the table has all that the replica wrote; return how much of it was set aside, and why."""
    table, give_up = SpanTable(system.home.root / "spans", 100), time.monotonic() + WAIT_S
    while True:
        sent = emitted(system)
        aside = set_aside(table)
        rows = rows_in(table, sent.writer_id)
        if rows + sum(aside.values()) >= sent.spans or time.monotonic() >= give_up:
            break
        await asyncio.sleep(0.5)
    return {
        "emitted_spans": sent.spans, "accepted": rows, "set_aside": sum(aside.values()),
        "false_quarantine_percent": round(100 * sum(aside.values()) / max(1, sent.spans), 4), "why": dict(aside),
    }  # fmt: skip


def set_aside(table: SpanTable) -> Counter[str]:
    """Count the rows that were set aside, by why."""
    found: Counter[str] = Counter()
    for path in table.current_files():
        for row in table.read_file(path, ["name", "attributes"]).to_pylist():
            if row["name"] == names.ROW_QUARANTINED:
                found[dict(row["attributes"]).get(names.ROW_REASON, "").partition(" ")[0]] += 1
    return found


def decisions_in(home: Path) -> list[list[Span]]:
    """Return the rows of decisions that were answered, as they were written, the oldest first: as many as are wanted."""
    found: dict[str, list[tuple[int, Span]]] = {}
    table = SpanTable(home / "spans", 100)
    for path in sorted(table.current_files(), key=str):  # a file's name says when it was written
        if len(found) > 1.1 * (TAUGHT + CALM + SHIFTED):
            break
        for rows in rows_of(table.read_file(path, pinned_schema().names)):
            (span,) = rows.spans
            if span.decision_id and span.name != names.POLICY:
                found.setdefault(span.decision_id, []).append((rows.first_seq, span))
    frames = ([span for _, span in sorted(rows, key=lambda row: row[0])] for rows in found.values())
    whole = [frame for frame in frames if frame[0].record and frame[0].outcome == "answered"]
    return sorted(whole, key=lambda frame: frame[0].start_unix_nano)


# Kinds.


def kinds(home: Path, decisions: Sequence[Sequence[Span]]) -> dict[str, Any]:
    """Judge so many instances of every kind, each of a writer of its own, by the guard as it is built for a home."""
    found, now_s = dict[str, Any](), decisions[-1][0].end_unix_nano / 1e9
    with TemporaryDirectory() as folder:
        guard = guard_of(home, Path(folder))
        for number, (name, make) in enumerate(KINDS.items()):
            random, caught, by = Random(f"{SEED}/{number}"), 0, Counter[str]()  # noqa: S311 - a campaign, not a secret
            for place in range(INSTANCES):
                said = judged(guard, instance_of(make, forger_of(home, decisions, place), decisions, random), now_s)
                caught += bool(said)
                by.update(said)
            found[name] = {"instances": INSTANCES, "caught": caught, "by": dict(by.most_common(4))}
    return {
        "kinds": len(found), "instances": sum(one["instances"] for one in found.values()),
        "caught": sum(one["caught"] for one in found.values()), "by_kind": found,
    }  # fmt: skip


def instance_of(make: Maker, forger: Forger, decisions: Sequence[Sequence[Span]], random: Random) -> Instance:
    """Make an instance of a kind from decisions that are drawn anew."""
    drawn = sorted(random.sample(range(len(decisions)), 4))
    return make(Source(forger, 1, [decisions[place] for place in drawn], random))


def forger_of(home: Path, decisions: Sequence[Sequence[Span]], number: int) -> Forger:
    """Return a writer that the home's issuer certified, begun just before the first decision."""
    began_ms = decisions[0][0].start_unix_nano // 1_000_000 - 1_000
    issuer, key = SigningKey.load(open_home(home).keys / "issuer.key"), SigningKey.generate()
    name, began_s = ulid(began_ms, number.to_bytes(10, "big")), began_ms // 1000
    certificate = Certificate("writer", name, key.public.hex, issuer.public.key_id, began_s - 60, began_s + 80_000)
    return Forger(name, key, certify(issuer, certificate))


def guard_of(home: Path, folder: Path) -> SpanIntegrityGuard:
    """Return the guard of a home, which keeps what it keeps elsewhere; raise ``RuntimeError`` if it does not see."""
    trust = read_trust((home / "trust.json").read_bytes())
    guard = open_guard(folder, HomeAuthority(home, lambda: trust), SpansConfig(), LATE_S, Reports(Nobody()), Disk())
    guard.judge((), trust.certificates[0].read().not_before + 1.0, 0.0)
    if guard.blind:
        raise RuntimeError(f"the guard is blind: {guard.blind}")
    return guard


def judged(guard: SpanIntegrityGuard, instance: Instance, now_s: float) -> list[str]:
    """Return what was found first of each row that the guard sets aside, of those that are bad."""
    aside = guard.judge(instance.frames, now_s, 0.0).faults.get(instance.frames[0].writer_id, {})
    gravest = (
        max(result.individual_results, key=lambda one: WEIGHT[one.severity])
        for seq, result in aside.items()
        if seq in instance.bad
    )
    return [f"{one.checker} {one.kind}" for one in gravest]


class Nobody:
    """Who is told of incidents."""

    def open(self, kind: str, level: IncidentLevel, evidence: Mapping[str, str], dedup_key: str) -> None:
        """Forget it."""
