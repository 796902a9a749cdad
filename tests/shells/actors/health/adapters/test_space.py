"""Freeing space below a home, and leaving everything else alone."""

import os
from pathlib import Path

import pytest

from actors.base.errors import StorageUnavailable
from actors.health.adapters.space import HomeSpace

NOW_S, OLD_S = 1_700_000_000.0, 1_700_000_000.0 - 7200


def lay(root: Path, name: str, at_s: float = OLD_S) -> Path:
    """Put a file of a thousand bytes somewhere."""
    path = root / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(b"x" * 1000)
    os.utime(path, (at_s, at_s))
    return path


def test_rotated_logs_and_expired_temporary_files_go_and_nothing_else(tmp_path: Path) -> None:
    """Records, keys, policy, logs that are written, and young temporary files stay."""
    home = tmp_path / "home"
    going = [
        "run/logs/supervisor.log.1",
        "run/logs/ray/old.log.12",
        "run/.status.json.ab12_xyz",
        ".config.yaml.abcd1234",
    ]
    staying = [
        "run/logs/supervisor.log", "run/status.json", "config.yaml", "state.db", "trust.json",
        "wal/01/0001.log.1", "wal/.0001.abcd1234", "spans/part.parquet", "spans/.x.abcd1234", "quarantine/wal/a.log.1",
        "keys/.client.key.abcd1234", "policy/.1.json.abcd1234", "registry/x.log.1", "x/y.log.1",
    ]  # fmt: skip
    for name in (*going, *staying):
        lay(home, name)
    young = lay(home, "run/.status.json.abcdefgh", NOW_S - 60)
    done = HomeSpace(home, 100, 3600).carry_out(NOW_S)
    assert done.startswith("removed 4 ")
    assert [name for name in going if (home / name).exists()] == []
    assert [name for name in staying if not (home / name).exists()] == []
    assert young.exists()


def test_no_link_leads_out_of_the_home(tmp_path: Path) -> None:
    """Neither a link to a file nor one to a folder, nor a `run` that is one."""
    outside = lay(tmp_path, "outside/other.log.1")
    home = tmp_path / "home"
    lay(home, "run/logs/x.log.1")
    (home / "run" / "logs" / "y.log.1").symlink_to(outside)
    (home / "run" / "folder").symlink_to(outside.parent)
    assert HomeSpace(home, 100, 3600).carry_out(NOW_S).startswith("removed 1 ")
    linked = tmp_path / "linked"
    linked.mkdir()
    (linked / "run").symlink_to(outside.parent)
    assert HomeSpace(linked, 100, 3600).carry_out(NOW_S).startswith("removed 0 ")
    assert outside.exists()


def test_what_goes_at_a_time_is_bounded(tmp_path: Path) -> None:
    """Three of five, then the rest."""
    for number in range(5):
        lay(tmp_path, f"run/logs/x.log.{number}")
    space = HomeSpace(tmp_path, 3, 3600)
    assert [space.carry_out(NOW_S)[:10] for _ in range(2)] == ["removed 3 ", "removed 2 "]


def test_one_file_does_not_keep_the_others(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """One that vanishes between two looks is none; one that cannot be removed is counted, and alone it is a failure."""
    kept, gone, goes = (lay(tmp_path, f"run/logs/{name}.log.1") for name in ("kept", "gone", "goes"))
    lstat, unlink = Path.lstat, Path.unlink

    def vanishing(path: Path) -> os.stat_result:
        if path == gone:
            raise FileNotFoundError(2, "No such file", str(path))
        return lstat(path)

    def refusing(path: Path, missing_ok: bool = False) -> None:
        if path == kept:
            raise PermissionError(1, "Operation not permitted")
        unlink(path, missing_ok)

    monkeypatch.setattr(Path, "lstat", vanishing)
    monkeypatch.setattr(Path, "unlink", refusing)
    space = HomeSpace(tmp_path, 3, 3600)
    assert "removed 1 rotated" in (told := space.carry_out(NOW_S))
    assert "1 could not be removed (Operation not permitted)" in told
    assert not goes.exists()
    with pytest.raises(StorageUnavailable, match="Operation not permitted"):
        space.carry_out(NOW_S)


def test_a_disk_that_refuses_is_said(tmp_path: Path) -> None:
    """A home that cannot be looked at."""
    with pytest.raises(StorageUnavailable, match="cannot be freed"):
        HomeSpace(tmp_path / "gone", 3, 3600).carry_out(NOW_S)
