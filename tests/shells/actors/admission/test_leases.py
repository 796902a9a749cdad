"""Leases on real files, between real processes."""

import multiprocessing
from multiprocessing.queues import Queue
from pathlib import Path

import pytest

from actors.admission.adapters.leases import SharedLeases
from actors.admission.config import QuotaConfig
from actors.admission.quotas import UNLIMITED, Amount, Want
from actors.base.errors import StorageUnavailable

LIMIT = Amount(663, UNLIMITED)
WANTS = {"k": Want(LIMIT, Amount())}
CONFIG = QuotaConfig(lock_wait_s=5)


def leases(folder: Path, name: str, slots: int = 2, config: QuotaConfig = CONFIG) -> SharedLeases:
    """Return the leases of a replica."""
    return SharedLeases(folder / "admission", name, slots, config)


def drained(store: SharedLeases, minute: int) -> int:
    """Lease until nothing is left; return how much that was."""
    got = 0
    while more := store.lease(minute, WANTS).given["k"].requests:
        got += more
    return got


def drain(folder: Path, name: str, told: "Queue[int]") -> None:
    """Lease all that one gets, as a process of its own."""
    told.put(drained(leases(folder, name), 7))
    told.close()
    told.join_thread()


def test_processes_together_lease_what_there_is_and_no_more(tmp_path: Path) -> None:
    """Two replicas with a slot each, and one without, that ask as fast as they can: the sum is the limit."""
    holders = [leases(tmp_path, name) for name in ("x", "y")]
    for minute in (6, 7):  # they hold the slots before the minute is joined
        for holder in holders:
            holder.lease(minute, {})
    context = multiprocessing.get_context("spawn")
    told: Queue[int] = context.Queue()
    processes = [context.Process(target=drain, args=(tmp_path, name, told)) for name in ("a", "b", "c")]
    for process in processes:
        process.start()
    got = [told.get(timeout=60) for _ in processes]
    for process in processes:
        process.join(timeout=60)
    assert sum(got) + 2 * (331 // 2) == 663
    for holder in holders:
        holder.close()


def test_a_slot_is_held_by_one_and_free_once_it_ends(tmp_path: Path) -> None:
    """Whoever comes later has none until then; from the second minute on it may be used without asking."""
    one, two, three = (leases(tmp_path, name) for name in ("a", "b", "c"))
    for store in (one, two, three):
        store.lease(7, {})
    assert (one.slot, two.slot, three.slot) == (0, 1, None)
    assert (one.alone_from, three.alone_from) == (9, None)
    one.close()
    assert three.lease(8, {}).joined
    assert (three.slot, three.alone_from) == (0, 10)


def test_a_share_that_was_used_alone_is_left_alone(tmp_path: Path) -> None:
    """Whoever takes the slot over joins from the next minute on, and nobody gives its share away as vacant."""
    one, two = leases(tmp_path, "a"), leases(tmp_path, "b")
    one.lease(7, {})
    one.stood_alone(8)
    one.close()
    assert two.lease(8, {}).joined is False
    assert two.slot == 0
    assert (drained(two, 8), drained(two, 9)) == (663 - 331, 663 - 331 // 2)
    assert two.lease(9, {}).joined


def test_a_share_that_was_used_alone_is_no_vacant_one(tmp_path: Path) -> None:
    """Its replica is gone and nobody has taken its slot: nobody leases that share before the next minute."""
    one, two = leases(tmp_path, "a"), leases(tmp_path, "b")
    for store in (one, two):
        store.lease(7, {})
    one.stood_alone(8)
    one.close()
    assert two.lease(8, {}).joined
    assert (drained(two, 8), two.lease(9, {}).joined) == (663 - 331 - 331 // 2, True)
    assert drained(two, 9) == 663 - 331 // 2


def test_vacant_shares_are_everybodys(tmp_path: Path) -> None:
    """One replica where two may be has the whole limit; one that comes later leases."""
    one, two = leases(tmp_path, "a"), leases(tmp_path, "b")
    assert one.lease(7, {}).joined
    assert drained(one, 7) + 331 // 2 == 663
    late = two.lease(7, WANTS)
    assert (late.joined, late.given["k"].requests) == (False, 0)


def test_a_lock_that_is_held_is_waited_for_a_while(tmp_path: Path) -> None:
    """Then nothing is leased, and that is certain."""
    hasty = leases(tmp_path, "a", config=QuotaConfig(lock_wait_s=0.01))
    with leases(tmp_path, "b")._locked(), pytest.raises(StorageUnavailable, match="holds the lock"):
        hasty.lease(7, WANTS)
    assert hasty.lease(7, WANTS).joined


@pytest.mark.parametrize("data", [b"{", b"[]", b'{"minute": "x"}'])
def test_a_note_that_cannot_be_read_leases_nothing(tmp_path: Path, data: bytes) -> None:
    """That minute only."""
    store = leases(tmp_path, "a")
    (tmp_path / "admission").mkdir()
    (tmp_path / "admission" / "7.json").write_bytes(data)
    with pytest.raises(StorageUnavailable):
        store.lease(7, WANTS)
    assert store.lease(8, WANTS).joined


def test_a_folder_that_cannot_be_written_leases_nothing(tmp_path: Path) -> None:
    """It is a file."""
    (tmp_path / "admission").write_bytes(b"")
    store = leases(tmp_path, "a")
    with pytest.raises(StorageUnavailable):
        store.lease(7, WANTS)
    store.stood_alone(7)
    assert store.slot is None


def test_old_notes_go(tmp_path: Path) -> None:
    """A few minutes are kept."""
    store = leases(tmp_path, "a")
    for minute in range(7, 20):
        store.lease(minute, WANTS)
    assert sorted(path.stem for path in (tmp_path / "admission").glob("*.json")) == ["17", "18", "19"]
