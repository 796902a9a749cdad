"""Which files may go, and how sets of batches are written."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from actors.base.errors import IntegrityError
from actors.spans.compaction import TableFile
from actors.spans.retention import DAY_MS, MAX_FILES, Batches, ended, last_kept_ms

NUMBERS = st.sets(st.integers(0, 60))


def file(first: int | None, last: int | None, ended_ms: int) -> TableFile:
    """Make a file of some batches."""
    return TableFile(Path(f"{first}-{last}"), first, last, "2026-01-01", 1, 1, 0, ended_ms)


def test_files_go_whose_rows_all_ended_before() -> None:
    """In the log's order; none that is not sealed, of no batch, or of which Delta does not tell."""
    files = [file(4, 5, 99), file(0, 1, 10), file(2, 3, 100), file(6, 7, 50), file(None, None, 1), file(8, 8, -1)]
    assert [one.first for one in ended(files, 7, 100)] == [0, 4]
    assert [one.first for one in ended(files, 8, 101)] == [0, 2, 4, 6]


def test_as_many_go_at_once_as_an_entry_names() -> None:
    """The oldest."""
    files = [file(index, index, 0) for index in range(3 * MAX_FILES)]
    assert [one.first for one in ended(files[::-1], len(files), 1)] == list(range(MAX_FILES))


def test_days_are_days() -> None:
    """Of milliseconds."""
    assert last_kept_ms(100 * DAY_MS + 5, 30) == 70 * DAY_MS + 5


@given(NUMBERS, NUMBERS)
def test_sets_are_what_they_are_of(some: set[int], others: set[int]) -> None:
    """Written and read back they are the same; joined they are what either holds; and each set has one text."""
    made, joined = Batches(some), Batches(some) | Batches(others)
    assert list(made) == sorted(some)
    assert list(Batches.read(made.text)) == sorted(some)
    assert list(joined) == sorted(some | others)
    assert joined.text == Batches(some | others).text
    assert {number for number in range(-2, 70) if number in made} == some
    assert "x" not in made


@pytest.mark.parametrize(
    ("numbers", "text"),
    [(set(), ""), ({7}, "7"), ({0, 1, 2}, "0-2"), ({0, 1, 3, 5, 6}, "0-1 3 5-6"), (range(100_000), "0-99999")],
)
def test_sets_are_written_as_ranges(numbers: set[int], text: str) -> None:
    """However many there are."""
    assert Batches(numbers).text == text


@pytest.mark.parametrize(
    "text",
    [
        " ",
        "1 ",
        "01",
        "1-",
        "-1",
        "3-1",
        "1-1",
        "1 2",
        "1-2 3",
        "2 1",
        "1-3 2-4",
        "x",
        "1-2-3",
        "+1",
        "1_0",
        "²",
        "9" * 19,
        "1,2",
    ],
)
def test_no_other_text_is_read(text: str) -> None:
    """What is signed means one thing."""
    with pytest.raises(IntegrityError):
        Batches.read(text)
