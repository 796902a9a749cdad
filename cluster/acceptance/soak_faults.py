"""The faults of a soak, each a block: it begins, lasts as long as the block and is over when that ends."""

import asyncio
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext

from cluster.acceptance.control_actors import killed
from cluster.acceptance.failover import locked
from cluster.acceptance.providers import Provider
from cluster.acceptance.system import System
from serve_apps.beats import HEALTH_ACTOR, SPAN_ACTOR

Fault = Callable[[System, Sequence[Provider]], AbstractContextManager[None]]
SPIKE, NONE = "a spike", "none"


@contextmanager
def _ordered(providers: Sequence[Provider], fault: str) -> Iterator[None]:
    asyncio.run(_order(providers, fault))
    try:
        yield
    finally:
        asyncio.run(_order(providers, None))


async def _order(providers: Sequence[Provider], fault: str | None) -> None:
    await asyncio.gather(*(each.order(fault) for each in providers))


@contextmanager
def _killed(system: System, name: str) -> Iterator[None]:
    asyncio.run(killed(system, name))
    yield


@contextmanager
def _halted(system: System) -> Iterator[None]:
    _must(system, "halt", "--reason", "soak")
    try:
        yield
    finally:
        _must(system, "resume", "--reason", "soak")


def _must(system: System, *command: str) -> None:
    done = system.command(*command)
    if done.returncode != 0:
        raise RuntimeError(f"`weavergen {' '.join(command)}` ended with {done.returncode}: {done.stderr[-500:]}")


FAULTS: Mapping[str, Fault] = {
    "HealthActor killed": lambda system, _: _killed(system, HEALTH_ACTOR),
    "SpanActor killed": lambda system, _: _killed(system, SPAN_ACTOR),
    SPIKE: lambda _, __: nullcontext(),  # its requests are in the period's plan
    "one provider unavailable": lambda _, providers: _ordered(providers[:1], "unavailable"),
    "halted, then resumed": lambda system, _: _halted(system),
    "state database locked": lambda system, _: locked(system.home.root / "state.db"),
    "one provider silent": lambda _, providers: _ordered(providers[:1], "silent"),
    "every provider unavailable": lambda _, providers: _ordered(providers, "unavailable"),
    NONE: lambda _, __: nullcontext(),
}
"""One a period, in this order; control actors die first, so that those that come after them are judged for long once warm, and
the spike comes while the SpanActor warms up."""


def struck(name: str, system: System, providers: Sequence[Provider], until_s: float, lasts_s: float) -> float:
    """Wait until a moment (monotonic), let the fault last; return when it ended."""
    time.sleep(max(until_s - time.monotonic(), 0))
    with FAULTS[name](system, providers):
        time.sleep(lasts_s)
    return time.monotonic()
