"""What a writer counts of what it numbers."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from actors.base.errors import IntegrityError
from actors.spans import conventions as names
from actors.spans.counters import RowCounts, WriterCounts, counted, counters_span, counts_of
from tests.unit.actors.spans.telemetry import span, spans_from

COUNTS = st.builds(RowCounts, *[st.integers(0, 2**53 - 1)] * 4)


def test_rows_are_counted_by_what_they_are() -> None:
    """Roots with records, voters' calls, answers taken back; everything is a row."""
    rows = [
        span(1, b"{}"), span(2), span(3, voter="a"), span(4, voter="b", decision_id="", name=names.BREAKER),
        span(5, b"{}", name=names.POLICY),
    ]  # fmt: skip
    assert counts_of(rows) == RowCounts(rows=5, decisions=1, voter_spans=1, withheld=1)


def test_a_frame_that_was_built_and_refused_does_not_count() -> None:
    """The next frame has its number; nor does the one that asks, until it is written."""
    counts = WriterCounts()
    counts.built(1, spans_from(1, 3))
    counts.built(4, spans_from(4, 2))
    counts.built(4, spans_from(4, 5))
    assert counts.before(9) == RowCounts(rows=8)
    assert counts.before(9) == RowCounts(rows=8)


@given(st.lists(st.tuples(st.integers(1, 5), st.booleans()), max_size=20))
def test_what_is_counted_is_what_was_numbered(frames: list[tuple[int, bool]]) -> None:
    """Whatever was refused in between."""
    counts, seq = WriterCounts(), 1
    for size, refused in frames:
        counts.built(seq, spans_from(seq, size))
        seq += 0 if refused else size
    assert counts.before(seq).rows == seq - 1


@given(COUNTS, COUNTS)
def test_counts_come_back_from_their_row(one: RowCounts, other: RowCounts) -> None:
    """And differ by what is added."""
    assert counted(counters_span(one, bytes(16), bytes(8), 7)) == one
    assert (one + other) - other == one


@pytest.mark.parametrize("text", ["", "-1", "1.5", "１", "9" * 17, "many"])
def test_what_is_no_count_is_refused(text: str) -> None:
    """Digits and nothing else."""
    row = counters_span(RowCounts(), bytes(16), bytes(8), 7)
    with pytest.raises(IntegrityError, match="what was counted"):
        counted(replace(row, attributes=row.attributes | {names.COUNTED_ROWS: text}))
