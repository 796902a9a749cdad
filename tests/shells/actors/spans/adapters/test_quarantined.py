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
from tests.unit.actors.spans.asked import TRUST, answer, word
from tests.unit.actors.spans.telemetry import NOW_S, span, writer_id

ACTOR, W = writer_id(1), writer_id(2)
APART = word("quarantine", 3, 4, W)
LET_GO = word("release", 3, 3, W)


def committed(table: SpanTable, seq: int, name: str, attributes: Mapping[str, str]) -> None:
    """Commit one row of the actor's."""
    row = span(seq, name=name, attributes=dict(attributes))
    table.append([Rows(ACTOR, seq, names.SPAN_SCHEMA_VERSION, [row])], {ACTOR: seq}, int(NOW_S * 1000))


def test_words_come_in_the_order_of_the_log_and_each_file_is_read_once(tmp_path: Path) -> None:
    """However often they are asked for; rows that say nothing of quarantine are passed over."""
    table, read = SpanTable(tmp_path / "spans", 100), list[Path]()
    said = Entries(table)
    assert said.read(TRUST) == []
    whole: Any = table.read_file

    def reading(path: Path, *more: Any) -> Any:
        read.append(path)
        return whole(path, *more)

    table.read_file = reading  # type: ignore[method-assign]
    committed(table, 1, names.ROW_QUARANTINED, APART)
    committed(table, 2, "chat m1", {})
    committed(table, 3, names.ROW_RELEASED, LET_GO)
    first, last = said.read(TRUST)
    at_ms = span(1).start_unix_nano // 1_000_000
    asked = APART[names.ROW_REQUEST]
    assert first == Entry(names.ROW_QUARANTINED, W, 3, 4, "table", "looked at", "operator a", at_ms, asked)
    assert (last.name, last.last_seq, last.by, len(read)) == (names.ROW_RELEASED, 3, "operator a", 3)
    assert (said.read(TRUST), len(read)) == ([first, last], 3)
    committed(table, 4, names.ROW_QUARANTINED, APART)
    assert (len(said.read(TRUST)), len(read)) == (3, 4)
    assert set(read) == set(table.current_files())


def test_an_entry_that_cannot_be_read_is_named(tmp_path: Path) -> None:
    """It is never passed over; one of an earlier version, which names no row of the table, is."""
    table = SpanTable(tmp_path / "spans", 100)
    committed(table, 1, names.ROW_QUARANTINED, {})
    assert entries(table, TRUST) == []
    committed(table, 2, names.ROW_QUARANTINED, APART | {names.ROW_FIRST: "three"})
    with pytest.raises(IntegrityError, match="entry 2 of batch 1"):
        entries(table, TRUST)


def test_a_word_that_no_operator_signed_is_named(tmp_path: Path) -> None:
    """Whoever writes the table can put a row of that name into it: it lets nothing go, and nobody reads on past it."""
    table = SpanTable(tmp_path / "spans", 100)
    committed(table, 1, names.ROW_QUARANTINED, APART)
    unsigned = {name: value for name, value in LET_GO.items() if name != names.ROW_REQUEST}
    committed(table, 2, names.ROW_RELEASED, unsigned)
    with pytest.raises(IntegrityError, match="entry 2 of batch 1"):
        entries(table, TRUST)


def test_in_a_batch_that_an_operator_answered_for_only_signed_words_count(tmp_path: Path) -> None:
    """Whoever changed it may have put any row into it: what it forges keeps nobody from reading on, and says nothing."""
    table = SpanTable(tmp_path / "spans", 100)
    forged = {name: value for name, value in LET_GO.items() if name != names.ROW_REQUEST}
    aside = {name: value for name, value in APART.items() if name != names.ROW_REQUEST} | {names.ROW_PLACE: "aside"}
    for seq, (name, said) in enumerate(
        [(names.ROW_RELEASED, forged), (names.ROW_QUARANTINED, aside), (names.ROW_QUARANTINED, APART)], 1
    ):
        committed(table, seq, name, said)
    with pytest.raises(IntegrityError, match="entry 1 of batch 0"):
        entries(table, TRUST)
    for batch in range(3):
        committed(table, 4 + batch, names.BATCH_ANSWERED, answer(batch, 1 + batch, 1 + batch))
    told = entries(table, TRUST)
    assert [(entry.name, entry.first_seq) for entry in told] == [
        (names.ROW_QUARANTINED, 3), *((names.BATCH_ANSWERED, 1 + batch) for batch in range(3))
    ]  # fmt: skip


def test_answers_are_told_whatever_else_is_forged(tmp_path: Path) -> None:
    """Else whoever forges an entry in one waiting batch would keep the answer for another from the sealer."""
    table = SpanTable(tmp_path / "spans", 100)
    committed(
        table, 1, names.ROW_RELEASED, {name: value for name, value in LET_GO.items() if name != names.ROW_REQUEST}
    )
    committed(table, 2, names.BATCH_ANSWERED, answer(5, 1, 1))
    committed(table, 3, names.BATCH_ANSWERED, answer(6, 1, 1) | {names.BATCH_NUMBER: "7"})
    said = Entries(table)
    assert [entry.batch for entry in said.answered(TRUST)] == [5]
    (damaged,) = (path for path in table.current_files() if said._said[path][0]["name"] == names.ROW_RELEASED)
    Path(str(damaged)).write_bytes(b"no Parquet")
    assert [entry.batch for entry in Entries(table).answered(TRUST)] == [5]
