"""Continuity of sequences."""

from hypothesis import given
from hypothesis import strategies as st

from actors.spans.sequence import FIRST_SEQ, Step, advance


def test_the_next_frame_goes_on() -> None:
    """A frame that begins where the last ended is all new."""
    assert advance(5, 5, 3) == Step(skip=0, lost=0, next_seq=8)


def test_a_frame_read_again_is_skipped() -> None:
    """A frame wholly below the next number adds nothing and does not set the sequence back."""
    assert advance(9, 5, 3) == Step(skip=3, lost=0, next_seq=9)


def test_missing_rows_are_counted() -> None:
    """A frame that begins too late says how many rows are missing before it."""
    assert advance(5, 8, 1) == Step(skip=0, lost=3, next_seq=9)


@given(
    st.integers(min_value=1, max_value=60).flatmap(
        lambda total: st.lists(
            st.tuples(st.integers(1, total), st.integers(0, 10)).map(lambda f: (f[0], min(f[1], total - f[0] + 1))),
            max_size=30,
        )
    )
)
def test_rows_are_taken_once_or_counted_as_lost(frames: list[tuple[int, int]]) -> None:
    """Over any frames: no row is taken twice, and taken and lost together are exactly the numbers passed."""
    next_seq, taken, lost = FIRST_SEQ, [], 0
    for first_seq, count in frames:
        step = advance(next_seq, first_seq, count)
        taken += range(first_seq + step.skip, first_seq + count)
        lost += step.lost
        assert step.next_seq >= next_seq
        next_seq = step.next_seq
    assert len(taken) == len(set(taken))
    assert len(taken) + lost == next_seq - FIRST_SEQ
