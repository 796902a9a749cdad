"""Files are merged, and nothing of it is to be seen but fewer files: the same rows, the same log, whatever dies in between."""

import re
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from deltalake import DeltaTable

from actors.base.canonical import canonical_json
from actors.base.errors import StorageUnavailable
from actors.spans import conventions as names
from actors.spans.adapters.check import check_log
from actors.spans.adapters.segments import Disk
from actors.spans.adapters.swaps import NOTES
from actors.spans.adapters.table import LOG, PENDING, SEALED, SpanTable
from actors.spans.batch import manifest_of
from actors.spans.columns import Rows
from actors.spans.log.tiles import join_leaves, split_leaves
from actors.spans.merkle import leaf_hash, tree_root
from tests.shells.actors.spans.adapters.merging import MERGING, OWN, Merging
from tests.shells.actors.spans.adapters.sealed import NOW_MS, W
from tests.unit.actors.spans.telemetry import NOW_S, decision, flipped, span, spans_from

DAY_NS = 86_400_000_000_000


def straddling(made: Merging) -> None:
    """Commit and seal a batch whose rows began on two dates."""
    began_ns = [int(NOW_S * 1e9) + at % 2 * DAY_NS for at in range(4)]
    spans = [span(made.next_seq + at, start_unix_nano=ns, end_unix_nano=ns + 1) for at, ns in enumerate(began_ns)]
    batches = made.table.append([Rows(W, made.next_seq, 1, spans)], {W: made.next_seq + 3}, NOW_MS)
    made.next_seq += 4
    made.sealer.seal(batches, NOW_MS)


def test_what_is_merged_is_the_same_rows_in_one_file(tmp_path: Path) -> None:
    """In the log's order, to every reader; Delta's transactions and the log are what they were."""
    made = Merging(tmp_path)
    made.batches(5)
    before = made.table.read()
    entry = made.merge()
    (merged, *rest) = SpanTable(tmp_path / "spans", 10).numbered_files()
    assert (merged.first, merged.last, merged.rows, len(rest)) == (0, 3, 12, 2)
    held = pq.read_table(merged.path, columns=["writer_seq"], partitioning=None)["writer_seq"].to_pylist()
    assert held == list(range(1, 13))
    after = made.table.read(filters=pa.compute.field("writer_id") == W)
    assert after.sort_by("writer_seq").to_pylist() == before.sort_by("writer_seq").to_pylist()
    delta = DeltaTable(tmp_path / "spans").to_pyarrow_table(columns=["writer_id", "writer_seq"]).to_pylist()
    assert sorted(row["writer_seq"] for row in delta if row["writer_id"] == W) == list(range(1, 16))
    assert made.damage() == []
    numbers = [SpanTable(tmp_path / "spans", 10).last_committed(name) for name in (W, LOG, SEALED)]
    assert numbers == [15, 5, 5]
    assert made.table.find(decision(5)) is None
    assert re.fullmatch(r"[0-9a-f]{64}( [0-9a-f]{64}){3}", entry[names.TABLE_INPUTS])
    assert entry[names.TABLE_OUTPUTS] in merged.path.name


def test_a_merge_s_entry_says_what_its_rows_come_to(tmp_path: Path) -> None:
    """Which follows from the log alone where all rows of its batches are there: the roots in their leaves."""
    made = Merging(tmp_path)
    batches = [made.commit() for _ in range(4)]
    made.sealer.seal([], NOW_MS)
    entry = made.merge()
    parts = [
        leaf_hash(index.to_bytes(8, "big") + (3).to_bytes(8, "big") + bytes.fromhex(manifest_of(batch).rows_root))
        for index, (batch,) in enumerate(batches)
    ]
    assert entry[names.TABLE_ROWS_ROOT] == tree_root(parts).hex()
    told = (entry[names.TABLE_FIRST_BATCH], entry[names.TABLE_LAST_BATCH], entry[names.TABLE_ROWS])
    assert told == ("0", "3", "12")
    (row,) = made.table.read(filters=pa.compute.field("writer_id") == OWN).to_pylist()
    assert (row["name"], dict(row["attributes"]), row["log_index"]) == (names.TABLE_COMPACTED, entry, 4)


def test_merged_files_are_merged_again_and_again(tmp_path: Path) -> None:
    """Many small commits end in few files, and the log still finds each row as it was sealed."""
    made = Merging(tmp_path)
    for _ in range(40):
        made.batches(1)
        if (entry := made.work()) is not None:
            made.enter(entry)
    assert made.seqs() == list(range(1, 121))
    assert len(made.table.current_files()) < 15
    health = made.compactor.health()
    assert health["merges"] > 10
    assert health["files_merged"] >= 4 * health["merges"]
    assert (made.damage(), made.incidents.opened) == ([], [])


