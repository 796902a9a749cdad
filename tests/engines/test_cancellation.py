"""Cancellation reaches a real engine, the whole way: our handle, Serve, the replica, vLLM, its scheduler; and what that tells.

A process of its own starts one small engine under Serve on a Ray node of its own, without proxies. Whether the engine works
is asked of its scheduler: a prefix cache can be reset only while no request holds blocks of it.
"""

import json
import os
import shutil
from pathlib import Path
from typing import Any

import pytest

from tests.engines.catalogue import ROOT, SMALLEST, weights_of
from tests.engines.child import run_child

pytestmark = [pytest.mark.weights, pytest.mark.timeout(900)]  # the first run downloads and converts

TIMEOUT_S = 600
DRIVER = """
import asyncio, json, sys, time
from pathlib import Path
from unittest.mock import patch

import psutil
import ray
from ray import serve
from ray.serve.exceptions import BackPressureError

import serve_apps.llm
from models.catalog import load_catalog
from models.engine import engine_settings
from models.voter import Message, Sampling, VoterInfo, VoterRequest
from serve_apps.llm import EngineLimits, build_engine
from serve_apps.voters import HandleVoter

MODEL, WEIGHTS, SCRATCH, RESULT = sys.argv[1], Path(sys.argv[2]), sys.argv[3], Path(sys.argv[4])
ASKS = 4


class Watched(serve_apps.llm.VoterReplica):
    async def idle(self):
        return await self.server.engine._engine_client.reset_prefix_cache()

    async def processes(self):
        names = [" ".join(child.cmdline()).strip() for child in psutil.Process().children(recursive=True)]
        return sorted(name for name in names if name.startswith("VLLM::"))


async def until(condition, give_up_s):
    started = time.monotonic()
    while time.monotonic() - started < give_up_s:
        if await condition():
            return time.monotonic() - started
        await asyncio.sleep(0.05)
    return None


async def measure(handle):
    voter = HandleVoter(VoterInfo(MODEL, "f", "l", 2048), handle, 200, BackPressureError)
    turns = (Message("user", "Count from 1 to 2000, one number a line, without stopping."),)
    sampling = Sampling(max_tokens=600, temperature=0.0)
    started = time.monotonic()
    await voter.ask(VoterRequest("whole", turns, sampling))
    whole_s = time.monotonic() - started
    tasks = [asyncio.create_task(voter.ask(VoterRequest(str(n), turns, sampling, n))) for n in range(ASKS)]

    async def idle():
        return await handle.idle.remote()

    async def busy():
        return not await idle()

    became_busy_s = await until(busy, 60)
    stayed = await until(idle, whole_s / 8) is None
    unfinished = sum(not task.done() for task in tasks)
    for task in tasks:
        task.cancel()
    ended = await asyncio.gather(*tasks, return_exceptions=True)
    idle_s = await until(idle, whole_s / 3)  # left alone, they would take more than twice that
    again = await voter.ask(VoterRequest("after", turns, Sampling(max_tokens=4, temperature=0.0)))
    return {
        "busy": became_busy_s is not None and stayed, "unfinished": unfinished,
        "cancelled": sum(isinstance(end, asyncio.CancelledError) for end in ended), "idle_s": idle_s,
        "whole_s": whole_s,
        "again": again.finish_reason, "first_token_ms": again.first_token_ms,
        "processes": await handle.processes.remote(),
        "actors": [actor["name"] for actor in ray.util.list_named_actors(all_namespaces=True)],
    }


def main():
    ray.init(
        address="local", num_cpus=2, include_dashboard=False, object_store_memory=80 << 20, _temp_dir=SCRATCH,
        _node_ip_address="127.0.0.1", log_to_driver=True,
    )
    serve.start(proxy_location="Disabled")
    limits = EngineLimits(
        max_ongoing_requests=16, max_queued_requests=16, health_check_period_s=5, health_check_timeout_s=20,
        graceful_shutdown_s=1, scratch_mib=64,
    )
    settings = engine_settings(load_catalog().entry(MODEL), WEIGHTS, "cpu")
    with patch.object(serve_apps.llm, "VoterReplica", Watched):
        application = build_engine(MODEL, settings, limits)
    deploying_took = sorted({"vllm", "torch"} & set(sys.modules))
    handle = serve.run(application, name="one", route_prefix=None)
    found = asyncio.run(measure(handle)) | {"deploying_took": deploying_took}
    RESULT.write_text(json.dumps(found))  # not printed: what Ray forwards from its processes may end amid a line
    serve.shutdown()
    ray.shutdown()


if __name__ == "__main__":
    main()
"""


@pytest.fixture(scope="module")
def measured(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """Return what became of four long asks that were cancelled."""
    pytest.importorskip("vllm")
    weights = weights_of(SMALLEST)
    folder = tmp_path_factory.mktemp("cancel")
    script, result = folder / "cancel.py", folder / "result.json"
    script.write_text(DRIVER, encoding="utf-8")
    scratch = Path(f"/tmp/wg{os.getpid()}")  # noqa: S108 - sockets need short paths
    environ = {name: value for name, value in os.environ.items() if not name.startswith("RAY_")}
    try:
        _, output = run_child(
            [str(script), SMALLEST, str(weights), str(scratch), str(result)],
            {**environ, "PYTHONPATH": str(ROOT), "RAY_USAGE_STATS_ENABLED": "0"},
            TIMEOUT_S,
        )
    finally:
        shutil.rmtree(scratch, ignore_errors=True)
    assert result.exists(), output[-3000:]
    found: dict[str, Any] = json.loads(result.read_bytes())
    return found


def test_cancelled_asks_leave_the_engine_idle(measured: dict[str, Any]) -> None:
    """Four asks, each measured to take much longer, are gone from its scheduler, and it answers the next."""
    assert (measured["busy"], measured["unfinished"], measured["cancelled"]) == (True, 4, 4)
    assert measured["idle_s"] is not None, measured
    assert measured["again"] == "length"


def test_an_engine_tells_when_its_first_token_came(measured: dict[str, Any]) -> None:
    """The whole way from vLLM through Ray's classes and Serve's handle, to who learns from it how many asks it takes."""
    assert isinstance(measured["first_token_ms"], int), measured
    assert 0 < measured["first_token_ms"] < 60_000


def test_a_cpu_engine_is_one_process(measured: dict[str, Any]) -> None:
    """The model computes in the engine's core: no worker process imports vLLM once more."""
    assert measured["processes"] == ["VLLM::EngineCore"]


def test_nothing_is_told_of_the_models_that_run(measured: dict[str, Any]) -> None:
    """No actor that gathers usage statistics runs beside the replica."""
    assert [name for name in measured["actors"] if "voter-" in name], measured["actors"]
    assert not [name for name in measured["actors"] if "telemetry" in name], measured["actors"]


def test_whoever_deploys_needs_no_vllm(measured: dict[str, Any]) -> None:
    """Importing it is most of what a start costs: only an engine's own processes do."""
    assert measured["deploying_took"] == []
