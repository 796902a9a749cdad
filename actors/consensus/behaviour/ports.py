"""What comparing needs from its surroundings."""

from collections.abc import Sequence
from typing import Protocol

from actors.consensus.sandbox.protocol import Job, Ran


class Sandbox(Protocol):
    """Runs candidates where they can do no harm."""

    async def run(self, jobs: Sequence[Job]) -> list[Ran]:
        """Run each job in a process of its own and return what came of it, in order."""
