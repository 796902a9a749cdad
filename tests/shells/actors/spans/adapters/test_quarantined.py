"""What the table says of quarantined rows is read file by file, each once."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from actors.base.errors import IntegrityError
from actors.spans import conventions as names
from actors.spans.adapters.quarantined import Entries, entries
from actors.spans.adapters.table import SpanTable
from actors.spans.columns import Rows
from actors.spans.quarantined import Entry
from tests.unit.actors.spans.telemetry import NOW_S, span, writer_id

ACTOR, W = writer_id(1), writer_id(2)
SAID = {
    names.ROW_WRITER: W, names.ROW_FIRST: "3", names.ROW_LAST: "4", names.ROW_PLACE: "table", names.ROW_REASON: "odd",
}  # fmt: skip


def committed(table: SpanTable, seq: int, name: str, attributes: Mapping[str, str]) -> None:
    """Commit one row of the actor's."""
    row = span(seq, name=name, attributes=dict(attributes))
    table.append([Rows(ACTOR, seq, names.SPAN_SCHEMA_VERSION, [row])], {ACTOR: seq}, int(NOW_S * 1000))


def test_words_come_in_the_order_of_the_log_and_each_file_is_read_once(tmp_path: Path) -> None:
    """However often they are asked for; rows that say nothing of quarantine are passed over."""
    table, read = SpanTable(tmp_path / "spans", 100), list[Path]()
    said = Entries(table)
    assert said.read() == []
    whole: Any = table.read_file

    def reading(path: Path, *more: Any) -> Any:
        read.append(path)
        return whole(path, *more)

    table.read_file = reading  # type: ignore[method-assign]
    committed(table, 1, names.ROW_QUARANTINED, SAID)
    committed(table, 2, "chat m1", {})
    committed(table, 3, names.ROW_RELEASED, SAID | {names.ROW_LAST: "3", names.ROW_BY: "a"})
    first, last = said.read()
    at_ms = span(1).start_unix_nano // 1_000_000
    assert first == Entry(names.ROW_QUARANTINED, W, 3, 4, "table", "odd", "", at_ms)
    assert (last.name, last.last_seq, last.by, len(read)) == (names.ROW_RELEASED, 3, "a", 3)
    assert (said.read(), len(read)) == ([first, last], 3)
    committed(table, 4, names.ROW_QUARANTINED, SAID)
    assert (len(said.read()), len(read)) == (3, 4)
    assert set(read) == set(table.current_files())


def test_an_entry_that_cannot_be_read_is_named(tmp_path: Path) -> None:
    """It is never passed over; one of an earlier version, which names no row of the table, is."""
    table = SpanTable(tmp_path / "spans", 100)
    committed(table, 1, names.ROW_QUARANTINED, {})
    assert entries(table) == []
    committed(table, 2, names.ROW_QUARANTINED, SAID | {names.ROW_FIRST: "three"})
    with pytest.raises(IntegrityError, match="entry 2 of batch 1"):
        entries(table)
