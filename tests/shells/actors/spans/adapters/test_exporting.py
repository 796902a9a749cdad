"""Rows of the table, for whoever takes them elsewhere."""

from pathlib import Path

from actors.spans.adapters.exporting import LINE_ROWS, exported
from actors.spans.adapters.table import SpanTable
from actors.spans.columns import Rows
from actors.spans.otlp.mapping import frame_of, row_of
from tests.unit.actors.spans.otlp.sent import NOW_NS, request, sent
from tests.unit.actors.spans.telemetry import NOW_S, spans_from, writer_id

W, V = writer_id(1), writer_id(2)


def test_rows_come_out_by_origin_and_time_in_bounded_parts(tmp_path: Path) -> None:
    """Of both origins or one, from a moment on; no part has more than a line's rows."""
    table = SpanTable(tmp_path / "spans", 100)
    message = request(
        *(sent(number=n + 1, start_time_unix_nano=NOW_NS + n) for n in range(LINE_ROWS + 5))
    ).resource_spans[0]
    around = frame_of(message, message.scope_spans[0])
    external = [row_of(around, span, "key-1", "t-1") for span in message.scope_spans[0].spans]
    own = spans_from(1, 3)
    table.append([Rows(V, 1, 2, external), Rows(W, 1, 2, own)], {V: len(external), W: 3}, int(NOW_S * 1000))

    def found(since_ns: int, origin: str) -> list[list[str]]:
        parts = exported(table, since_ns, origin)  # type: ignore[arg-type]
        return [[row.writer_id for row in rows] for rows in parts]

    assert [len(part) for part in found(0, "external")] == [LINE_ROWS, 5]
    assert found(0, "own") == [[W] * 3]
    assert sum(map(len, found(0, "all"))) == LINE_ROWS + 8
    assert sum(map(len, found(NOW_NS + LINE_ROWS, "external"))) == 5
    assert found(2**62, "all") == []
    assert list(exported(SpanTable(tmp_path / "none", 100), 0)) == []
