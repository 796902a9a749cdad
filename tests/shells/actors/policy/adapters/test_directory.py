"""Files of snapshots."""

import os
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from actors.base import files
from actors.base.digests import sha256_hex
from actors.base.errors import IntegrityError, StorageUnavailable, VersionConflict
from actors.policy.adapters.directory import SnapshotDirectory


def test_publish_and_read(directory: SnapshotDirectory) -> None:
    """Versions are read back by number, and the newest is the highest, not the last written."""
    assert directory.latest() is None
    directory.publish(10, b"ten")
    directory.publish(9, b"nine")
    assert directory.latest() == b"ten"
    assert directory.read(9) == b"nine"
    assert directory.versions() == [9, 10]


def test_a_version_outlives_a_loss_of_power(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its folder's name is durable before it is told to be in force, whoever made the folder; that is seen to once."""
    synced = list[Path]()
    monkeypatch.setattr(files, "sync_folder", synced.append)
    (tmp_path / "policy").mkdir()
    made = SnapshotDirectory(tmp_path / "policy")
    made.publish(1, b"one")
    assert synced == [tmp_path, tmp_path / "policy"]
    made.publish(2, b"two")
    assert synced[2:] == [tmp_path / "policy"]


def test_a_version_is_taken_once(directory: SnapshotDirectory) -> None:
    """A second publication of a version is a conflict and changes nothing."""
    directory.publish(1, b"first")
    with pytest.raises(VersionConflict):
        directory.publish(1, b"second")
    assert directory.read(1) == b"first"


def test_one_of_many_wins(directory: SnapshotDirectory) -> None:
    """Of sixteen publishers of one version at once, exactly one succeeds, and its bytes are the file's."""

    def attempt(number: int) -> int | None:
        try:
            directory.publish(1, str(number).encode())
        except VersionConflict:
            return None
        return number

    with ThreadPoolExecutor(16) as pool:
        winners = [number for number in pool.map(attempt, range(16)) if number is not None]
    assert [str(number).encode() for number in winners] == [directory.read(1)]


def test_nothing_else_is_left(directory: SnapshotDirectory) -> None:
    """Neither success nor conflict leaves temporary files."""
    directory.publish(1, b"x")
    with pytest.raises(VersionConflict):
        directory.publish(1, b"y")
    assert [path.name for path in directory.path.iterdir()] == ["000000000001.json"]


def test_other_files_are_no_versions(directory: SnapshotDirectory) -> None:
    """Temporary, set-aside and foreign files are not taken for versions."""
    for name in (".publish-x", "1.json", "000000000001.json.refused-ab", "00000000000a.json", "٠" * 12 + ".json"):
        (directory.path / name).write_bytes(b"x")
    assert directory.versions() == []


def test_large_files_are_refused(directory: SnapshotDirectory) -> None:
    """A file above the bound is refused, one at the bound is read."""
    directory.publish(1, b"x" * 20_000)
    assert len(directory.read(1)) == 20_000
    Path(directory.file(2)).write_bytes(b"x" * 20_001)
    with pytest.raises(IntegrityError, match="larger than 20000"):
        directory.read(2)


def test_fingerprints_show_changes(directory: SnapshotDirectory) -> None:
    """Publishing, removing and rewriting in place each change the fingerprint; looking does not."""
    directory.publish(1, b"x")
    seen = [directory.fingerprint(1)]
    assert directory.fingerprint(1) == seen[0]
    directory.publish(2, b"y")
    seen.append(directory.fingerprint(1))
    Path(directory.file(2)).unlink()
    Path(directory.file(1)).write_bytes(b"zz")
    seen.append(directory.fingerprint(1))
    Path(directory.file(1)).unlink()
    seen.append(directory.fingerprint(1))
    assert len(set(seen)) == 4


def test_a_successor_shows_though_the_directorys_time_does_not(directory: SnapshotDirectory) -> None:
    """File times are coarse: a version published within the same tick is seen by its name."""
    directory.publish(1, b"x")
    time_ns = directory.path.stat().st_mtime_ns
    before = directory.fingerprint(1)
    directory.publish(2, b"y")
    os.utime(directory.path, ns=(time_ns, time_ns))
    assert directory.fingerprint(1) != before


def test_setting_aside_frees_the_version(directory: SnapshotDirectory) -> None:
    """A refused file keeps its bytes under another name, and its version can be published."""
    directory.publish(1, b"garbage")
    directory.set_aside(1, sha256_hex(b"garbage"))
    directory.publish(1, b"good")
    assert directory.read(1) == b"good"
    assert [path.read_bytes() for path in directory.path.glob("*.refused-*")] == [b"garbage"]


def test_setting_aside_spares_another_file(directory: SnapshotDirectory) -> None:
    """If the file is not the one that was judged, it stays; if there is none, nothing happens."""
    directory.publish(1, b"good")
    directory.set_aside(1, sha256_hex(b"garbage"))
    directory.set_aside(2, sha256_hex(b"garbage"))
    assert [path.name for path in directory.path.iterdir()] == ["000000000001.json"]
    assert directory.read(1) == b"good"


def test_a_directory_that_cannot_be_written(tmp_path: Path) -> None:
    """Publishing where there is no directory to be had is a storage error that says where."""
    (tmp_path / "file").write_text("")
    with pytest.raises(StorageUnavailable, match="file/policy"):
        SnapshotDirectory(tmp_path / "file" / "policy").publish(1, b"x")


@pytest.mark.parametrize("version", [0, -1, 10**12])
def test_versions_are_bounded(directory: SnapshotDirectory, version: int) -> None:
    """A version that has no file name is refused."""
    with pytest.raises(IntegrityError, match="out of range"):
        directory.publish(version, b"x")
