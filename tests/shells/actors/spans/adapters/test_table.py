"""The spans table: effective once, readable by others, and every flipped bit seen."""

import errno
import os
import re
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import duckdb
import pyarrow.parquet as pq
import pytest
from deltalake import DeltaTable
from deltalake.exceptions import CommitFailedError, DeltaError

from actors.base.errors import IntegrityError, StorageUnavailable
from actors.spans.adapters import parquet as parquet_module
from actors.spans.adapters import reading as reading_module
from actors.spans.adapters import table as table_module
from actors.spans.adapters.delta import open_table
from actors.spans.adapters.files import ANEW, DirectoryFiles
from actors.spans.adapters.table import SpanTable
from actors.spans.columns import Rows, pinned_schema
from tests.unit.actors.spans.telemetry import Recorder, decision, flipped, span, spans_from

DAY_NS = 86_400_000_000_000


def opened(path: Path) -> SpanTable:
    """Open the table as another process would."""
    return SpanTable(path, checkpoint_commits=3)


def rows(first_seq: int, count: int, record: bytes = b"") -> list[Rows]:
    """Make rows of one writer."""
    return [Rows("W1", first_seq, 1, spans_from(first_seq, count, record))]


def numbers(table: SpanTable) -> list[int]:
    """Return the sequence numbers in the table."""
    return sorted(table.read(["writer_seq"])["writer_seq"].to_pylist())


def parquet_files(path: Path) -> set[Path]:
    """Return all files that lie there, committed or not."""
    return set(path.glob("date=*/*.parquet"))


def test_a_table_that_does_not_exist_is_empty(tmp_path: Path) -> None:
    """Reading before the first commit finds nothing and makes nothing."""
    table = opened(tmp_path / "spans")
    assert (table.current_files(), table.last_committed("W1"), table.find("x"), table.recover()) == ([], None, None, [])
    assert table.read().schema == pinned_schema()
    assert not (tmp_path / "spans").exists()


def test_committed_rows_are_read_by_everybody(tmp_path: Path) -> None:
    """Rows and the number they reach appear together, to this process and to any other."""
    table, other = opened(tmp_path), opened(tmp_path)
    table.append(rows(1, 3), {"W1": 3}, 0)
    assert (numbers(other), other.last_committed("W1"), other.last_committed("W2")) == ([1, 2, 3], 3, None)
    table.append(rows(4, 2), {"W1": 5}, 0)
    assert (numbers(other), other.last_committed("W1")) == ([1, 2, 3, 4, 5], 5)
    assert other.read().schema == pinned_schema()


def test_duckdb_reads_the_current_files(tmp_path: Path) -> None:
    """Another engine sees the same rows, types and partition."""
    table = opened(tmp_path)
    table.append(rows(1, 3, b"envelope"), {"W1": 3}, 0)
    table.append([Rows("W1", 4, 1, [span(4, start_unix_nano=20_000 * DAY_NS)])], {"W1": 4}, 0)
    files = [str(path) for path in table.current_files()]
    found = duckdb.sql(
        "select writer_seq, octet_length(trace_id), attributes['seq'], log_index, cast(date as varchar), record"
        " from read_parquet($files, hive_partitioning = true) order by writer_seq",
        params={"files": files},
    ).fetchall()
    assert found[0] == (1, 16, "1", 0, "2026-09-21", b"envelope")
    assert found[3] == (4, 16, "4", 1, "2024-10-04", None)
    assert len(found) == 4


def test_delta_itself_reads_the_table(tmp_path: Path) -> None:
    """The log is a proper Delta table: its own reader returns the rows with their date."""
    opened(tmp_path).append(rows(1, 2), {"W1": 2}, 0)
    found = DeltaTable(tmp_path).to_pyarrow_table(columns=["writer_seq", "date", "decision_id"]).to_pylist()
    assert [(row["writer_seq"], row["date"].isoformat()) for row in found] == [(1, "2026-09-21"), (2, "2026-09-21")]


