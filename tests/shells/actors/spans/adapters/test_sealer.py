"""Catching up by rows and with patience, and a log that was set back under its sealer."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from actors.base.errors import IntegrityError
from actors.spans.adapters import reading as reading_module
from actors.spans.adapters.check import check_log
from actors.spans.adapters.sealer import MAX_SKIPS
from actors.spans.adapters.table import SEALED, SpanTable
from actors.spans.columns import Rows
from tests.shells.actors.spans.adapters.sealed import NOW_MS, Sealed, rewritten
from tests.unit.actors.spans.telemetry import Recorder, spans_from, writer_id


def counted_spans(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Count the rows that are turned into spans, a file at a time."""
    made: list[int] = []
    rows_of = reading_module.rows_of

    def counting(table: Any) -> list[Rows]:
        made.append(table.num_rows)
        return rows_of(table)

    monkeypatch.setattr(reading_module, "rows_of", counting)
    return made


@pytest.mark.parametrize(("bound", "steps"), [(7, [2, 2, 2, 1]), (2, [1] * 7), (9, [3, 3, 1])])
def test_what_waits_is_read_back_so_many_rows_at_a_time(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, bound: int, steps: Sequence[int]
) -> None:
    """However many batches may be sealed at once; a batch that holds more than the bound goes alone."""
    made = Sealed(tmp_path, catch_up_rows=bound)
    for _ in range(7):
        made.commit()
    rows = counted_spans(monkeypatch)
    assert [made.sealer.seal((), NOW_MS) for _ in steps] == steps
    assert (made.sealer.waiting, sum(rows), made.damage()) == (0, 21, [])


def test_batches_of_one_commit_are_read_back_in_parts(tmp_path: Path) -> None:
    """One file holds them all: its rows are counted batch by batch."""
    made = Sealed(tmp_path, catch_up_rows=5)
    rows = [Rows(writer_id(number), 1, 1, spans_from(1, 2)) for number in range(1, 6)]
    made.table.append(rows, {writer_id(number): 2 for number in range(1, 6)}, NOW_MS)
    assert [made.sealer.seal((), NOW_MS) for _ in range(3)] == [2, 2, 1]
    assert made.damage() == []


def test_a_damaged_batch_is_come_upon_and_then_left_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What lies before it is sealed; then it is looked at ever more rarely, and said each time."""
    made = Sealed(tmp_path, catch_up=8)
    for _ in range(20):
        made.commit()
    file = made.file_of(5)
    whole = file.read_bytes()
    file.write_bytes(whole[:-9])
    sealed = []
    while made.sealer.size < 5:
        sealed.append(made.sealer.seal((), NOW_MS))
    assert sealed == [1, 2, 1, 1]
    rows = counted_spans(monkeypatch)
    looks: list[int] = []
    monkeypatch.setattr(SpanTable, "last_within", lambda *_: looks.append(1) or 5)
    for _ in range(600):
        with pytest.raises(IntegrityError, match="cannot be read"):
            made.sealer.seal((), NOW_MS)
    assert (sum(rows), len(looks) < 16) == (0, True)
    monkeypatch.undo()
    file.write_bytes(whole)
    for _ in range(MAX_SKIPS + 1):
        if made.sealer.size > 5:
            break
        try:
            made.sealer.seal((), NOW_MS)
        except IntegrityError:
            continue
    while made.sealer.waiting:
        made.sealer.seal((), NOW_MS)
    assert made.damage() == []


def test_rows_that_are_no_run_are_not_sealed_as_a_batch(tmp_path: Path) -> None:
    """Read back from the table, a batch is one writer's consecutive rows under one schema, or damage."""
    made = Sealed(tmp_path)
    made.commit()
    rewritten(made.file_of(0), lambda rows: rows.take([0, 2]))
    with pytest.raises(IntegrityError, match="batch 0 are not one run"):
        made.sealer.seal((), NOW_MS)
    assert made.sealer.size == 0


def test_a_checkpoint_that_was_set_back_gets_no_new_signature(tmp_path: Path) -> None:
    """The table says how many were sealed: an older checkpoint, however well signed, is found by sealer and check."""
    made = Sealed(tmp_path)
    made.batches(2)
    checkpoint = tmp_path / "log" / "checkpoint"
    old = checkpoint.read_bytes()
    made.batches(3)
    assert made.table.last_committed(SEALED) == 4
    checkpoint.write_bytes(old)
    with pytest.raises(IntegrityError, match="2 batches, and 4 were sealed: it was set back"):
        Sealed(tmp_path)
    assert (-1, "checkpoint") in made.damage()
    assert checkpoint.read_bytes() == old


