"""Builds the deployments of local voters: ``ray.serve.llm`` on vLLM, one engine a voter, each with a readable name."""

from typing import TYPE_CHECKING, Any

from pydantic import BaseModel, ConfigDict

from models.engine import EngineSettings

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


def deployment_name(voter: str) -> str:
    """Return the name of a voter's deployment as the dashboard shows it."""
    return f"voter-{voter}"


def llm_arguments(engine: EngineSettings, limits: EngineLimits) -> dict[str, Any]:
    """Return the arguments of ``LLMConfig``: one replica; on a CPU one logical CPU, held by its placement group."""
    arguments: dict[str, Any] = {
        "model_loading_config": {"model_id": engine.served_name, "model_source": engine.model_path},
        "engine_kwargs": dict(engine.engine_kwargs),
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


def build_engine(voter: str, engine: EngineSettings, limits: EngineLimits) -> "Application":
    """Return the Serve application node of one voter's engine."""
    from ray.serve.llm import LLMConfig, build_llm_deployment

    from serve_apps.voter_server import VoterServer

    return build_llm_deployment(
        LLMConfig(**llm_arguments(engine, limits)),
        bind_kwargs={"voter": voter, "stop": engine.stop},
        override_serve_options={"name": deployment_name(voter)},
        deployment_cls=VoterServer,
    )
