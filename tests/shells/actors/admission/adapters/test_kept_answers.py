"""The table of kept answers; ``tests/acceptance`` runs the same on PostgreSQL."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor, wait
from pathlib import Path
from threading import Barrier, Event
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import event

from actors.admission.adapters.kept_answers import KeptAnswers
from actors.admission.idempotency import Found, Held, Slot, lapsed
from actors.base.digests import sha256_hex
from actors.base.errors import RateLimited, StorageUnavailable
from actors.base.ids import new_ulid
from actors.store.adapters.database import Database
from cluster.migrations import upgrade

NOW = 1_000_000
LEASE = 100
MAX_KEYS = 3
BYTES = (1_000_000, 100)
"""Of an API key's boxes, and of the largest."""
REPLICAS = 4


@pytest.fixture
def url(tmp_path: Path) -> str:
    """Return where an empty database may lie."""
    return f"sqlite:///{tmp_path}/state.db"


@pytest.fixture
def databases(url: str) -> Iterator[list[Database]]:
    """Return one migrated database as several replicas open it."""
    opened = [Database(url, 2, 10) for _ in range(REPLICAS)]
    upgrade(opened[0])
    yield opened
    for database in opened:
        database.close()


@pytest.fixture
def table(databases: list[Database]) -> KeptAnswers:
    """Return the table as one replica has it."""
    return KeptAnswers(databases[0], MAX_KEYS, *BYTES)


def slot(key: str, api_key: str = "me", request: str = "r") -> Slot:
    """Return where a key's answer is kept."""
    return Slot(sha256_hex(f"{api_key}/{key}".encode()), api_key.ljust(26, "0"), sha256_hex(request.encode()))


def answer(where: Slot, claim_id: str, until: int = NOW + 1000, box: bytes = b"sealed") -> Held:
    """Return an answer to be kept."""
    return Held(where.request, claim_id, until, "0" * 26, box)


def look(
    table: KeptAnswers, where: Slot, claim_id: str, now_ms: int, until_ms: int, given_up: Held | None = None
) -> Found:  # fmt: skip
    """Look what is to be done, as a replica does, and claim if that is it; return what it came to."""
    found = table.look(where, now_ms, given_up)
    if found[0] != "claim" or table.claim(where, claim_id, now_ms, until_ms, given_up):
        return found
    return table.look(where, now_ms, given_up)


def test_a_slot_goes_from_claimed_to_answered(table: KeptAnswers) -> None:
    """One claims it, others wait, another request is refused; once kept it is there for all until its time is over."""
    where, mine, other = slot("k"), new_ulid(), new_ulid()
    assert look(table, where, mine, NOW, NOW + LEASE)[0] == "claim"
    assert look(table, where, other, NOW, NOW + LEASE)[0] == "wait"
    assert look(table, slot("k", request="s"), other, NOW, NOW + LEASE)[0] == "mismatch"
    assert table.keep(where.id, mine, answer(where, mine))
    assert look(table, where, other, NOW + 999, NOW) == ("replay", answer(where, mine))
    assert look(table, slot("k", request="s"), other, NOW + 999, NOW)[0] == "mismatch"
    assert look(table, slot("k", request="s"), other, NOW + 1000, NOW + 1001)[0] == "claim"


def test_a_claim_that_lapsed_is_anybodys(table: KeptAnswers) -> None:
    """Whoever had it changes nothing any more; renewed in time it stands."""
    where, dead, next_one = slot("k"), new_ulid(), new_ulid()
    look(table, where, dead, NOW, NOW + LEASE)
    assert table.renew(where.id, dead, NOW + 2 * LEASE)
    assert look(table, where, next_one, NOW + LEASE, NOW + 2 * LEASE)[0] == "wait"
    verdict, dying = look(table, where, next_one, NOW + 2 * LEASE, NOW + 3 * LEASE)
    assert verdict == "wait"  # it has a last chance, and may use it
    assert table.renew(where.id, dead, NOW + 2 * LEASE + 1)
    assert look(table, where, next_one, NOW + 3 * LEASE, NOW + 4 * LEASE, dying)[0] == "wait"
    _, dying = look(table, where, next_one, NOW + 3 * LEASE, NOW + 4 * LEASE)
    assert look(table, where, next_one, NOW + 3 * LEASE, NOW + 4 * LEASE, dying)[0] == "claim"
    assert not table.renew(where.id, dead, NOW + 9 * LEASE)
    assert not table.keep(where.id, dead, answer(where, dead))
    table.release(where.id, dead)
    assert look(table, where, new_ulid(), NOW + 2 * LEASE, NOW)[0] == "wait"
    assert table.keep(where.id, next_one, answer(where, next_one))


