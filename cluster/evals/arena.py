"""The sandbox that an evaluation runs candidates in: proven before the first of them runs, and again for as long as they do."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable, Mapping, Sequence

from actors.base.digests import sha256_hex
from actors.base.errors import NotReady
from actors.consensus.adapters.clock import SystemClock
from actors.consensus.adapters.screener import build_screener
from actors.consensus.behaviour.adapters.service import BehaviourComparer
from actors.consensus.behaviour.compare import Asked, Comparison, NotCompared
from actors.consensus.behaviour.config import BehaviourConfig
from actors.consensus.ports import Comparer
from actors.consensus.sandbox.adapters.bubblewrap import BubblewrapSandbox
from actors.consensus.sandbox.config import SandboxConfig
from actors.consensus.sandbox.protocol import Job
from actors.consensus.screening.config import ScreeningConfig
from actors.policy.snapshot import PolicyName
from cluster.evals.consensus import deliberate, ranking
from cluster.evals.judging import judge
from cluster.evals.scoring import Verdict, source_sha256
from cluster.evals.selection import Candidate, Ranking
from cluster.evals.tasks import Task

LIMITS = SandboxConfig(call_ms=3000, job_ms=6000)
"""A suite's tests are one call: they get the three seconds that HumanEval's own harness gives them."""


async def judge_in_sandbox(
    jobs: Sequence[Job], known: Mapping[str, Verdict],
    keep: Callable[[Sequence[Verdict]], None], told: Callable[[int, int], None],
) -> None:  # fmt: skip
    """Judge every job without a verdict; raises ``NotReady`` where the sandbox is not proven."""
    if all(source_sha256(job) in known for job in jobs):
        return
    async with proven(LIMITS) as sandbox:
        await judge(jobs, known, sandbox, keep, told)


async def select_by_consensus(
    tasks: Sequence[Task], pools: Mapping[str, Sequence[Candidate]], policies: Sequence[PolicyName], seed: int,
    told: Callable[[int, int], None],
) -> dict[PolicyName, dict[str, Ranking]]:  # fmt: skip
    """Deliberate on every task under each policy: policy → task → ranking. Raises ``NotReady`` where nothing may run."""
    screener = build_screener(SystemClock(), ScreeningConfig())
    found: dict[PolicyName, dict[str, Ranking]] = {policy: {} for policy in policies}
    try:
        async with proven(SandboxConfig()) as sandbox:
            if reason := sandbox.state():
                raise NotReady(f"nothing can be compared: {reason}")
            comparer = _Once(BehaviourComparer(sandbox, BehaviourConfig()))
            for done, task in enumerate(tasks):
                salt = sha256_hex(f"{seed}/{task.task_id}".encode())[:32]
                for policy in policies:
                    candidates = pools[task.task_id]
                    state = await deliberate(task, candidates, policy, screener, comparer, salt)
                    found[policy][task.task_id] = ranking(state, candidates, salt)
                told(done + 1, len(tasks))
    finally:
        screener.close()
    return found


class _Once:
    """A comparer that runs the same candidates once, whatever policies ask for them."""

    def __init__(self, comparer: Comparer) -> None:
        self._comparer = comparer
        self._last: tuple[object, Comparison | NotCompared] | None = None

    def why_not(self) -> str:
        """Return why nothing may run now; empty if it may."""
        return self._comparer.why_not()

    async def compare(
        self, asked: Asked, candidates: Mapping[int, str], seed: int, deadline_s: float
    ) -> Comparison | NotCompared:
        """Compare candidates, or return what the same ones did just now."""
        key = (asked, dict(candidates), seed)
        if self._last is None or self._last[0] != key:
            self._last = (key, await self._comparer.compare(asked, candidates, seed, deadline_s))
        return self._last[1]


@contextlib.asynccontextmanager
async def proven(config: SandboxConfig) -> AsyncIterator[BubblewrapSandbox]:
    """Start a sandbox and keep it proven."""
    sandbox = BubblewrapSandbox(config)
    await sandbox.start()
    proving = asyncio.create_task(sandbox.keep_proving())
    try:
        yield sandbox
    finally:
        proving.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await proving
        await sandbox.close()
