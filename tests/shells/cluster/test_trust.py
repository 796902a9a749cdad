"""The first bring-up's keys, and what later ones may change."""

import stat
from pathlib import Path

import pytest

from actors.base.certificates import role_keys
from actors.base.errors import HomeError
from actors.base.signing import SigningKey
from cluster.bringup import _application
from cluster.home import Home, create_home
from cluster.trust import co_located, ensure_trust, load_trust, operator_dir, operator_key
from models.catalog import load_catalog
from tests.shells.cluster.governed import config_of

NOW = 1_800_000_000


@pytest.fixture
def home(tmp_path: Path) -> Home:
    """Return a home with trust."""
    made = create_home(tmp_path / "home")
    ensure_trust(made, tmp_path / "op", NOW)
    return made


def test_every_private_key_is_its_owner_s_and_the_operator_s_lie_outside(home: Home, tmp_path: Path) -> None:
    """Root and operator keys are not under home; every key file is 0600; the bundle certifies each role."""
    assert sorted(path.name for path in home.keys.iterdir()) == ["issuer.key", "log.key", "policy.key"]
    assert sorted(path.name for path in (tmp_path / "op").iterdir()) == ["operator.key", "root.key"]
    files = [*home.keys.iterdir(), *(tmp_path / "op").iterdir()]
    assert {stat.S_IMODE(path.stat().st_mode) for path in files} == {0o600}
    trust = load_trust(home.trust_file)
    for role in ("policy", "log", "issuer", "operator"):
        assert len(role_keys(trust, role, NOW)) == 1
    assert operator_key(tmp_path / "op").public.key_id in role_keys(trust, "operator", NOW)


def test_bringing_up_again_changes_no_key(home: Home, tmp_path: Path) -> None:
    """Trust is made once; a second home of the same operator shares root, not its own keys."""
    before = home.trust_file.read_bytes()
    ensure_trust(home, tmp_path / "op", NOW + 99)
    assert home.trust_file.read_bytes() == before
    other = ensure_trust(create_home(tmp_path / "other"), tmp_path / "op", NOW)
    assert other.root == load_trust(home.trust_file).root
    assert role_keys(other, "policy", NOW).keys() != role_keys(load_trust(home.trust_file), "policy", NOW).keys()


def test_a_bring_up_killed_before_the_bundle_is_completed(tmp_path: Path) -> None:
    """Keys that were written are used, not replaced."""
    home = create_home(tmp_path / "home")
    SigningKey.generate().save(home.keys / "policy.key")
    kept = (home.keys / "policy.key").read_bytes()
    trust = ensure_trust(home, tmp_path / "op", NOW)
    assert (home.keys / "policy.key").read_bytes() == kept
    assert SigningKey.load(home.keys / "policy.key").public.key_id in role_keys(trust, "policy", NOW)


def test_a_lost_or_open_key_is_said(home: Home, tmp_path: Path) -> None:
    """Bring-up stops when a key it needs is gone or readable by others."""
    (home.keys / "policy.key").chmod(0o644)
    with pytest.raises(HomeError, match="chmod 600"):
        ensure_trust(home, tmp_path / "op", NOW)
    (home.keys / "policy.key").unlink()
    with pytest.raises(HomeError, match="cannot be read"):
        ensure_trust(home, tmp_path / "op", NOW)


def test_operator_keys_never_lie_under_home(tmp_path: Path) -> None:
    """Not directly, and not through a symbolic link."""
    (tmp_path / "home").mkdir()
    (tmp_path / "link").symlink_to(tmp_path / "home")
    for inside in (tmp_path / "home" / "op", tmp_path / "link" / "op"):
        with pytest.raises(HomeError, match="outside"):
            operator_dir({"WEAVERGEN_OPERATOR_DIR": str(inside)}, tmp_path / "home")
    assert operator_dir({"WEAVERGEN_OPERATOR_DIR": str(tmp_path / "op")}, tmp_path / "home") == tmp_path / "op"
    assert operator_dir({}, tmp_path / "home") == Path.home() / ".config" / "weavergen"


def test_what_lies_beside_the_system_is_said(home: Home, tmp_path: Path) -> None:
    """Root's and the operator's keys are named while this machine's user can read them."""
    assert co_located(tmp_path / "op") == ("root: co-located", "operator: co-located")
    (tmp_path / "op" / "root.key").unlink()
    assert co_located(tmp_path / "op") == ("operator: co-located",)
    assert co_located(tmp_path / "none") == ()


def test_bring_up_says_what_lies_beside_the_system(home: Home, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The words are among what ``/readyz`` calls degraded for as long as the installation lasts."""
    monkeypatch.setenv("WEAVERGEN_OPERATOR_DIR", str(tmp_path / "op"))
    config = config_of("a", "b")
    told = _application(home, config, load_catalog(), {}, "").gateway.degraded
    assert told == ("root: co-located", "operator: co-located")
    for name in ("root", "operator"):
        (tmp_path / "op" / f"{name}.key").rename(tmp_path / f"{name}.key")
    assert _application(home, config, load_catalog(), {}, "").gateway.degraded == ()
