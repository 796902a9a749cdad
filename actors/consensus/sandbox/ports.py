"""What deliberation needs of a sandbox."""

from collections.abc import Sequence
from typing import Protocol

from actors.consensus.sandbox.protocol import Job, Ran


class Sandbox(Protocol):
    """Runs untrusted code, if it is proven now that it can do so safely."""

    async def run(self, jobs: Sequence[Job]) -> list[Ran]:
        """Return what came of each job, in order; never raises for what a candidate did."""

    def state(self) -> str:
        """Return in one line why nothing runs, or ``""`` while jobs do run."""
