"""Builds the deployments of local voters that are closed off: the replica holds the door, the engine runs behind it.

Beside ``serve_apps.llm``, whose engines run inside their replicas: a replica speaks with Ray over the network, so what must not
have one runs in a process of its own (``models.sealed``). The replica imports no vLLM.
"""

from typing import TYPE_CHECKING, Any

from models.engine import EngineSettings
from models.voter import Candidate, VoterRequest
from serve_apps.llm import EngineLimits, deployment_options

if TYPE_CHECKING:
    from ray.serve.deployment import Application


class SealedReplica:
    """Serve's shell around one ``SealedEngine``."""

    async def __init__(self, voter: str, engine: EngineSettings, scratch_mib: int) -> None:  # type: ignore[misc]  # Serve awaits it
        from models.sealed.engine import SealedEngine

        self.engine = SealedEngine(voter, engine, scratch_mib)
        await self.engine.start()

    async def ask(self, request: VoterRequest) -> Candidate:
        """Return one complete candidate or raise ``VoterError``."""
        return await self.engine.ask(request)

    async def check_health(self) -> None:
        """Raise if the engine is dead, or no longer closed off, and this replica should be replaced."""
        await self.engine.check()

    async def __del__(self) -> None:
        if hasattr(self, "engine"):  # Serve awaits this when a replica drains, also one whose start failed
            await self.engine.close()


def sealed_options(voter: str, engine: EngineSettings, limits: EngineLimits) -> dict[str, Any]:
    """Return the options of the deployment. The engine's variables are set inside alone.

    Its GPUs are the replica's own, on one machine: no worker of Ray could be behind the barriers to hold them for it.
    """
    options = deployment_options(voter, engine.model_copy(update={"env": {}}), limits)
    if engine.device == "gpu":
        first, *more = options["placement_group_bundles"]
        gpus = 1 + len(more)
        options["placement_group_bundles"] = [{**first, "GPU": gpus}]
        options["ray_actor_options"] = {**options["ray_actor_options"], "num_gpus": gpus}
    return options


def build_sealed(voter: str, engine: EngineSettings, limits: EngineLimits) -> "Application":
    """Return the Serve application node of one voter's engine, closed off."""
    from ray import serve

    deployment = serve.deployment(SealedReplica, **sealed_options(voter, engine, limits))
    application: Application = deployment.bind(voter, engine, limits.scratch_mib)
    return application
