"""One table, two kinds of place: what holds in a directory holds in a bucket; and what only a bucket's store can do to it."""

import contextlib
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from actors.base.errors import IntegrityError, StorageUnavailable
from actors.spans import conventions as names
from actors.spans.adapters.exporting import exported
from actors.spans.adapters.located import table_of
from actors.spans.adapters.lookup import ArchivedDecisions
from actors.spans.adapters.objects import ObjectPath
from actors.spans.adapters.table import LOG, PENDING, SEALED, SpanTable
from actors.spans.columns import Rows
from actors.spans.place import Location, Place
from actors.spans.record import read_envelope
from tests.shells.actors.spans.adapters.merging import OWN, Merging
from tests.shells.actors.spans.adapters.sealed import NOW_MS, Sealed, W
from tests.shells.actors.spans.adapters.test_lookup import envelope
from tests.shells.actors.spans.adapters.test_retention import DAY_MS, KEPT, later
from tests.shells.s3_server import CREDENTIALS, REPOSITORY, Server
from tests.unit.actors.spans.telemetry import decision, flipped, span, spans_from, writer_id

SOON_S = 60.0


def numbers(table: SpanTable, writer: str = W) -> list[int]:
    """Return a writer's numbers, sorted."""
    rows = table.read(["writer_id", "writer_seq"]).to_pylist()
    return sorted(row["writer_seq"] for row in rows if row["writer_id"] == writer)


def files_in(table: SpanTable) -> set[str]:
    """Return the names of all data files that lie there, of whatever commit or none."""
    days = {str(file.path).rpartition("/")[0].rpartition("/")[2] for file in table.numbered_files()}
    return {path.name for day in days for path in (table.path / day).glob("*.parquet")}


def rewrite(place: Place, data: bytes) -> None:
    """Put other bytes in a file's place."""
    assert isinstance(place, Path | ObjectPath)
    place.write_bytes(data)


# What holds in both.


def test_what_was_committed_is_read_by_whoever_opens_the_table(tmp_path: Path, location: Location) -> None:
    """Past several checkpoints, rows and numbers are the same to a writer, a reader, a restart; twice is once."""
    made = Sealed(tmp_path, location=location)
    made.batches(12)
    again = [Rows(W, 34, 1, spans_from(34, 3))]
    assert made.table.append(again, {W: 36}, NOW_MS) == []
    for table in (made.table, made.opened()):
        assert numbers(table) == list(range(1, 37))
        assert [table.last_committed(name) for name in (W, LOG, SEALED)] == [36, 11, 11]
        assert table.transactions().numbers == {W: 36, LOG: 11, SEALED: 11}
        assert [(file.first, file.rows) for file in table.numbered_files()] == [(at, 3) for at in range(12)]
        assert {str(file.path) for file in table.numbered_files()} == set(map(str, table.current_files()))
    restarted = Sealed(tmp_path, location=location)
    assert (restarted.table.recover(), restarted.next_seq) == ([], 37)
    restarted.batches(1)
    assert numbers(made.table) == list(range(1, 40))
    checked = restarted.checked()
    assert (checked.damage, checked.size, checked.rows) == ((), 13, 39)


def test_a_decision_is_found_and_proven(tmp_path: Path, location: Location) -> None:
    """From the table and its log alone; one that was never written is not there."""
    made = Sealed(tmp_path, location=location)
    for first in (1, 4):
        rows = Rows(W, first, 1, [span(seq, envelope(seq)) for seq in range(first, first + 3)])
        made.sealer.seal(made.table.append([rows], {W: first + 2}, NOW_MS), NOW_MS)
    archive = ArchivedDecisions(tmp_path, 10, made.authority.trust, location)
    found = archive.find(decision(5))
    assert found == envelope(5)
    proof = read_envelope(archive.prove(found)).proof
    assert proof is not None
    assert (proof.entry.index, proof.entry.checkpoint.head.size) == (1, 2)
    assert archive.find(decision(7)) is None


