"""The newest entry or checkpoint is set aside if a loss of power tore it, and its rows are committed again; nothing else is."""

import errno
import json
import os
from collections.abc import Callable
from pathlib import Path

import pytest
from deltalake.exceptions import CommitFailedError

from actors.base.errors import StorageUnavailable
from actors.spans.adapters.delta_log import ACTIONS, TORN, is_whole, set_torn_aside
from actors.spans.adapters.files import ANEW
from actors.spans.adapters.segments import Disk
from actors.spans.adapters.table import PENDING, SpanTable
from tests.shells.actors.spans.adapters.sealed import NOW_MS, Sealed, W


def empty(data: bytes) -> bytes:
    """Leave the name."""
    return data[:0]


def half(data: bytes) -> bytes:
    """Leave the first half."""
    return data[: len(data) // 2]


def zeros(data: bytes) -> bytes:
    """Leave the length."""
    return bytes(len(data))


def lines(data: bytes) -> bytes:
    """Leave whole lines, but not all."""
    return b"\n".join(data.splitlines()[:-1]) + b"\n"


def dies_at(place: Path) -> Callable[[Path], None]:
    """Return a sync at which a process dies when it comes to a file."""

    def sync(path: Path) -> None:
        if path == place:
            raise KeyboardInterrupt
        Disk().sync_file(path)

    return sync


def entry(home: Path, version: int) -> Path:
    """Return an entry of Delta's log."""
    return home / "spans" / "_delta_log" / f"{version:020d}.json"


def parquet_files(home: Path) -> set[Path]:
    """Return all files that lie there, committed or not."""
    return set((home / "spans").glob("date=*/*.parquet"))


@pytest.mark.parametrize("tear", [empty, half, zeros, lines])
def test_a_torn_entry_is_set_aside_and_what_it_said_is_committed_again(
    tmp_path: Path, tear: Callable[[bytes], bytes]
) -> None:
    """The file that it named goes with it; the rows come once more from the log, under the same numbers."""
    Sealed(tmp_path).batches(2)
    torn = entry(tmp_path, 3)
    with pytest.raises(KeyboardInterrupt):
        Sealed(tmp_path, Disk(sync_file=dies_at(torn))).commit()
    torn.write_bytes(tear(torn.read_bytes()))
    found = torn.read_bytes()
    table = SpanTable(tmp_path / "spans", 100)
    assert len(table.recover()) == 1
    assert table.last_committed(W) == 6
    again = Sealed(tmp_path)
    again.batches(1)
    assert again.table.last_committed(W) == 9
    assert torn.with_name(torn.name + TORN).read_bytes() == found
    assert again.damage() == []


def refusing(log: Path, refused: set[Path]) -> Disk:
    """Return a disk that syncs no entry any more once there is one in ``refused``, where it puts what it did not sync."""

    def sync(path: Path) -> None:
        if refused and (path.parent == log or path.name == ANEW):
            refused.add(path)
            raise OSError(errno.EIO, "Input/output error")
        Disk().sync_file(path)

    return Disk(sync_file=sync)


def test_nothing_is_committed_on_an_entry_that_is_not_durable(tmp_path: Path) -> None:
    """Torn beneath a whole one it is set aside by nobody: its rows are gone, and their writer is said to be further."""
    torn, refused = entry(tmp_path, 3), set[Path]()
    sealed = Sealed(tmp_path, refusing(torn.parent, refused))
    sealed.batches(2)
    refused.add(torn)
    for _ in range(2):
        with pytest.raises(StorageUnavailable):
            sealed.commit()
        sealed.next_seq += 3
    assert refused == {torn, tmp_path / "spans" / ANEW}
    assert (torn.exists(), entry(tmp_path, 4).exists()) == (True, False)
    torn.write_bytes(b"")
    SpanTable(tmp_path / "spans", 10).recover()
    again = Sealed(tmp_path)
    assert again.next_seq == 7
    again.batches(2)
    assert again.damage() == []
    assert parquet_files(tmp_path) == set(again.table.current_files())


def test_nor_is_a_new_configuration(tmp_path: Path) -> None:
    """Whoever made the entry was killed before it was synced; who is told to keep the log longer began then."""
    Sealed(tmp_path).batches(2)
    refused = {entry(tmp_path, 2)}
    table = SpanTable(tmp_path / "spans", 10, refusing(entry(tmp_path, 0).parent, refused), keep_s=7)
    with pytest.raises(StorageUnavailable):
        table.recover()
    assert not entry(tmp_path, 3).exists()


def test_an_entry_whose_sync_failed_is_written_anew(tmp_path: Path) -> None:
    """The kernel may drop its pages and call the next sync good; where they cannot be read any more nothing is called durable."""
    log, refused, durable = entry(tmp_path, 0).parent, set[Path](), dict[int, bytes]()
    dropped, refusing_disk = set[int](), refusing(log, refused)

    def sync(path: Path) -> None:
        inode = path.stat().st_ino
        try:
            refusing_disk.sync_file(path)
        except OSError:
            dropped.update({inode} if path.parent == log else ())
            raise
        if inode not in dropped:
            durable[inode] = path.read_bytes()

    sealed = Sealed(tmp_path, Disk(sync_file=sync))
    sealed.batches(2)
    refused.add(entry(tmp_path, 3))
    with pytest.raises(StorageUnavailable):
        sealed.commit()
    refused.clear()
    said = entry(tmp_path, 3).read_bytes()
    entry(tmp_path, 3).write_bytes(zeros(said))
    with pytest.raises(StorageUnavailable, match="gone"):
        sealed.commit()
    entry(tmp_path, 3).write_bytes(said)
    sealed.commit()
    assert [durable.get(path.stat().st_ino) for path in sorted(log.glob("*.json"))][3] == said
    assert sealed.table.last_committed(W) == 9


def test_so_is_the_newest_that_a_process_finds(tmp_path: Path) -> None:
    """The one before may have ended over a failed sync, and this one's says that all is well."""
    Sealed(tmp_path).batches(2)
    before = {
        path: (path.read_bytes(), path.stat().st_ino) for path in sorted(entry(tmp_path, 0).parent.glob("*.json"))
    }
    SpanTable(tmp_path / "spans", 100).recover()
    after = {path: (path.read_bytes(), path.stat().st_ino) for path in before}
    assert [path for path in before if before[path] != after[path]] == [entry(tmp_path, 2)]
    assert before[entry(tmp_path, 2)][0] == after[entry(tmp_path, 2)][0]


def test_so_is_the_entry_that_made_the_table(tmp_path: Path) -> None:
    """Its sync is another one, and the next of them says that all is well."""
    first, failed = entry(tmp_path, 0), list[os.stat_result]()

    def sync(path: Path) -> None:
        if path == first and not failed:
            failed.append(path.stat())
            raise OSError(errno.EIO, "Input/output error")
        Disk().sync_file(path)

    table = SpanTable(tmp_path / "spans", 10, Disk(sync_file=sync))
    with pytest.raises(StorageUnavailable):
        table.append([], {W: 1}, NOW_MS)
    table.append([], {W: 1}, NOW_MS)
    assert first.stat().st_ctime_ns != failed[0].st_ctime_ns


def test_a_note_of_files_goes_only_once_their_removal_is_durable(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Else a loss of power could bring a file back that nobody knows any more."""
    looks: list[tuple[bool, int]] = []

    def sync(folder: Path) -> None:
        if folder.name.startswith("date="):
            looks.append(((tmp_path / "spans" / PENDING).exists(), len(parquet_files(tmp_path))))
        Disk().sync_directory(folder)

    sealed = Sealed(tmp_path, Disk(sync_directory=sync))
    sealed.batches(1)
    monkeypatch.setattr(SpanTable, "_commit", lambda *_: (_ for _ in ()).throw(CommitFailedError("no")))
    with pytest.raises(StorageUnavailable):
        sealed.commit()
    assert looks[1:] == [(True, 2), (True, 1)]
    assert not (tmp_path / "spans" / PENDING).exists()


@pytest.mark.parametrize("tear", [empty, half, zeros, lines, lambda data: lines(lines(data))])
def test_a_torn_first_entry_is_set_aside(tmp_path: Path, tear: Callable[[bytes], bytes]) -> None:
    """A table that was being made is made again."""
    Sealed(tmp_path).commit()
    entry(tmp_path, 1).unlink()
    entry(tmp_path, 0).write_bytes(tear(entry(tmp_path, 0).read_bytes()))
    SpanTable(tmp_path / "spans", 100).recover()
    Sealed(tmp_path).batches(1)
    assert is_whole(entry(tmp_path, 0))


@pytest.mark.parametrize("tear", [empty, half, zeros])
def test_a_torn_checkpoint_is_set_aside_with_the_hint_to_it(tmp_path: Path, tear: Callable[[bytes], bytes]) -> None:
    """The entries that it stands for are there still."""
    sealed = Sealed(tmp_path)
    sealed.batches(10)
    log = tmp_path / "spans" / "_delta_log"
    (checkpoint,) = log.glob("*.checkpoint.parquet")
    checkpoint.write_bytes(tear(checkpoint.read_bytes()))
    found = set_torn_aside(log, Disk())
    assert found == [checkpoint, log / "_last_checkpoint"]
    assert not (log / "_last_checkpoint").exists()
    assert SpanTable(tmp_path / "spans", 10).last_committed(W) == 30


@pytest.mark.parametrize("hint", [b"", b"{", b"[]", b'{"version": 77}'])
def test_a_hint_that_leads_nowhere_is_removed(tmp_path: Path, hint: bytes) -> None:
    """It is no more than a hint."""
    Sealed(tmp_path).batches(1)
    path = tmp_path / "spans" / "_delta_log" / "_last_checkpoint"
    path.write_bytes(hint)
    assert set_torn_aside(path.parent, Disk()) == [path]
    assert not path.exists()


def test_what_is_whole_stays(tmp_path: Path) -> None:
    """Every entry of a table says how many actions it has, and has them."""
    Sealed(tmp_path).batches(11)
    log = tmp_path / "spans" / "_delta_log"
    assert set_torn_aside(log, Disk()) == []
    for version in range(1, 12):
        first, *others = entry(tmp_path, version).read_bytes().splitlines()
        assert json.loads(first)["commitInfo"][ACTIONS] == str(len(others))
    assert set_torn_aside(tmp_path / "nothing", Disk()) == []


def test_a_torn_entry_before_the_newest_is_left_alone(tmp_path: Path) -> None:
    """It was durable before the next was written: that is damage, and not for a restart to judge."""
    Sealed(tmp_path).batches(2)
    entry(tmp_path, 1).write_bytes(b"")
    assert set_torn_aside(entry(tmp_path, 1).parent, Disk()) == []
