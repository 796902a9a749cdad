"""Files are whole, durable and closed, or not there."""

import os
import stat
from collections.abc import Callable
from pathlib import Path

import pytest

from actors.base.files import Folders, sync_folder, write_atomic, write_new

WRITES = (write_atomic, write_new)


def full(*_: object, **__: object) -> None:
    """Fail as a full disk does."""
    raise OSError(28, "No space left on device")


def test_one_replaces_and_the_other_does_not(tmp_path: Path) -> None:
    """Replacing needs no file and takes any; making refuses one that is there and leaves it as it is."""
    path = tmp_path / "f"
    write_atomic(path, b"one")
    write_atomic(path, b"two")
    with pytest.raises(FileExistsError):
        write_new(path, b"three")
    write_new(tmp_path / "g", b"four")
    assert (path.read_bytes(), (tmp_path / "g").read_bytes()) == (b"two", b"four")
    assert sorted(item.name for item in tmp_path.iterdir()) == ["f", "g"]


@pytest.mark.parametrize("write", WRITES)
def test_nobody_else_can_read_it_at_any_moment(
    write: Callable[[Path, bytes], None], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Not while it is written beside its place either, nor where the file that it replaces was open to all."""
    path, seen, real = tmp_path / "f", set[int](), os.fsync
    if write is write_atomic:
        path.touch()
        path.chmod(0o644)

    def watching(handle: int) -> None:
        seen.update(stat.S_IMODE(item.stat().st_mode) for item in tmp_path.iterdir() if item != path)
        real(handle)

    monkeypatch.setattr("os.fsync", watching)
    old = os.umask(0)
    try:
        write(path, b"x")
    finally:
        os.umask(old)
    assert (seen, stat.S_IMODE(path.stat().st_mode)) == ({0o600}, 0o600)


@pytest.mark.parametrize("write", WRITES)
def test_the_bytes_are_durable_before_the_name_and_the_name_before_the_return(
    write: Callable[[Path, bytes], None], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """First the file is synced, whole and without its name, then the folder, with it."""
    path, synced, real = tmp_path / "f", list[tuple[bool, int, bool]](), os.fsync

    def watching(handle: int) -> None:
        found = os.fstat(handle)
        synced.append((stat.S_ISDIR(found.st_mode), 0 if stat.S_ISDIR(found.st_mode) else found.st_size, path.exists()))
        real(handle)

    monkeypatch.setattr("os.fsync", watching)
    write(path, b"12345")
    assert synced == [(False, 5, False), (True, 0, True)]


@pytest.mark.parametrize(
    ("write", "call"),
    [(write, call) for write in WRITES for call in ("os.fsync", "tempfile.mkstemp")]
    + [(write_atomic, "pathlib.Path.replace"), (write_new, "pathlib.Path.hardlink_to")],
)
def test_a_write_that_fails_leaves_nothing_and_names_the_file(
    write: Callable[[Path, bytes], None], call: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Wherever it fails: the system's own error would name the file beside it, or none."""
    monkeypatch.setattr(call, full)
    with pytest.raises(OSError, match="No space") as caught:
        write(tmp_path / "f", b"new")
    assert (caught.value.errno, caught.value.filename) == (28, str(tmp_path / "f"))
    assert list(tmp_path.iterdir()) == []


def test_old_bytes_outlive_a_write_that_fails(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Readers go on reading the old file."""
    write_atomic(tmp_path / "f", b"old")
    monkeypatch.setattr("os.fsync", full)
    with pytest.raises(OSError, match="No space"):
        write_atomic(tmp_path / "f", b"new")
    assert [(item.name, item.read_bytes()) for item in tmp_path.iterdir()] == [("f", b"old")]


def test_a_new_file_is_there_though_what_was_beside_it_stays(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its name is taken by then: whoever was told of an error would try again, and take their own file for another's."""
    monkeypatch.setattr("pathlib.Path.unlink", full)
    write_new(tmp_path / "f", b"new")
    assert (tmp_path / "f").read_bytes() == b"new"
    assert [item.name[:3] for item in tmp_path.iterdir() if item.name != "f"] == [".f."]


@pytest.mark.parametrize("write", WRITES)
def test_after_a_failed_sync_of_the_folder_the_file_is_there_and_whole(
    write: Callable[[Path, bytes], None], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Only that it lasts is not sure, and that is told."""
    monkeypatch.setattr("actors.base.files.sync_folder", full)
    with pytest.raises(OSError, match="No space") as caught:
        write(tmp_path / "f", b"new")
    assert caught.value.filename == str(tmp_path / "f")
    assert [(item.name, item.read_bytes()) for item in tmp_path.iterdir()] == [("f", b"new")]


def test_only_a_folder_is_synced_as_one(tmp_path: Path) -> None:
    """A file in its place is an error."""
    sync_folder(tmp_path)
    (tmp_path / "f").touch()
    with pytest.raises(NotADirectoryError):
        sync_folder(tmp_path / "f")


def test_a_folder_s_name_is_durable_whoever_made_it(tmp_path: Path) -> None:
    """Each folder above it is synced after the name in it is there: once a process, also where another made it and died."""
    synced: list[tuple[str, bool]] = []
    (tmp_path / "a").mkdir()
    folders = Folders(tmp_path, lambda path: synced.append((path.name, (path / "b").exists())), 0o700)
    for _ in range(2):
        folders.ensure(tmp_path / "a" / "b")
    assert synced == [(tmp_path.name, False), ("a", True)]
    assert stat.S_IMODE((tmp_path / "a" / "b").stat().st_mode) == 0o700
    folders.forget(tmp_path / "a" / "b")
    folders.ensure(tmp_path / "a" / "b")
    assert synced[2:] == [("a", True)]


def test_a_folder_whose_name_could_not_be_made_durable_is_tried_again(tmp_path: Path) -> None:
    """What failed is not remembered as done; what is not below the top is refused."""
    failing = [True]

    def sync(_: Path) -> None:
        if failing.pop():
            full()

    folders = Folders(tmp_path, sync)
    with pytest.raises(OSError, match="No space left"):
        folders.ensure(tmp_path / "a")
    failing.append(False)
    folders.ensure(tmp_path / "a")
    assert failing == []
    with pytest.raises(ValueError, match="not in the subpath"):
        folders.ensure(tmp_path.parent / "b")