def test_an_answer_is_kept_once(table: KeptAnswers) -> None:
    """It is neither replaced, renewed nor given back, not even by whoever kept it."""
    where, mine = slot("k"), new_ulid()
    look(table, where, mine, NOW, NOW + LEASE)
    assert table.keep(where.id, mine, answer(where, mine))
    assert not table.keep(where.id, mine, answer(where, mine, box=b"other"))
    assert not table.renew(where.id, mine, NOW + 10 * LEASE)
    table.release(where.id, mine)
    assert look(table, where, new_ulid(), NOW, NOW) == ("replay", answer(where, mine))


def test_what_is_taken_back_is_gone(table: KeptAnswers) -> None:
    """Only the answer of that claim; its slot is free."""
    where, mine = slot("k"), new_ulid()
    look(table, where, mine, NOW, NOW + LEASE)
    assert table.keep(where.id, mine, answer(where, mine))
    table.withdraw(where.id, new_ulid())
    assert table.look(where, NOW)[0] == "replay"
    table.withdraw(where.id, mine)
    assert table.look(where, NOW) == ("claim", None)


def test_an_api_key_holds_no_more_than_it_may(table: KeptAnswers) -> None:
    """Claims and answers count until their time is over; other API keys do not."""
    for name in "abc":
        assert look(table, slot(name), new_ulid(), NOW, NOW + LEASE)[0] == "claim"
    with pytest.raises(RateLimited, match="holds 3 idempotency keys") as caught:
        look(table, slot("d"), new_ulid(), NOW - 1901, NOW + LEASE)
    assert caught.value.retry_after_s == 3  # 2001 ms until the first lapses
    assert look(table, slot("a"), new_ulid(), NOW, NOW + LEASE)[0] == "wait"
    assert look(table, slot("d", api_key="you"), new_ulid(), NOW, NOW + LEASE)[0] == "claim"
    assert look(table, slot("d"), new_ulid(), NOW + LEASE, NOW + 2 * LEASE)[0] == "claim"


def test_an_api_keys_boxes_take_no_more_than_they_may(databases: list[Database]) -> None:
    """A claim counts as the largest box, an answer as what it is, until its time is over; other API keys do not count."""
    table, one, two = KeptAnswers(databases[0], 100, 250, 100), new_ulid(), new_ulid()
    assert look(table, slot("a"), one, NOW, NOW + LEASE)[0] == "claim"
    assert look(table, slot("b"), two, NOW, NOW + LEASE)[0] == "claim"
    with pytest.raises(RateLimited, match="holds answers of 200 bytes"):
        look(table, slot("c"), new_ulid(), NOW, NOW + LEASE)
    assert look(table, slot("c", api_key="you"), new_ulid(), NOW, NOW + LEASE)[0] == "claim"
    assert table.keep(slot("a").id, one, answer(slot("a"), one, box=b"x" * 50))
    assert look(table, slot("c"), new_ulid(), NOW, NOW + LEASE)[0] == "claim"  # 50 and 100, and 100 at most
    with pytest.raises(RateLimited, match="holds answers of 250 bytes"):
        look(table, slot("d"), new_ulid(), NOW, NOW + LEASE)
    assert look(table, slot("d"), new_ulid(), NOW + LEASE, NOW + 2 * LEASE)[0] == "claim"


def test_what_has_expired_is_removed_in_parts(databases: list[Database]) -> None:
    """So many rows at once and no more; what stands stays."""
    table = KeptAnswers(databases[0], 100, *BYTES)
    for number in range(7):
        look(table, slot(str(number)), new_ulid(), NOW, NOW + LEASE + number)
    assert [table.sweep(NOW + LEASE + 4, 3) for _ in range(3)] == [3, 2, 0]
    assert [look(table, slot(str(n)), new_ulid(), NOW, NOW + LEASE)[0] for n in (0, 4, 5, 6)] == [
        "claim", "claim", "wait", "wait",
    ]  # fmt: skip


