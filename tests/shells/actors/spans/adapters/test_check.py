"""A check of the log: what it takes for damage, what it does not, and what it costs."""

import struct
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from deltalake import DeltaTable
from deltalake.exceptions import DeltaError

from actors.base.canonical import canonical_json
from actors.spans.adapters import check as check_module
from actors.spans.adapters.check import check_log
from actors.spans.adapters.log import LogFiles
from actors.spans.adapters.table import SpanTable
from actors.spans.columns import Rows, by_date, pinned_schema
from actors.spans.proof import read_manifest
from tests.shells.actors.spans.adapters.sealed import NOW_MS, Sealed, W, rewritten
from tests.unit.actors.spans.telemetry import spans_from, writer_id

V = writer_id(2)


def put_in(path: Path, rows: Rows) -> None:
    """Add rows to a file, as somebody would who can write the disk."""
    ((_, added),) = by_date([rows])
    rewritten(path, lambda table: pa.concat_tables([table, added]))


def found(made: Sealed) -> list[tuple[int, str]]:
    """Return what a check finds beside files that are not the bytes that were written."""
    return [item for item in made.damage() if item[1] != "file"]


def with_(column: str, value: object, seq: int) -> Callable[[pa.Table], pa.Table]:
    """Give one row another value."""

    def change(table: pa.Table) -> pa.Table:
        rows = table.to_pylist()
        changed = [row | {column: value} if row["writer_seq"] == seq else row for row in rows]
        return pa.Table.from_pylist(changed, schema=pinned_schema())

    return change


@pytest.mark.parametrize(("seq", "is_damage"), [(1, False), (3, False), (5, True), (10, True)])
def test_a_row_without_a_batch_lies_before_its_writer_s_sealed_rows(tmp_path: Path, seq: int, is_damage: bool) -> None:
    """Rows from before there was a log do; one amid or behind those that were sealed was put there."""
    made = Sealed(tmp_path)
    made.next_seq = 4
    made.batches(2)  # rows 4 to 9
    put_in(made.file_of(1), Rows(W, seq, 1, spans_from(seq, 1)))
    assert found(made) == ([(-1, "unsealed")] if is_damage else [])


def test_a_row_of_a_batch_that_was_never_numbered_is_found(tmp_path: Path) -> None:
    """Those of a batch that waits to be sealed are not."""
    made = Sealed(tmp_path)
    made.batches(2)
    made.commit()
    assert made.damage() == []
    put_in(made.file_of(1), Rows(V, 1, 1, spans_from(1, 1), 3))
    assert found(made) == [(-1, "unsealed")]


@pytest.mark.parametrize(
    ("column", "value"),
    [
        ("trace_id", None), ("writer_id", None), ("writer_seq", None), ("kind", "other"), ("tenant", ""),
        ("schema_url", None), ("attributes", [("seq", "0"), ("gen_ai.request.model", "consensus"), ("seq", "5")]),
    ],
)  # fmt: skip
def test_a_row_that_none_could_be_damages_its_own_batch_only(tmp_path: Path, column: str, value: object) -> None:
    """Whatever somebody wrote into it; other batches of the same file are whole."""
    made = Sealed(tmp_path)
    made.batches(1)
    both = [Rows(W, 4, 1, spans_from(4, 3)), Rows(V, 1, 1, spans_from(1, 3))]
    made.sealer.seal(made.table.append(both, {W: 6, V: 3}, NOW_MS), NOW_MS)
    rewritten(made.file_of(1), with_(column, value, 5))
    assert found(made) == [(1, "changed")]
    assert 2 in check_log(made.home, made.authority.trust(), 10).whole


def test_a_checkpoint_that_comes_while_the_check_begins_is_not_gone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The first one is written before any batch is numbered: seeing a batch and no checkpoint is reason to look again."""
    made = Sealed(tmp_path)
    made.batches(1)
    looks = [None, made.files.checkpoint()]
    monkeypatch.setattr(LogFiles, "checkpoint", lambda _: looks.pop(0))
    checked = check_log(tmp_path, made.authority.trust(), 10)
    assert (checked.size, checked.damage, looks) == (1, (), [])


def test_a_leaf_that_claims_more_rows_than_there_are_costs_no_more(tmp_path: Path) -> None:
    """Nothing is counted up to what somebody wrote."""
    made = Sealed(tmp_path)
    made.batches(2)
    entries = tmp_path / "log" / "entries" / "00000000"
    first, second = made.files.leaves(0, 2)
    grown = canonical_json(msgspec.structs.replace(read_manifest(second), last_seq=2**53 - 1))
    entries.write_bytes(b"".join(struct.pack(">H", len(leaf)) + leaf for leaf in (first, grown)))
    assert made.damage() == [(-1, "hashes"), (-1, "leaves"), (1, "missing")]


def test_a_check_holds_one_file_s_batches_however_many_there_are(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A batch's digests are let go of when it is judged, or when no file that is to come can hold its rows."""
    made = Sealed(tmp_path)
    made.batches(6)
    rewritten(made.file_of(2), lambda rows: rows.slice(1))
    held: list[int] = []
    take = check_module._Check._take

    def counted(check: Any, row: Rows) -> None:
        take(check, row)
        held.append(len(check._open))

    monkeypatch.setattr(check_module._Check, "_take", counted)
    assert found(made) == [(2, "missing")]
    assert (len(held), max(held)) == (17, 1)


def test_damage_beyond_the_bound_is_counted_and_not_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A table that is gone makes no report as long as the log."""
    made = Sealed(tmp_path)
    made.batches(5)
    (tmp_path / "spans").rename(tmp_path / "away")
    monkeypatch.setattr(check_module, "MAX_DAMAGES", 2)
    assert made.damage() == [(-1, "more"), (0, "missing"), (1, "missing")]


def test_a_delta_log_that_cannot_be_read_is_damage_and_no_crash(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Every question to the table ends in the project's own error."""
    made = Sealed(tmp_path)
    made.batches(1)

    def broken(*_: object, **__: object) -> None:
        raise DeltaError("not a log")

    monkeypatch.setattr(DeltaTable, "get_add_actions", broken)
    assert made.damage() == [(-1, "file"), (0, "missing")]


def test_a_file_from_before_files_were_named_by_their_bytes_is_read(tmp_path: Path) -> None:
    """Its name stands for no bytes; its rows are held against their batch all the same."""
    made = Sealed(tmp_path)
    made.batches(1)
    file = made.file_of(0)
    old = file.with_name("part-" + "0" * 26 + ".parquet")
    file.rename(old)
    table, as_written = SpanTable.read_whole(old)
    assert (table.num_rows, as_written) == (3, True)
    pq.write_table(table.slice(1), old)
    assert SpanTable.read_whole(old)[0].num_rows == 2
