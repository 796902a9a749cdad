"""Which rows are quarantined follows from the table's own words, the last one first."""

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from actors.base.errors import IntegrityError
from actors.spans import conventions as names
from actors.spans.entry import sign_entry
from actors.spans.quarantined import Entry, Interval, Quarantined, check_word, entry_of, in_force, join, listed, without
from actors.spans.sequence import MAX_SEQ
from tests.unit.actors.spans import asked
from tests.unit.actors.spans.telemetry import LOG_KEY, NOW_S

W, X = "01J0000000000000000000000W", "01J0000000000000000000000X"


def word(name: str, first: int, last: int, place: str = "table", writer: str = W) -> Entry:
    """Return an entry."""
    return Entry(name, writer, first, last, place, "odd", "", 1000 * first)


def bad(first: int, last: int, place: str = "table", writer: str = W) -> Entry:
    """Return a word that quarantines."""
    return word(names.ROW_QUARANTINED, first, last, place, writer)


def good(first: int, last: int, writer: str = W) -> Entry:
    """Return a word that lets go."""
    return word(names.ROW_RELEASED, first, last, "table", writer)


def test_the_last_word_counts() -> None:
    """What was let go is free until it is quarantined again; another writer's rows have nothing to do with it."""
    now = in_force(
        [bad(1, 10), good(3, 4), bad(4, 4), bad(7, 9, writer=X), good(1, 20, writer=X), bad(30, 30, "aside")]
    )
    assert now == Quarantined({W: [(1, 2), (4, 10)]}, {W: [(30, 30)]})
    assert [now.holds(W, seq) for seq in (2, 3, 4, 30, 31)] == ["table", None, "table", "aside", None]
    assert (now.holds(X, 8), now.count) == (None, 9)


@pytest.mark.parametrize(
    ("less", "left"),
    [
        ((5, 6), [(1, 3), (8, 9)]), ((1, 9), []), ((2, 2), [(1, 1), (3, 3), (8, 9)]), ((3, 8), [(1, 2), (9, 9)]),
        ((4, 7), [(1, 3), (8, 9)]), ((0, 1), [(2, 3), (8, 9)]),
    ],
)  # fmt: skip
def test_taking_out(less: Interval, left: list[Interval]) -> None:
    """Intervals are cut, split or gone, whatever lies over them."""
    assert without([(1, 3), (8, 9)], less) == left


@pytest.mark.parametrize(
    ("more", "made"),
    [
        ((4, 6), [(1, 6), (8, 9)]), ((2, 10), [(1, 10)]), ((4, 7), [(1, 9)]), ((5, 6), [(1, 3), (5, 6), (8, 9)]),
        ((0, 0), [(0, 3), (8, 9)]), ((11, 12), [(1, 3), (8, 9), (11, 12)]), ((2, 2), [(1, 3), (8, 9)]),
        ((10, 10), [(1, 3), (8, 10)]),
    ],
)  # fmt: skip
def test_putting_in(more: Interval, made: list[Interval]) -> None:
    """What touches becomes one."""
    intervals = [(1, 3), (8, 9)]
    join(intervals, more)
    assert intervals == made


@pytest.mark.parametrize(
    ("first", "last"), [("x", "4"), ("3", ""), ("0", "4"), ("5", "4"), ("3", str(MAX_SEQ + 1)), ("3", "9" * 5000)]
)
def test_an_entry_names_rows_that_there_can_be(first: str, last: str) -> None:
    """One that names none, or in no order, is none."""
    with pytest.raises(ValueError, match=r"int|names no rows"):
        entry_of(names.ROW_QUARANTINED, {names.ROW_WRITER: W, names.ROW_FIRST: first, names.ROW_LAST: last}, 0)


def test_forgeries_by_the_ten_thousand_are_no_work_for_minutes() -> None:
    """One between every two good rows; each is looked for by halves."""
    looked = 0

    class Counted(tuple[int, int]):
        __slots__ = ()

        def __getitem__(self, at: object) -> int:  # type: ignore[override]
            nonlocal looked
            looked += 1
            return super().__getitem__(at)  # type: ignore[call-overload,no-any-return]

    intervals: list[Interval] = []
    for seq in range(0, 20_000, 2):
        join(intervals, Counted((seq, seq)))
        intervals[-1] = Counted(intervals[-1])
    assert (len(intervals), looked < 20_000 * 20) == (10_000, True)