def test_answers_are_held_against_another_time_than_claims(table: KeptAnswers) -> None:
    """Where a clock is ahead, an answer stays and is no claim's, and a lapsed claim goes."""
    for name in ("a", "b"):
        look(table, slot(name), name, NOW, NOW + LEASE)
    assert table.keep(slot("a").id, "a", answer(slot("a"), "a"))
    assert table.look(slot("a"), NOW + 5000, passed_ms=NOW)[0] == "replay"
    assert not table.claim(slot("a"), "c", NOW + 5000, NOW + 6000, passed_ms=NOW)
    assert table.sweep(NOW + 5000, 10, passed_ms=NOW) == 1
    assert [table.look(slot(name), NOW)[0] for name in ("a", "b")] == ["replay", "claim"]
    assert table.sweep(NOW, 10, passed_ms=NOW + 5000) == 1


def test_the_databases_clock_counts_where_it_has_one(databases: list[Database]) -> None:
    """On PostgreSQL it goes on; SQLite's is the machine's."""
    table = KeptAnswers(databases[0], 100, *BYTES)
    first, second = table.clock_ms(), table.clock_ms()
    is_one = databases[0].engine.dialect.name == "postgresql"
    assert (first is not None, second is not None) == (is_one, is_one)
    assert first is None or second is None or 1_700_000_000_000 < first <= second


def test_of_all_replicas_one_gets_the_claim(databases: list[Database]) -> None:
    """Asked at the same moment, twenty times over: exactly one, and the others wait for it."""
    tables = [KeptAnswers(database, 100, *BYTES) for database in databases]
    together = Barrier(REPLICAS)

    def race(number: int) -> list[str]:
        found = []
        for turn in range(20):
            together.wait(30)
            found.append(look(tables[number], slot(str(turn)), new_ulid(), NOW, NOW + LEASE)[0])
        return found

    with ThreadPoolExecutor(REPLICAS) as pool:
        verdicts = list(pool.map(race, range(REPLICAS)))
    assert [sorted(turn) for turn in zip(*verdicts, strict=True)] == [["claim"] + ["wait"] * (REPLICAS - 1)] * 20


def test_of_all_replicas_none_passes_the_bound(databases: list[Database]) -> None:
    """Each asks with a key of its own at the same moment: as many claim as may."""
    tables = [KeptAnswers(database, MAX_KEYS, *BYTES) for database in databases]
    together = Barrier(REPLICAS)

    def race(number: int) -> int:
        got = 0
        for turn in range(10):
            together.wait(30)
            try:
                look(tables[number], slot(f"{turn}/{number}", api_key=str(turn)), new_ulid(), NOW, NOW + LEASE)
                got += 1
            except RateLimited:
                continue
        return got

    with ThreadPoolExecutor(REPLICAS) as pool:
        assert sum(pool.map(race, range(REPLICAS))) == MAX_KEYS * 10


class Halting(KeptAnswers):
    """A table that stops in the middle of a claim, after it has looked."""

    def __init__(self, database: Database) -> None:
        super().__init__(database, MAX_KEYS, *BYTES)
        self.looked, self.go_on = Event(), Event()

    def _claim(self, *arguments: Any) -> None:
        self.looked.set()
        self.go_on.wait(20)
        super()._claim(*arguments)


def test_keeping_and_taking_over_exclude_each_other(databases: list[Database]) -> None:
    """An answer that is kept late, while somebody takes over: it is not kept, or there would be two."""
    table, other, where, late = (
        KeptAnswers(databases[0], MAX_KEYS, *BYTES),
        Halting(databases[1]),
        slot("k"),
        new_ulid(),
    )
    look(table, where, late, NOW, NOW + LEASE)
    _, dying = look(table, where, new_ulid(), NOW + LEASE, NOW + 2 * LEASE)
    with ThreadPoolExecutor(2) as pool:
        taking = pool.submit(look, other, where, new_ulid(), NOW + LEASE, NOW + 2 * LEASE, dying)
        assert other.looked.wait(20)
        keeping = pool.submit(table.keep, where.id, late, answer(where, late))
        wait([keeping], timeout=0.5)
        other.go_on.set()
        assert (taking.result()[0], keeping.result()) == ("claim", False)
    assert look(table, where, new_ulid(), NOW + LEASE, NOW)[0] == "wait"


