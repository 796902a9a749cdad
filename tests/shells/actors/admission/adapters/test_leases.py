"""Leases between real processes: what is true on files and in a Redis alike, and what of files only."""

import errno
import multiprocessing
import os
from collections.abc import Iterator
from multiprocessing.queues import Queue
from pathlib import Path

import pytest

from actors.admission.adapters import home_slots
from actors.admission.adapters.home_slots import PATIENCE_S
from actors.admission.adapters.leases import SharedLeases
from actors.admission.config import QuotaConfig
from actors.admission.quotas import MINUTE_S, Book, Reserved
from actors.base.errors import StorageUnavailable
from tests.shells.actors.admission.adapters.stores import CONFIG, LIMIT, WANTS, Site, Store, drained
from tests.shells.redis_server import redis_server

HASTY = QuotaConfig(lock_wait_s=0.01)


@pytest.fixture(params=["files", "redis"])
def site(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Site]:
    """Return a home with two slots."""
    if request.param == "files":
        yield Site(tmp_path)
    else:
        with redis_server(tmp_path / "redis") as server:
            yield Site(tmp_path, server.url)


def drain(site: Site, name: str, told: "Queue[int]") -> None:
    """Lease all that one gets, as a process of its own."""
    told.put(drained(site.store(name), 7))
    told.close()
    told.join_thread()


