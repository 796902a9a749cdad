"""Kept answers in the state database, the same on SQLite and PostgreSQL.

Rules:
- What is to be done with a slot is decided (``judge``) inside the transaction that does it: of all that ask at once, in whatever
  replica, one gets the claim.
- Every change names the claim that it is made for: whoever lost its claim changes nothing.
- An API key's claims are made one after the other, so that it never holds more keys or bytes than it may. A claim counts as the
  largest answer there can be: nothing is refused once it was worked on.

Left out: when to look again, and what is in a box.
"""

from collections.abc import Sequence

from sqlalchemy import ColumnElement, Connection, Row, case, delete, func, insert, select, text, update

from actors.admission.idempotency import Found, Held, Slot, judge
from actors.base.digests import sha256_hex
from actors.base.errors import RateLimited
from actors.store.adapters.database import Database
from actors.store.adapters.tables import kept_answers as kept

_KEYS_AT_ONCE = 500


class KeptAnswers:
    """The table."""

    def __init__(self, database: Database, max_keys: int, max_bytes: int, max_box_bytes: int) -> None:
        """Hold ``max_keys`` keys and ``max_bytes`` of boxes for each API key; none takes more than ``max_box_bytes``."""
        self._database = database
        self._max_keys, self._max_bytes, self._max_box_bytes = max_keys, max_bytes, max_box_bytes

    def clock_ms(self) -> int | None:
        """Return the database's clock where that is one for all who ask, on PostgreSQL; ``None`` where it is the machine's."""
        with self._database.read() as connection:
            if connection.dialect.name != "postgresql":
                return None
            return int(connection.execute(text("SELECT EXTRACT(EPOCH FROM clock_timestamp()) * 1000")).scalar_one())

    def look(self, slot: Slot, now_ms: int, given_up: Held | None = None, *, passed_ms: int | None = None) -> Found:
        """Return what is to be done with a request; whoever looks takes no lock and writes nothing.

        ``given_up`` is the lapsed claim that may be taken over, if it is still as it was seen; ``passed_ms`` is what kept answers
        are held against, which is ``now_ms`` where nothing else is said.
        """
        with self._database.read() as connection:
            held = _held(connection, slot.id)
        return judge(held, slot.request, now_ms, given_up, passed_ms=passed_ms), held

    def claim(
        self, slot: Slot, claim_id: str, now_ms: int, until_ms: int, given_up: Held | None = None, *, passed_ms: int | None = None
    ) -> bool:  # fmt: skip
        """Claim a slot until ``until_ms``; false if it is not to be claimed any more.

        Raises ``RateLimited`` if the API key holds as many keys or bytes as it may, ``StorageUnavailable`` without a database.
        """
        with self._database.write() as connection:
            _take_turns(connection, slot.api_key_id)
            held = _held(connection, slot.id, lock=True)
            if may := judge(held, slot.request, now_ms, given_up, passed_ms=passed_ms) == "claim":
                self._claim(connection, slot, claim_id, now_ms if passed_ms is None else passed_ms, until_ms)
        return may

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
                .values(
                    expires_at_ms=answer.expires_at_ms,
                    decision_id=answer.decision_id,
                    box=answer.box,
                    room_bytes=len(answer.box),
                )
            )
            return changed.rowcount == 1

    def release(self, slot_id: str, claim_id: str) -> None:
        """Give a claim back; an answer stays."""
        with self._database.write() as connection:
            connection.execute(delete(kept).where(*_claimed(slot_id, claim_id)))

    def withdraw(self, slot_id: str, claim_id: str) -> None:
        """Take back the answer that was kept for a claim; its slot is free."""
        with self._database.write() as connection:
            connection.execute(delete(kept).where(kept.c.slot == slot_id, kept.c.claim_id == claim_id))

    def sweep(self, now_ms: int, limit: int, *, passed_ms: int | None = None) -> int:
        """Remove what has expired, ``limit`` rows at most; return how many went. ``passed_ms`` is as in ``look``."""
        ends_ms = case((kept.c.box.is_(None), now_ms), else_=now_ms if passed_ms is None else passed_ms)
        expired = select(kept.c.slot).where(kept.c.expires_at_ms <= ends_ms).limit(limit)
        with self._database.write() as connection:
            gone = connection.execute(
                delete(kept).where(kept.c.slot.in_(expired.scalar_subquery()), kept.c.expires_at_ms <= ends_ms)
            )
            return gone.rowcount

    def _claim(self, connection: Connection, slot: Slot, claim_id: str, now_ms: int, until_ms: int) -> None:
        mine = (kept.c.api_key_id == slot.api_key_id, kept.c.expires_at_ms > now_ms)
        query = select(func.count(), func.min(kept.c.expires_at_ms), func.sum(kept.c.room_bytes)).where(*mine)
        count, soonest_ms, held_bytes = connection.execute(query).one()
        full = count >= self._max_keys
        if full or (held_bytes or 0) + self._max_box_bytes > self._max_bytes:
            much = f"{count} idempotency keys" if full else f"answers of {held_bytes} bytes under idempotency keys"
            raise RateLimited(
                f"this API key holds {much}, as much as it may; wait until one expires, or leave the header out",
                retry_after_s=-(-(soonest_ms - now_ms) // 1000),
            )
        connection.execute(delete(kept).where(kept.c.slot == slot.id))
        row = {
            "slot": slot.id, "api_key_id": slot.api_key_id, "request": slot.request, "claim_id": claim_id,
            "expires_at_ms": until_ms, "room_bytes": self._max_box_bytes,  # what is not there yet may be large
        }  # fmt: skip
        connection.execute(insert(kept).values(**row))


def forget_answers(database: Database, api_key_ids: Sequence[str]) -> int:
    """Remove every answer and claim of API keys; return how many went. A claim that is lost keeps no answer."""
    gone = 0
    for start in range(0, len(api_key_ids), _KEYS_AT_ONCE):
        some = api_key_ids[start : start + _KEYS_AT_ONCE]
        with database.write() as connection:
            gone += connection.execute(delete(kept).where(kept.c.api_key_id.in_(some))).rowcount
    return gone


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
