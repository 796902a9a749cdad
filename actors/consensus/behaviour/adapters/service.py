"""The shell around comparing: lets the sandbox run what the core decides, within a time.

Left out: every decision (``compare``), every confinement (the sandbox).
"""

import asyncio
import contextlib
from collections.abc import Mapping

from actors.consensus.behaviour.compare import Asked, Comparison, NotCompared, State, begin, cut_short, step
from actors.consensus.behaviour.config import BehaviourConfig
from actors.consensus.sandbox.ports import Sandbox


class BehaviourComparer:
    """Compares candidates by what they do in a sandbox."""

    def __init__(self, sandbox: Sandbox, config: BehaviourConfig) -> None:
        self._sandbox = sandbox
        self._config = config

    def why_not(self) -> str:
        """Return why nothing may run now; empty if it may."""
        return self._sandbox.state()

    async def compare(
        self, asked: Asked, candidates: Mapping[int, str], seed: int, deadline_s: float
    ) -> Comparison | NotCompared:
        """Compare ``candidates`` (id → Python source) within ``deadline_s`` seconds from now.

        When time ends the rounds that were made decide (``complete`` is false); without one, and where the sandbox ran
        nothing, there is no comparison. Errors of the sandbox pass through.
        """
        return cut_short(await self.observe(asked, candidates, seed, deadline_s))

    async def observe(self, asked: Asked, candidates: Mapping[int, str], seed: int, deadline_s: float) -> State:
        """Return all that is learned of ``candidates`` in that time, as ``compare`` does."""
        state, jobs = await asyncio.to_thread(begin, asked, candidates, self._config, seed)
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(min(deadline_s, self._config.max_time_ms / 1000)):
                while jobs:
                    rans = await self._sandbox.run(jobs)
                    state, jobs = await asyncio.to_thread(step, state, rans)
        return state