def test_what_is_not_sealed_is_not_merged(tmp_path: Path) -> None:
    """Sealing reads the files that it knows, and nothing is checked yet to put into another."""
    made = Merging(tmp_path)
    for _ in range(8):
        made.commit()
    assert made.work() is None
    made.sealer.seal([], NOW_MS)
    assert made.work() is not None


def test_a_batch_of_several_dates_is_checked_as_a_whole(tmp_path: Path) -> None:
    """Each date's files hold part of it; they are merged date by date, and never with one another."""
    made = Merging(tmp_path)
    for _ in range(4):
        straddling(made)
    made.merge()
    made.merge()
    assert len(made.table.current_files()) == 4  # a file a date, and two entries of today
    assert {file.day for file in made.table.numbered_files() if file.rows == 8} == {"2026-09-21", "2026-09-22"}
    assert (made.damage(), made.incidents.opened) == ([], [])


def test_a_batch_of_several_dates_that_is_damaged_elsewhere_is_left_alone(tmp_path: Path) -> None:
    """Half a batch comes to nothing that was sealed: the other half is read, and is damaged."""
    made = Merging(tmp_path)
    for _ in range(4):
        straddling(made)
    file = next(one for one in made.table.numbered_files() if one.day == "2026-09-22" and one.first == 1)
    batches = made.table.batches(1, 1)
    others = [replace(batches[0], first_seq=6, spans=batches[0].spans[1:2])]
    made.forged(file.path, lambda part: part, others)
    assert made.work() is None
    assert made.incidents.kinds == ["span_file_damaged"]


def test_a_file_with_a_flipped_bit_is_never_merged(tmp_path: Path) -> None:
    """It is an incident, once, and stays as it is; the others are merged around it."""
    made = Merging(tmp_path)
    made.batches(9)
    file = made.file_of(2)
    damaged = flipped(file.read_bytes(), 8 * file.stat().st_size - 100)
    file.write_bytes(damaged)
    assert made.work() is None
    assert [(kind, held["file"], held["batches"]) for kind, held in made.incidents.opened] == [
        ("span_file_damaged", file.name, "2 to 2")
    ]  # fmt: skip
    entry = made.merge()
    assert (entry[names.TABLE_FIRST_BATCH], entry[names.TABLE_LAST_BATCH]) == ("3", "6")
    assert file.read_bytes() == damaged
    assert made.damage() == [(2, "file")]
    assert len(made.incidents.opened) == 1
    assert made.compactor.health()["files_refused"] == 1


@pytest.mark.parametrize(
    "change",
    [
        lambda rows: replace(rows, spans=[*rows.spans[:-1], span(rows.first_seq + 2, tenant="another")]),
        lambda rows: replace(rows, spans=rows.spans[:-1]),
        lambda rows: replace(rows, spans=[*rows.spans, span(rows.first_seq + 3)]),
        lambda rows: replace(rows, first_seq=rows.first_seq + 1),
        lambda rows: replace(rows, log_index=7),
        lambda rows: replace(rows, log_index=None),
        lambda rows: replace(rows, log_index=0),
    ],
    ids=[
        "changed",
        "cut",
        "longer",
        "numbered otherwise",
        "of a batch there is not",
        "of no batch",
        "of another batch",
    ],
)
def test_rows_that_are_not_what_was_sealed_are_never_merged(tmp_path: Path, change: Callable[[Rows], Rows]) -> None:
    """Whoever has file, name and Delta's log fit one another has not changed the log."""
    made = Merging(tmp_path)
    made.batches(6)
    file = made.forged(made.file_of(2), change, made.table.batches(2, 2))
    for _ in range(4):
        if (entry := made.work()) is not None:
            made.enter(entry)
    assert file in made.table.current_files()
    sealed = {
        index is not None and index < 6 for index in made.table.read_file(file, ["log_index"])["log_index"].to_pylist()
    }
    assert made.incidents.kinds == (["span_file_damaged"] if sealed == {True} else [])


