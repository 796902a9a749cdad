"""A halt reaches every replica within a second with every control process dead, and survives a restart.

It cannot be undone by a lower version, a bad signature or a loosening that no operator signed: each is refused and opens
an incident.
"""

import asyncio
import signal
import time
from collections.abc import Callable
from typing import Any

import msgspec

from actors.base.canonical import canonical_json
from actors.base.signing import SigningKey
from actors.policy.adapters.directory import SnapshotDirectory
from actors.policy.snapshot import PolicySnapshot, SignedSnapshot, sign_snapshot
from actors.policy.transitions import halted, resumed, successor
from cluster.acceptance.load import Load, stream, value_question
from cluster.acceptance.system import WORK, System, running, write_answers
from cluster.client import GatewayClient
from cluster.processes import processes_sent
from cluster.status import supervisor
from cluster.succession import policy_in_force

PORT = 8172
REPLICAS = 2
LOAD_S = 16.0


def stages(save: Callable[[str, dict[str, Any]], None], done: set[str]) -> None:
    """Run every stage that is not done yet."""
    if {"halt", "forgeries"} <= done:
        return
    answers = write_answers(WORK / "answers.jsonl", {"m1": ["Paris"], "m2": ["Paris"], "m3": ["Paris"]})
    profile = WORK / "halt.yaml"
    profile.write_text(f"profile: replay\ndemo: false\ngateway: {{replicas: {REPLICAS}}}\n")
    with running("halt", PORT, ["--profile", str(profile), "--answers", str(answers)]) as system:
        save("forgeries", _forgeries(system))
        save("halt", asyncio.run(_halt(system)))


async def _halt(system: System) -> dict[str, Any]:
    """Kill the supervisor and the SpanActor, halt by file as an isolated operator would, and time the last answer."""
    control = [known for known in (supervisor(system.home),) if known] + system.named("SpanProcess")
    processes_sent(control, signal.SIGKILL)
    load = Load()
    sending = asyncio.create_task(stream(system, value_question, load, 1_000_000, 8, 30.0))
    await asyncio.sleep(LOAD_S / 2)
    published = time.monotonic()
    _publish_halt(system)
    await asyncio.sleep(LOAD_S / 2)
    load.stop = True
    await sending
    last = max((outcome.ended_s for outcome in load.answered()), default=published)
    after_restart = _restarted(system)
    return {
        "replicas": REPLICAS,
        "control_processes_killed": len(control),
        "answers_before": len(load.answered()),
        "failed_otherwise": sum(outcome.status not in (200, 503) for outcome in load.outcomes),
        "last_answer_after_halt_s": round(last - published, 3),
        "refused_after": sum(outcome.status == 503 for outcome in load.outcomes),
        "still_halted_after_restart": after_restart,
    }


def _publish_halt(system: System) -> None:
    current = _current(system)
    key = SigningKey.load(system.home.keys / "policy.key")
    new = halted(current, "campaign", "campaign", time.time_ns() // 1_000_000)
    SnapshotDirectory(system.home.policy).publish(new.version, canonical_json(sign_snapshot(new, key)))


def _restarted(system: System) -> bool:
    """Bring the same home down and up again and ask."""
    system.command("down")
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
    operators = GatewayClient(system.url, system.operator_key)
    operators.post("/ops/halt", {"reason": "campaign"})
    halt_version = _current(system).version
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
    give_up = time.monotonic() + 15
    while _incidents(operators) <= before and time.monotonic() < give_up:
        time.sleep(0.1)
    opened = _incidents(operators) > before
    still = operators.get("/ops/policy")
    kept = still["version"] == in_force and still["halt"]["on"]
    (system.home.policy / f"{version:012d}.json").unlink()
    return f"{'refused' if kept else 'IN FORCE'}, {'incident opened' if opened else 'NO INCIDENT'}"


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
