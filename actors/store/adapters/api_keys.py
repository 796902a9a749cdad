"""API keys in the database: made, listed, revoked, rotated. The secret is returned once and never stored."""

import json
import re
import secrets
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import get_args

from sqlalchemy import Row, insert, select, update

from actors.base.errors import InvalidRequest, NotFound
from actors.base.ids import new_ulid
from actors.policy.snapshot import PolicyName
from actors.store.adapters.database import Database
from actors.store.adapters.tables import api_keys
from actors.store.auth import ApiKeyEntry, Role
from actors.store.keys import SECRET_BYTES, key_digest, key_text

_TENANT = re.compile(r"[a-z0-9][a-z0-9._-]{0,63}", re.ASCII)


@dataclass(frozen=True, slots=True)
class ApiKey:
    """A key as an operator sees it: everything but the secret."""

    id: str
    tenant: str
    role: Role
    policies: tuple[PolicyName, ...]
    tier: int
    owner: str
    contact: str
    created_at_ms: int
    revoked_at_ms: int | None
    replaced_by: str | None


@dataclass(frozen=True, slots=True)
class NewKey:
    """What a new key shall hold."""

    role: Role
    tenant: str = "default"
    policies: tuple[PolicyName, ...] = ("strict",)
    tier: int = 0
    owner: str = ""
    contact: str = ""


class ApiKeys:
    """The table of keys. What is written here counts only once the AuthSnapshot is published."""

    def __init__(self, database: Database, clock: Callable[[], float] = time.time) -> None:
        self._database, self._clock = database, clock

    def create(self, new: NewKey, keep: Callable[[str], None] | None = None) -> tuple[ApiKey, str]:
        """Make a key; return it and its text, which nobody can read again.

        ``keep`` is given the text before the key exists: if it raises, or the process dies in it, there is no key.
        """
        _check(new)
        row, text = self._mint(new)
        with self._database.write() as connection:
            connection.execute(insert(api_keys).values(**row))
            if keep is not None:
                keep(text)
        return self.get(str(row["id"])), text

    def get(self, key_id: str) -> ApiKey:
        """Return a key; raise ``NotFound``."""
        with self._database.read() as connection:
            row = connection.execute(select(api_keys).where(api_keys.c.id == key_id)).one_or_none()
        if row is None:
            raise NotFound(f"there is no key {key_id[:64]!r}; list the keys there are")
        return _key(row)

    def list(self) -> list[ApiKey]:
        """Return every key ever made, oldest first."""
        with self._database.read() as connection:
            return [_key(row) for row in connection.execute(select(api_keys).order_by(api_keys.c.id))]

    def valid(self) -> Sequence[ApiKeyEntry]:
        """Return what the AuthSnapshot shall hold: every key that is not revoked, by id."""
        query = select(api_keys).where(api_keys.c.revoked_at_ms.is_(None)).order_by(api_keys.c.id)
        with self._database.read() as connection:
            rows = connection.execute(query).all()
        return [
            ApiKeyEntry(
                id=row.id, sha256=row.sha256, tenant=row.tenant, role=row.role,
                policies=json.loads(row.policies), tier=row.tier, owner=row.owner,
            )
            for row in rows
        ]  # fmt: skip

    def revoke(self, key_id: str) -> ApiKey:
        """Revoke a key; one that is revoked already stays so, with its first time."""
        with self._database.write() as connection:
            connection.execute(
                update(api_keys)
                .where(api_keys.c.id == key_id, api_keys.c.revoked_at_ms.is_(None))
                .values(revoked_at_ms=self._now_ms())
            )
        return self.get(key_id)

    def rotate(self, key_id: str) -> tuple[ApiKey, str]:
        """Replace a valid key by a new one with the same rights; the old one is revoked in the same transaction."""
        old = self.get(key_id)
        row, text = self._mint(NewKey(old.role, old.tenant, old.policies, old.tier, old.owner, old.contact))
        with self._database.write() as connection:
            revoked = connection.execute(
                update(api_keys)
                .where(api_keys.c.id == key_id, api_keys.c.revoked_at_ms.is_(None))
                .values(revoked_at_ms=self._now_ms(), replaced_by=row["id"])
            )
            if revoked.rowcount != 1:
                raise InvalidRequest(f"key {key_id} is revoked already: create a new one")
            connection.execute(insert(api_keys).values(**row))
        return self.get(str(row["id"])), text

    def _mint(self, new: NewKey) -> tuple[dict[str, object], str]:
        key_id = new_ulid()
        text = key_text(key_id, secrets.token_bytes(SECRET_BYTES))
        row = {
            "id": key_id,
            "sha256": key_digest(text).hex(),
            "tenant": new.tenant,
            "role": new.role,
            "policies": json.dumps(sorted(set(new.policies))),
            "tier": new.tier,
            "owner": new.owner,
            "contact": new.contact,
            "created_at_ms": self._now_ms(),
        }
        return row, text

    def _now_ms(self) -> int:
        return int(self._clock() * 1000)


def _check(new: NewKey) -> None:
    if new.role not in get_args(Role):
        raise InvalidRequest(f"role is one of {', '.join(get_args(Role))}", "role")
    if not _TENANT.fullmatch(new.tenant):
        raise InvalidRequest("tenant takes 1 to 64 of a-z 0-9 . _ - and begins with a letter or digit", "tenant")
    if not set(new.policies) <= set(get_args(PolicyName)):
        raise InvalidRequest(f"policies are among {', '.join(get_args(PolicyName))}", "policies")
    if not 0 <= new.tier <= 9:
        raise InvalidRequest("tier is 0 to 9", "tier")
    if len(new.owner) > 200 or len(new.contact) > 500:
        raise InvalidRequest("owner takes at most 200 characters, contact 500", "owner")


def _key(row: Row[tuple[object, ...]]) -> ApiKey:
    return ApiKey(
        id=row.id, tenant=row.tenant, role=row.role, policies=tuple(json.loads(row.policies)), tier=row.tier,
        owner=row.owner, contact=row.contact, created_at_ms=row.created_at_ms, revoked_at_ms=row.revoked_at_ms,
        replaced_by=row.replaced_by,
    )  # fmt: skip