def test_a_leaf_that_was_changed_with_its_rows_vouches_for_nothing(tmp_path: Path) -> None:
    """Leaves count by the root that is sealed; that the log is damaged is said, and nothing merged."""
    made = Merging(tmp_path)
    made.batches(4)
    (batch,) = made.table.batches(2, 2)
    other = replace(batch, spans=[*batch.spans[:-1], span(9, tenant="another")])
    made.forged(made.file_of(2), lambda _: other, [batch])
    bundle = next((tmp_path / "log" / "tile" / "entries").rglob("4"))
    leaves = split_leaves(bundle.read_bytes())
    bundle.write_bytes(join_leaves([*leaves[:2], canonical_json(manifest_of(other)), leaves[3]]))
    assert made.work() is None
    assert made.incidents.kinds == ["span_compaction_failed"]
    assert "leaf 2" in made.incidents.opened[0][1]["cause"]


def test_what_was_written_is_read_back(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A row that is lost on the way to the disk is found before anything relies on the file."""
    made = Merging(tmp_path)
    made.batches(4)
    writer = pq.ParquetWriter.write_table
    with monkeypatch.context() as patch:
        patch.setattr(pq.ParquetWriter, "write_table", lambda self, table, **rest: writer(self, table.slice(1), **rest))
        assert made.work() is None
    assert made.incidents.kinds == ["span_compaction_failed"]
    made.merge()
    assert (made.seqs(), made.damage()) == (list(range(1, 13)), [])
    lying = set((tmp_path / "spans").glob("date=*/*"))
    assert len(lying - set(made.table.current_files())) == 4, "but for the inputs all is gone"


def test_a_tick_s_share_is_bounded(tmp_path: Path) -> None:
    """A merge stops when its time is up, and goes on at the next tick, whatever was committed meanwhile."""
    times = iter(range(10_000))
    made = Merging(
        tmp_path, config=MERGING.model_copy(update={"compact_step_ms": 1}), clock_s=lambda: float(next(times))
    )
    made.batches(4)
    ticks = 0
    while (entry := made.work()) is None:
        ticks += 1
        made.batches(1)
    assert ticks > 4
    made.enter(entry)
    assert entry[names.TABLE_LAST_BATCH] == "3"
    assert made.damage() == []
    never = Merging(tmp_path, config=MERGING.model_copy(update={"compact_step_ms": 0}))
    assert never.work() is None


def test_a_commit_that_fails_takes_the_merge_along_when_it_is_repeated(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whether it took effect or not: once, with the entry that says so."""
    for at, broken in enumerate(("_write_files", "_sync_log")):
        made = Merging(tmp_path / str(at))
        made.batches(4)
        entry = made.work()
        assert entry is not None
        with monkeypatch.context() as patch:
            patch.setattr(SpanTable, broken, lambda *_: (_ for _ in ()).throw(OSError(5, "Input/output error")))
            with pytest.raises(StorageUnavailable):
                made.enter(entry)
        row = span(1, name=names.TABLE_COMPACTED, attributes=entry, decision_id="", tenant="")
        more = Rows(OWN, 2, 1, [span(2)])
        made.table.append([Rows(OWN, 1, 1, [row]), more], {OWN: 2}, NOW_MS, made.compactor.ready)
        made.compactor.committed()
        made.sealer.seal([], NOW_MS)
        assert (made.seqs(), made.damage()) == (list(range(1, 13)), [])
        assert sum(file.rows == 12 for file in made.table.numbered_files()) == 1


def test_merged_files_are_kept_for_a_while_and_then_removed(tmp_path: Path) -> None:
    """Readers hold lists from before; after that nothing of them, nor of the note, is left."""
    made = Merging(tmp_path)
    made.batches(4)
    inputs = made.table.current_files()
    made.merge()
    assert made.table.settle(NOW_MS + 59_000) == []
    assert all(file.exists() for file in inputs)
    restarted = SpanTable(tmp_path / "spans", 10, keep_s=60)
    assert set(restarted.settle(NOW_MS + 60_000)) == set(inputs)
    assert not any(file.exists() for file in inputs)
    assert list((tmp_path / "spans" / NOTES).iterdir()) == []
    assert (made.seqs(), made.damage()) == (list(range(1, 13)), [])


class Dying:
    """A disk on which the process is killed at its n-th call."""

    def __init__(self, at: int) -> None:
        self.left = at
        real = Disk()
        self.disk = Disk(
            sync_file=self._counted(real.sync_file), sync_directory=self._counted(real.sync_directory),
            rename=self._counted(real.rename), remove=self._counted(real.remove),
        )  # fmt: skip

    def _counted(self, call: Callable[..., None]) -> Callable[..., None]:
        def counted(*args: Path) -> None:
            self.left -= 1
            if self.left == 0:
                raise KeyboardInterrupt
            call(*args)

        return counted


@pytest.mark.parametrize("at", range(1, 40))
def test_a_kill_at_any_step_leaves_the_old_files_or_the_new(tmp_path: Path, at: int) -> None:
    """Every row is there once whenever it dies; the next process merges what is left, and nothing lies about in the end."""
    Merging(tmp_path).batches(4)
    dying = Dying(at)
    died = False
    try:
        made = Merging(tmp_path, dying.disk)
        made.table.recover()
        if (entry := made.work()) is not None:
            made.enter(entry)
        made.table.settle(NOW_MS + 61_000)
    except KeyboardInterrupt:
        died = True
    assert died or dying.left > 0
    assert SpanTable(tmp_path / "spans", 10).read().num_rows in {12, 13}
    after = Merging(tmp_path)
    after.table.recover()
    after.sealer.seal([], NOW_MS)
    if (entry := after.work()) is not None:
        after.enter(entry)
    assert (after.seqs(), after.damage()) == (list(range(1, 13)), [])
    assert len(after.table.current_files()) == 2
    after.table.settle(NOW_MS + 61_000)
    assert set((tmp_path / "spans").glob("date=*/*")) == set(after.table.current_files())
    assert not (tmp_path / "spans" / PENDING).exists()
    assert list((tmp_path / "spans" / NOTES).glob("*")) == []


@pytest.mark.parametrize("before", [True, False])
def test_a_kill_around_the_commit_is_no_exception(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, before: bool
) -> None:
    """Just before it the old files stand, just after it the new one."""
    made = Merging(tmp_path)
    made.batches(4)
    entry = made.work()
    assert entry is not None
    commit = SpanTable._commit

    def killed(*args: object) -> None:
        if not before:
            commit(*args)  # type: ignore[arg-type]
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(SpanTable, "_commit", killed)
        with pytest.raises(KeyboardInterrupt):
            made.enter(entry)
    after = Merging(tmp_path)
    after.table.recover()
    after.sealer.seal([], NOW_MS)
    assert (len(after.table.current_files()), after.seqs(), after.damage()) == (
        4 if before else 2, list(range(1, 13)), []
    )  # fmt: skip
    assert (after.work() is not None) is before


QUESTIONS: list[Callable[[SpanTable], object]] = [
    lambda table: table.find(decision(5)),
    lambda table: table.row_of(W, 5, decision(5)),
    lambda table: table.batches(1, 2),
    lambda table: table.last_within(0, 3, 7),
    lambda table: sorted(table.read(["writer_seq"], pa.compute.field("writer_id") == W)["writer_seq"].to_pylist()),
]


def stale(before: list[Any], real: Callable[[SpanTable], Any]) -> Callable[[SpanTable], Any]:
    """Answer once as it was before, and then as it is."""
    return lambda table: before.pop() if before else real(table)


def test_readers_go_on_while_files_are_swapped_beneath_them(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A list from before a merge names files that are gone: whoever holds it asks once more."""
    made = Merging(tmp_path)
    made.batches(4)
    reader = SpanTable(tmp_path / "spans", 10)
    wanted = [question(reader) for question in QUESTIONS]
    files, actions = reader.current_files(), reader._actions()
    made.merge()
    made.table.settle(NOW_MS + 61_000)
    now = {"current_files": SpanTable.current_files, "_actions": SpanTable._actions}
    for question, answer in zip(QUESTIONS, wanted, strict=True):
        before: dict[str, list[Any]] = {"current_files": [files], "_actions": [actions]}
        with monkeypatch.context() as patch:
            for name, real in now.items():
                patch.setattr(SpanTable, name, stale(before[name], real))
            assert question(reader) == answer


def test_a_check_goes_on_while_files_are_swapped_beneath_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What it has seen by then is forgotten: it reads all of it again, and nothing counts twice."""
    made = Merging(tmp_path)
    made.batches(4)
    real = SpanTable.numbered_files
    merged: list[bool] = []

    def swapped(self: SpanTable) -> object:
        found = real(self)
        if self is not made.table and not merged:
            merged.append(True)
            made.merge()
            made.table.settle(NOW_MS + 61_000)
        return found

    monkeypatch.setattr(SpanTable, "numbered_files", swapped)
    checked = check_log(tmp_path, made.authority.trust(), 10)
    assert merged
    assert (checked.damage, checked.rows) == ((), 12)


def test_spans_from_of_the_fixture_are_what_is_merged(tmp_path: Path) -> None:
    """What comes out of a merged file turns back into the very spans that went in."""
    made = Merging(tmp_path)
    made.batches(4)
    made.merge()
    (batch,) = made.table.batches(3, 3)
    assert list(batch.spans) == spans_from(10, 3)
