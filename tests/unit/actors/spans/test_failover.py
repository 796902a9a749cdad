"""When a storage is given up, and the word about which one holds the rows."""

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from actors.base.errors import IntegrityError
from actors.spans.failover import Handover, Patience, Streak, encode_handover, failed, gives_up, read_handover

PATIENCE = Patience(failures=3, for_s=10.0, spacing_s=0.2)


def after(*moments_s: float) -> bool:
    """Tell whether a storage that failed at these moments, and never worked between, is given up."""
    streak = Streak()
    for now_s in moments_s:
        streak = failed(streak, PATIENCE, now_s)
    return gives_up(streak, PATIENCE, moments_s[-1])


def test_so_many_failures_in_a_row_are_enough() -> None:
    """The third is, the second is not."""
    assert [after(5.0, 5.5), after(5.0, 5.5, 6.0)] == [False, True]


def test_so_long_a_row_is_enough() -> None:
    """Two failures ten seconds apart give it up, however few they are."""
    assert [after(5.0, 14.9), after(5.0, 15.0)] == [False, True]


def test_one_moment_is_one_failure() -> None:
    """Whoever asks for ten writers in one instant has not failed ten times."""
    assert [after(*[5.0] * 10), after(*[5.0] * 10, 5.1, 5.3, 5.6)] == [False, True]


def test_what_never_failed_is_not_given_up() -> None:
    """However late it is."""
    assert not gives_up(Streak(), PATIENCE, 1e9)


@given(st.lists(st.floats(min_value=0, max_value=5), min_size=1, max_size=20))
def test_a_row_is_given_up_by_count_or_by_age_and_by_nothing_else(gaps_s: list[float]) -> None:
    """The rule, against a count of its own."""
    now_s, first_s, last_s, count, streak = 100.0, 100.0, 0.0, 0, Streak()
    for gap_s in gaps_s:
        now_s += gap_s
        if count == 0:
            first_s = last_s = now_s
            count = 1
        elif now_s - last_s >= PATIENCE.spacing_s:
            count, last_s = count + 1, now_s
        streak = failed(streak, PATIENCE, now_s)
    assert gives_up(streak, PATIENCE, now_s) == (count >= 3 or now_s - first_s >= 10.0)


HANDOVER = Handover("in_use", "/mnt/b/01", 7, "/mnt/b/00", 1234)


def test_a_word_is_read_as_it_was_written() -> None:
    """With the blanks behind it that keep room for longer ones."""
    assert read_handover(encode_handover(HANDOVER).ljust(4096, b"\n")) == HANDOVER
    assert (HANDOVER.in_use, msgspec.structs.replace(HANDOVER, state="ready").in_use) == (True, False)


@pytest.mark.parametrize(
    "data",
    [
        b"", b"\n" * 4096, b"{}", encode_handover(HANDOVER)[:-1], encode_handover(HANDOVER).replace(b"/1", b"/2"),
        encode_handover(HANDOVER).replace(b"in_use", b"in_USE"), encode_handover(HANDOVER).replace(b":7", b":-7"),
        encode_handover(HANDOVER).replace(b"/mnt/b/01", b""),
    ],
)  # fmt: skip
def test_anything_else_is_no_word(data: bytes) -> None:
    """Cut, of another version, of an unknown state, of a batch or place that cannot be: it is never guessed at."""
    with pytest.raises(IntegrityError):
        read_handover(data)
