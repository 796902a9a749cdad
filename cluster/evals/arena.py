"""The sandbox that an evaluation runs candidates in: proven before the first of them runs, and again for as long as they do."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable, Mapping, Sequence

from actors.base.digests import sha256_hex
from actors.base.errors import NotReady
from actors.consensus.adapters.clock import SystemClock
from actors.consensus.adapters.screener import build_screener
from actors.consensus.behaviour.adapters.service import BehaviourComparer
from actors.consensus.behaviour.compare import Asked, Comparison, NotCompared, cut_short, usable_vectors
from actors.consensus.behaviour.config import BehaviourConfig
from actors.consensus.ports import CodeScreener
from actors.consensus.sandbox.adapters.bubblewrap import BubblewrapSandbox
from actors.consensus.sandbox.config import SandboxConfig
from actors.consensus.sandbox.protocol import Job
from actors.consensus.screening.config import ScreeningConfig
from actors.consensus.vocabulary import State
from actors.policy.snapshot import PolicyName
from cluster.evals.closeness import Closeness, closeness_of
from cluster.evals.consensus import deliberate, ranking
from cluster.evals.judging import judge
from cluster.evals.report import Pools
from cluster.evals.scoring import Verdict, source_sha256
from cluster.evals.selection import Candidate, Ranking
from cluster.evals.tasks import Task

LIMITS = SandboxConfig(call_ms=3000, job_ms=6000)
"""A suite's tests are one call: they get the three seconds that HumanEval's own harness gives them."""


class _Once:
    """A comparer that runs the same candidates once, whatever policies ask for them, and keeps how alike they were."""

    def __init__(self, comparer: BehaviourComparer) -> None:
        self._comparer = comparer
        self._key: object = None
        self._found: Comparison | NotCompared = NotCompared("sandbox")
        self.closeness: Closeness = {}

    def forget(self) -> None:
        """Know of no candidates: the next task's have the same numbers."""
        self._key, self.closeness = None, {}

    def why_not(self) -> str:
        """Return why nothing may run now; empty if it may."""
        return self._comparer.why_not()

    async def compare(
        self, asked: Asked, candidates: Mapping[int, str], seed: int, deadline_s: float
    ) -> Comparison | NotCompared:
        """Compare candidates, or return what the same ones did just now."""
        key = (asked, dict(candidates), seed)
        if self._key != key:
            observed = await self._comparer.observe(asked, candidates, seed, deadline_s)
            self._key, self._found = key, cut_short(observed)
            self.closeness = closeness_of(usable_vectors(observed))
        return self._found


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
    tasks: Sequence[Task], pools: Pools, policies: Sequence[PolicyName], weights: Mapping[str, int], seed: int,
    told: Callable[[int, int], None],
) -> dict[PolicyName, dict[str, Ranking]]:  # fmt: skip
    """Deliberate on every task under each policy: policy → task → ranking. Raises ``NotReady`` where nothing may run."""
    found: dict[PolicyName, dict[str, Ranking]] = {policy: {} for policy in policies}
    async with _arena() as (screener, comparer):
        for done, task in enumerate(tasks):
            salt = _salt(seed, task)
            comparer.forget()
            for policy in policies:
                candidates = pools[task.task_id]
                state = await deliberate(task, candidates, policy, weights, screener, comparer, salt)
                found[policy][task.task_id] = ranking(state, candidates, salt, comparer.closeness)
            told(done + 1, len(tasks))
    return found


async def decide_strictly(
    tasks: Sequence[Task], pools: Pools, seed: int, told: Callable[[int, int], None]
) -> list[tuple[Sequence[Candidate], State]]:
    """Decide every task under ``strict`` with even weights; raises ``NotReady`` where nothing may run."""
    ended: list[tuple[Sequence[Candidate], State]] = []
    async with _arena() as (screener, comparer):
        for task in tasks:
            candidates = pools[task.task_id]
            state = await deliberate(task, candidates, "strict", {}, screener, comparer, _salt(seed, task))
            ended.append((candidates, state))
            told(len(ended), len(tasks))
    return ended


def _salt(seed: int, task: Task) -> str:
    return sha256_hex(f"{seed}/{task.task_id}".encode())[:32]


@contextlib.asynccontextmanager
async def _arena() -> AsyncIterator[tuple[CodeScreener, _Once]]:
    """Start what deliberations need: a screener, and a comparer over a proven sandbox."""
    screener = build_screener(SystemClock(), ScreeningConfig())
    try:
        async with proven(SandboxConfig()) as sandbox:
            if reason := sandbox.state():
                raise NotReady(f"nothing can be compared: {reason}")
            yield screener, _Once(BehaviourComparer(sandbox, BehaviourConfig()))
    finally:
        screener.close()


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
