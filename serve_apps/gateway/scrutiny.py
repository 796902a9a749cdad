"""What one replica looks at code with: the screener, the sandbox, and the comparison of behaviour in it.

Rules:
- What cannot do its work now says so in one line, which ``/readyz`` shows: without a proven sandbox nothing runs and forms alone
  are compared; a blind screener rejects all code.
- Replicas of one node share the sandbox's proof in the home's ``run`` folder.

Left out: what follows for a request (``actors.consensus``).
"""

import asyncio

from actors.consensus.adapters.screener import build_screener
from actors.consensus.behaviour.adapters.service import BehaviourComparer
from actors.consensus.ports import Clock
from actors.consensus.sandbox.adapters.bubblewrap import BubblewrapSandbox
from serve_apps.gateway.settings import GatewaySettings


class Scrutiny:
    """The means of one replica."""

    def __init__(self, settings: GatewaySettings, clock: Clock) -> None:
        self.screener = build_screener(clock, settings.screening)
        proofs = settings.home / "run" / "sandbox"
        proofs.mkdir(mode=0o700, exist_ok=True)  # a proof that a loss of power takes away is made anew
        self._sandbox = BubblewrapSandbox(settings.sandbox, proofs)
        self.comparer = BehaviourComparer(self._sandbox, settings.behaviour)

    def start(self) -> asyncio.Task[None]:
        """Begin to prove the sandbox; return the task that keeps it proven."""
        return asyncio.create_task(self._keep_proven())

    def degraded(self) -> tuple[str, ...]:
        """Return a line for each of them that cannot do its work now."""
        states = (self.screener.state(), self.comparer.why_not())
        return tuple(f"{what}: {why}" for what, why in zip(("screening", "sandbox"), states, strict=True) if why)

    async def close(self) -> None:
        """End every process and thread."""
        self.screener.close()
        await self._sandbox.close()

    async def _keep_proven(self) -> None:
        await self._sandbox.start()
        await self._sandbox.keep_proving()
