"""Where a gateway replica's time goes: stacks of a sampling profiler, put into stages. Pure.

Rules:
- Input is py-spy's ``raw`` format: one stack a line, outermost frame first, then a space and how often it was seen.
- The innermost frame that names one of our own places decides the stage; without one the stack is the server's or, where
  nothing of Python's shows, the event loop's.
- Libraries count for whoever called them.
- Only threads that held the interpreter's lock were sampled: the event loop's own C code, sockets, the kernel and libraries
  that let go of the lock are what remains of the processor time that the kernel counted.
"""

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass

_LOG_THREAD = "_run (actors/spans/adapters/wal.py"
VOTERS = "voters' HTTP client and SDKs"
READ = "read the question and the answers"
SCREEN = "screen"
COMPARE = "compare behaviour"
DELIBERATION = "plan, deliberate, tally"
RECORD = "record: build, sign, encode"
LOG = "write-ahead log's thread"
PARSE = "authenticate, parse"
RESPONSE = "response: build"
METRICS = "metrics"
COORDINATOR = "coordinator: tasks, events, timers"
CONTROL = "policy, keys, health"
SERVER = "Serve and HTTP server"
LOOP = "the rest: event loop, sockets, kernel, cryptography"
_STAGES: tuple[tuple[str, tuple[str, ...]], ...] = (
    (VOTERS, ("(models/",)),
    (RECORD, (
        "(actors/spans/", "(actors/base/signing.py", "(actors/base/canonical.py", "(actors/consensus/records.py",
        "(actors/consensus/telemetry.py", "(actors/consensus/adapters/decision_log.py", "(actors/base/ids.py",
    )),
    (RESPONSE, ("(serve_apps/gateway/responses.py", "(actors/consensus/summary.py")),
    (METRICS, ("(serve_apps/metrics.py", "(ray/util/metrics.py", "(aiohttp/")),
    (CONTROL, ("(actors/policy/", "(serve_apps/gateway/readiness.py", "(serve_apps/gateway/replica.py")),
    (PARSE, ("(serve_apps/gateway/", "(actors/store/")),
    (COORDINATOR, (
        "(actors/consensus/actor.py", "(actors/consensus/adapters/effects.py", "(actors/consensus/adapters/mailbox.py",
    )),
    (READ, ("(actors/consensus/reading/",)),
    (SCREEN, ("(actors/consensus/screening/", "(actors/consensus/adapters/screener.py", "(actors/consensus/adapters/bandit.py")),
    (COMPARE, ("(actors/consensus/behaviour/", "(actors/consensus/sandbox/")),
    (DELIBERATION, ("(actors/consensus/", "(actors/base/digests.py")),
    (SERVER, ("(ray/", "(uvicorn/", "(starlette/", "(fastapi/", "(serve_apps/")),
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Share:
    """One stage's part of the replica's processor time."""

    stage: str
    percent: float
    us_per_request: float


def stage_of(frames: Sequence[str]) -> str:
    """Return the stage of one stack."""
    if any(_LOG_THREAD in frame for frame in frames):
        return LOG
    for frame in reversed(frames):
        for stage, places in _STAGES:
            if any(place in frame for place in places):
                return stage
    return LOOP


def count(raw: str, name_of: Callable[[Sequence[str]], str] = stage_of) -> Counter[str]:
    """Return how often each stage, or whatever else ``name_of`` calls a stack, was seen."""
    seen: Counter[str] = Counter()
    for line in raw.splitlines():
        stack, _, times = line.rpartition(" ")
        if times.isdigit():
            seen[name_of(stack.split(";"))] += int(times)
    return seen


def shares(seen: Counter[str], rate_hz: int, requests: float, cpu_us_per_request: float) -> list[Share]:
    """Return the stages by size, per request, when ``requests`` were answered while sampling; the rest comes last."""
    each = [(stage, times / rate_hz / requests * 1e6) for stage, times in seen.most_common() if stage != LOOP]
    total = max(cpu_us_per_request, sum(cost for _, cost in each))
    each.append((LOOP, total - sum(cost for _, cost in each)))
    return [Share(stage, cost / total * 100, cost) for stage, cost in each]
