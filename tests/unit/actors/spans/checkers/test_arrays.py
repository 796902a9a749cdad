"""Rows column by column."""

from actors.spans.checkers.arrays import arrays_of
from actors.spans.columns import Rows
from tests.unit.actors.spans.telemetry import span, spans_from, writer_id


def test_each_place_is_one_row_s() -> None:
    """Parts of several writers follow one another; a row's writer and number are found again, an empty part is none."""
    parts = [
        Rows(writer_id(1), 5, 1, spans_from(5, 2)),
        Rows(writer_id(3), 1, 1, ()),
        Rows(writer_id(2), 9, 1, [span(9, b"{}", latency_ms=7)]),
    ]
    rows = arrays_of(parts)
    assert [rows.place(at) for at in range(3)] == [(writer_id(1), 5), (writer_id(1), 6), (writer_id(2), 9)]
    assert rows.latency_ms.tolist() == [-1, -1, 7]
    assert rows.start_ns.tolist() == [row.start_unix_nano for row in rows.spans]
    assert rows.runs == [(writer_id(1), 0, 2), (writer_id(2), 2, 3)]
    assert arrays_of([parts[0], parts[1], parts[0]]).runs == [(writer_id(1), 0, 4)]
    assert rows.signed == [2]
    assert rows.ids[2] == span(9).trace_id + span(9).span_id


def test_of_nothing_there_is_nothing() -> None:
    """No rows, no places."""
    assert (arrays_of([]).spans, arrays_of([]).runs) == ([], [])
