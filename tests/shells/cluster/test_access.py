"""API keys on the machine that holds the home."""

import stat
import time
from pathlib import Path

import pytest

from actors.base.errors import HomeError, InvalidKey
from actors.policy.adapters.directory import SnapshotDirectory
from actors.store.adapters.api_keys import NewKey
from actors.store.auth import Principal, accept_auth, authenticate
from actors.store.config import StoreConfig
from cluster.access import access, database, ensure_keys
from cluster.client import read_key
from cluster.home import Home, create_home
from cluster.migrations import upgrade
from cluster.trust import ensure_trust, load_trust

NOW = int(time.time())
STORE = StoreConfig()


@pytest.fixture
def home(tmp_path: Path) -> Home:
    """Return a home whose first keys are made."""
    made = create_home(tmp_path / "home")
    prepare(made, tmp_path)
    return made


def prepare(home: Home, tmp_path: Path) -> None:
    """Do what bring-up does for keys."""
    trust = ensure_trust(home, tmp_path / "op", NOW)
    with database(home, STORE) as opened:
        upgrade(opened)
        ensure_keys(home, opened, trust)


def whose(home: Home, key: str) -> Principal:
    """Return whose key this is by the newest AuthSnapshot, as a replica would read it."""
    data = SnapshotDirectory(home.auth).latest()
    assert data is not None
    return authenticate(accept_auth(data, load_trust(home.trust_file), NOW), key)


def test_the_first_bring_up_leaves_one_key_of_each_role(home: Home) -> None:
    """Both files are 0600, work at once, and their text is in no other file of the home."""
    for role in ("client", "operator"):
        path = home.keys / f"{role}.key"
        assert stat.S_IMODE(path.stat().st_mode) == 0o600
        text = read_key(path)
        assert whose(home, text).role == role
        others = [other for other in home.root.rglob("*") if other.is_file() and other != path]
        assert not [other for other in others if text.encode() in other.read_bytes()]


def test_bringing_up_again_makes_no_key_and_no_version(home: Home, tmp_path: Path) -> None:
    """The same keys stay in force under the same version."""
    before = (home.keys / "client.key").read_bytes()
    prepare(home, tmp_path)
    assert (home.keys / "client.key").read_bytes() == before
    assert SnapshotDirectory(home.auth).versions() == [1]


def test_made_revoked_and_rotated_keys_are_in_force_at_once(home: Home) -> None:
    """Each change publishes: a new key works, a revoked or replaced one does not."""
    with access(home, STORE) as mine:
        first, text = mine.create(NewKey(role="client", tenant="acme"))
        assert whose(home, text).tenant == "acme"
        second, rotated = mine.rotate(first.id)
        assert whose(home, rotated).tenant == "acme"
        mine.revoke(second.id)
    for gone in (text, rotated):
        with pytest.raises(InvalidKey):
            whose(home, gone)


@pytest.mark.parametrize("role", ["client", "operator"])
def test_rotating_a_first_key_puts_the_new_one_in_its_place(home: Home, role: str) -> None:
    """The file holds the key that works, 0600, and no file holds the replaced one."""
    path = home.keys / f"{role}.key"
    old = read_key(path)
    with access(home, STORE) as mine:
        made, text = mine.rotate(key_of(home, role))
        assert mine.file_of(made.id) == path
    assert (read_key(path), stat.S_IMODE(path.stat().st_mode)) == (text, 0o600)
    assert whose(home, read_key(path)).role == role
    with pytest.raises(InvalidKey):
        whose(home, old)


def key_of(home: Home, role: str) -> str:
    """Return the id of the first key of a role."""
    with access(home, STORE) as mine:
        return next(key.id for key in mine.keys.list() if key.role == role and key.revoked_at_ms is None)


@pytest.mark.parametrize("revoked", [False, True])
def test_a_first_key_that_was_moved_away_is_not_made_again(home: Home, tmp_path: Path, revoked: bool) -> None:
    """An operator who keeps the key elsewhere, or revoked it, is not handed another by bringing up."""
    (home.keys / "operator.key").rename(tmp_path / "kept")
    if revoked:
        with access(home, STORE) as mine:
            mine.revoke(key_of(home, "operator"))
    prepare(home, tmp_path)
    assert not (home.keys / "operator.key").exists()
    with access(home, STORE) as mine:
        assert [key.role for key in mine.keys.list()].count("operator") == 1


def test_a_first_key_whose_file_cannot_be_written_does_not_exist(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """No space for the file means no key; the next bring-up makes both."""

    def full(_path: Path, _data: bytes) -> None:
        raise OSError(28, "No space left on device")

    home = create_home(tmp_path / "home")
    with monkeypatch.context() as patch:
        patch.setattr("cluster.access.write_atomic", full)
        with pytest.raises(HomeError, match="free space"):
            prepare(home, tmp_path)
    prepare(home, tmp_path)
    assert whose(home, read_key(home.keys / "client.key")).role == "client"
    with access(home, STORE) as mine:
        assert len(mine.keys.list()) == 2


def test_a_missing_key_file_says_what_to_do(tmp_path: Path) -> None:
    """The message names the option for another file."""
    with pytest.raises(HomeError, match="--key-file"):
        read_key(tmp_path / "none")