def test_a_leaf_behind_the_checkpoint_is_not_written_over_by_another(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The newest batch was sealed, then changed in the table, and the checkpoint set back by it alone."""
    made = Sealed(tmp_path)
    made.batches(2)
    checkpoint, entries = tmp_path / "log" / "checkpoint", tmp_path / "log" / "tile" / "entries" / "000.p" / "3"
    old = checkpoint.read_bytes()
    made.batches(1)
    leaves = entries.read_bytes()
    checkpoint.write_bytes(old)
    at = 6
    rewritten(
        made.file_of(2),
        lambda rows: rows.set_column(at, "end_unix_nano", [[value + 1 for value in rows["end_unix_nano"].to_pylist()]]),
    )
    again = Sealed(tmp_path)
    with pytest.raises(IntegrityError, match=r"batch 2 .* is not what was committed"):
        again.sealer.seal((), NOW_MS)
    again = Sealed(tmp_path)
    again.table.vouch(again.table.batches(2, 2), NOW_MS)  # as whoever holds the log's key could have said
    with pytest.raises(IntegrityError, match="leaf 2 lies behind the checkpoint"):
        again.sealer.seal((), NOW_MS)
    assert (checkpoint.read_bytes(), entries.read_bytes()) == (old, leaves)
    rows = counted_spans(monkeypatch)
    for _ in range(300):
        with pytest.raises(IntegrityError, match="leaf 2 lies behind the checkpoint"):
            again.sealer.seal((), NOW_MS)
    assert 0 < len(rows) < 10


def test_leaves_that_a_crash_left_are_kept_until_it_is_their_turn(tmp_path: Path) -> None:
    """Sealing a part of what waits leaves the leaves behind it where they can be held against the rest."""
    made = Sealed(tmp_path)
    made.batches(1)
    checkpoint, entries = tmp_path / "log" / "checkpoint", tmp_path / "log" / "tile" / "entries" / "000.p" / "4"
    old = checkpoint.read_bytes()
    for _ in range(3):
        made.commit()
    assert made.sealer.seal((), NOW_MS) == 3
    leaves = entries.read_bytes()
    checkpoint.write_bytes(old)
    again = Sealed(tmp_path, catch_up=2)
    assert (again.sealer.seal((), NOW_MS), entries.read_bytes()) == (2, leaves)
    assert (again.sealer.seal((), NOW_MS), entries.read_bytes(), again.damage()) == (1, leaves, [])


def test_how_much_waits_is_told(tmp_path: Path) -> None:
    """How many batches, and since when the oldest of their rows; nothing of it is damage while its rows are there."""
    made = Sealed(tmp_path)
    made.batches(1)
    for _ in range(2):
        made.commit()
    checked = check_log(tmp_path, made.authority.trust(), 10)
    assert (checked.waiting, checked.damage, checked.waited_s(NOW_MS / 1000 + 60)) == (2, (), 60.0)
    made.file_of(2).unlink()
    checked = check_log(tmp_path, made.authority.trust(), 10)
    assert (2, "missing") in {(item.batch, item.kind) for item in checked.damage}


def test_a_checkpoint_is_durable_before_the_table_says_how_far_it_was(tmp_path: Path) -> None:
    """The process that wrote it may have been told that it is not, and have died: else a loss of power looks like a fraud."""
    made = Sealed(tmp_path)
    made.batches(1)
    recorder = Recorder(tmp_path)
    Sealed(tmp_path, recorder.disk)
    assert recorder.index("file", "log/checkpoint") < recorder.index("directory", "log")


def test_a_checkpoint_that_is_set_back_while_its_sealer_runs_is_not_believed(tmp_path: Path) -> None:
    """The sealer knows how far it was, though no commit has said so yet."""
    made = Sealed(tmp_path)
    made.batches(1)
    checkpoint = tmp_path / "log" / "checkpoint"
    old = checkpoint.read_bytes()
    made.batches(1)
    checkpoint.write_bytes(old)
    made.sealer.begun = False  # as after a write that failed
    with pytest.raises(IntegrityError, match="1 batches, and 2 were sealed"):
        made.sealer.seal((), NOW_MS)