def test_a_database_that_is_away_is_told(tmp_path: Path) -> None:
    """As what it is, by whatever is asked of it."""
    (tmp_path / "folder").mkdir()
    away = Database(f"sqlite:///{tmp_path}/folder", 1, 0.1)
    table, where = KeptAnswers(away, 1, *BYTES), slot("k")
    for call in (
        lambda: table.look(where, NOW), lambda: table.claim(where, "c", NOW, NOW + 1), lambda: table.renew(where.id, "c", NOW),
        lambda: table.keep(where.id, "c", answer(where, "c")), lambda: table.release(where.id, "c"),
        lambda: table.withdraw(where.id, "c"), lambda: table.sweep(NOW, 1),
    ):  # fmt: skip
        with pytest.raises(StorageUnavailable):
            call()
    away.close()


Step = tuple[str, int, str, str]
STEPS = st.lists(
    st.tuples(
        st.sampled_from(["look", "keep", "renew", "release", "sweep", "pass"]),
        st.integers(0, 2),  # who
        st.sampled_from(["k", "l"]),
        st.sampled_from(["r", "s"]),
    ),
    max_size=40,
)


def test_how_much_an_api_key_holds_is_read_from_an_index_alone(table: KeptAnswers, databases: list[Database]) -> None:
    """Whatever lies in its boxes: every claim counts all of them."""
    asked: list[tuple[str, Any]] = []

    def hear(*told: Any) -> None:
        asked.append((told[2], told[3]))

    engine = databases[0].engine
    event.listen(engine, "before_cursor_execute", hear)
    assert table.claim(slot("k"), new_ulid(), NOW, NOW + LEASE)
    event.remove(engine, "before_cursor_execute", hear)
    counting, values = next(each for each in asked if "count(" in each[0].lower())
    with databases[0].read() as connection:
        plan = connection.exec_driver_sql(f"EXPLAIN QUERY PLAN {counting}", values).all()
    assert [row[3].split(" (")[0] for row in plan] == [
        "SEARCH kept_answers USING COVERING INDEX ix_kept_answers_room"
    ]  # fmt: skip


@given(steps=STEPS)
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_whatever_comes_after_whatever_a_slot_has_one_answer(
    databases: list[Database], steps: list[tuple[str, int, str, str]]
) -> None:
    """Any order of asking, keeping, lapsing and sweeping: what is replayed is the last that was kept, for the same request."""
    table, now = KeptAnswers(databases[0], 100, *BYTES), NOW
    owner = new_ulid()  # each example's own slots
    claims: dict[tuple[int, str], tuple[str, str]] = {}
    kept: dict[str, tuple[bytes, str, int]] = {}
    seen: dict[tuple[int, str], Held | None] = {}
    for step, who, key, request in steps:
        where = slot(key, owner, request)
        claim_id, claimed_for = claims.get((who, key), ("none", request))
        if step == "look":
            made = new_ulid()
            verdict, held = look(table, where, made, now, now + LEASE, seen.get((who, key)))
            seen[who, key] = held if lapsed(held, now) else None
            box, asked, until = kept.get(key, (b"", "", 0))
            standing = until > now
            assert (verdict == "replay") == (standing and asked == request)
            assert verdict != "claim" or not standing
            if verdict == "claim":
                claims[who, key] = (made, request)
            elif verdict == "replay":
                assert held is not None
                assert held.box == box
        elif step == "keep":
            box, until = new_ulid().encode(), now + 3 * LEASE
            if table.keep(where.id, claim_id, Held("", claim_id, until, "0" * 26, box)):
                assert kept.get(key, (b"", "", 0))[2] <= now
                kept[key] = (box, claimed_for, until)
        elif step == "renew":
            table.renew(where.id, claim_id, now + LEASE)
        elif step == "release":
            table.release(where.id, claim_id)
        elif step == "sweep":
            table.sweep(now, 10)
        else:
            now += LEASE
