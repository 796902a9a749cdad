"""What a storm's window is filled with again, from the newest batches of the table."""

from collections.abc import Mapping

import pytest

from actors.spans import conventions as names
from actors.spans.checkers.storm import Seen
from actors.spans.checkers.storm_recalled import seen_before
from actors.spans.columns import Rows
from actors.spans.sequence import MAX_SEQ
from tests.unit.actors.spans.telemetry import NOW_S, span, writer_id

W, ACTOR = writer_id(1), writer_id(9)
SINCE_S = NOW_S - 60


def at_ns(age_s: float) -> int:
    """Return when something was so long ago."""
    return int((NOW_S - age_s) * 1e9)


def own(index: int, age_s: float, name: str, **said: str) -> Rows:
    """Return a batch with an entry of the actor's."""
    attributes = {getattr(names, key): value for key, value in said.items()}
    return Rows(ACTOR, index, 1, [span(1, name=name, attributes=attributes, start_unix_nano=at_ns(age_s))], index)


def aside(index: int, age_s: float, seq: int = 3, **said: str) -> Rows:
    """Return a batch that tells of a row that was set aside."""
    words: Mapping[str, str] = {
        "ROW_WRITER": W, "ROW_FIRST": str(seq), "ROW_LAST": str(seq), "ROW_PLACE": "aside", "ROW_SCORE": "0.0",
    } | said  # fmt: skip
    return own(index, age_s, names.ROW_QUARANTINED, **words)


def good(index: int, age_s: float, count: int = 2, **changes: str) -> Rows:
    """Return a batch of accepted rows that ended so long ago."""
    return Rows(W, index, 1, [span(1, end_unix_nano=at_ns(age_s), **changes) for _ in range(count)], index)


def told(*batches: Rows, begun: Mapping[int, int] | None = None) -> list[tuple[int, Seen]]:
    """Return what came, with ages."""
    found = seen_before(batches, lambda index: (begun or {}).get(index, index), SINCE_S, NOW_S)
    return [(round(NOW_S - at_s), seen) for at_s, seen in found]


def test_rows_that_were_set_aside_lost_or_set_apart_are_bad() -> None:
    """Each when the actor said so; one that was set apart had been counted when it came."""
    lost = own(5, 20, names.WAL_DAMAGED, WAL_WRITER=W, WAL_NEXT_SEQ="7", WAL_LOST_ROWS="4")
    apart = aside(6, 10, 9, ROW_PLACE="table")
    assert told(aside(4, 30), lost, apart) == [
        (30, Seen(1, 1, f"{W} 3", 4)), (20, Seen(4, 4, f"{W} 7", 4)), (10, Seen(0, 1, f"{W} 9", 4)),
    ]  # fmt: skip


def test_what_is_older_is_none_and_neither_is_what_somebody_else_said() -> None:
    """Nor rows that no checker saw, nor an entry that tells of nothing lost."""
    unchecked = own(5, 20, names.ROW_QUARANTINED, ROW_WRITER=W, ROW_FIRST="3", ROW_LAST="4", ROW_PLACE="table")
    torn = own(6, 20, names.WAL_DAMAGED, WAL_WRITER=W, WAL_NEXT_SEQ="7", WAL_LOST_ROWS="0")
    assert told(aside(4, 61), unchecked, torn, own(7, 20, names.WAL_ADOPTED)) == []


@pytest.mark.parametrize("lost", ["x", "", "-3", "1.5", str(MAX_SEQ + 1), "9" * 400, "9" * 5000])
def test_an_entry_that_is_badly_worded_counts_nothing(lost: str) -> None:
    """Nor does it keep the others from counting: no writer numbers more rows than there are numbers."""
    odd = own(5, 20, names.WAL_DAMAGED, WAL_WRITER=W, WAL_NEXT_SEQ="7", WAL_LOST_ROWS=lost)
    assert told(odd, aside(6, 10)) == [(10, Seen(1, 1, f"{W} 3", 6))]


def test_accepted_rows_count_that_came_in_the_window() -> None:
    """By their own end, or for being committed with the first bad row or behind it: a backlog is no storm."""
    assert told(good(1, 30), good(2, 90), good(3, 5, sender="key-1")) == [(30, Seen(1, 0, "", 0))] * 2
    late = told(good(1, 900), good(2, 900), aside(3, 30), good(4, 900), begun={3: 2})
    assert [age for age, _ in late] == [30] * 5
    assert sum(seen.rows for _, seen in late) == 5
    assert [seen.log_size for _, seen in late if seen.bad] == [2]


def test_a_clock_that_was_set_back_keeps_nothing_longer() -> None:
    """What is dated later than now came now."""
    assert [age for age, _ in told(aside(1, -500), good(2, -500, 1))] == [0, 0]
