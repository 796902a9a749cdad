"""Rows that were let go fill the gap that they left, once."""

from actors.spans.gaps import Sealed


def test_batches_come_in_order() -> None:
    """What overlaps what was sealed is not sealed again, and changes nothing."""
    sealed = Sealed()
    assert (sealed.take(5, 9), sealed.take(10, 10)) == (True, True)
    assert [sealed.take(*run) for run in ((10, 11), (5, 5), (9, 12), (7, 8))] == [False] * 4
    assert sealed.last == 10


def test_a_gap_is_filled_once() -> None:
    """Wholly or in parts, from before the first on; what reaches beyond it is refused."""
    sealed = Sealed()
    assert (sealed.take(3, 4), sealed.take(8, 9)) == (True, True)
    assert (sealed.take(4, 6), sealed.take(7, 8)) == (False, False)
    assert (sealed.take(6, 6), sealed.take(6, 6)) == (True, False)
    assert (sealed.take(5, 5), sealed.take(7, 7), sealed.take(5, 7)) == (True, True, False)
    assert (sealed.take(1, 2), sealed.take(1, 1)) == (True, False)
    assert sealed.last == 9
