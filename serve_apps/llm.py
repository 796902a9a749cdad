"""Builds the deployments of local voters: ``ray.serve.llm`` on vLLM, one engine a voter, each with a readable name."""

from typing import TYPE_CHECKING, Any

from pydantic import BaseModel, ConfigDict

from models.engine import EngineSettings
from models.timing import TELLS_TIMES
from models.voter import Candidate, VoterRequest

if TYPE_CHECKING:
    from ray.serve.deployment import Application


class EngineLimits(BaseModel):
    """Bounds of one engine's deployment."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    max_ongoing_requests: int
    max_queued_requests: int
    health_check_period_s: float
    health_check_timeout_s: float
    graceful_shutdown_s: float
    scratch_mib: int
    """Of an engine that is closed off: the most that its temporary files, and the most that its shared memory may hold."""


def deployment_name(voter: str) -> str:
    """Return the name of a voter's deployment as the dashboard shows it."""
    return f"voter-{voter}"


def llm_arguments(engine: EngineSettings, limits: EngineLimits) -> dict[str, Any]:
    """Return the arguments of ``LLMConfig``: one replica; on a CPU one logical CPU, held by its placement group."""
    arguments: dict[str, Any] = {
        "model_loading_config": {"model_id": engine.served_name, "model_source": engine.model_path},
        "engine_kwargs": {**engine.engine_kwargs, **TELLS_TIMES},
        "runtime_env": {"env_vars": dict(engine.env)},
        "log_engine_metrics": True,
        "deployment_config": {
            "num_replicas": 1,
            "max_ongoing_requests": limits.max_ongoing_requests,
            "max_queued_requests": limits.max_queued_requests,
            "health_check_period_s": limits.health_check_period_s,
            "health_check_timeout_s": limits.health_check_timeout_s,
            "graceful_shutdown_timeout_s": limits.graceful_shutdown_s,
            "ray_actor_options": {"num_cpus": 0},
        },
    }
    if engine.device == "cpu":
        return arguments | {
            "accelerator_config": {"kind": "cpu"},
            "placement_group_config": {"bundles": [{"CPU": 1}]},
        }
    return arguments | {"accelerator_type": engine.accelerator_type}


def deployment_options(voter: str, engine: EngineSettings, limits: EngineLimits) -> dict[str, Any]:
    """Return the options of a voter's deployment, as Ray's ``build_llm_deployment`` would: a test holds the two equal.

    Ours, because Ray's builder imports vLLM into whoever deploys: 13 s of a processor, at every start, for a dozen values.
    """
    arguments = llm_arguments(engine, limits)
    actor = dict(arguments["deployment_config"].pop("ray_actor_options"))
    return {
        **arguments["deployment_config"],
        "name": deployment_name(voter),
        "placement_group_bundles": _bundles(engine),
        "placement_group_strategy": "PACK",
        "ray_actor_options": {**actor, "runtime_env": arguments["runtime_env"]},
    }


def _bundles(engine: EngineSettings) -> list[dict[str, float]]:
    if engine.device == "cpu":
        return [{"CPU": 1.0, "GPU": 0}]
    gpu = {"GPU": 1, f"accelerator_type:{engine.accelerator_type}": 0.001}
    degree = int(engine.engine_kwargs.get("tensor_parallel_size", 1))
    return [{**gpu, "CPU": 0}, *([gpu] * (degree - 1))]


class VoterReplica:
    """Serve's shell around one ``VoterServer``, which is imported where it runs and nowhere else."""

    async def __init__(  # type: ignore[misc]  # Serve awaits it
        self, voter: str, stop: tuple[str, ...], arguments: dict[str, Any]
    ) -> None:
        from ray.serve.llm import LLMConfig

        from serve_apps.voter_server import VoterServer

        self.server = VoterServer.of(LLMConfig(**arguments), voter, stop)
        await self.server.start()

    async def ask(self, request: VoterRequest) -> Candidate:
        """Return one complete candidate or raise ``VoterError``."""
        return await self.server.ask(request)

    async def check_health(self) -> None:
        """Raise if the engine is dead and this replica should be replaced."""
        await self.server.check_health()

    async def __del__(self) -> None:
        if hasattr(self, "server"):  # Serve awaits this when a replica drains, also one whose start failed
            await self.server.close()


def build_engine(voter: str, engine: EngineSettings, limits: EngineLimits) -> "Application":
    """Return the Serve application node of one voter's engine."""
    from ray import serve

    deployment = serve.deployment(VoterReplica, **deployment_options(voter, engine, limits))
    application: Application = deployment.bind(voter, engine.stop, llm_arguments(engine, limits))
    return application
