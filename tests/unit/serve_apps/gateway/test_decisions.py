"""Who gets which decision's envelope."""

import asyncio
import threading

import msgspec
import pytest

from actors.base.canonical import canonical_json
from actors.base.errors import IntegrityError, NotFound, NotReady, Overloaded
from actors.base.ids import ulid
from actors.spans.record import seal
from actors.store.auth import Principal, Role
from serve_apps.gateway.decisions import MAX_CLOCK_SKEW_MS, Decisions
from tests.unit.actors.spans.test_record import RECORD, WRITER

NOW_MS = 1_790_000_000_000
ENVELOPE = canonical_json(seal(msgspec.structs.replace(RECORD, tenant="p-acme"), WRITER.key, WRITER.certificate))
ID = ulid(NOW_MS, b"x" * 10)


class Shelf:
    """A slow source with one decision, that counts how often it is asked."""

    def __init__(self) -> None:
        self.asked = 0
        self.open = threading.Event()
        self.open.set()

    def find(self, decision_id: str) -> bytes | None:
        """Return the one decision."""
        self.asked += 1
        self.open.wait()
        return ENVELOPE if decision_id == ID else None


def prove(envelope: bytes) -> bytes:
    """Stand for a proof that is there."""
    return envelope + b"+proof"


def decisions(shelf: Shelf, max_lookups: int = 4) -> Decisions:
    """Return what is tested, with nothing in memory."""
    return Decisions(lambda _: None, shelf, prove, lambda tenant: f"p-{tenant}", max_lookups)


def holder(role: Role, tenant: str) -> Principal:
    """Return a key's holder."""
    return Principal("k", tenant, role, frozenset(), 0)


@pytest.mark.parametrize(
    ("role", "tenant", "seen"),
    [
        ("client", "acme", True), ("operator", "acme", True), ("auditor", "acme", True), ("auditor", "other", True),
        ("client", "other", False), ("operator", "other", False),
    ],
)  # fmt: skip
async def test_a_decision_is_its_tenant_s_and_an_auditor_s(role: Role, tenant: str, seen: bool) -> None:
    """Operators run the system; they do not read other tenants' decisions."""
    found = decisions(Shelf())
    if seen:
        assert await found.find(ID, holder(role, tenant), NOW_MS) == ENVELOPE
    else:
        with pytest.raises(NotFound):
            await found.find(ID, holder(role, tenant), NOW_MS)
    found.close()


@pytest.mark.parametrize("name", ["x", ID.lower()])
async def test_what_cannot_exist_is_not_looked_for(name: str) -> None:
    """What is no ULID is not found, and no disk was asked."""
    shelf = Shelf()
    with pytest.raises(NotFound):
        await decisions(shelf).find(name, holder("auditor", "acme"), NOW_MS)
    assert shelf.asked == 0


async def test_a_clock_that_was_set_back_makes_no_decision_vanish() -> None:
    """A name from the future is found in memory, to its tenant alone, or told to come back; no disk is asked for it."""
    shelf, before = Shelf(), NOW_MS - MAX_CLOCK_SKEW_MS - 1
    found = Decisions({ID: ENVELOPE}.get, shelf, prove, lambda tenant: f"p-{tenant}", 1)
    assert await found.find(ID, holder("client", "acme"), before) == ENVELOPE
    assert await found.proven(ID, holder("client", "acme"), before) == ENVELOPE  # a proof is on the disk
    with pytest.raises(NotFound):
        await found.find(ID, holder("client", "other"), before)
    with pytest.raises(NotReady):
        await decisions(shelf).find(ID, holder("client", "acme"), before)
    assert shelf.asked == 0


async def test_what_is_in_memory_needs_no_thread() -> None:
    """A decision made lately is returned without asking a disk."""
    shelf = Shelf()
    found = Decisions({ID: ENVELOPE}.get, shelf, prove, lambda tenant: f"p-{tenant}", 1)
    assert await found.find(ID, holder("client", "acme"), NOW_MS) == ENVELOPE
    assert shelf.asked == 0


async def test_look_ups_beyond_the_bound_are_told_to_wait() -> None:
    """They do not queue up in front of anybody."""
    shelf = Shelf()
    shelf.open.clear()
    found = decisions(shelf, max_lookups=1)
    first = asyncio.ensure_future(found.find(ID, holder("client", "acme"), NOW_MS))
    await asyncio.sleep(0)
    with pytest.raises(Overloaded):
        await found.find(ID, holder("client", "acme"), NOW_MS)
    shelf.open.set()
    assert await first == ENVELOPE
    found.close()


async def test_whoever_asks_while_all_threads_are_busy_is_told_to_wait_for_the_proof_too() -> None:
    """Whether an answer has a proof is not left to who else asks."""
    shelf = Shelf()
    shelf.open.clear()
    found = Decisions({ID: ENVELOPE}.get, shelf, prove, lambda tenant: f"p-{tenant}", 1)
    other = asyncio.ensure_future(found.find(ulid(NOW_MS, b"y" * 10), holder("client", "acme"), NOW_MS))
    await asyncio.sleep(0)
    try:
        with pytest.raises(Overloaded):
            await found.proven(ID, holder("client", "acme"), NOW_MS)
    finally:
        shelf.open.set()
    with pytest.raises(NotFound):
        await other
    found.close()


async def test_an_envelope_is_given_with_its_proof_or_without_one_that_cannot_be_read() -> None:
    """What keeps a proof from being made keeps no record from its owner."""

    def broken(_: bytes) -> bytes:
        raise IntegrityError("span file x cannot be read", "x")

    for make, given in ((prove, ENVELOPE + b"+proof"), (broken, ENVELOPE)):
        found = Decisions(lambda _: None, Shelf(), make, lambda tenant: f"p-{tenant}", 4)
        assert await found.proven(ID, holder("client", "acme"), NOW_MS) == given
        with pytest.raises(NotFound):
            await found.proven(ID, holder("client", "other"), NOW_MS)