def test_processes_together_lease_what_there_is_and_no_more(site: Site) -> None:
    """Two replicas with a slot each, and one without, that ask as fast as they can: the sum is the limit."""
    holders = [site.store(name) for name in ("x", "y")]
    for holder in holders:  # they hold the slots before the minute is joined
        holder.lease(5, {})
    for minute in (6, 7):
        for holder in holders:
            assert holder.lease(minute, {}).joined
    context = multiprocessing.get_context("spawn")
    told: Queue[int] = context.Queue()
    processes = [context.Process(target=drain, args=(site, name, told)) for name in ("a", "b", "c")]
    for process in processes:
        process.start()
    got = [told.get(timeout=60) for _ in processes]
    for process in processes:
        process.join(timeout=60)
    assert sum(got) + 2 * (331 // 2) == 663
    for holder in holders:
        holder.close()


def test_a_slot_is_held_by_one_and_free_once_it_ends(site: Site) -> None:
    """Whoever comes later has none until then."""
    one, two, three = (site.store(name) for name in ("a", "b", "c"))
    for store in (one, two, three):
        store.lease(7, {})
    assert (one.slot, two.slot, three.slot, three.has_share(7)) == (0, 1, None, False)
    one.close()
    assert three.lease(8, {}).joined
    assert three.slot == 0


def cannot_join(store: Store, minute: int) -> None:
    """Let a replica try to join while another holds the lock."""
    with store._home.locked(), pytest.raises(StorageUnavailable):
        store.lease(minute, WANTS)


def test_a_share_that_was_used_alone_is_left_alone(site: Site) -> None:
    """Whoever takes the slot over joins from the next minute on, and nobody gives its share away as vacant."""
    one, two = site.store("a", HASTY), site.store("b")
    one.lease(7, {})
    cannot_join(one, 8)
    assert (one.has_share(7), one.has_share(8), one.has_share(9)) == (False, True, False)
    one.close()
    assert two.lease(8, {}).joined is False
    assert (two.slot, two.has_share(8)) == (0, False)
    assert (drained(two, 8), drained(two, 9)) == (331, 663 - 331 // 2)
    assert two.lease(9, {}).joined


def test_a_share_that_was_used_alone_is_no_vacant_one(site: Site) -> None:
    """Its replica is gone and nobody has taken its slot: nobody leases that share before the next minute."""
    one, two = site.store("a", HASTY), site.store("b")
    for store in (one, two):
        store.lease(7, {})
    cannot_join(one, 8)
    one.close()
    assert two.lease(8, {}).joined
    assert (drained(two, 8), two.lease(9, {}).joined) == (331 - 331 // 2, True)
    assert drained(two, 9) == 663 - 331 // 2


def used(book: Book, now_s: float) -> int:
    """Use all that a replica has in hand; return how many requests that was."""
    count = 0
    while isinstance(book.reserve("k", LIMIT, 0, now_s), Reserved):
        count += 1
    return count


def ask(book: Book, store: Store, now_s: float) -> None:
    """Ask a store what a book wants of it, as a replica does."""
    asked = book.to_ask(now_s, 20)
    if asked is None:
        return
    minute, wants = asked
    book.asked(minute)
    try:
        book.answered(store.lease(minute, wants))
    except StorageUnavailable:
        book.failed(minute, for_certain=True, has_share=store.has_share(minute))


def test_a_share_is_used_once_however_soon_its_user_is_killed(site: Site) -> None:
    """At the turn of a minute that it could not join it uses its share, and is gone before it asks the store again."""
    store, book = site.store("a", HASTY), Book(2, 7 * MINUTE_S + 30)
    ask(book, store, 7 * MINUTE_S + 30)
    with store._home.locked():
        ask(book, store, 7 * MINUTE_S + 45)
    got = used(book, 8 * MINUTE_S)
    assert (got, book.standing) == (331, "alone")
    store.close()
    store, book = site.store("b"), Book(2, 8 * MINUTE_S + 1)
    for _ in range(20):
        ask(book, store, 8 * MINUTE_S + 2)
        got += used(book, 8 * MINUTE_S + 2)
    assert (store.slot, got) == (0, 2 * 331)  # what division leaves over went with the share


def test_a_slot_is_had_although_another_replica_holds_the_lock(site: Site) -> None:
    """However long: who starts then has its share, alone."""
    store = site.store("a", HASTY)
    cannot_join(store, 7)
    assert (store.slot, store.has_share(7)) == (0, True)
    assert site.store("b").lease(7, {}).joined


def test_vacant_shares_are_everybodys(site: Site) -> None:
    """One replica where two may be has the whole limit; one that comes later leases."""
    one, two = site.store("a"), site.store("b")
    assert one.lease(7, {}).joined
    assert drained(one, 7) + 331 // 2 == 663
    late = two.lease(7, WANTS)
    assert (late.joined, late.given["k"].requests) == (False, 0)


def test_a_lock_that_is_held_is_waited_for_a_while(site: Site) -> None:
    """Then nothing is leased, and that is certain."""
    hasty = site.store("a", HASTY)
    with site.store("b")._home.locked(), pytest.raises(StorageUnavailable, match="holds the lock"):
        hasty.lease(7, WANTS)
    assert hasty.lease(7, WANTS).joined


def test_a_folder_that_cannot_be_written_leases_nothing(site: Site) -> None:
    """It is a file."""
    (site.folder / "admission").write_bytes(b"")
    store = site.store("a")
    with pytest.raises(StorageUnavailable):
        store.lease(7, WANTS)
    assert (store.slot, store.has_share(7)) == (None, False)


def test_keys_beyond_the_bound_lease_nothing(site: Site) -> None:
    """A note holds so many; whoever is in it leases on."""
    store = site.store("a", config=QuotaConfig(max_keys=2))
    want = WANTS["k"]
    for keys, leased in (("abc", {"a", "b"}), ("cb", {"b"})):
        given = store.lease(7, dict.fromkeys(keys, want)).given
        assert {key for key in keys if given[key].requests} == leased


def test_what_could_not_be_noted_is_in_hand_still(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its own share, alone; and what it took in hand of vacant ones, it puts into the note at the next try."""
    store = SharedLeases(tmp_path / "admission", "a", 2, CONFIG)
    with monkeypatch.context() as full:
        full.setattr(Path, "write_bytes", failing_write)
        with pytest.raises(StorageUnavailable):
            store.lease(7, WANTS)
    assert store.has_share(7)
    assert store.lease(7, {}).joined
    assert drained(store, 7) + 331 // 2 == 663


def failing_write(path: Path, _: bytes) -> int:
    """Fail."""
    raise OSError(errno.ENOSPC, "no space", str(path))


def test_a_note_that_is_lost_takes_along_what_was_put_into_it(tmp_path: Path) -> None:
    """It is begun anew and empty: nothing is handed out twice."""
    store = Site(tmp_path).store("a")
    assert drained(store, 7) == 663 - 331 // 2
    (tmp_path / "admission" / "7.json").unlink()
    assert drained(store, 7) == 0


@pytest.mark.parametrize(
    "data", [b"{", b"[]", b'{"minute": "x"}', b"\xff", b'{"minute": 7, "of": 2, "slots": {"0": "\xff"}}', b""]
)
def test_a_note_that_cannot_be_read_leases_nothing(tmp_path: Path, data: bytes) -> None:
    """That minute only; its share is the replica's, alone."""
    store = Site(tmp_path).store("a")
    (tmp_path / "admission").mkdir()
    (tmp_path / "admission" / "7.json").write_bytes(data)
    with pytest.raises(StorageUnavailable):
        store.lease(7, WANTS)
    assert store.has_share(7)
    assert store.lease(8, WANTS).joined


def test_minutes_that_begin_anew_find_no_notes_of_later_ones(tmp_path: Path) -> None:
    """A share that was put into one is leased of it no more when its minute comes again, and has its place in the new one."""
    now_s = [0.0]
    store = SharedLeases(tmp_path / "admission", "a", 1, CONFIG, lambda: now_s[0])
    for minute in (9, 10, 11):
        assert store.lease(minute, {}).joined
    store.begin_anew()
    assert store.lease(8, WANTS).joined is False
    assert store.waits
    now_s[0] = PATIENCE_S
    assert store.lease(9, WANTS).joined is False  # which is there still, with the share of the one before in it
    assert sorted(path.stem for path in (tmp_path / "admission").glob("*.json")) == ["10", "8", "9"]
    assert store.lease(8, WANTS).joined
    assert sorted(path.stem for path in (tmp_path / "admission").glob("*.json")) == ["8"]
    assert (store.waits, store.lease(9, WANTS).joined, store.lease(10, {}).joined) == (False, True, True)


def test_a_machine_that_goes_down_within_a_minute_gives_nothing_of_it_twice(tmp_path: Path) -> None:
    """Words were on the disk; of the note an older version may be, which counts for the boot that it was begun in alone."""
    boot = tmp_path / "boot"
    boot.write_text("one\n")
    store = SharedLeases(tmp_path / "admission", "a", 2, CONFIG, boot=boot)
    assert store.lease(7, {}).joined
    note = tmp_path / "admission" / "7.json"
    older = note.read_bytes()
    assert drained(store, 7) == 663 - 331 // 2
    store.close()
    note.write_bytes(older)
    boot.write_text("two\n")
    after = SharedLeases(tmp_path / "admission", "b", 2, CONFIG, boot=boot)
    assert (after.lease(7, {}).joined, after.has_share(7), drained(after, 7)) == (False, False, 0)
    assert after.lease(8, {}).joined
    assert drained(after, 8) == 663 - 331 // 2


def test_words_are_on_the_disk_before_anything_is_in_hand(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    """Own and vacant ones: of a word that cannot be synced nothing is had."""
    store = site.store("a")
    assert store.lease(7, {}).joined

    def failing(_: int) -> None:
        raise OSError(errno.EIO, "the disk is gone")

    with monkeypatch.context() as broken:
        broken.setattr(os, "fdatasync", failing)
        with pytest.raises(StorageUnavailable):
            store.lease(8, {})
    assert store.has_share(8) is False
    assert store._home.in_hand(8) == frozenset()


@pytest.mark.parametrize("whose", ["own", "vacant"])
def test_names_of_files_are_on_the_disk_before_anything_is_in_hand(
    site: Site, monkeypatch: pytest.MonkeyPatch, whose: str
) -> None:
    """A slot's file that is made anew would be gone with the power, and its word with it."""
    store, synced = site.store("a"), []

    def failing(_: Path) -> None:
        synced.append(store.slot)
        if len(synced) > ["own", "vacant"].index(whose):
            raise OSError(errno.EIO, "the disk is gone")

    with monkeypatch.context() as broken:
        broken.setattr(home_slots, "sync_folder", failing)
        with pytest.raises(StorageUnavailable):
            store.lease(7, {})
    has_own = whose == "vacant"
    assert (synced, store.has_share(7)) == ([None, 0] if has_own else [None], has_own)
    assert store._home.in_hand(7) == (frozenset({0}) if has_own else frozenset())


def test_who_begins_anew_is_another_one(site: Site) -> None:
    """What the one before kept of a minute is not his, whatever becomes of the clock."""
    store = site.store("a")
    assert store.lease(7, {}).joined
    assert store.lease(7, {}).joined
    store.begin_anew()
    assert (store.slot, store.lease(7, {}).joined, store.has_share(7)) == (0, False, False)
    assert store.lease(8, {}).joined


def test_old_notes_go(tmp_path: Path) -> None:
    """A few minutes are kept."""
    store = Site(tmp_path).store("a")
    for minute in range(7, 20):
        store.lease(minute, WANTS)
    assert sorted(path.stem for path in (tmp_path / "admission").glob("*.json")) == ["17", "18", "19"]
    store.begin_anew()
    store.lease(3, WANTS)
    assert [path.stem for path in (tmp_path / "admission").glob("*.json")] == ["3"]
