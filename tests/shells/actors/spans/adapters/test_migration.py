"""A table that an earlier version made goes on with today's columns."""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from deltalake import CommitProperties, DeltaTable, Transaction
from deltalake.transaction import AddAction

from actors.base.errors import StorageUnavailable
from actors.spans import columns
from actors.spans.adapters.delta import CHECKPOINTS, LOG_KEPT
from actors.spans.adapters.migration import add_columns
from actors.spans.adapters.parquet import Statistics, file_name, parquet_bytes
from actors.spans.adapters.table import LOG, SpanTable
from actors.spans.batch import row_hashes
from actors.spans.columns import Rows, by_date, rows_of
from actors.spans.otlp.mapping import frame_of, row_of, whole
from tests.unit.actors.spans.otlp.sent import request, sent
from tests.unit.actors.spans.telemetry import NOW_S, spans_from, writer_id

W = writer_id(1)
NOW_MS = int(NOW_S * 1000)
NEW = ("sender", "otlp", "events")


def of_version_1(path: Path, rows: Rows, configuration: Mapping[str, str | None] | None = None) -> DeltaTable:
    """Make a table as version 1 made it: without the columns that came later, in files and in Delta."""
    narrow = pa.schema([field for field in columns.table_schema() if field.name not in NEW])
    path.mkdir(parents=True)
    delta = DeltaTable.create(path, narrow, mode="error", partition_by=["date"], configuration=configuration)
    actions: list[AddAction] = []
    for day, table in by_date([rows]):
        data = parquet_bytes(table.drop_columns(list(NEW)))
        name = file_name(day.isoformat(), hashlib.sha256(data).hexdigest())
        (path / name).parent.mkdir(exist_ok=True)
        (path / name).write_bytes(data)
        actions.append(Statistics().add(table).action(name, len(data), day.isoformat(), NOW_MS))
    reached = [Transaction(rows.writer_id, rows.first_seq + len(rows.spans) - 1), Transaction(LOG, 0)]
    delta.create_write_transaction(
        list(actions), mode="append", schema=delta.schema(), partition_by=["date"],
        commit_properties=CommitProperties(app_transactions=reached),
    )  # fmt: skip
    return delta


def external(seq: int) -> Rows:
    """Return another service's row."""
    message = request(sent(number=seq)).resource_spans[0]
    scope = message.scope_spans[0]
    return Rows(W, seq, 2, [row_of(frame_of(message, scope), scope.spans[0], "key-1", "t-1")])


def test_rows_of_version_1_keep_their_digests_beside_rows_of_version_2(tmp_path: Path) -> None:
    """The old table is read as it is, given its columns by a commit of its own, and both kinds of rows come out whole."""
    old = Rows(W, 1, 1, spans_from(1, 3), 0)
    made = of_version_1(tmp_path / "spans", old)
    assert set(pq.read_schema(next((tmp_path / "spans").glob("date=*/*.parquet"))).names).isdisjoint(NEW)
    table = SpanTable(tmp_path / "spans", 100)
    (before,) = table.batches(0, 0)
    assert before == old
    (batch,) = table.append([external(4)], {W: 4}, NOW_MS)
    read = [
        row for path in table.current_files() for row in rows_of(table.read_file(path, columns.pinned_schema().names))
    ]
    ordered = sorted(read, key=lambda row: row.first_seq)
    assert [item for row in ordered for item in row_hashes(row)] == row_hashes(old) + row_hashes(batch)
    assert whole(ordered[3].spans[0]) == request(sent(number=4)).resource_spans[0]
    assert [row.schema_version for row in ordered] == [1, 1, 1, 2]
    made.update_incremental()
    assert {field.name for field in made.schema().fields} == set(columns.table_schema().names)
    log = sorted((tmp_path / "spans" / "_delta_log").glob("*.json"))
    assert [set(kinds(path)) - {"commitInfo"} for path in log][2] == {"metaData"}, (
        "columns come by a commit of their own"
    )
    assert len(log) == 4


def kinds(path: Path) -> list[str]:
    """Return the kinds of actions of a Delta commit."""
    return [kind for line in path.read_text().splitlines() for kind in json.loads(line)]


def test_columns_are_added_once_and_survive_a_crash_in_between(tmp_path: Path) -> None:
    """Whoever died after the columns and before its rows left a table that the next one goes on with."""
    made = of_version_1(tmp_path / "spans", Rows(W, 1, 1, spans_from(1, 1), 0))
    assert add_columns(made) == list(NEW)
    assert add_columns(made) == []
    table = SpanTable(tmp_path / "spans", 100)
    assert table.append([external(2)], {W: 2}, NOW_MS)[0].log_index == 1
    assert len(list((tmp_path / "spans" / "_delta_log").glob("*.json"))) == 4


def test_columns_take_nothing_of_delta_s_log_away(tmp_path: Path) -> None:
    """Their commit may make a checkpoint, which a loss of power may take."""
    path = tmp_path / "spans"
    made = of_version_1(path, Rows(W, 1, 1, spans_from(1, 1), 0), {CHECKPOINTS: "3", LOG_KEPT: "interval 0 seconds"})
    assert add_columns(made) == list(NEW)
    assert (path / "_delta_log" / f"{2:020d}.checkpoint.parquet").exists()
    assert len(list((path / "_delta_log").glob("*.json"))) == 3


def test_a_table_of_a_newer_version_is_not_written(tmp_path: Path) -> None:
    """Rows would be written without what that version's rows say."""
    table = SpanTable(tmp_path / "spans", 100)
    table.append([replace(external(1), spans=external(1).spans)], {W: 1}, NOW_MS)
    from deltalake import Schema

    later: Any = Schema.from_arrow(pa.schema([("later", pa.string())])).fields
    DeltaTable(tmp_path / "spans").alter.add_columns(later)
    again = SpanTable(tmp_path / "spans", 100)
    with pytest.raises(StorageUnavailable, match="newer version"):
        again.append([external(2)], {W: 2}, NOW_MS)
    assert again.last_committed(W) == 1
