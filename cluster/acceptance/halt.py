"""A halt reaches every replica within a second with every control process dead, and survives a restart.

Control processes are the supervisor, the SpanActor and the HealthActor. All are killed before the load begins; Ray brings
the actors back, so they are killed again whenever they show, until the last answer has been waited for: none lives when the
halt is published, and the spans table gets no commit meanwhile. When the system is down, every answer that was received is looked
for on its disk: its record verifies and was not withheld, and no answer was recorded that was neither received nor withheld.

It cannot be undone by a lower version, a bad signature or a loosening that no operator signed: each is refused and opens
an incident.
"""

import asyncio
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import msgspec

from actors.base.canonical import canonical_json
from actors.base.certificates import TrustBundle
from actors.base.signing import SigningKey
from actors.policy.adapters.directory import SnapshotDirectory
from actors.policy.snapshot import PolicySnapshot, SignedSnapshot, sign_snapshot
from actors.policy.transitions import halted, resumed, successor
from cluster.acceptance.accounts import Records, checked, half_recorded, last_answers, withheld
from cluster.acceptance.dead import HeldDead, held_dead
from cluster.acceptance.disk import commits_in, records_of
from cluster.acceptance.load import Load, stream, value_question
from cluster.acceptance.system import WORK, System, running, write_answers
from cluster.client import GatewayClient, gateway_client
from cluster.processes import Process
from cluster.status import supervisor
from cluster.succession import policy_in_force

PORT = 8172
REPLICAS = 2
CONNECTIONS = 16
LOAD_S = 16.0
PAUSE_S = 0.02
"""After a refusal; short, so that a replica that still answers is not missed because all connections wait."""
WITHIN_S = 1.0
LOOKS = 20
POLLED_S = 1.0
"""By then every replica has looked at what was published."""


def stages(save: Callable[[str, dict[str, Any]], None], done: set[str]) -> None:
    """Run every stage that is not done yet."""
    if {"halt", "forgeries"} <= done:
        return
    answers = write_answers(WORK / "answers.jsonl", {"m1": ["Paris"], "m2": ["Paris"], "m3": ["Paris"]})
    profile = WORK / "halt.yaml"
    profile.write_text(f"profile: replay\ndemo: false\ngateway: {{replicas: {REPLICAS}}}\n")
    with running("halt", PORT, ["--profile", str(profile), "--answers", str(answers)]) as system:
        save("forgeries", _forgeries(system))
        save("halt", _halt(system))


@dataclass(frozen=True, slots=True)
class Ran:
    """The halt as it was seen from outside."""

    load: Load
    published_s: float
    """When (monotonic)."""
    alive: tuple[int, int]
    """Control processes that lived just before the halt was published, and just after."""


def _control(system: System) -> list[Process]:
    return [known for known in (supervisor(system.home),) if known] + system.named("SpanProcess", "HealthProcess")


def _halt(system: System) -> dict[str, Any]:
    """Hold the control processes dead, halt by file as an isolated operator would, and account for every answer."""
    with held_dead(lambda: _control(system)) as held:
        killed_at_first, commits = len(held.seen_s), commits_in(system.home.root)
        ran = asyncio.run(_loaded(system, held))
        held.strike_all()
        commits_made = commits_in(system.home.root) - commits
    refuse_unless_dead(ran.alive, commits_made)
    system.command("down")
    dead = {
        "control_processes_killed": len(held.seen_s),
        "of_these_brought_back_and_killed_again": len(held.seen_s) - killed_at_first,
        "longest_seen_alive_s": round(held.longest_life_s(), 3),
        "control_processes_alive_at_publication": sum(ran.alive),
        "table_commits_meanwhile": commits_made,
    }
    told = figures(ran, records_of(system), system.trust, int(time.time()))
    if told["replicas_that_answered"] != REPLICAS:
        raise RuntimeError(f"{told['replicas_that_answered']} replicas answered before the halt, not {REPLICAS}")
    return {"replicas": REPLICAS} | dead | told | {"still_halted_after_restart": _still_halted(system)}


def refuse_unless_dead(alive: tuple[int, int], commits: int) -> None:
    """Raise ``RuntimeError`` if a control process lived: such a run would not show what it is for. Pure."""
    if any(alive) or commits:
        raise RuntimeError(
            f"a control process lived: {alive} beside the halt, {commits} commits to the table; run again"
        )


async def _loaded(system: System, held: HeldDead) -> Ran:
    load = Load()
    sending = asyncio.create_task(stream(system, value_question, load, 1_000_000, CONNECTIONS, 30.0, PAUSE_S))
    await asyncio.sleep(LOAD_S / 2)
    # In a thread: whatever held up the loop would make answers look late.
    published, alive = await asyncio.to_thread(_publish_halt, system, held)
    await asyncio.sleep(LOAD_S / 2)
    load.stop = True
    await sending
    return Ran(load, published, alive)


def _publish_halt(system: System, held: HeldDead) -> tuple[float, tuple[int, int]]:
    """Publish the halt with every control process dead; return when it began, and who lived before and after."""
    version, data = _signed_halt(system)
    held.strike_all()
    before = len(_control(system))
    published = time.monotonic()
    SnapshotDirectory(system.home.policy).publish(version, data)
    return published, (before, len(_control(system)))