def test_files_are_merged_and_expire(tmp_path: Path, location: Location) -> None:
    """Rows stay what they were sealed as, light and deep; what others took the place of goes, in time, and not before."""
    made = Merging(tmp_path, config=KEPT, location=location)
    made.batches(4)
    later(made, 20, 4)
    made.merge()
    made.merge()
    assert len(files_in(made.table)) > len(made.table.current_files()), "readers hold lists from before"
    assert (made.seqs(), made.damage(), made.checked(deep=False).damage) == (list(range(1, 25)), [], ())
    entry = made.work(days=31)
    assert entry is not None
    assert made.entered == names.TABLE_EXPIRED
    made.enter(entry)
    made.table.settle(NOW_MS + 32 * DAY_MS)
    assert made.seqs() == list(range(13, 25))
    assert files_in(made.table) == {file.name for file in made.table.current_files()}
    for deep in (True, False):
        checked = made.checked(deep=deep)
        assert (checked.damage, checked.expired) == ((), 6), "four batches, and what was said of their merges"
    assert made.incidents.opened == []
    assert not list((tmp_path / "spans").glob("_m*"))


def test_readers_go_on_while_files_go_beneath_them(
    tmp_path: Path, location: Location, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whoever holds a list from before a merge asks once more."""
    made = Merging(tmp_path, location=location)
    made.batches(4)
    reader = made.opened()
    before = [reader.current_files()]
    made.merge()
    made.table.settle(NOW_MS + 61_000)
    real = SpanTable.current_files
    monkeypatch.setattr(SpanTable, "current_files", lambda table: before.pop() if before else real(table))
    assert numbers(reader) == list(range(1, 13))


@pytest.mark.parametrize("committed", [False, True])
def test_a_kill_around_the_commit_leaves_old_or_new(
    tmp_path: Path, location: Location, monkeypatch: pytest.MonkeyPatch, committed: bool
) -> None:
    """Files that no commit names go at the next start; those that one names stay."""
    made = Sealed(tmp_path, location=location)
    made.batches(1)
    commit = SpanTable._commit

    def killed(*args: object) -> None:
        if committed:
            commit(*args)  # type: ignore[arg-type]
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(SpanTable, "_commit", killed)
        with pytest.raises(KeyboardInterrupt):
            made.commit()
    assert ((tmp_path / "spans" / PENDING).exists(), len(files_in(made.table))) == (True, 2)
    after = Sealed(tmp_path, location=location)
    assert len(after.table.recover()) == (not committed)
    assert files_in(after.table) == {file.name for file in after.table.current_files()}
    assert (after.next_seq, len(files_in(after.table))) == ((7, 2) if committed else (4, 1))
    after.sealer.seal((), NOW_MS)
    after.batches(1)
    assert (after.damage(), (tmp_path / "spans" / PENDING).exists()) == ([], False)


def test_damage_is_found_and_located(tmp_path: Path, location: Location) -> None:
    """A bit that was flipped, a file that is gone; a merge leaves them alone."""
    made = Merging(tmp_path, location=location)
    made.batches(4)
    first, _, third, _ = (file.path for file in made.table.numbered_files())
    rewrite(first, flipped(first.read_bytes(), 8 * first.stat().st_size - 100))
    assert made.work() is None
    assert made.incidents.kinds == ["span_file_damaged"]
    third.unlink()
    with pytest.raises(IntegrityError):
        made.opened().read()
    assert {batch for batch, _ in made.damage()} == {0, 2}


def test_rows_are_exported(tmp_path: Path, location: Location) -> None:
    """In the order of the log."""
    made = Sealed(tmp_path, location=location)
    made.batches(3)
    rows = [row.first_seq for part in exported(made.opened(), 0) for row in part]
    assert rows == list(range(1, 10))


# What a store can do.


@pytest.fixture
def bucket(s3: Server) -> Location:
    """Return a place in a bucket whose store is asked once, and not again."""
    return s3.bucket(retries=0)


READERS: list[Callable[[SpanTable], object]] = [
    SpanTable.version, SpanTable.current_files, SpanTable.numbered_files, SpanTable.transactions,
    lambda table: table.last_committed(W), lambda table: table.find(decision(1)), lambda table: table.batches(0, 0),
]  # fmt: skip


@pytest.mark.parametrize("fresh", [True, False])
@pytest.mark.parametrize("how", ["slow down", "drop"])
def test_a_store_that_fails_is_never_an_empty_table(
    tmp_path: Path, s3: Server, bucket: Location, how: str, fresh: bool
) -> None:
    """To nobody who reads, whether the table was open before or not."""
    made = Sealed(tmp_path, location=bucket)
    made.batches(2)
    for ask in READERS:
        table = made.opened()
        if not fresh:
            table.version()
        s3.fails(how)
        with pytest.raises(StorageUnavailable):
            ask(table)
        s3.mends()
        assert ask(table) is not None or ask is READERS[5]


def test_what_cannot_be_fetched_is_not_damaged(tmp_path: Path, s3: Server, bucket: Location) -> None:
    """A check ends without a word on it, and a merge is tried again later."""
    made = Merging(tmp_path, location=bucket)
    made.batches(4)
    s3.fails("slow down", part=".parquet", verb="GET")
    with pytest.raises(StorageUnavailable):
        made.checked()
    assert made.work() is None
    assert made.incidents.kinds == ["span_compaction_failed"]
    assert made.compactor.health()["files_refused"] == 0
    s3.mends()
    assert made.work() is not None


@pytest.mark.parametrize(
    ("verb", "part"), [("PUT", "part-"), ("PUT", "_delta_log/"), ("GET", ""), ("HEAD", "")],
    ids=["its file", "its commit", "whatever is read", "whatever is looked for"],
)  # fmt: skip
@pytest.mark.parametrize("how", ["slow down", "drop", "cut"])
def test_a_commit_that_fails_is_repeated_and_there_once(
    tmp_path: Path, s3: Server, bucket: Location, how: str, verb: str, part: str
) -> None:
    """Wherever the store fails, and whether it had done what it did not answer."""
    made = Sealed(tmp_path, location=bucket)
    made.batches(1)
    s3.fails(how, verb, part)
    rows = [Rows(W, 4, 1, spans_from(4, 3))]
    with contextlib.suppress(StorageUnavailable):  # or it was done, and that is known
        made.table.append(rows, {W: 6}, NOW_MS)
    s3.mends()
    made.table.append(rows, {W: 6}, NOW_MS)
    made.sealer.seal((), NOW_MS)
    assert numbers(made.opened()) == [1, 2, 3, 4, 5, 6]
    assert (made.opened().last_committed(LOG), made.damage()) == (1, [])
    made.table.recover()
    assert files_in(made.table) == {file.name for file in made.table.current_files()}


def test_a_store_that_hangs_is_a_failure_after_a_while(tmp_path: Path, s3: Server) -> None:
    """And not a process that hangs."""
    location = s3.bucket(timeout_s=1.0, retries=0)
    made = Sealed(tmp_path, location=location)
    made.batches(1)
    s3.fails("hang")
    began_s = time.monotonic()
    with pytest.raises(StorageUnavailable):
        made.commit()
    assert time.monotonic() - began_s < SOON_S
    s3.mends()
    made.commit()
    assert numbers(made.table) == [1, 2, 3, 4, 5, 6]


def test_of_two_commits_at_once_the_store_takes_one(tmp_path: Path, s3: Server, bucket: Location) -> None:
    """The other is told, adds nothing, takes away its own files only, and comes after it."""
    tables = [SpanTable(ObjectPath(bucket), 10, desk=tmp_path / name) for name in ("one", "two")]
    tables[0].append([Rows("W1", 1, 1, spans_from(1, 1))], {"W1": 1}, 0)
    tables[1].version()
    real = SpanTable._commit

    def late(table: SpanTable, *args: object) -> None:
        if table is tables[1] and len(came) == 0:
            came.append(tables[0].append([Rows("W1", 2, 1, spans_from(2, 1))], {"W1": 2}, 0))
        real(table, *args)  # type: ignore[arg-type]

    came: list[object] = []
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(SpanTable, "_commit", late)
        with pytest.raises(StorageUnavailable, match="cannot be written"):
            tables[1].append([Rows("W2", 1, 1, spans_from(1, 1))], {"W2": 1}, 0)
    assert (numbers(tables[0], "W1"), numbers(tables[0], "W2")) == ([1, 2], [])
    (batch,) = tables[1].append([Rows("W2", 1, 1, spans_from(1, 1))], {"W2": 1}, 0)
    assert batch.log_index == 2
    assert (numbers(tables[0], "W1"), numbers(tables[0], "W2")) == ([1, 2], [1])
    assert len(files_in(tables[0])) == 3


WRITER = """
import sys
from pathlib import Path
from actors.base.errors import StorageUnavailable
from actors.spans.adapters.objects import ObjectPath
from actors.spans.adapters.table import SpanTable
from actors.spans.columns import Rows
from actors.spans.place import Location
from tests.unit.actors.spans.telemetry import spans_from

url, endpoint, desk, writer, commits = sys.argv[1:]
table, refused = SpanTable(ObjectPath(Location(url, endpoint, 20.0, 1)), 5, desk=Path(desk)), 0
for seq in range(1, int(commits) + 1):
    while True:
        try:
            table.append([Rows(writer, seq, 1, spans_from(seq, 1))], {writer: seq}, 0)
            break
        except StorageUnavailable:
            refused += 1
print(refused)
"""


def test_two_processes_that_write_at_once_lose_nothing(tmp_path: Path, s3: Server, bucket: Location) -> None:
    """As two homes would that were pointed at one place: every row is there once, and every batch has a number of its own."""
    commits, writers = 8, [writer_id(1), writer_id(2)]
    processes = [
        subprocess.Popen(  # noqa: S603 - words of ours
            [sys.executable, "-c", WRITER, bucket.url, bucket.endpoint, str(tmp_path / writer), writer, str(commits)],
            stdout=subprocess.PIPE, cwd=REPOSITORY,
        )
        for writer in writers
    ]  # fmt: skip
    refused = [int(process.communicate()[0]) for process in processes]
    table = SpanTable(ObjectPath(bucket), 5, desk=tmp_path)
    assert [numbers(table, writer) for writer in writers] == [list(range(1, commits + 1))] * 2
    indexes = sorted(batch.log_index or 0 for batch in table.batches(0, 100))
    assert (indexes, table.last_committed(LOG)) == (list(range(2 * commits)), 2 * commits - 1)
    assert files_in(table) == {file.name for file in table.current_files()}
    assert sum(refused) > 0, "they never met: more commits are needed"


def test_no_secret_lies_anywhere(tmp_path: Path, s3: Server, bucket: Location) -> None:
    """Neither in the bucket nor in the home."""
    made = Merging(tmp_path, location=bucket)
    made.batches(4)
    made.merge()
    root = table_of(tmp_path, bucket)
    found = [path.read_bytes() for path in (root / "_delta_log").glob("*")]
    found += [path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()]
    assert len(found) > 10
    for secret in CREDENTIALS.values():
        assert not any(secret.encode() in data for data in found)


def test_a_commit_asks_the_store_few_things(tmp_path: Path, s3: Server, bucket: Location) -> None:
    """What a commit costs: its file, its entry, and what is looked for."""
    made = Sealed(tmp_path, location=bucket)
    made.batches(2)
    s3.seen()
    made.commit()
    asked = s3.seen()
    assert sum(each.startswith("PUT") for each in asked) == 2
    assert len(asked) <= 20, asked
    made.sealer.seal((), NOW_MS)
    made.batches(4)
    s3.seen()
    made.commit()
    assert len(s3.seen()) <= len(asked), "and no more with every commit"


def test_the_actor_s_own_rows_are_no_others(tmp_path: Path, location: Location) -> None:
    """A row that says what was merged lies in the table like any other."""
    made = Merging(tmp_path, location=location)
    made.batches(4)
    made.merge()
    assert numbers(made.opened(), OWN) == [1]