def test_the_mask_is_what_holds_says() -> None:
    """Row by row, for writers in any order and numbers in any order, drawn at random."""
    random = np.random.default_rng(7)
    now = Quarantined({W: [(2, 4), (9, 9), (20, 30)], X: [(1, 1)]})
    writers = [X, None, W]
    writer, seq = random.integers(0, 3, 500), random.integers(0, 35, 500)
    expected = [now.holds(writers[code] or "", number) == "table" for code, number in zip(writer, seq, strict=True)]
    assert now.mask(writers, writer, seq).tolist() == expected


def test_the_list_is_newest_first_and_bounded_and_says_what_was_let_go() -> None:
    """All of it, some of it, none of it; releases are no entries of their own."""
    found = listed([bad(1, 4), bad(5, 8), bad(9, 9, "aside"), good(1, 6)], 2)
    assert (found["total"], found["rows_in_table"]) == (3, 2)
    assert [(item["first_seq"], item["state"]) for item in found["entries"]] == [(9, "quarantined"), (5, "partly")]  # type: ignore[attr-defined]
    (oldest,) = listed([bad(1, 4), good(1, 6)], 2)["entries"]  # type: ignore[misc]
    assert oldest["state"] == "released"


@pytest.mark.parametrize(
    "changes",
    [{"first_seq": 2}, {"last_seq": 5}, {"writer_id": "w"}, {"name": names.ROW_QUARANTINED}, {"by": "b"}, {"reason": "r"},
     {"request": ""}],
)  # fmt: skip
def test_a_word_is_what_its_operator_signed(changes: dict[str, Any]) -> None:
    """Rows, writer, what is done, by whom and why; the actor's own word on rows that it set aside needs none."""
    said = asked.word("release", 3, 4)
    signed = entry_of(names.ROW_RELEASED, said, 1)
    check_word(signed, said, asked.TRUST)
    check_word(entry_of(names.ROW_QUARANTINED, asked.word("quarantine", 3, 4), 1), said, asked.TRUST)
    check_word(replace(signed, name=names.ROW_QUARANTINED, place="aside", request=""), said, asked.TRUST)
    with pytest.raises(IntegrityError):
        check_word(replace(signed, **changes), said, asked.TRUST)


def test_a_word_of_the_actor_s_own_on_rows_of_the_table_is_what_the_log_s_key_signed() -> None:
    """Who could set rows apart by writing into the table would choose what is learned; letting go is never its own word."""
    words = {names.ROW_WRITER: W, names.ROW_FIRST: "3", names.ROW_LAST: "4", names.ROW_PLACE: "table"}
    said = sign_entry(LOG_KEY, asked.TRUST, names.ROW_QUARANTINED, words, int(NOW_S))
    entry = entry_of(names.ROW_QUARANTINED, said, 1)
    check_word(entry, said, asked.TRUST)
    released = sign_entry(LOG_KEY, asked.TRUST, names.ROW_RELEASED, words, int(NOW_S))
    for wrong, name in (
        (words, names.ROW_QUARANTINED),
        (said | {names.ROW_LAST: "9"}, names.ROW_QUARANTINED),
        (released, names.ROW_RELEASED),
    ):
        with pytest.raises(IntegrityError):
            check_word(entry_of(name, wrong, 1), wrong, asked.TRUST)


def test_an_answer_for_a_batch_is_two_people_s_word() -> None:
    """The operator signed what lies there, the log's key all of it; its rows are quarantined until they are let go."""
    said = asked.answer(7, 3, 4)
    entry = entry_of(names.BATCH_ANSWERED, said, 1)
    check_word(entry, said, asked.TRUST)
    assert (entry.batch, entry.found, entry.said) == (7, "ab" * 32, "cd" * 32)
    assert in_force([entry]) == Quarantined({entry.writer_id: [(3, 4)]})
    assert in_force([entry, good(3, 4, entry.writer_id)]) == Quarantined()
    assert listed([entry], 9)["total"] == 1
    for wrong in (
        said | {names.BATCH_FOUND: "ef" * 32}, said | {names.BATCH_SAID: ""}, said | {names.BATCH_NUMBER: "8"},
        said | {names.ROW_REQUEST: asked.word("quarantine", 3, 4)[names.ROW_REQUEST]},
    ):  # fmt: skip
        with pytest.raises(IntegrityError):
            check_word(entry_of(names.BATCH_ANSWERED, wrong, 1), wrong, asked.TRUST)
    with pytest.raises(IntegrityError, match="another thing"):
        check_word(replace(entry, batch=8), said, asked.TRUST)
    with pytest.raises(IntegrityError, match="another thing"):
        check_word(replace(entry, name=names.ROW_QUARANTINED), said, asked.TRUST)
