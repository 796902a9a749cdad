"""The health actor under the real node: it ticks, is seen everywhere, and comes back from ``kill -9`` with its history."""

import json
import os
import signal
import time
import urllib.request
from collections.abc import Callable
from typing import Any

import pytest
from sqlalchemy import create_engine, text

from tests.ray.test_command_line import members
from tests.ray.waiting import until
from tests.ray.world import AGREED, System

pytestmark = [pytest.mark.ray, pytest.mark.timeout(300)]
BACK_S = 15.0


def get(system: System, path: str) -> bytes:
    """Ask the gateway with the operator's key."""
    request = urllib.request.Request(  # noqa: S310 - our own address
        system.base_url + path, headers={"Authorization": f"Bearer {system.operator_key.strip()}"}
    )
    with urllib.request.urlopen(request, timeout=30) as response:  # noqa: S310
        body: bytes = response.read()
        return body


def now(system: System) -> dict[str, Any]:
    """Return the newest tick."""
    told: dict[str, Any] = json.loads(get(system, "/ops/predictions"))
    return told


def health_process(system: System) -> int:
    """Return the process id of the health actor, 0 if there is none."""
    return next((pid for pid, line in members(system.home).items() if "ray::HealthProcess" in line), 0)


def waited_s(done: Callable[[], bool], timeout_s: float) -> float:
    """Wait for a condition; return how long that took."""
    began = time.monotonic()
    until(done, timeout_s)
    return time.monotonic() - began


def restarts(system: System) -> int:
    """Return how many restarts of the health actor the supervisor told of."""
    listed = json.loads(get(system, "/ops/incidents"))
    found = [i for i in listed if i["kind"] == "control_actor_restarted" and i["evidence"]["actor"] == "HealthActor"]
    return sum(int(incident["occurrences"]) for incident in found)


def test_it_reads_the_machine_the_queue_and_the_voters_and_is_shown(system: System) -> None:
    """Every signal has a level and nothing is blind; its gauges are in the union of metrics, and `status` prints it."""

    def is_judged_after_another_ballot() -> bool:
        """Ask once more, for what was counted before the first page says nothing."""
        assert system.weavergen("ask", AGREED).returncode == 0
        return "voter m1" in {check["name"] for check in now(system)["checks"]}

    until(lambda: set(now(system)["levels"]) == {"cpu", "memory", "disk", "queue"}, what=lambda: now(system))
    until(is_judged_after_another_ballot, what=lambda: now(system)["checks"])
    told = now(system)
    assert not any(check["blind"] for check in told["checks"])
    assert {forecast["signal"] for forecast in told["predictions"]} == {"cpu", "memory", "disk", "queue"}
    assert told["age_s"] < 30
    until(lambda: b"weavergen_health_score{" in get(system, "/metrics"))
    until(lambda: b"weavergen_prediction{" in get(system, "/metrics"), 120)
    shown = system.weavergen("status").stdout
    assert "health: score" in shown
    assert "breach within" in shown


def test_killed_it_is_back_in_time_with_its_history_and_people_are_told(system: System) -> None:
    """``kill -9``: another process ticks within 15 s, no tick kept before is gone, answers go on, the supervisor tells once."""
    until(lambda: now(system)["score"] is not None and health_process(system) > 0)
    engine = create_engine(f"sqlite:///{system.home / 'state.db'}")

    def kept() -> list[int]:
        with engine.connect() as connection:
            return [row[0] for row in connection.execute(text("SELECT at_ms FROM health_ticks ORDER BY at_ms"))]

    before, pid, told = kept(), health_process(system), restarts(system)
    os.kill(pid, signal.SIGKILL)
    killed_ms = time.time() * 1000
    assert system.weavergen("ask", AGREED).returncode == 0
    took_s = waited_s(lambda: kept()[-1] > killed_ms, BACK_S)
    assert took_s <= BACK_S
    assert health_process(system) not in (0, pid)
    after = kept()
    assert after[: len(before)] == before
    until(lambda: restarts(system) == told + 1, 30)
    engine.dispose()
