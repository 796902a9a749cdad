"""Tenants' salts on a real disk: one file each, the same for every process, out of use with the request after an erasure."""

import contextlib
import os
import stat
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from actors.base.errors import NotReady
from actors.store.adapters import tenant_files
from actors.store.adapters.tenant_files import TenantFiles, remove_erasing, replace_erasing
from actors.store.tenants import derived


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Return where salts are to lie; they are made there."""
    return tmp_path / "tenants"


def only_file(folder: Path) -> Path:
    """Return the one file there is."""
    (path,) = folder.iterdir()
    return path


def test_a_tenant_has_the_same_salts_in_every_process(folder: Path) -> None:
    """Drawn once, for this user alone; another tenant has others, whatever it is called."""
    one, two = TenantFiles(folder), TenantFiles(folder)
    names = ["acme", "../../acme", "", "ä/\n", "acme "]
    assert [one(name) for name in names] == [two(name) for name in names]
    assert len({one(name).prompts for name in names}) == len(list(folder.iterdir())) == len(names)
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    assert {stat.S_IMODE(path.stat().st_mode) for path in folder.iterdir()} == {0o600}
    assert (one.knows("acme"), one.knows("other")) == (True, False)


def test_of_many_that_make_a_tenant_at_once_one_wins(folder: Path) -> None:
    """Whoever lost uses what the winner drew."""
    with ThreadPoolExecutor(8) as threads:
        made = list(threads.map(lambda _: TenantFiles(folder)("acme"), range(40)))
    assert len({salts.prompts for salts in made}) == 1


def test_a_look_reads_the_file_only_when_it_changed(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """So that no request waits for a disk."""
    files = TenantFiles(folder)
    files("acme")
    read = []
    monkeypatch.setattr(tenant_files, "decode", lambda *found: read.append(found))
    assert files("acme").tenant == "acme"
    assert read == []


def test_an_erased_tenant_has_others_at_once_everywhere(folder: Path) -> None:
    """But for its pseudonym; other tenants are left alone, and what lay there is written over."""
    here, there = TenantFiles(folder), TenantFiles(folder)
    before, other = there("acme"), there("other")
    (path,) = (path for path in folder.iterdir() if before.prompts.encode() in path.read_bytes())
    kept = path.with_suffix(".link")
    os.link(path, kept)  # the same place on the disk, under a name that stays
    here.erase("acme")
    assert there("acme") == here("acme") != before
    assert (there("acme").pseudonym, there("other")) == (before.pseudonym, other)
    assert set(kept.read_bytes()) == {0}
    assert before.prompts.encode() not in b"".join(each.read_bytes() for each in folder.iterdir())


def test_what_is_ensured_is_made_once(folder: Path) -> None:
    """Ahead of the first request, by an earlier version's secret or drawn; what is there stays."""
    files = TenantFiles(folder)
    files.ensure(["acme"], b"s" * 32)
    files.ensure(["acme", "new"])
    files.ensure(["acme", "new"], b"o" * 32)
    assert files("acme") == derived(b"s" * 32, "acme")
    assert files("new") != derived(b"o" * 32, "new")


def test_a_file_that_somebody_took_away_is_an_erasure(folder: Path) -> None:
    """Whoever still knows the pseudonym keeps it; the salts are others."""
    files = TenantFiles(folder)
    before = files("acme")
    only_file(folder).unlink()
    after = files("acme")
    assert (after.pseudonym, after.prompts != before.prompts) == (before.pseudonym, True)
    assert TenantFiles(folder)("acme") == after


@pytest.mark.parametrize("data", [b"", b"{}", b"\x00" * 400])
def test_a_damaged_file_is_said_and_not_replaced(folder: Path, data: bytes, caplog: pytest.LogCaptureFixture) -> None:
    """New salts in its place would be an erasure that nobody asked for; another tenant's file is none either."""
    files = TenantFiles(folder)
    files("acme")
    path = only_file(folder)
    path.write_bytes(data)
    with pytest.raises(NotReady) as caught:
        files("acme")
    assert (f"{path} are damaged" in caplog.text, str(folder) in str(caught.value)) == (True, False)
    files("other")
    (other,) = (each for each in folder.iterdir() if each != path)
    path.write_bytes(other.read_bytes())
    with pytest.raises(NotReady):
        files("acme")
    assert "another tenant's" in caplog.text


def test_a_disk_that_refuses_is_said(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """Neither a folder that cannot be made nor one that is none leads to salts that lie nowhere."""
    (tmp_path / "tenants").write_bytes(b"")
    for folder, why in ((tmp_path / "tenants", "cannot be read"), (tmp_path / "none" / "tenants", "cannot be made")):
        with pytest.raises(NotReady):
            TenantFiles(folder)("acme")
        assert why in caplog.text


def test_what_is_erased_is_written_over_where_it_lay(tmp_path: Path) -> None:
    """Replaced or removed: the place on the disk holds nothing of it."""
    path, kept = tmp_path / "secret", tmp_path / "kept"
    path.write_bytes(b"one")
    os.link(path, kept)
    replace_erasing(path, b"two")
    assert (path.read_bytes(), kept.read_bytes()) == (b"two", bytes(3))
    os.link(path, tmp_path / "again")
    remove_erasing(path)
    assert (path.exists(), (tmp_path / "again").read_bytes()) == (False, bytes(3))


class Killed(BaseException):
    """Stands for kill -9."""


STEPS = ("sync_folder", "write_atomic", "_write_over")


@pytest.mark.parametrize(("step", "place"), [(step, place) for step in STEPS for place in (0, 1)])
@pytest.mark.parametrize(
    "erase", [lambda path: replace_erasing(path, b"two"), remove_erasing], ids=["replace", "remove"]
)
def test_an_erasure_that_was_killed_is_completed_by_doing_it_again(
    erase: Callable[[Path], None], step: str, place: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Before a step or behind it: the place on the disk holds nothing of it then, and no other name is left."""
    path, kept = tmp_path / "home" / "secret", tmp_path / "kept"
    path.parent.mkdir()
    path.write_bytes(b"one")
    os.link(path, kept)
    real = getattr(tenant_files, step)

    def killed(*given: object) -> None:
        if place:
            real(*given)
        raise Killed

    with monkeypatch.context() as patch, contextlib.suppress(Killed):
        patch.setattr(tenant_files, step, killed)
        erase(path)
    assert not path.exists() or path.read_bytes() in {b"one", b"two"}
    erase(path)
    assert kept.read_bytes() == bytes(3)
    assert [each.name for each in path.parent.iterdir()] == (["secret"] if path.exists() else [])


def test_what_is_in_force_still_is_not_written_over(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Killed before anything came in its place, twice: whoever reads it finds it whole."""
    path = tmp_path / "secret"
    path.write_bytes(b"one")

    def killed(*_: object) -> None:
        raise Killed

    monkeypatch.setattr(tenant_files, "write_atomic", killed)
    for _ in range(2):
        with pytest.raises(Killed):
            replace_erasing(path, b"two")
        assert path.read_bytes() == b"one"