def test_checkpoints_change_nothing(tmp_path: Path) -> None:
    """Past several checkpoints, a fresh reader finds the same rows and numbers."""
    table = opened(tmp_path)
    for seq in range(1, 9):
        table.append(rows(seq, 1), {"W1": seq}, 0)
    assert list((tmp_path / "_delta_log").glob("*.checkpoint.parquet"))
    assert (numbers(opened(tmp_path)), opened(tmp_path).last_committed("W1")) == (list(range(1, 9)), 8)


def test_a_table_that_is_open_for_long_is_opened_anew_at_every_checkpoint(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:  # fmt: skip
    """It does not hold each of its commits apart for ever, whether it writes or reads; what it holds is the same."""
    opened_at: list[int] = []

    def counted(path: Path) -> DeltaTable:
        opened_at.append((made := open_table(path)).version())
        return made

    monkeypatch.setattr(reading_module, "open_table", counted)
    table = opened(tmp_path)
    for seq in range(1, 12):
        table.append(rows(seq, 1), {"W1": seq}, 0)
        assert (len(table.current_files()), table.last_committed("W1")) == (seq, seq)
    assert opened_at == [3, 6, 9]
    assert numbers(table) == list(range(1, 12))


def test_delta_s_log_is_kept_as_long_as_removed_files_are(tmp_path: Path) -> None:
    """Entries and checkpoints that a durable checkpoint stands for go after that; numbers of writers that are gone stay."""
    kept, cleaned = SpanTable(tmp_path / "kept", 3), SpanTable(tmp_path / "cleaned", 3, keep_s=0)
    for table in (kept, cleaned):
        table.append([Rows("W2", 1, 1, spans_from(100, 1))], {"W2": 1}, 0)
    early = opened(tmp_path / "cleaned")
    assert early.last_committed("W1") is None
    for seq in range(1, 20):
        for table in (kept, cleaned):
            table.append(rows(seq, 1), {"W1": seq}, 0)
    assert len(list((tmp_path / "kept" / "_delta_log").iterdir())) > 20
    assert len(list((tmp_path / "cleaned" / "_delta_log").iterdir())) < 12
    for reader in (opened(tmp_path / "cleaned"), early):
        assert (reader.last_committed("W1"), reader.last_committed("W2"), reader.last_committed("log")) == (19, 1, 19)
        assert numbers(reader) == [1, *range(1, 20)]


def test_nothing_of_delta_s_log_goes_before_the_checkpoint_is_durable(tmp_path: Path) -> None:
    """Until then a loss of power could take the checkpoint, and with it the table."""
    recorder = Recorder(tmp_path)
    table = SpanTable(tmp_path / "spans", 3, recorder.disk, keep_s=0)
    there: list[bool] = []

    def sync(path: Path) -> None:
        if path.name.endswith(".checkpoint.parquet"):
            there.append((path.parent / f"{0:020d}.json").exists())

    table.files = DirectoryFiles(tmp_path / "spans", replace(recorder.disk, sync_file=sync))
    for seq in range(1, 4):
        table.append(rows(seq, 1), {"W1": seq}, 0)
    assert there == [True]
    assert not (tmp_path / "spans" / "_delta_log" / f"{0:020d}.json").exists()


def test_a_table_from_before_is_told_how_long_to_keep_its_log(tmp_path: Path) -> None:
    """At the next start, once; its numbers stay what they are."""
    opened(tmp_path).append(rows(1, 2), {"W1": 2}, 0)
    for _ in range(2):
        restarted = SpanTable(tmp_path, 3, keep_s=77)
        restarted.recover()
    found = DeltaTable(tmp_path)
    assert found.metadata().configuration["delta.logRetentionDuration"] == "interval 77 seconds"
    assert (found.version(), restarted.last_committed("W1"), numbers(restarted)) == (2, 2, [1, 2])
    restarted.append(rows(3, 1), {"W1": 3}, 0)
    assert numbers(restarted) == [1, 2, 3]


def test_a_new_configuration_takes_nothing_of_delta_s_log_away(tmp_path: Path) -> None:
    """Its commit may make a checkpoint, and a loss of power take that; entries hold what commits said of waiting batches, too."""
    opened(tmp_path).append(rows(1, 2), {"W1": 2}, 0)
    restarted = SpanTable(tmp_path, 3, keep_s=0)
    restarted.recover()
    log = tmp_path / "_delta_log"
    assert (log / f"{2:020d}.checkpoint.parquet").exists()
    assert [(log / f"{version:020d}.json").exists() for version in range(3)] == [True] * 3
    assert numbers(restarted) == [1, 2]


def test_the_same_commit_twice_takes_effect_once(tmp_path: Path) -> None:
    """Whoever does not know whether its commit took effect just repeats it."""
    table = opened(tmp_path)
    table.append(rows(1, 3), {"W1": 3}, 0)
    table.append(rows(1, 3), {"W1": 3}, 0)
    assert numbers(table) == [1, 2, 3]
    assert parquet_files(tmp_path) == set(table.current_files())


def test_a_crash_between_file_and_commit_leaves_no_trace(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Files of an append that never committed are no rows, and are removed at the next start; others stay."""
    table = opened(tmp_path)
    table.append(rows(1, 2), {"W1": 2}, 0)
    foreign = tmp_path / "date=2026-09-21" / "part-of-somebody-else.parquet"
    foreign.write_bytes(b"not ours")

    class Killed(BaseException):
        pass

    def killed(*_: object) -> None:
        raise Killed

    with monkeypatch.context() as patch:
        patch.setattr(SpanTable, "_commit", killed)
        with pytest.raises(Killed):
            table.append(rows(3, 2), {"W1": 4}, 0)
    restarted = opened(tmp_path)
    assert (numbers(restarted), restarted.last_committed("W1")) == ([1, 2], 2)
    (orphan,) = restarted.recover()
    assert not orphan.exists()
    assert parquet_files(tmp_path) == {*restarted.current_files(), foreign}
    restarted.append(rows(3, 2), {"W1": 4}, 0)
    assert numbers(restarted) == [1, 2, 3, 4]


def test_a_crash_just_after_the_commit_keeps_its_files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A note of pending files that outlived its commit removes nothing."""
    table = opened(tmp_path)
    table.append(rows(1, 1), {"W1": 1}, 0)
    with monkeypatch.context() as patch:
        patch.setattr(SpanTable, "_sync_log", lambda _: (_ for _ in ()).throw(KeyboardInterrupt))
        with pytest.raises(KeyboardInterrupt):
            table.append(rows(2, 1), {"W1": 2}, 0)
    restarted = opened(tmp_path)
    assert (restarted.recover(), numbers(restarted), restarted.last_committed("W1")) == ([], [1, 2], 2)
    assert not (tmp_path / table_module.PENDING).exists()


def test_a_note_cut_by_a_crash_is_no_obstacle(tmp_path: Path) -> None:
    """Half a note means that no file was begun."""
    opened(tmp_path).append(rows(1, 1), {"W1": 1}, 0)
    (tmp_path / table_module.PENDING).write_bytes(b'["date=2026')
    table = opened(tmp_path)
    assert (table.recover(), numbers(table)) == ([], [1])
    assert not (tmp_path / table_module.PENDING).exists()


def test_a_commit_that_fails_removes_its_files_and_can_be_repeated(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A full disk or a refused commit is an error of storage; the rows are as if they had never been tried."""
    table = opened(tmp_path)
    table.append(rows(1, 1), {"W1": 1}, 0)
    for target, error in (("_commit", CommitFailedError("no")), ("_note", OSError(28, "No space left on device"))):
        with monkeypatch.context() as patch:
            patch.setattr(SpanTable, target, lambda *_, error=error: (_ for _ in ()).throw(error))
            with pytest.raises(StorageUnavailable):
                table.append(rows(2, 1), {"W1": 2}, 0)
        assert parquet_files(tmp_path) == set(table.current_files())
    table.append(rows(2, 1), {"W1": 2}, 0)
    assert numbers(table) == [1, 2]


def test_a_file_that_could_not_be_removed_goes_next(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Also by an append that has nothing to add: the note of it goes only with the file."""
    table, unlink = opened(tmp_path), Path.unlink
    table.append(rows(1, 1), {"W1": 1}, 0)

    def kept(path: Path, missing_ok: bool = False) -> None:
        if path.suffix == ".parquet":
            raise OSError(errno.EROFS, "Read-only file system")
        unlink(path, missing_ok)

    with monkeypatch.context() as patch:
        patch.setattr(SpanTable, "_commit", lambda *_: (_ for _ in ()).throw(CommitFailedError("no")))
        patch.setattr(Path, "unlink", kept)
        with pytest.raises(StorageUnavailable):
            table.append(rows(2, 1), {"W1": 2}, 0)
        with pytest.raises(StorageUnavailable):
            table.append([], {"W1": 1}, 0)
    assert len(parquet_files(tmp_path) - set(table.current_files())) == 1
    table.append([], {"W1": 1}, 0)
    assert parquet_files(tmp_path) == set(table.current_files())


def test_a_commit_that_took_effect_and_then_failed_is_not_done_twice(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """If what follows the commit fails, its files stay, and repeating it adds nothing."""
    table = opened(tmp_path)
    table.append(rows(1, 1), {"W1": 1}, 0)
    with monkeypatch.context() as patch:
        patch.setattr(SpanTable, "_sync_log", lambda _: (_ for _ in ()).throw(OSError(5, "Input/output error")))
        with pytest.raises(StorageUnavailable):
            table.append(rows(2, 1), {"W1": 2}, 0)
    table.append(rows(1, 2), {"W1": 2}, 0)
    assert numbers(table) == [1, 2]


def test_two_writers_of_the_same_rows_do_not_both_win(tmp_path: Path) -> None:
    """Should a second process commit the same writer's rows, Delta refuses it by the application transaction."""
    first, second = opened(tmp_path), opened(tmp_path)
    first.append(rows(1, 1), {"W1": 1}, 0)
    stale = second._created()
    actions = second._write_files(rows(2, 1), [], 0)
    first.append(rows(2, 1), {"W1": 2}, 0)
    with pytest.raises(CommitFailedError):
        second._commit(stale, actions, {"W1": 2})
    assert numbers(first) == [1, 2]


def test_every_page_carries_a_checksum(tmp_path: Path) -> None:
    """A bit flipped anywhere before the footer is an error naming the file, or touched no value: never a wrong row."""
    table = opened(tmp_path)
    table.append(rows(1, 50, os.urandom(200)), {"W1": 50}, 0)
    (path,) = table.current_files()
    good, data = table.read(), path.read_bytes()
    footer = len(data) - 8 - int.from_bytes(data[-8:-4], "little")
    errors: list[str] = []
    flips = range(4 * 8, footer * 8, 397)
    for bit in flips:
        path.write_bytes(flipped(data, bit))
        try:
            assert table.read() == good, f"bit {bit} was read back silently wrong"
        except IntegrityError as error:
            errors.append(str(error))
    assert all(path.name in message for message in errors)
    assert len(errors) > 0.5 * len(flips), "most bits are values"
    path.write_bytes(data)
    assert table.read() == good


def test_a_missing_file_is_an_error(tmp_path: Path) -> None:
    """A file that the table names and the disk does not have is damage, not fewer rows."""
    table = opened(tmp_path)
    table.append(rows(1, 1), {"W1": 1}, 0)
    table.current_files()[0].unlink()
    with pytest.raises(IntegrityError, match="cannot be read"):
        table.read()


def test_a_decision_is_found_in_the_one_file_that_may_hold_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Files whose range of decision ids does not include the asked one are not opened."""
    table = opened(tmp_path)
    for batch in range(4):
        first = 1 + 10 * batch
        table.append(rows(first, 10, b"envelope %d" % batch), {"W1": first + 9}, 0)
    opened_files: list[Path] = []
    original = pq.ParquetFile
    monkeypatch.setattr(
        parquet_module.pq,
        "ParquetFile",
        lambda path, **options: (opened_files.append(path), original(path, **options))[1],
    )
    assert table.find(decision(15)) == b"envelope 1"
    assert len(opened_files) == 1
    assert table.find(decision(99)) is None
    assert len(opened_files) == 1


def test_the_newest_record_of_a_decision_counts(tmp_path: Path) -> None:
    """A record that replaces another under the same id (an answer withheld at the last look) is the one returned."""
    table = opened(tmp_path)
    versions = [span(1, b"answered"), span(2, b""), span(3, b"withheld", decision_id=decision(1))]
    table.append([Rows("W1", 1, 1, versions)], {"W1": 3}, 0)
    assert table.find(decision(1)) == b"withheld"
    assert table.find(decision(2)) is None


def test_every_log_entry_and_directory_is_synced(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The first entry, entries whose own sync failed, checkpoints, and the names of new directories are made durable."""
    recorder = Recorder(tmp_path)
    table = SpanTable(tmp_path / "spans", 3, recorder.disk)
    table.append(rows(1, 1), {"W1": 1}, 0)
    done = [(call, re.sub(r"part-[\w-]+", "part", name)) for call, name in recorder.calls]
    assert done == [
        ("directory", "spans"), ("directory", "."), ("file", f"spans/_delta_log/{0:020d}.json"),  # the table is there
        ("file", f"spans/_delta_log/{0:020d}.json"), ("directory", "spans/_delta_log"),  # what comes next stands on it
        ("file", "spans/_pending.json"), ("directory", "spans"),  # what is begun is noted, and the partition is there
        ("file", "spans/date=2026-09-21/part.parquet"), ("directory", "spans/date=2026-09-21"),
        ("file", f"spans/_delta_log/{1:020d}.json"), ("directory", "spans/_delta_log"),
    ]  # fmt: skip
    recorder.calls.clear()
    with monkeypatch.context() as patch:
        patch.setattr(SpanTable, "_sync_log", lambda _: (_ for _ in ()).throw(OSError(5, "Input/output error")))
        with pytest.raises(StorageUnavailable):
            table.append(rows(2, 1), {"W1": 2}, 0)
    table.append([Rows("W1", 3, 1, [span(3, start_unix_nano=20_000 * DAY_NS)])], {"W1": 3}, 0)
    synced = [name.removeprefix("spans/_delta_log/") for call, name in recorder.calls if call == "file"]
    assert f"{0:020d}.json" not in synced, "what is durable is not synced again"
    for name in (f"{2:020d}.json", f"{2:020d}.checkpoint.parquet", f"{3:020d}.json", "_last_checkpoint"):
        assert name in synced


def test_the_first_entry_is_synced(tmp_path: Path) -> None:
    """Entry 0 is the table itself: without it no later one means anything."""
    recorder = Recorder(tmp_path)
    SpanTable(tmp_path / "spans", 100, recorder.disk).append(rows(1, 1), {"W1": 1}, 0)
    first, log = f"spans/_delta_log/{0:020d}.json", "spans/_delta_log"
    assert recorder.index("file", first) < recorder.index("directory", log)


def test_a_fresh_process_syncs_from_the_newest_checkpoint_on(tmp_path: Path) -> None:
    """It does not know what its predecessor synced; entries before a checkpoint are nobody's to read."""
    table = opened(tmp_path / "spans")
    for seq in range(1, 5):
        table.append(rows(seq, 1), {"W1": seq}, 0)
    recorder = Recorder(tmp_path)
    SpanTable(tmp_path / "spans", 3, recorder.disk).recover()
    assert [name.removeprefix("spans/_delta_log/").lstrip("0") for call, name in recorder.calls if call == "file"] == [
        "2.json", "2.checkpoint.parquet", "3.json", f"spans/{ANEW}", "_last_checkpoint",
    ]  # fmt: skip
    assert recorder.index("directory", ".") < recorder.index("directory", "spans/_delta_log"), "nor who named the table"


def test_rows_the_table_has_are_cut_away(tmp_path: Path) -> None:
    """A commit that overlaps an earlier one adds what is new, for each application id by itself."""
    table = opened(tmp_path)
    table.append([*rows(1, 2), Rows("W2", 1, 1, spans_from(101, 1))], {"W1": 2, "W2": 1}, 0)
    again = [*rows(1, 2), *rows(3, 2), *rows(5, 1), Rows("W2", 1, 1, spans_from(101, 1))]
    table.append(again, {"W1": 5, "W2": 1}, 0)
    assert numbers(table) == [1, 1, 2, 3, 4, 5]
    assert (table.last_committed("W1"), table.last_committed("W2")) == (5, 1)


def test_files_of_an_attempt_nobody_could_clean_up_are_removed_later(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Their names are still noted when the next append begins, and are not overwritten before they are gone."""
    table = opened(tmp_path)
    table.append(rows(1, 1), {"W1": 1}, 0)
    with monkeypatch.context() as patch:
        patch.setattr(SpanTable, "_commit", lambda *_: (_ for _ in ()).throw(CommitFailedError("no")))
        patch.setattr(SpanTable, "_clean_up", lambda *_: None)
        with pytest.raises(StorageUnavailable):
            table.append(rows(2, 1), {"W1": 2}, 0)
    table.append(rows(2, 1), {"W1": 2}, 0)
    assert parquet_files(tmp_path) == set(table.current_files())


def test_a_row_s_batch_is_looked_for_in_the_files_of_its_writer_and_decision(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Every writer begins at 1, so its number alone would lead to most of the table."""
    table = opened(tmp_path)
    for writer in range(1, 7):
        spans = [span(1, decision_id=decision(10 * writer)), span(2, decision_id=decision(10 * writer + 1))]
        table.append([Rows(f"W{writer}", 1, 1, spans)], {f"W{writer}": 2}, 0)
    reads: list[Path] = []
    read = SpanTable.read_file

    def counted(path: Path, *rest: Any) -> Any:
        reads.append(path)
        return read(path, *rest)

    monkeypatch.setattr(SpanTable, "read_file", staticmethod(counted))
    row = table.row_of("W4", 2, decision(41))
    assert row is not None
    assert (row.log_index, row.first_seq, row.spans[0].decision_id, len(reads)) == (3, 2, decision(41), 1)
    assert table.row_of("W4", 2, decision(51)) is None
    assert table.row_of("W9", 1, decision(41)) is None
    assert len(reads) == 1


def test_the_table_s_files_are_listed_once_a_version(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """However often it is asked; a commit of anybody's makes it look again."""
    table, other = opened(tmp_path), opened(tmp_path)
    other.append(rows(1, 3), {"W1": 3}, 0)
    listed: list[int] = []
    listing = DeltaTable.get_add_actions

    def counted(delta: DeltaTable, *, flatten: bool) -> Any:
        listed.append(delta.version())
        return listing(delta, flatten=flatten)

    monkeypatch.setattr(DeltaTable, "get_add_actions", counted)
    assert [len(table.numbered_files()) for _ in range(3)] == [1, 1, 1]
    other.append(rows(4, 3), {"W1": 6}, 0)
    assert [len(table.numbered_files()) for _ in range(3)] == [2, 2, 2]
    assert listed == [1, 2]


@pytest.mark.parametrize("asked", ["get_add_actions", "file_uris", "transaction_version"])
def test_a_delta_log_that_cannot_be_read_is_storage_that_is_away(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, asked: str
) -> None:
    """Whatever is asked of the table: the library's errors end here."""
    table = opened(tmp_path)
    table.append(rows(1, 1), {"W1": 1}, 0)
    monkeypatch.setattr(DeltaTable, asked, lambda *_, **__: (_ for _ in ()).throw(DeltaError("not a log")))
    questions: dict[str, list[Callable[[], object]]] = {
        "get_add_actions": [
            lambda: table.find("x"), lambda: table.batches(0, 0), lambda: table.row_of("W1", 1, "x"),
            table.numbered_files,
        ],
        "file_uris": [table.current_files, table.read], "transaction_version": [lambda: table.last_committed("W1")],
    }  # fmt: skip
    for question in questions[asked]:
        with pytest.raises(StorageUnavailable, match="not a log"):
            question()


@pytest.mark.parametrize("number", [-1, 2**53, 2**62])
def test_a_number_that_nobody_committed_is_no_place_to_begin_at(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, number: int
) -> None:
    """Whoever changed Delta's log does not choose where a writer's rows go on."""
    table = opened(tmp_path)
    table.append(rows(1, 1), {"W1": 1}, 0)
    monkeypatch.setattr(DeltaTable, "transaction_version", lambda *_: number)
    for question in (lambda: table.last_committed("W1"), lambda: table.append(rows(2, 1), {"W1": 2}, 0)):
        with pytest.raises(IntegrityError, match="reached"):
            question()
