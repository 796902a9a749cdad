"""Puts a replica's parts together from its settings: each part is built here once and handed to who needs it."""

import logging
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeVar

from actors.admission.adapters.kept_answers import KeptAnswers
from actors.admission.adapters.leases import SharedLeases
from actors.admission.adapters.redis_leases import RedisLeases, redis_password
from actors.admission.ports import LeaseStore
from actors.admission.sealing import BOX_BYTES
from actors.base.errors import ConfigurationError, StorageUnavailable
from actors.base.signing import SigningKey
from actors.consensus.ports import Clock
from actors.consensus.retention.adapters.keeper import ContentKeeper, Fate
from actors.consensus.retention.adapters.store import ContentStore
from actors.health.adapters.capture import CONTENT, SWITCH
from actors.health.adapters.history import HealthHistory
from actors.policy.adapters.directory import SnapshotDirectory
from actors.policy.adapters.publisher import PolicyPublisher
from actors.policy.adapters.trust_file import TrustFile, TrustSource
from actors.policy.adapters.watcher import PolicyWatcher
from actors.spans.adapters.log import LogFiles
from actors.spans.adapters.lookup import ArchivedDecisions, open_lookup
from actors.spans.lookup import DecisionLookup
from actors.store.adapters.auth_publisher import auth_high_water
from actors.store.adapters.auth_watcher import AuthWatcher
from actors.store.adapters.database import Database
from actors.store.adapters.incidents import IncidentQueue, Incidents
from actors.store.adapters.policy_history import PolicyHistory
from actors.store.adapters.revocations import NotedRevocations
from actors.store.adapters.tenant_files import TenantFiles
from models.errors import AnswersError
from models.recorded import RecordedVoter, load_recorded
from models.voter import Voter
from serve_apps.gateway.admission import Admission
from serve_apps.gateway.desk import PolicyDesk
from serve_apps.gateway.published_log import PublishedLog
from serve_apps.gateway.settings import GatewaySettings
from serve_apps.gateway.spending import Wallet

_log = logging.getLogger("weavergen.gateway")
Noted = TypeVar("Noted")


@dataclass(frozen=True, slots=True)
class Parts:
    """Everything around one replica's coordinator that lives on disk or in a thread."""

    trust: TrustSource
    tenants: TenantFiles
    incidents: Incidents
    sink: IncidentQueue
    health: HealthHistory
    """Read only: the health actor alone writes it."""
    history: PolicyHistory
    policy: PolicyWatcher
    auth: AuthWatcher
    desk: PolicyDesk
    lookup: DecisionLookup
    archive: ArchivedDecisions
    published_log: PublishedLog


def build_parts(settings: GatewaySettings) -> Parts:
    """Open what a replica follows; nothing is started yet."""
    home = settings.home
    database = Database(settings.store.url(home), settings.store.pool_size, settings.store.timeout_s)
    incidents, history = Incidents(database), PolicyHistory(database)
    sink = IncidentQueue(incidents, settings.store.incident_queue)
    trust = TrustFile(home / "trust.json", sink, _seen(NotedRevocations(database).since, dict[str, int]()))
    directory = SnapshotDirectory(home / "policy", settings.policy.max_snapshot_bytes)
    keys = SnapshotDirectory(home / "policy" / "auth", settings.store.max_auth_bytes)
    policy = PolicyWatcher(directory, trust, sink, settings.policy, floor=_seen(history.high_water, 0))
    publisher = PolicyPublisher(directory, trust)

    def policy_key() -> SigningKey:
        return SigningKey.load(home / "keys" / "policy.key")

    lookup, archive = open_lookup(home, settings.spans, trust)
    policy_key()  # a key that is missing or open to others is said now, not when somebody wants to halt
    return Parts(
        trust=trust,
        tenants=TenantFiles(home / "keys" / "tenants"),
        incidents=incidents,
        sink=sink,
        health=HealthHistory(database),
        history=history,
        policy=policy,
        auth=AuthWatcher(
            keys, trust, sink, settings.store.auth_poll_ms, floor=_seen(lambda: auth_high_water(database), 0)
        ),
        desk=PolicyDesk(policy, publisher, policy_key),
        lookup=lookup,
        archive=archive,
        published_log=PublishedLog(LogFiles(home / "log"), trust, settings.max_lookups),
    )


def recorded_voters(settings: GatewaySettings) -> dict[str, Voter]:
    """Return the voters that play recorded answers; refuse a file that is not the one of the configuration."""
    if not settings.recorded:
        return {}
    pinned = {item.path: item.sha256 for item in settings.recorded}
    try:
        answers = load_recorded(pinned, pinned)
    except AnswersError as error:
        raise ConfigurationError(f"recorded answers: {error}") from error
    return {info.id: RecordedVoter(info, answers) for info in answers.infos}


def content_keeper(settings: GatewaySettings, count: Callable[[Fate], None]) -> ContentKeeper | None:
    """Return what keeps content, if the configuration wants any kept."""
    if not settings.content.on:
        return None
    store = ContentStore(settings.home / CONTENT, settings.content, time.time)
    return ContentKeeper(store, settings.content, settings.behaviour, settings.home / "run" / SWITCH, count)


def kept_answers(settings: GatewaySettings) -> tuple[Database, KeptAnswers]:
    """Return the table of kept answers, over connections of its own: whoever waits for it takes nobody else's."""
    bounds = settings.idempotency
    database = Database(settings.store.url(settings.home), bounds.connections, bounds.timeout_s)
    return database, KeptAnswers(database, bounds.max_keys, bounds.max_kept_bytes, bounds.max_answer_bytes + BOX_BYTES)


def wallet(settings: GatewaySettings, clock: Clock) -> Wallet | None:
    """Return what priced voters spend from, with its first lease; ``None`` without a cap."""
    if settings.spend_per_day_usd is None:
        return None
    made = Wallet(settings.home / "run" / "spend", settings.spend_per_day_usd, lambda: clock.time_ns() / 1e9)
    made.start()
    return made


def admission(settings: GatewaySettings, replica: str, clock: Clock) -> Admission:
    """Return who lets requests in."""
    leases, slots = _lease_store(settings, replica)
    asked = len({voter for layer in settings.layers for voter in layer})
    return Admission(
        settings.admission, settings.consensus.max_concurrent, slots, leases, asked, clock.monotonic,
        lambda: clock.time_ns() / 1e9,
    )  # fmt: skip


def _lease_store(settings: GatewaySettings, replica: str) -> tuple[LeaseStore, int]:
    """Return what replicas share limits in, and among how many."""
    quotas, folder = settings.admission.quotas, settings.home / "run" / "admission"
    if quotas.redis is None:
        return SharedLeases(folder, replica, settings.max_replicas, quotas), settings.max_replicas
    password = redis_password(quotas.redis)
    store = RedisLeases(folder / "redis", replica, settings.max_replicas, quotas, quotas.redis, password)
    return store, quotas.redis.slots


def _seen(noted: Callable[[], Noted], nothing: Noted) -> Noted:
    """Return what was ever seen (the highest version, revoked keys); serving must not depend on the database being there."""
    try:
        return noted()
    except StorageUnavailable as error:
        _log.warning("the state database is away, roll-backs before this start go unseen: %s", error)
        return nothing
