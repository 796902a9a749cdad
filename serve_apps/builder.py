"""Composes the Serve application: one deployment per local engine, and the gateway that asks them."""

import gc
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from pydantic import BaseModel, ConfigDict

from models.engine import EngineSettings
from models.voter import VoterInfo
from serve_apps.actors import ON_HEAD
from serve_apps.gateway.problems import OVERLOADED_RETRY_AFTER_S
from serve_apps.gateway.settings import GatewaySettings
from serve_apps.llm import EngineLimits, build_engine
from serve_apps.sealed import build_sealed
from serve_apps.voters import EngineHandle, HandleVoter

if TYPE_CHECKING:
    from ray.serve.deployment import Application
    from starlette.types import ASGIApp

APPLICATION = "weavergen"
GATEWAY = "gateway"

_ONE_LOOP = {
    # The gateway's code never blocks: sharing Serve's event loop and writing log lines in batches saves a fifth of a
    # request. Engines keep a thread of their own, because starting one blocks for a minute.
    "RAY_SERVE_RUN_USER_CODE_IN_SEPARATE_THREAD": "0",
    "RAY_SERVE_RUN_ROUTER_IN_SEPARATE_LOOP": "0",
    "RAY_SERVE_REQUEST_PATH_LOG_BUFFER_SIZE": "1000",
}


class LocalVoter(BaseModel):
    """A voter with an engine of its own."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    id: str
    family: str
    lineage: str
    context_tokens: int
    tags: tuple[str, ...]
    engine: EngineSettings
    sealed: bool = False
    """Whether its engine is closed off from every network."""

    @property
    def info(self) -> VoterInfo:
        """Who this is."""
        return VoterInfo(self.id, self.family, self.lineage, self.context_tokens, self.tags)


class GatewayLimits(BaseModel):
    """Bounds of the gateway's deployment."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    replicas: int
    cpus_per_replica: float
    max_ongoing_requests: int
    max_queued_requests: int
    health_check_period_s: float
    health_check_timeout_s: float
    graceful_shutdown_s: float


class AppSettings(BaseModel):
    """Everything the application is built from."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    gateway: GatewaySettings
    gateway_limits: GatewayLimits
    voters: tuple[LocalVoter, ...]
    engine_limits: EngineLimits


class GatewayReplica:
    """Serve's shell around the plain ``Gateway``: start, serve, say how it is, close."""

    async def __init__(  # type: ignore[misc]  # Serve awaits it
        self, settings: GatewaySettings, infos: Mapping[str, VoterInfo], engines: Mapping[str, EngineHandle]
    ) -> None:
        from ray.serve.exceptions import BackPressureError

        from serve_apps.gateway.replica import Gateway

        voters = {
            name: HandleVoter(info, engines[name], settings.voter_timeout_s, BackPressureError)
            for name, info in infos.items()
        }
        self._gateway = Gateway(settings, voters)
        await self._gateway.start()
        # What was loaded so far stays: left out of collections, it no longer costs every full one a pause of its size.
        gc.collect()
        gc.freeze()

    def __serve_build_asgi_app__(self) -> "ASGIApp":
        from serve_apps.gateway.app import create_entry
        from serve_apps.gateway.counting import counted

        return counted(create_entry(self._gateway), self._gateway.answered)

    async def check_health(self) -> None:
        """Raise if this replica can no longer do its work and should be replaced."""
        self._gateway.check_health()

    async def __del__(self) -> None:
        if hasattr(self, "_gateway"):  # Serve awaits this when a replica drains, also one whose start failed
            await self._gateway.close()


def gateway_options(limits: GatewayLimits) -> dict[str, Any]:
    """Return the options of the gateway's deployment."""
    return {
        "name": GATEWAY,
        "backpressure_config": {"status_code": 429, "retry_after_s": OVERLOADED_RETRY_AFTER_S},
        "num_replicas": limits.replicas,
        "max_ongoing_requests": limits.max_ongoing_requests,
        "max_queued_requests": limits.max_queued_requests,
        "health_check_period_s": limits.health_check_period_s,
        "health_check_timeout_s": limits.health_check_timeout_s,
        "graceful_shutdown_timeout_s": limits.graceful_shutdown_s,
        "graceful_shutdown_wait_loop_s": 0.5,
        # Serve makes a log record of every request even where it keeps none of them: only warnings are made here.
        "logging_config": {"enable_access_log": False, "log_level": "WARNING"},
        "ray_actor_options": {
            "num_cpus": limits.cpus_per_replica,
            "resources": ON_HEAD,
            "runtime_env": {"env_vars": _ONE_LOOP},
        },
    }


def build_voter(voter: LocalVoter, limits: EngineLimits) -> "Application":
    """Return the node of one local voter."""
    return (build_sealed if voter.sealed else build_engine)(voter.id, voter.engine, limits)


def build_app(settings: AppSettings) -> "Application":
    """Return the whole application."""
    from ray import serve

    engines = {voter.id: build_voter(voter, settings.engine_limits) for voter in settings.voters}
    infos = {voter.id: voter.info for voter in settings.voters}
    replica = serve.ingress()(GatewayReplica)
    deployment = serve.deployment(replica, **gateway_options(settings.gateway_limits))
    application: Application = deployment.bind(settings.gateway, infos, engines)
    return application
