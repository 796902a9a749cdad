"""Slots on a disk that is full, and words that are left in them."""

import os
from pathlib import Path

import pytest

from actors.admission.adapters.home_slots import HomeSlots
from tests.shells.small_disk import fill


def slots(folder: Path, count: int = 1) -> HomeSlots:
    """Return slots as a replica sees them."""
    return HomeSlots(folder, range(count), 1.0)


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
