"""Slots on a disk that is full, and words that are left in them."""

import os
from pathlib import Path

import pytest

from actors.admission.adapters.home_slots import PATIENCE_S, HomeSlots
from tests.shells.small_disk import fill


class Steady:
    """A clock that only rises."""

    now_s = 0.0

    def __call__(self) -> float:
        """Return seconds."""
        return self.now_s


def slots(folder: Path, count: int = 1, clock: Steady | None = None) -> HomeSlots:
    """Return slots as a replica sees them."""
    return HomeSlots(folder, range(count), 1.0, monotonic=clock or Steady())


def test_a_full_disk_keeps_no_word_from_being_left(small_disk: Path) -> None:
    """The slot's file has its room since it was taken; whoever comes next reads the word."""
    one = slots(small_disk)
    one.join(7)
    one.close()
    one.join(6)
    fill(small_disk)
    one.join(8)
    assert one.in_hand(8) == {0}
    one.close()
    two = slots(small_disk)
    two.join(8)
    assert (two.number, two.in_hand(8)) == (0, frozenset())
    two.close()


def test_nobody_holds_a_slot_that_no_word_can_be_left_in(small_disk: Path) -> None:
    """Its file would be empty; once there is space, it is had."""
    os.close(os.open(small_disk / "lock", os.O_CREAT))
    os.close(os.open(small_disk / "slot-0", os.O_CREAT | os.O_RDWR))
    fill(small_disk)
    one = slots(small_disk)
    with pytest.raises(OSError, match="space"):
        one.join(7)
    assert (one.number, one.in_hand(7)) == (None, frozenset())
    (small_disk / "other").unlink()
    one.join(7)
    assert (one.number, one.in_hand(7)) == (0, {0})
    one.close()


def test_a_slot_that_was_taken_has_its_room(tmp_path: Path) -> None:
    """Before any word was left: as many bytes as a word has."""
    one = slots(tmp_path)
    one._hold()
    assert (tmp_path / "slot-0").stat().st_size == 20
    one.join(7)
    assert int((tmp_path / "slot-0").read_bytes()) == 7
    one.close()


def test_a_word_that_cannot_be_left_gives_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Neither the own share nor a vacant one; the next try may."""
    one = slots(tmp_path, 2)
    one.join(6)
    with monkeypatch.context() as broken:
        broken.setattr(os, "pwrite", lambda *_: 3)
        with pytest.raises(OSError, match="space"):
            one.join(7)
        with pytest.raises(OSError, match="space"):
            one.gather(7)
    assert one.in_hand(7) == frozenset()
    one.join(7)
    one.gather(7)
    assert one.in_hand(7) == {0, 1}
    assert one.in_hand(6) == {0}
    one.join(8)
    one.join(9)
    assert one.in_hand(7) == frozenset()
    one.close()


def test_words_only_rise(tmp_path: Path) -> None:
    """A clock that goes back finds minutes spoken for."""
    one = slots(tmp_path)
    one.join(7)
    one.join(5)
    assert (one.in_hand(5), int((tmp_path / "slot-0").read_bytes())) == (frozenset(), 7)
    one.close()
    one.gather(9)
    assert one.in_hand(9) == {0}


def test_a_word_that_is_ahead_is_waited_out_and_minutes_begin_anew(tmp_path: Path) -> None:
    """Two minutes of a clock that only rises, however far the other one was ahead; then it goes on from there."""
    before, clock = slots(tmp_path), Steady()
    before.join(300)
    before.close()
    after = slots(tmp_path, 1, clock)
    after.join(7)
    assert (after.waits, after.in_hand(7), after.overdue()) == (True, frozenset(), frozenset())
    clock.now_s = PATIENCE_S - 1
    after.join(8)
    assert after.overdue() == frozenset()
    clock.now_s = PATIENCE_S
    after.join(9)
    assert after.overdue() == {0}
    after.gather(9, after.overdue())
    assert (after.waits, after.in_hand(9), (tmp_path / "slot-0").read_bytes()) == (False, {0}, b"%020d" % 9)
    after.join(9)
    after.join(10)
    assert (after.in_hand(9), after.in_hand(10)) == ({0}, {0})
    after.close()


def test_a_word_of_the_next_minute_is_not_waited_out(tmp_path: Path) -> None:
    """It was left ahead of the minute, as always; whoever comes within it leaves it alone."""
    one = slots(tmp_path)
    one.join(8)
    one.join(7)
    assert (one.waits, one.in_hand(7)) == (False, frozenset())
    one.join(6)
    assert one.waits
    one.join(9)
    assert (one.waits, one.in_hand(9)) == (False, {0})
    one.close()


def test_a_vacant_slots_word_is_waited_out_while_nobody_else_holds_it(tmp_path: Path) -> None:
    """Who held it meanwhile may have used its share: the wait begins anew, as it does for another word."""
    clock = Steady()
    one, two = slots(tmp_path, 2, clock), slots(tmp_path, 2)
    one.join(7)
    two.join(300)
    two.close()
    one.gather(7)
    clock.now_s = 60.0
    two.join(300)
    one.gather(8)
    two.close()
    one.gather(8)
    clock.now_s = PATIENCE_S
    assert one.overdue() == frozenset()
    one.gather(9, one.overdue())
    assert one.in_hand(9) == frozenset()
    clock.now_s = 60.0 + PATIENCE_S
    one.gather(10, one.overdue())
    assert one.in_hand(10) == {1}
    one.close()


def test_who_begins_anew_has_nothing_in_hand(tmp_path: Path) -> None:
    """What was in hand may have been used by the book that was left behind."""
    one = slots(tmp_path)
    one.join(7)
    one.begin_anew()
    assert one.in_hand(7) == frozenset()
    one.join(7)
    assert one.in_hand(7) == frozenset()
    one.close()
