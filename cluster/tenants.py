"""Tenants' salts on the machine that holds the home: made ahead, brought over from an earlier version, erased.

Rules:
- An earlier version derived every tenant's salts from ``keys/salt.key``. Bring-up derives those of every tenant that ever had an
  API key once, then destroys that secret: while it lies there nobody's salts can be erased.
- Erasing removes the content that was kept of a tenant, replaces its salts, and removes its answers under idempotency keys, in
  this order, so that doing it again completes what was interrupted. Gateways keep no content of the tenant meanwhile, and none
  afterwards under a salt of before.
- It is an incident that is acknowledged once all is done: one that stays open was interrupted.

Left out: backups, which keep what they hold, and what a running gateway's memory holds until the tenant's next request.
"""

import time
from collections.abc import Iterable
from dataclasses import dataclass

from actors.admission.adapters.kept_answers import forget_answers
from actors.base.errors import HomeError, NotFound
from actors.base.ids import new_ulid
from actors.consensus.retention.adapters.store import ContentStore
from actors.health.adapters.capture import CONTENT
from actors.store.adapters.api_keys import ApiKeys
from actors.store.adapters.database import Database
from actors.store.adapters.incidents import Incidents
from actors.store.adapters.tenant_files import TenantFiles, remove_erasing
from cluster.config import Config
from cluster.home import Home

KIND = "tenant_erased"


@dataclass(frozen=True, slots=True)
class Erased:
    """What was erased of a tenant."""

    tenant: str
    contents: int
    """Decisions whose content was kept."""
    answers: int
    """Answers under idempotency keys."""
    unread: int
    """Files of content that cannot be read, so that nobody can tell whose they are."""
    incident: str


def tenant_files(home: Home) -> TenantFiles:
    """Return the salts of a home's tenants."""
    return TenantFiles(home.keys / "tenants")


def ensure_tenants(home: Home, tenants: Iterable[str]) -> None:
    """Make the salts that are missing, ahead of the first request; the first time, from an earlier version's secret."""
    old = home.keys / "salt.key"
    try:
        secret = bytes.fromhex(old.read_text("ascii").strip()) if old.exists() else None
        tenant_files(home).ensure(dict.fromkeys(tenants), secret)
        remove_erasing(old)
    except ValueError as error:
        raise HomeError(f"{old} is no hex secret; restore it from a backup") from error
    except OSError as error:
        raise HomeError(f"tenants' salts cannot be written ({error}); check space and permissions") from error


def erase_tenant(home: Home, config: Config, opened: Database, tenant: str, reason: str, by: str) -> Erased:
    """Erase a tenant's salts and what is kept of its content; raise ``NotFound`` for one that there never was."""
    keys = [key.id for key in ApiKeys(opened).list() if key.tenant == tenant]
    files, incidents = tenant_files(home), Incidents(opened)
    if not keys and not files.knows(tenant):
        raise NotFound(f"there is no tenant {tenant[:64]!r}; see `weavergen keys list`")
    erasure = new_ulid()
    evidence = {"tenant": files(tenant).pseudonym, "reason": reason, "by": by, "erasure": erasure}
    incidents.record(KIND, "level_3_minor", evidence, f"{KIND}:{erasure}")
    noted = incidents.open_about(f"{KIND}:{erasure}")
    contents, unread = _erase_content(home, config, files, tenant)
    answers = forget_answers(opened, keys)
    if not unread:
        incidents.ack(noted.id, by)
    return Erased(tenant, contents, answers, unread, noted.id)


def _erase_content(home: Home, config: Config, files: TenantFiles, tenant: str) -> tuple[int, int]:
    salts, folder = files(tenant), home.root / CONTENT
    if not (folder.is_dir() or config.content.on):
        files.erase(tenant)
        return 0, 0
    store = ContentStore(folder, config.content, time.time)
    return store.erase(
        lambda content: salts.opens(content.decision_id, content.prompt_salt), lambda: files.erase(tenant)
    )
