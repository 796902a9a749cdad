"""Two frames of one number: the writer's own stays, wherever it lies."""

import pytest

from actors.spans.frames import Frame, FrameKind
from actors.spans.rivals import displaced


def frame(first: int, count: int, payload: str, kind: FrameKind = FrameKind.SPANS) -> Frame:
    """Return a frame; where it lies makes no difference."""
    return Frame(kind, first, count, payload.encode(), 0, 0)


def lost(*frames: Frame, next_seq: int = 1) -> dict[int, int]:
    """Return what is passed over for what; payloads in capitals are signed."""
    return displaced(frames, next_seq, lambda place: frames[place].payload.isupper())


def test_what_was_written_again_after_a_failure_has_no_rival() -> None:
    """The same bytes, alone or with what follows them, however often."""
    one, two, three = frame(1, 3, "A"), frame(4, 1, "b"), frame(5, 2, "C")
    assert lost(one, two, one, two, three, two) == {}
    assert lost(one, frame(4, 0, "", FrameKind.ROTATED), two, frame(5, 0, "", FrameKind.CLOSED)) == {}


@pytest.mark.parametrize(("first", "count"), [(4, 3), (4, 1), (5, 1), (3, 9), (1, 4), (6, 5)])
def test_what_is_signed_stays_before_and_behind(first: int, count: int) -> None:
    """Whatever numbers the other one claims beside its own."""
    true, forged = frame(4, 3, "T"), frame(first, count, "f")
    assert lost(forged, true) == {0: 1}
    assert lost(true, forged) == {1: 0}
    assert lost(frame(1, 3, "B"), true, frame(7, 1, "C"), forged)[3] in {0, 1, 2}


def test_between_equals_the_first_stays() -> None:
    """Both signed, or neither."""
    assert lost(frame(1, 2, "A"), frame(1, 2, "B")) == {1: 0}
    assert lost(frame(1, 2, "a"), frame(2, 2, "b")) == {1: 0}


def test_one_forged_frame_may_be_passed_over_for_many_and_many_for_one() -> None:
    """Each of them is told."""
    assert lost(frame(1, 6, "f"), frame(1, 3, "A"), frame(4, 3, "B")) == {0: 1}
    assert lost(frame(1, 1, "f"), frame(2, 1, "g"), frame(1, 3, "A")) == {0: 2, 1: 2}


def test_the_same_frame_again_beside_a_rival_is_the_same_frame() -> None:
    """A forged one among honest repetitions changes nothing for these."""
    true, forged = frame(1, 2, "A"), frame(1, 2, "f")
    assert lost(true, forged, true) == {1: 0}
    assert lost(forged, true, forged) == {0: 1, 2: 1}


def test_what_the_table_has_already_is_not_asked() -> None:
    """Rows that were taken in stay, and so do numbers that only follow on one another."""
    assert lost(frame(1, 2, "a"), frame(1, 2, "B"), next_seq=3) == {}
    assert lost(frame(1, 2, "a"), frame(3, 2, "b"), frame(5, 1, "c")) == {}
    assert lost(frame(5, 1, "c"), frame(1, 2, "a"), frame(3, 2, "b")) == {}
