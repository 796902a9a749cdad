"""The sandbox that judges: proven before the first candidate runs, and proven again for as long as they do."""

import asyncio
import contextlib
from collections.abc import Callable, Mapping, Sequence

from actors.consensus.sandbox.adapters.bubblewrap import BubblewrapSandbox
from actors.consensus.sandbox.config import SandboxConfig
from actors.consensus.sandbox.protocol import Job
from cluster.evals.judging import judge
from cluster.evals.scoring import Verdict, source_sha256

LIMITS = SandboxConfig(call_ms=3000, job_ms=6000)
"""A suite's tests are one call: they get the three seconds that HumanEval's own harness gives them."""


async def judge_in_sandbox(
    jobs: Sequence[Job], known: Mapping[str, Verdict],
    keep: Callable[[Sequence[Verdict]], None], told: Callable[[int, int], None],
) -> None:  # fmt: skip
    """Judge every job without a verdict; raises ``NotReady`` where the sandbox is not proven."""
    if all(source_sha256(job) in known for job in jobs):
        return
    sandbox = BubblewrapSandbox(LIMITS)
    await sandbox.start()
    proving = asyncio.create_task(sandbox.keep_proving())
    try:
        await judge(jobs, known, sandbox, keep, told)
    finally:
        proving.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await proving
        await sandbox.close()
