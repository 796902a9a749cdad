"""A queue that fills, on the real node: one more gateway replica comes, takes its share, and goes when it is quiet."""

import json
import re
import threading
import urllib.error
import urllib.request
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from tests.ray.test_command_line import members
from tests.ray.test_health import get, now
from tests.ray.waiting import until
from tests.ray.world import AGREED, MAX_CONCURRENT, SLOW, System

pytestmark = [pytest.mark.ray, pytest.mark.timeout(400)]
VOTES = re.compile(rb'^weavergen_votes_total\{.*replica="([^"]+)".*\} [1-9]', re.MULTILINE)
AFTERWARDS = 10
"""Requests that are asked once a replica has left: whoever still went to it would fail."""


def replicas(system: System) -> set[int]:
    """Return the process ids of the gateway's replicas."""
    return {pid for pid, line in members(system.home).items() if "ServeReplica:weavergen:gateway" in line}


def voting(system: System) -> set[bytes]:
    """Return the replicas that have counted ballots."""
    return set(VOTES.findall(get(system, "/metrics")))


def foretold(system: System) -> list[dict[str, str]]:
    """Return the evidence of the queue's incidents."""
    listed = json.loads(get(system, "/ops/incidents"))
    found = [item["evidence"] for item in listed if item["kind"] == "infrastructure_breach_predicted"]
    return [evidence for evidence in found if evidence["signal"] == "queue"]


@contextmanager
def asking(system: System, prompt: str, connections: int) -> Iterator[Counter[int]]:
    """Ask again and again, each connection one at a time; yield how often each status came."""
    seen, stop = Counter[int](), threading.Event()
    body = json.dumps({"model": "consensus", "messages": [{"role": "user", "content": prompt}]}).encode()
    headers = {"Authorization": f"Bearer {system.client_key.strip()}", "Content-Type": "application/json"}

    def one() -> int:
        request = urllib.request.Request(f"{system.base_url}/v1/chat/completions", body, headers)  # noqa: S310 - ours
        try:
            with urllib.request.urlopen(request, timeout=60) as response:  # noqa: S310
                response.read()
                return int(response.status)
        except urllib.error.HTTPError as error:
            return error.code
        except OSError:
            return 0

    def work() -> None:
        while not stop.wait(0.1):
            seen[one()] += 1

    threads = [threading.Thread(target=work) for _ in range(connections)]
    for thread in threads:
        thread.start()
    try:
        yield seen
    finally:
        stop.set()
        for thread in threads:
            thread.join()


def test_a_full_queue_brings_a_second_replica_and_quiet_takes_it_back(system: System) -> None:
    """Nobody is restarted for it, the incident says it, the new replica decides too, and nothing fails as one goes."""
    until(lambda: "queue" in now(system)["levels"], 120, lambda: now(system))
    first, known = replicas(system), voting(system)
    assert len(first) == 1
    assert foretold(system) == []
    with asking(system, SLOW, MAX_CONCURRENT + 4):
        until(lambda: len(foretold(system)) == 1, 120, lambda: now(system))
        (evidence,) = foretold(system)
        assert evidence["mitigation"].startswith("asked for gateway replica 2"), evidence
        until(lambda: len(replicas(system)) == 2, 60, lambda: replicas(system))
        assert first < replicas(system)
        until(lambda: len(voting(system) - known) >= (1 if known else 2), 120, lambda: voting(system))
        until(lambda: now(system)["levels"].get("queue", 1.0) < 0.9, 60, lambda: now(system)["levels"])
        assert first < replicas(system)
    with asking(system, AGREED, 1) as seen:
        until(lambda: len(replicas(system)) == 1, 240, lambda: now(system))
        left = seen.total()
        until(lambda: seen.total() >= left + AFTERWARDS, 60, lambda: seen)
    assert set(seen) == {200}
    assert len(foretold(system)) == 1
