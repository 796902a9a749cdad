"""A check of the log: what it takes for damage, what it does not, and what it costs."""

import shutil
import struct
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import msgspec
import pyarrow as pa
import pytest
from deltalake import DeltaTable
from deltalake.exceptions import DeltaError

from actors.base.canonical import canonical_json
from actors.base.certificates import Certificate, certify
from actors.base.errors import IntegrityError
from actors.base.signing import SigningKey
from actors.spans.adapters import findings as findings_module
from actors.spans.adapters.check import check_log
from actors.spans.adapters.log import LogFiles
from actors.spans.adapters.rows_check import RowsCheck
from actors.spans.adapters.table import SpanTable
from actors.spans.columns import Rows, by_date, pinned_schema
from actors.spans.log.note import sign_line
from actors.spans.proof import read_manifest
from tests.shells.actors.spans.adapters.sealed import NOW_MS, Sealed, W, not_utf_8, rewritten
from tests.unit.actors.spans.telemetry import ROOT, spans_from, writer_id

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


@pytest.mark.parametrize(("writer", "seq"), [(W, 1), (W, 5), (W, 10), (V, 1)])
def test_a_row_without_a_batch_was_put_there(tmp_path: Path, writer: str, seq: int) -> None:
    """Before, amid or behind its writer's sealed rows, or of a writer that nobody knows: every commit numbers its rows."""
    made = Sealed(tmp_path)
    made.next_seq = 4
    made.batches(2)  # rows 4 to 9
    put_in(made.file_of(1), Rows(writer, seq, 1, spans_from(seq, 1)))
    assert found(made) == [(-1, "unsealed")]
    (damage,) = (one for one in check_log(tmp_path, made.authority.trust(), 10).damage if one.kind == "unsealed")
    assert f"row {seq} of {writer} is in no batch" in damage.why


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
    entries = tmp_path / "log" / "tile" / "entries" / "000.p" / "2"
    first, second = made.files.leaves(0, 2)
    grown = canonical_json(msgspec.structs.replace(read_manifest(second), last_seq=2**53 - 1))
    entries.write_bytes(b"".join(struct.pack(">H", len(leaf)) + leaf for leaf in (first, grown)))
    assert made.damage() == [(-1, "hashes"), (-1, "leaves"), (1, "leaf")]


