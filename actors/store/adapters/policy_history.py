"""Which policy versions there were, what each was for, and the highest one ever seen."""

from dataclasses import dataclass

from sqlalchemy import Row, func, insert, select
from sqlalchemy.exc import IntegrityError as UniqueViolation

from actors.base.errors import StorageUnavailable
from actors.policy.snapshot import PolicySnapshot
from actors.store.adapters.database import Database
from actors.store.adapters.tables import policy_versions

MAX_LISTED = 1000


@dataclass(frozen=True, slots=True)
class PolicyChange:
    """One version: what kind of transition it was, on what, why and by whom."""

    version: int
    sha256: str
    issued_at_ms: int
    kind: str
    target: str
    reason: str
    author: str


class PolicyHistory:
    """The table of policy versions. Snapshots themselves lie in ``home/policy``."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def record(self, snapshot: PolicySnapshot, kind: str, target: str, reason: str, author: str) -> None:
        """Note a version that came into force; noting it again changes nothing."""
        row = {
            "version": snapshot.version, "sha256": snapshot.sha256, "issued_at_ms": snapshot.issued_at,
            "kind": kind[:32], "target": target[:200], "reason": reason[:500], "author": author[:200],
        }  # fmt: skip
        try:
            with self._database.write() as connection:
                connection.execute(insert(policy_versions).values(**row))
        except StorageUnavailable as error:
            if not isinstance(error.__cause__, UniqueViolation):
                raise

    def high_water(self) -> int:
        """Return the highest version ever noted, 0 if there is none: nothing below it is believed at a start."""
        with self._database.read() as connection:
            return connection.execute(select(func.max(policy_versions.c.version))).scalar_one() or 0

    def get(self, version: int) -> PolicyChange | None:
        """Return what is noted of a version."""
        query = select(policy_versions).where(policy_versions.c.version == version)
        with self._database.read() as connection:
            row = connection.execute(query).one_or_none()
        return None if row is None else _change(row)

    def latest(self, kind: str, up_to: int | None = None) -> PolicyChange | None:
        """Return the newest note of a kind of transition, of no version above ``up_to``."""
        query = select(policy_versions).where(policy_versions.c.kind == kind)
        if up_to is not None:
            query = query.where(policy_versions.c.version <= up_to)
        with self._database.read() as connection:
            row = connection.execute(query.order_by(policy_versions.c.version.desc()).limit(1)).one_or_none()
        return None if row is None else _change(row)

    def list(self, limit: int = 100) -> list[PolicyChange]:
        """Return the newest versions first, at most ``limit``."""
        query = select(policy_versions).order_by(policy_versions.c.version.desc()).limit(min(limit, MAX_LISTED))
        with self._database.read() as connection:
            return [_change(row) for row in connection.execute(query)]


def _change(row: Row[tuple[object, ...]]) -> PolicyChange:
    return PolicyChange(
        version=row.version, sha256=row.sha256, issued_at_ms=row.issued_at_ms, kind=row.kind, target=row.target,
        reason=row.reason, author=row.author,
    )  # fmt: skip
