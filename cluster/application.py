"""From configuration to what the Serve application is built from."""

from collections.abc import Mapping
from pathlib import Path

from actors.admission.adapters.redis_leases import redis_password
from actors.base.errors import ConfigurationError
from actors.consensus.layers import independence
from actors.consensus.tally import LEAST_LINEAGES
from cluster.config import Config, EngineConfig
from cluster.home import Home
from cluster.status import system_id
from cluster.voter_config import SERVERS, VoterConfig
from models.catalog import Catalog, CatalogEntry
from models.engine import engine_settings
from models.errors import WeightsError
from models.processor import this_processors_dtype
from models.providers.keys import KeyMissing, read_key
from serve_apps.builder import AppSettings, GatewayLimits, LocalVoter
from serve_apps.gateway.settings import GatewaySettings, RecordedSettings, ServerSettings
from serve_apps.llm import EngineLimits


def catalog_entry(voter: VoterConfig, catalog: Catalog) -> CatalogEntry:
    """Return a local voter's catalogue entry, pinned as the profile says."""
    try:
        entry = catalog.entry(voter.catalog_id)
        if voter.revision is not None and voter.sha256 is not None:
            entry = entry.pinned(revision=voter.revision, sha256=voter.sha256)
    except WeightsError as error:
        raise ConfigurationError(f"voter {voter.id}: {error}") from error
    if not entry.is_voter:
        raise ConfigurationError(f"voter {voter.id}: {entry.id} proves an engine and is no voter; choose another model")
    return entry


def lineages(config: Config, catalog: Catalog) -> dict[str, str]:
    """Return voter → lineage."""
    found: dict[str, str] = {}
    for voter in config.voters:
        found[voter.id] = catalog_entry(voter, catalog).lineage if voter.provider == "vllm" else str(voter.lineage)
    return found


def direct_only(config: Config, voter_lineages: Mapping[str, str]) -> tuple[str, ...]:
    """Return a line for each layer of one lineage, which makes no consensus: that takes two."""
    return tuple(
        f"layer {layer.name}: one lineage makes no consensus; it answers by examples (policy evidence) or by name (direct)"
        for layer in config.layers
        if len({voter_lineages[member] for member in layer.members}) < LEAST_LINEAGES
    )


def shared(config: Config, voter_lineages: Mapping[str, str]) -> tuple[str, ...]:
    """Return a line for each layer whose lineages are not all its own: it does not outlive the layers before it."""
    before: set[str] = set()
    found = []
    for layer in config.layers:
        members = {voter_lineages[member] for member in layer.members}
        if (new := independence(before, members)) != "full":
            found.append(f"layer {layer.name}: independence {new}, it shares lineages with the layers before it")
        before |= members
    return tuple(found)


def unsealed(config: Config, reason: str) -> tuple[str, ...]:
    """Return a line for each voter whose engine has a network that it should not have, for this reason."""
    closed = [voter.id for voter in config.voters if voter.egress == "none"]
    return tuple(
        f"voter {voter}: its engine is not closed off from the network: {reason}" for voter in closed if reason
    )


def local_voter(
    voter: VoterConfig, entry: CatalogEntry, model_path: Path, engine: EngineConfig, *, sealable: bool = True
) -> LocalVoter:
    """Return a voter whose weights lie in ``model_path``; ``auto`` is what this machine computes in quickest."""
    cpu_dtype = this_processors_dtype() if engine.cpu_dtype == "auto" else engine.cpu_dtype
    return LocalVoter(
        id=voter.id,
        family=entry.family,
        lineage=entry.lineage,
        context_tokens=entry.context_tokens,
        tags=entry.tags,
        sealed=sealable and voter.egress == "none",
        engine=engine_settings(entry, model_path, voter.pool, threads=engine.threads, cpu_dtype=cpu_dtype),
    )


def app_settings(
    home: Home, config: Config, catalog: Catalog, models: dict[str, Path], degraded: tuple[str, ...], why_open: str = ""
) -> AppSettings:
    """Return what the application is built from; ``models`` says where each local voter's weights lie.

    ``why_open`` says why no engine can be closed off here, where that is taken.
    """
    _require_api_keys(config)
    if config.admission.quotas.redis is not None:
        redis_password(config.admission.quotas.redis)
    degraded += unsealed(config, why_open)
    return AppSettings(
        gateway=_gateway(home, config, degraded + _lesser(config, lineages(config, catalog)), sealable=not why_open),
        gateway_limits=GatewayLimits(
            **config.gateway.model_dump(include=set(GatewayLimits.model_fields)),
        ),
        voters=tuple(
            local_voter(voter, catalog_entry(voter, catalog), models[voter.id], config.engine, sealable=not why_open)
            for voter in config.voters
            if voter.provider == "vllm"
        ),
        engine_limits=EngineLimits(**config.engine.model_dump(include=set(EngineLimits.model_fields))),
    )


def _lesser(config: Config, voter_lineages: Mapping[str, str]) -> tuple[str, ...]:
    return direct_only(config, voter_lineages) + shared(config, voter_lineages)


def _require_api_keys(config: Config) -> None:
    """Raise ``ConfigurationError`` where a voter's key is missing here already: replicas inherit this environment."""
    for voter in config.voters:
        if voter.provider not in SERVERS or not (voter.api_key_env or voter.api_key_file):
            continue
        try:
            read_key(env=voter.api_key_env, file=voter.api_key_file)
        except KeyMissing as error:
            raise ConfigurationError(f"voter {voter.id}: {error}; then try again") from error


def _gateway(home: Home, config: Config, degraded: tuple[str, ...], *, sealable: bool) -> GatewaySettings:
    return GatewaySettings(
        home=home.root,
        config_sha256=config.sha256,
        profile=config.profile,
        system=system_id(home, config),
        degraded=degraded,
        consensus=config.consensus,
        breakers=config.breakers,
        admission=config.admission,
        max_replicas=config.gateway.replicas + config.health.extra_replicas,
        layers=tuple(layer.members for layer in config.layers),
        closed=tuple(
            voter.id for voter in config.voters if voter.provider == "recorded" or (voter.egress == "none" and sealable)
        ),
        screening=config.screening,
        sandbox=config.sandbox,
        behaviour=config.behaviour,
        content=config.content,
        idempotency=config.idempotency,
        policy=config.policy,
        spans=config.spans,
        log=config.log,
        otlp=config.otlp,
        store=config.store,
        recorded=tuple(RecordedSettings(path=item.path, sha256=item.sha256) for item in config.answers),
        servers=tuple(
            ServerSettings(**voter.model_dump(include=set(ServerSettings.model_fields), exclude_none=True))
            for voter in config.voters
            if voter.provider in SERVERS
        ),
        spend_per_day_usd=config.budgets.spend_per_day_usd,
        voter_timeout_s=config.engine.request_timeout_s,
        max_connections=config.engine.max_connections,
    )
