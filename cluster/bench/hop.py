"""What a hop through a Serve handle costs: ``python -m cluster.bench.hop --home DIR``, while it is up. Prints JSON.

Rules:
- A voter that answers at once is asked twice: in the process of whoever asks, and in a deployment of its own behind the
  handle that local engines are asked through (``serve_apps.voters``). What is left is the hop.
- Both replicas run as our gateway's does, on no logical CPU, and go when it is measured.
- Processor time is what the kernel counted for both processes, all their threads.
"""

import argparse
import asyncio
import json
import time
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from cluster.home import Home, open_home
from cluster.node import Node
from models.voter import Candidate, Message, Sampling, Voter, VoterInfo, VoterRequest
from serve_apps.actors import NAMESPACE
from serve_apps.builder import GatewayLimits, gateway_options
from serve_apps.voters import EngineHandle, HandleVoter

APPLICATION = "bench-hop"
WIDTHS = (1, 16)
"""How many ask at once."""
_SECONDS = 3.0
_TIMEOUT_S = 30.0
_INFO = VoterInfo("at-once", "none", "none")
_REQUEST = VoterRequest("hop", (Message("user", "What is the capital of France?"),), Sampling(1024, seed=1))
_ANSWER = Candidate("The capital of France is Paris.", "stop", 14, 8)


@dataclass(frozen=True, slots=True)
class Hop:
    """What asking a voter that answers at once took."""

    where: str
    """``in process`` or ``handle``."""
    width: int
    calls_per_s: float
    caller_us: float
    """Processor time a call, of the process that asks."""
    callee_us: float
    """Of the one that answers, where it is another."""
    callee_mib: float
    """Memory that only that process holds."""


class AtOnce:
    """A voter that answers at once, and says what its process has taken."""

    info = _INFO

    async def ask(self, request: VoterRequest) -> Candidate:
        """Answer."""
        del request
        return _ANSWER

    async def taken(self) -> tuple[float, float]:
        """Return seconds of processor time and MiB of memory."""
        return time.process_time(), _own_mib()


class Asking:
    """Asks the voter beside itself, and the one behind the handle."""

    def __init__(self, handle: Any, full: type[Exception]) -> None:  # noqa: ANN401 - a Serve deployment handle
        self._handle = handle
        self._full = full

    async def measure(self, seconds: float) -> list[dict[str, Any]]:
        """Return every ``Hop``."""
        engine: EngineHandle = self._handle
        behind = HandleVoter(_INFO, engine, _TIMEOUT_S, self._full)
        found = [await self._measured("in process", AtOnce(), width, seconds) for width in WIDTHS]
        found += [await self._measured("handle", behind, width, seconds) for width in WIDTHS]
        return [asdict(hop) for hop in found]

    async def _measured(self, where: str, voter: Voter, width: int, seconds: float) -> Hop:
        await _asked(voter, width, seconds / 3)  # a warm-up
        (callee_s, _), caller_s, began = await self._handle.taken.remote(), time.process_time(), time.monotonic()
        calls = await _asked(voter, width, seconds)
        took_s, used_s = time.monotonic() - began, time.process_time() - caller_s
        callee_after_s, mib = await self._handle.taken.remote()
        other_s = callee_after_s - callee_s if where == "handle" else 0.0
        return Hop(where, width, calls / took_s, used_s / calls * 1e6, other_s / calls * 1e6, mib)


def _own_mib() -> float:
    """Return the memory that this process shares with no other."""
    lines = Path("/proc/self/smaps_rollup").read_text().splitlines()
    return sum(int(line.split()[1]) for line in lines if line.startswith("Private_")) / 1024


async def _asked(voter: Voter, width: int, seconds: float) -> int:
    """Ask over and over, as many at once as are wanted; return how often."""
    until = time.monotonic() + seconds

    async def one() -> int:
        calls = 0
        while time.monotonic() < until:
            await voter.ask(_REQUEST)
            calls += 1
        return calls

    return sum(await asyncio.gather(*(one() for _ in range(width))))


def measure(home: Home, seconds: float) -> list[Mapping[str, Any]]:
    """Deploy both, measure, and take them away."""
    import ray
    from ray import serve
    from ray.serve.exceptions import BackPressureError

    config = home.read_config()
    ray.init(address=Node(home, config).address, namespace=NAMESPACE, log_to_driver=False, configure_logging=False)
    limits = GatewayLimits(**config.gateway.model_dump(include=set(GatewayLimits.model_fields)))
    options = gateway_options(limits) | {"num_replicas": 1}
    options["ray_actor_options"] = options["ray_actor_options"] | {"num_cpus": 0}
    answering = serve.deployment(AtOnce, **options | {"name": "answering"}).bind()
    asking = serve.deployment(Asking, **options | {"name": "asking"}).bind(answering, BackPressureError)
    handle = serve.run(asking, name=APPLICATION, route_prefix=None)
    try:
        found: list[Mapping[str, Any]] = handle.measure.remote(seconds).result()
        return found
    finally:
        serve.delete(APPLICATION)


def main() -> None:
    """Measure for the home named on the command line."""
    parser = argparse.ArgumentParser(prog="python -m cluster.bench.hop", description=__doc__)
    parser.add_argument("--home", required=True, type=Path)
    parser.add_argument("--seconds", type=float, default=_SECONDS, help="of each figure")
    options = parser.parse_args()
    print(json.dumps(measure(open_home(options.home), options.seconds)))


if __name__ == "__main__":
    main()
