"""Kept answers in the state database, the same on SQLite and PostgreSQL.

Rules:
- What is to be done with a slot is decided (``judge``) inside the transaction that does it: of all that ask at once, in whatever
  replica, one gets the claim.
- Every change names the claim that it is made for: whoever lost its claim changes nothing.
- An API key's claims are made one after the other, so that it never holds more keys than it may.

Left out: when to look again, and what is in a box.
"""

from sqlalchemy import ColumnElement, Connection, Row, delete, func, insert, select, text, update

from actors.admission.idempotency import Held, Slot, Verdict, judge
from actors.base.digests import sha256_hex
from actors.base.errors import RateLimited
from actors.store.adapters.database import Database
from actors.store.adapters.tables import kept_answers as kept


class KeptAnswers:
    """The table."""

    def __init__(self, database: Database, max_keys: int) -> None:
        self._database = database
        self._max_keys = max_keys

    def look(
        self, slot: Slot, claim_id: str, now_ms: int, until_ms: int, given_up: Held | None = None
    ) -> tuple[Verdict, Held | None]:
        """Return what is to be done with a request; if that is to claim its slot, it is claimed, until ``until_ms``.

        ``given_up`` is the lapsed claim that may be taken over, if it is still as it was seen.
        Raises ``RateLimited`` if the API key holds as many keys as it may, ``StorageUnavailable`` without a database.
        """
        with self._database.read() as connection:  # whoever only waits takes no lock
            held = _held(connection, slot.id)
        if (verdict := judge(held, slot.request, now_ms, given_up)) != "claim":
            return verdict, held
        with self._database.write() as connection:
            _take_turns(connection, slot.api_key_id)
            held = _held(connection, slot.id, lock=True)
            if (verdict := judge(held, slot.request, now_ms, given_up)) == "claim":
                self._claim(connection, slot, claim_id, now_ms, until_ms)
        return verdict, held

    def renew(self, slot_id: str, claim_id: str, until_ms: int) -> bool:
        """Let a claim stand until ``until_ms``; false if it is lost, or has become an answer."""
        with self._database.write() as connection:
            changed = connection.execute(
                update(kept).where(*_claimed(slot_id, claim_id)).values(expires_at_ms=until_ms)
            )
            return changed.rowcount == 1

    def keep(self, slot_id: str, claim_id: str, answer: Held) -> bool:
        """Put an answer into the slot that was claimed for it; false if the claim is lost."""
        with self._database.write() as connection:
            changed = connection.execute(
                update(kept)
                .where(*_claimed(slot_id, claim_id))
                .values(expires_at_ms=answer.expires_at_ms, decision_id=answer.decision_id, box=answer.box)
            )
            return changed.rowcount == 1

    def release(self, slot_id: str, claim_id: str) -> None:
        """Give a claim back; an answer stays."""
        with self._database.write() as connection:
            connection.execute(delete(kept).where(*_claimed(slot_id, claim_id)))

    def sweep(self, now_ms: int, limit: int) -> int:
        """Remove what has expired, ``limit`` rows at most; return how many went."""
        expired = select(kept.c.slot).where(kept.c.expires_at_ms <= now_ms).limit(limit)
        with self._database.write() as connection:
            gone = connection.execute(
                delete(kept).where(kept.c.slot.in_(expired.scalar_subquery()), kept.c.expires_at_ms <= now_ms)
            )
            return gone.rowcount

    def _claim(self, connection: Connection, slot: Slot, claim_id: str, now_ms: int, until_ms: int) -> None:
        mine = (kept.c.api_key_id == slot.api_key_id, kept.c.expires_at_ms > now_ms)
        query = select(func.count(), func.min(kept.c.expires_at_ms)).where(*mine)
        count, soonest_ms = connection.execute(query).one()
        if count >= self._max_keys:
            raise RateLimited(
                f"this API key holds {self._max_keys} idempotency keys, as many as it may; wait until one expires, or leave "
                "the header out",
                retry_after_s=-(-(soonest_ms - now_ms) // 1000),
            )
        connection.execute(delete(kept).where(kept.c.slot == slot.id))
        row = {
            "slot": slot.id, "api_key_id": slot.api_key_id, "request": slot.request, "claim_id": claim_id,
            "expires_at_ms": until_ms,
        }  # fmt: skip
        connection.execute(insert(kept).values(**row))


def _claimed(slot_id: str, claim_id: str) -> tuple[ColumnElement[bool], ...]:
    return kept.c.slot == slot_id, kept.c.claim_id == claim_id, kept.c.box.is_(None)


def _held(connection: Connection, slot_id: str, *, lock: bool = False) -> Held | None:
    query = select(kept).where(kept.c.slot == slot_id)
    # SQLite's writers take turns anyway; PostgreSQL would let an answer be kept between this look and the claim.
    row = connection.execute(query.with_for_update() if lock else query).one_or_none()
    return None if row is None else _as_held(row)


def _as_held(row: "Row[tuple[object, ...]]") -> Held:
    return Held(row.request, row.claim_id, row.expires_at_ms, row.decision_id or "", row.box or b"")


def _take_turns(connection: Connection, api_key_id: str) -> None:
    """Wait until no other claim of the same API key is under way."""
    if connection.dialect.name == "postgresql":
        number = int(sha256_hex(b"claim:" + api_key_id.encode())[:15], 16)
        connection.execute(text("SELECT pg_advisory_xact_lock(:number)"), {"number": number})