def test_a_check_holds_one_file_s_batches_however_many_there_are(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A batch's digests are let go of when it is judged, or when no file that is to come can hold its rows."""
    made = Sealed(tmp_path)
    made.batches(6)
    rewritten(made.file_of(2), lambda rows: rows.slice(1))
    held: list[int] = []
    take = RowsCheck._take

    def counted(check: Any, row: Rows) -> None:
        take(check, row)
        held.append(len(check._open))

    monkeypatch.setattr(RowsCheck, "_take", counted)
    assert found(made) == [(2, "missing")]
    assert (len(held), max(held)) == (6, 1)


def test_damage_beyond_the_bound_is_counted_and_not_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A table that is gone makes no report as long as the log."""
    made = Sealed(tmp_path)
    made.batches(5)
    (tmp_path / "spans").rename(tmp_path / "away")
    monkeypatch.setattr(findings_module, "MAX_DAMAGES", 2)
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


def test_a_file_name_without_a_digest_is_one_of_before_there_was_a_log(tmp_path: Path) -> None:
    """It stands for no bytes, so rows without a batch are read; rows of a batch were never written under such a name."""
    made = Sealed(tmp_path)
    made.batches(1)
    file = made.file_of(0)
    old = file.with_name("part-" + "0" * 26 + ".parquet")
    table, why = SpanTable.read_whole(file)
    assert (table.num_rows, why) == (3, "")
    file.rename(old)
    table, why = SpanTable.read_whole(old)
    assert (table.num_rows, "no digest" in why) == (3, True)
    rewritten(old, lambda rows: rows.set_column(10, "log_index", pa.nulls(3, pa.int64())))
    table, why = SpanTable.read_whole(old)
    assert (table.num_rows, why) == (3, "")


def test_a_sealed_file_whose_digest_was_taken_out_of_its_name_is_damage(tmp_path: Path) -> None:
    """On the disk and in the table's own log: its rows may be what was sealed, its other bytes nobody can tell."""
    made = Sealed(tmp_path)
    made.batches(2)
    file = made.file_of(1)
    old = file.with_name("part-" + "0" * 26 + ".parquet")
    file.rename(old)
    entry = next(path for path in (tmp_path / "spans" / "_delta_log").glob("*.json") if file.name in path.read_text())
    entry.write_text(entry.read_text().replace(file.name, old.name))
    assert made.damage() == [(1, "file")]


def test_words_that_are_not_utf_8_are_damage_of_their_batch(tmp_path: Path) -> None:
    """Of a sealed batch, and of one that waits: the check names it and goes on, and no sealer or reader ends in a trace."""
    made = Sealed(tmp_path)
    made.batches(2)
    rewritten(made.file_of(1), not_utf_8("tenant"))
    assert found(made) == [(1, "changed")]
    with pytest.raises(IntegrityError, match="Invalid UTF8"):
        made.table.batches(1, 1)
    made.commit()
    rewritten(made.file_of(2), not_utf_8("tenant"))
    with pytest.raises(IntegrityError, match="Invalid UTF8"):
        made.sealer.seal((), NOW_MS)


def test_a_writer_that_is_not_utf_8_is_damage_in_a_row_of_no_batch(tmp_path: Path) -> None:
    """Rows outside the sealed batches are judged without a trace as well."""
    made = Sealed(tmp_path)
    made.batches(1)
    rewritten(made.file_of(0), lambda rows: not_utf_8("writer_id")(rows).set_column(10, "log_index", [[None] * 3]))
    assert found(made) == [(-1, "unsealed"), (0, "missing")]


@pytest.mark.parametrize("order", [[0, 0, 1, 2], [0, 1, 1, 2], [0, 1, 2, 2], [0, 1, 2, 0], [1, 0, 1, 2]])
def test_a_row_that_is_there_twice_is_damage_of_its_batch(tmp_path: Path, order: list[int]) -> None:
    """Wherever it stands: before the batch's rows were all seen, or behind them."""
    made = Sealed(tmp_path)
    made.batches(2)
    rewritten(made.file_of(1), lambda rows: rows.take(order))
    assert found(made) == [(1, "changed")]


@pytest.mark.parametrize(("column", "value"), [("writer_seq", 99), ("writer_seq", 2), ("writer_id", writer_id(2))])
def test_a_row_that_was_not_sealed_with_a_batch_is_damage_of_it(tmp_path: Path, column: str, value: object) -> None:
    """Beside all of those that were."""
    made = Sealed(tmp_path)
    made.batches(2)

    def change(rows: pa.Table) -> pa.Table:
        more = rows.slice(0, 1).to_pylist()[0] | {column: value}
        return pa.concat_tables([pa.Table.from_pylist([more], schema=rows.schema), rows])

    rewritten(made.file_of(1), change)
    assert found(made) == [(1, "changed")]


def test_a_row_that_was_sealed_twice_is_found(tmp_path: Path) -> None:
    """Two batches of one writer hold the same number: the one that came later is damage. A gap between them is none."""
    made = Sealed(tmp_path)
    made.batches(1)
    for first, index in ((6, 1), (7, 2)):  # rows 1 to 3, 6 to 8 (a gap), 7 to 9 (again)
        rows = Rows(W, first, 1, spans_from(first, 3))
        made.table.append([], {f"other/{index}": first, W: first + 2}, NOW_MS, again={f"other/{index}": rows})
        assert made.sealer.seal((), NOW_MS) == 1
        assert made.damage() == ([] if index == 1 else [(2, "leaf")])


def test_a_log_that_was_removed_with_its_table_is_missed_by_who_has_seen_it(tmp_path: Path) -> None:
    """A home in which nothing was ever sealed looks like it; a checkpoint that somebody kept says otherwise."""
    made = Sealed(tmp_path)
    made.batches(2)
    kept = made.files.checkpoint()
    assert kept is not None
    empty = Sealed(tmp_path / "empty")
    seen = {"witness 1": kept}
    shutil.rmtree(tmp_path / "log")
    shutil.rmtree(tmp_path / "spans")
    assert check_log(tmp_path, made.authority.trust(), 10).damage == ()
    (damage,) = check_log(tmp_path, made.authority.trust(), 10, seen=seen).damage
    assert (damage.batch, damage.kind) == (-1, "fork")
    assert "a checkpoint of 2 batches, and there is no log" in damage.why
    nothing = empty.files.checkpoint()
    assert nothing is not None
    assert check_log(tmp_path, made.authority.trust(), 10, seen={"witness 1": nothing}).damage == ()


def test_what_witnesses_signed_is_held_against_their_keys(tmp_path: Path) -> None:
    """A bit of a signature beside the log, in a note that still reads: it is named, and all else is checked as well."""
    made = Sealed(tmp_path)
    made.batches(2)
    key, name = SigningKey.from_seed(b"w" * 32), "witness.example/1"
    trust = made.authority.trust()
    certificate = certify(ROOT, Certificate("witness", name, key.public.hex, ROOT.public.key_id, 0, 2_000_000_000))
    certified = msgspec.structs.replace(trust, certificates=[*trust.certificates, certificate])
    newest = made.files.checkpoint()
    assert newest is not None
    line = sign_line(newest.note.text, name, key, 5)
    made.files.put_witnessed(newest.cosigned([line]), [])
    assert check_log(tmp_path, certified, 10).damage == ()
    made.files.put_witnessed(newest.cosigned([replace(line, data=line.data[:-1] + bytes([line.data[-1] ^ 1]))]), [])
    assert made.damage() == [], "who knows no witness can tell nothing"
    checked = check_log(tmp_path, certified, 10)
    assert [(one.batch, one.kind, name in one.why) for one in checked.damage] == [(-1, "cosignature", True)]
    assert len(checked.whole) == 2
    (tmp_path / "log" / "witnessed").rename(tmp_path / "log" / "witnessed-2")  # fewer signed since
    assert [one.kind for one in check_log(tmp_path, certified, 10).damage] == ["cosignature"]