def figures(ran: Ran, records: Records, trust: TrustBundle, now_s: int) -> dict[str, Any]:
    """Return what became of the answers, from what was received and what is on disk. Pure."""
    received = ran.load.answered()
    last = last_answers(received, records, ran.published_s)
    half, proven = half_recorded(received, records), checked(received, records, trust, now_s)
    return {
        "replicas_that_answered": len(last),
        "answers_before": sum(outcome.ended_s <= ran.published_s for outcome in received),
        "answers_after": sum(outcome.ended_s > ran.published_s for outcome in received),
        "last_answer_after_halt_s": max(last.values(), default=None),
        "last_answer_after_halt_s_by_replica": last,
        "answers_later_than_1_s": sum(outcome.ended_s > ran.published_s + WITHIN_S for outcome in received),
        "refused": sum(outcome.status == 503 for outcome in ran.load.outcomes),
        "failed_otherwise": sum(outcome.status not in (200, 503) for outcome in ran.load.outcomes),
        "failures": ran.load.failures(),
        **proven,
        "withheld": len(withheld(records)),
        "half_recorded": len(half),
        "examples": (proven["examples"] + half)[:3],
    }


def _signed_halt(system: System) -> tuple[int, bytes]:
    """Return the halt that comes next, ready to be published."""
    key = SigningKey.load(system.home.keys / "policy.key")
    new = halted(_current(system), "campaign", "campaign", time.time_ns() // 1_000_000)
    return new.version, _signed(new, key)


def _still_halted(system: System) -> bool:
    """Bring the same home up again and ask."""
    answers = str(WORK / "answers.jsonl")
    arguments = ("--port", str(PORT), "--profile", str(WORK / "halt.yaml"), "--answers", answers)
    done = system.command("up", *arguments)
    if done.returncode != 0:
        raise RuntimeError(f"`weavergen up` ended with {done.returncode}: {done.stderr[-2000:]}")
    refused = system.command("ask", "What is the capital of France?")
    return refused.returncode == 1 and "generation_halted" in refused.stdout + refused.stderr


def _forgeries(system: System) -> dict[str, Any]:
    """Put each forgery where replicas look, and see that the policy in force stays and an incident is opened."""
    policy_key = SigningKey.load(system.home.keys / "policy.key")
    operators = gateway_client(system.home, system.home.read_config(), system.home.keys / "operator.key")
    operators.post("/ops/halt", {"reason": "campaign"})
    halt_version = _current(system).version
    if not _within(15, lambda: _is_kept(operators, halt_version)):
        raise RuntimeError(f"the halt, version {halt_version}, is not in force on every replica")
    now_ms = time.time_ns() // 1_000_000
    loosened = resumed(_current(system), "campaign", "campaign", now_ms)
    stranger = SigningKey.generate()
    forgeries: dict[str, tuple[int, bytes]] = {
        "loosening without an operator's signature": (loosened.version, _signed(loosened, policy_key)),
        "bad signature": (loosened.version, _signed(loosened, stranger)),
        "lower version": (loosened.version, _signed(_older(_current(system), now_ms), policy_key)),
    }
    results: dict[str, Any] = {}
    for name, (version, data) in forgeries.items():
        results[name] = _tried(system, operators, version, data, halt_version)
    done = system.command("resume", "--reason", "campaign")
    results["resume by the operator"] = "in force" if done.returncode == 0 else done.stderr.strip()
    return results


def _tried(system: System, operators: GatewayClient, version: int, data: bytes, in_force: int) -> str:
    directory = SnapshotDirectory(system.home.policy)
    before = _incidents(operators)
    directory.publish(version, data)
    opened = _within(15, lambda: _incidents(operators) > before)
    time.sleep(POLLED_S)
    kept = _is_kept(operators, in_force)
    (system.home.policy / f"{version:012d}.json").unlink()
    return f"{'refused' if kept else 'IN FORCE'}, {'incident opened' if opened else 'NO INCIDENT'}"


def _is_kept(operators: GatewayClient, version: int) -> bool:
    """Tell whether a halt is in force, in so many looks that each replica has answered some."""
    looks = [operators.get("/ops/policy") for _ in range(LOOKS)]
    return all(look["version"] == version and look["halt"]["on"] for look in looks)


def _within(seconds: float, condition: Callable[[], bool]) -> bool:
    give_up = time.monotonic() + seconds
    while not (held := condition()) and time.monotonic() < give_up:
        time.sleep(0.1)
    return held


def _incidents(operators: GatewayClient) -> int:
    found = msgspec.json.decode(operators.get_bytes("/ops/incidents"), type=list[dict[str, Any]])
    return sum(int(item["occurrences"]) for item in found)


def _signed(snapshot: PolicySnapshot, key: SigningKey) -> bytes:
    signed: SignedSnapshot = sign_snapshot(snapshot, key)
    return canonical_json(signed)


def _older(current: PolicySnapshot, now_ms: int) -> PolicySnapshot:
    return msgspec.structs.replace(successor(current, now_ms), version=current.version - 1)


def _current(system: System) -> PolicySnapshot:
    found = policy_in_force(system.home, system.trust, int(time.time()))
    if found is None:
        raise RuntimeError("the home holds no policy")
    return found
