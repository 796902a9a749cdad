"""The home directory: made, completed, refused, locked."""

import json
import stat
from pathlib import Path

import pytest
import yaml

from actors.base.errors import HomeError
from cluster.config import plain, read_config
from cluster.home import FORMAT, create_home, home_path, open_home

MINIMAL = {
    "profile": "test",
    "voters": [{"id": "a", "provider": "vllm"}],
    "layers": [{"name": "primary", "members": ["a"], "min_lineages": 1}],
}


def test_a_home_is_private_and_keeps_its_id(tmp_path: Path) -> None:
    """Every folder is 0700, and opening it again finds the same id and marker."""
    home = create_home(tmp_path / "home")
    folders = [home.root, *(path for path in home.root.rglob("*") if path.is_dir())]
    assert {stat.S_IMODE(path.stat().st_mode) for path in folders} == {0o700}
    again = open_home(home.root)
    assert (again.id, again.marker) == (home.id, home.marker)


def test_a_half_made_home_is_completed(tmp_path: Path) -> None:
    """A crash before the version was written leaves folders; the next bring-up finishes the home."""
    (tmp_path / "home" / "keys").mkdir(parents=True, mode=0o755)
    home = create_home(tmp_path / "home")
    assert home.certs.is_dir()
    assert stat.S_IMODE(home.keys.stat().st_mode) == 0o700


def test_a_copy_of_a_home_has_another_marker(tmp_path: Path) -> None:
    """Ending a copy's processes must never end the original's."""
    home = create_home(tmp_path / "a")
    (tmp_path / "b").mkdir()
    (tmp_path / "b" / "version.json").write_bytes((home.root / "version.json").read_bytes())
    assert open_home(tmp_path / "b").id == home.id
    assert open_home(tmp_path / "b").marker != home.marker


def test_a_home_from_a_newer_version_is_left_alone(tmp_path: Path) -> None:
    """It is refused in one line, and nothing in it is touched."""
    (tmp_path / "version.json").write_text(json.dumps({"format": FORMAT + 1, "id": "x"}))
    with pytest.raises(HomeError, match="newer version"):
        create_home(tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["version.json"]


@pytest.mark.parametrize("text", ["", "{", "[]", '{"format": "x", "id": 1}', '{"id": "x"}'])
def test_a_damaged_version_is_said(tmp_path: Path, text: str) -> None:
    """A home whose version cannot be read is damaged, not new."""
    (tmp_path / "version.json").write_text(text)
    with pytest.raises(HomeError, match="damaged"):
        create_home(tmp_path)


def test_only_one_brings_up_at_a_time(tmp_path: Path) -> None:
    """The second waits, says so once, and gives up in time; afterwards the lock is free."""
    home, told = create_home(tmp_path), []
    with home.exclusively("up", 0, lambda: None):
        with (
            pytest.raises(HomeError, match="busy"),
            open_home(tmp_path).exclusively("up", 0.25, lambda: told.append("waiting")),
        ):
            pytest.fail("two at once")
        assert told == ["waiting"]
    with home.exclusively("up", 0, lambda: pytest.fail("still locked")):
        pass


def test_configuration_is_kept_for_its_owner_only(tmp_path: Path) -> None:
    """The effective configuration reads back as the same one and is 0600."""
    home, config = create_home(tmp_path), read_config(MINIMAL, "x")
    home.write_config(config)
    assert home.read_config() == config
    assert stat.S_IMODE(home.config_file.stat().st_mode) == 0o600


def test_a_kept_configuration_holds_no_default(tmp_path: Path) -> None:
    """Another build may have another default, or none of that name: what was said is kept, and nothing else.

    The digest is of the effective whole all the same.
    """
    home = create_home(tmp_path)
    said = MINIMAL | {"gateway": {"port": 9000}, "store": {"webhook": {"url": "http://h/", "secret": "s" * 16}}}
    config = read_config(said, "x")
    home.write_config(config)
    assert yaml.safe_load(home.config_file.read_text()) == said
    assert home.read_config().sha256 == config.sha256 == read_config(plain(config), "x").sha256


def test_a_configuration_of_another_build_says_what_to_do(tmp_path: Path) -> None:
    """The key is named, and the two commands that replace the file; what can be read of it can be had."""
    home = create_home(tmp_path)
    home.config_file.write_text(yaml.safe_dump(MINIMAL | {"removed": 1, "store": {"timeout_s": 2.0}}))
    with pytest.raises(HomeError, match=r"unknown key removed.*weavergen down.*weavergen up"):
        home.read_config()
    assert home.salvage().store.timeout_s == 2.0
    home.config_file.unlink()
    assert home.salvage().store.timeout_s == 5.0


def test_a_missing_home_or_configuration_says_what_to_do(tmp_path: Path) -> None:
    """Both name `weavergen up`."""
    with pytest.raises(HomeError, match="weavergen up"):
        open_home(tmp_path / "none")
    with pytest.raises(HomeError, match="weavergen up"):
        create_home(tmp_path).read_config()


def test_the_home_that_is_meant() -> None:
    """The option goes before the environment, that before ./var."""
    environ = {"WEAVERGEN_HOME": "/e"}
    assert home_path("/o", environ) == Path("/o")
    assert home_path(None, environ) == Path("/e")
    assert home_path(None, {}) == Path("var").absolute()
