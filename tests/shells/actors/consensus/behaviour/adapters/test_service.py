"""The shell around comparing behaviour."""

import asyncio
from collections.abc import Sequence

import pytest

from actors.consensus.behaviour.adapters.service import BehaviourComparer
from actors.consensus.behaviour.compare import Asked, Comparison, NotCompared
from actors.consensus.behaviour.config import BehaviourConfig
from actors.consensus.reading.examples import Example
from actors.consensus.sandbox.protocol import Job, Ran
from tests.unit.actors.consensus.behaviour.inprocess import InProcess, run_job

ASKED = Asked("f", (Example("f(1)", "2"), Example("f(4)", "8")))
CANDIDATES = {1: "def f(n):\n    return 2 * n", 2: "def f(n):\n    return n + n", 3: "def f(n):\n    return n * n"}


class Stuck(InProcess):
    """A sandbox that never returns after some rounds."""

    def __init__(self, good_rounds: int) -> None:
        super().__init__()
        self.good_rounds = good_rounds
        self.cancelled = False

    async def run(self, jobs: Sequence[Job]) -> list[Ran]:
        """Run, then hang."""
        if self.rounds < self.good_rounds:
            return await super().run(jobs)
        try:
            await asyncio.Event().wait()
        finally:
            self.cancelled = True
        return []


class Fails:
    """A sandbox that cannot run."""

    async def run(self, jobs: Sequence[Job]) -> list[Ran]:
        """Say so, or raise."""
        return [Ran("unavailable") for _ in jobs]


class Raises:
    """A sandbox with an error of its own."""

    async def run(self, jobs: Sequence[Job]) -> list[Ran]:
        """Raise."""
        raise OSError("no process could be started")


class Unproven(Fails):
    """A sandbox whose proof has expired."""

    def state(self) -> str:
        """Say why nothing runs."""
        return "its proof is too old"


def test_what_keeps_the_sandbox_from_running_is_passed_on() -> None:
    """Whoever plans a request learns that nothing may run, and why."""
    assert BehaviourComparer(Unproven(), BehaviourConfig()).why_not() == "its proof is too old"


async def test_rounds_are_run_until_the_verdict() -> None:
    """The sandbox runs what the core decides, round after round, and the verdict is the core's."""
    sandbox = InProcess()
    found = await BehaviourComparer(sandbox, BehaviourConfig()).compare(ASKED, CANDIDATES, 7, 30)
    assert isinstance(found, Comparison)
    assert found.groups[1] == found.groups[2] != found.groups[3]
    assert found.gate_failed == {3}
    assert sandbox.rounds == found.rounds > 1


async def test_nothing_to_run_asks_nobody() -> None:
    """Without calls the sandbox is left alone and nobody is compared."""
    sandbox = InProcess()
    found = await BehaviourComparer(sandbox, BehaviourConfig()).compare(Asked(""), CANDIDATES, 7, 30)
    assert isinstance(found, Comparison)
    assert found.groups == {}
    assert sandbox.rounds == 0


@pytest.mark.parametrize(("good_rounds", "complete", "max_ms"), [(0, None, 100), (1, False, 2000)])
async def test_time_bounds_a_stuck_sandbox(good_rounds: int, complete: bool | None, max_ms: int) -> None:
    """When time ends the sandbox is cancelled; without a round there is no comparison, with one it is incomplete."""
    sandbox = Stuck(good_rounds)
    found = await BehaviourComparer(sandbox, BehaviourConfig(max_time_ms=max_ms)).compare(ASKED, CANDIDATES, 7, 60)
    assert sandbox.cancelled
    assert found == NotCompared("deadline") if complete is None else getattr(found, "complete", None) is complete


async def test_a_deadline_that_is_past_ends_it_at_once() -> None:
    """No time is no comparison."""
    found = await BehaviourComparer(Stuck(0), BehaviourConfig()).compare(ASKED, CANDIDATES, 7, 0)
    assert found == NotCompared("deadline")


async def test_an_unavailable_sandbox_is_said() -> None:
    """What did not run is no comparison; errors of the sandbox itself pass through."""
    assert await BehaviourComparer(Fails(), BehaviourConfig()).compare(ASKED, CANDIDATES, 7, 30) == NotCompared(
        "sandbox"
    )
    with pytest.raises(OSError, match="no process"):
        await BehaviourComparer(Raises(), BehaviourConfig()).compare(ASKED, CANDIDATES, 7, 30)


async def test_jobs_hold_code_and_calls_alone() -> None:
    """The fake sees what a sandbox sees: each source twice, calls in both orders."""
    seen: list[Job] = []

    class Looking(InProcess):
        async def run(self, jobs: Sequence[Job]) -> list[Ran]:
            seen.extend(jobs)
            return [run_job(job) for job in jobs]

    await BehaviourComparer(Looking(), BehaviourConfig(max_rounds=1)).compare(ASKED, CANDIDATES, 7, 30)
    assert [job.code for job in seen[::2]] == [job.code for job in seen[1::2]]
    for first, second in zip(seen[::2], seen[1::2], strict=True):
        assert sorted(first.calls) == sorted(second.calls)
        assert first.calls != second.calls
