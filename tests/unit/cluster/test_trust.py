"""The first bring-up's keys and policy, and what later ones may change."""

import stat
from pathlib import Path
from typing import Any

import pytest

from actors.base.canonical import canonical_json
from actors.base.certificates import role_keys
from actors.base.errors import HomeError, IntegrityError
from actors.base.signing import SigningKey
from actors.consensus.adapters.registry import WeightsRegistry
from actors.policy.adapters.directory import SnapshotDirectory
from actors.policy.adapters.publisher import PolicyPublisher
from actors.policy.snapshot import sign_snapshot
from actors.policy.transitions import halted, isolated
from cluster.config import Config, read_config
from cluster.home import Home, create_home
from cluster.trust import ensure_policy, ensure_trust, load_trust, operator_dir, operator_key, policy_in_force

NOW = 1_800_000_000
LINEAGES = {"a": "la", "b": "lb", "c": "lc"}


def config_of(*members: str, **layer: Any) -> Config:
    """Return a configuration with one layer."""
    voters = [{"id": name, "provider": "recorded", "family": "f", "lineage": LINEAGES[name]} for name in members]
    return read_config({"profile": "t", "voters": voters, "layers": [{"name": "p", "members": members} | layer]}, "t")


@pytest.fixture
def home(tmp_path: Path) -> Home:
    """Return a home with trust."""
    made = create_home(tmp_path / "home")
    ensure_trust(made, tmp_path / "op", NOW)
    return made


def current(home: Home) -> Any:
    """Return the policy in force."""
    return policy_in_force(home, load_trust(home.trust_file), NOW)


def test_every_private_key_is_its_owner_s_and_the_operator_s_lie_outside(home: Home, tmp_path: Path) -> None:
    """Root and operator keys are not under home; every key file is 0600; the bundle certifies each role."""
    assert sorted(path.name for path in home.keys.iterdir()) == ["issuer.key", "log.key", "policy.key", "salt.key"]
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


def test_the_first_policy_gives_the_profile_s_layers_force(home: Home, tmp_path: Path) -> None:
    """Version 1 is signed by the operator, names every voter as active and weights that can be read."""
    made = ensure_policy(home, config_of("a", "b", quorum=0.6), LINEAGES, tmp_path / "op", NOW * 1000)
    assert made == current(home)
    assert (made.version, made.layers[0].quorum, made.voter_state) == (1, "0.600000", {"a": "active", "b": "active"})
    assert WeightsRegistry(home.registry).weights(made.weights.sha256).lineages == LINEAGES


def test_the_same_profile_again_makes_no_version(home: Home, tmp_path: Path) -> None:
    """Bring-up is idempotent, also for policy."""
    for _ in range(2):
        ensure_policy(home, config_of("a", "b"), LINEAGES, tmp_path / "op", NOW * 1000)
    assert SnapshotDirectory(home.policy).versions() == [1]


def test_another_profile_keeps_halt_and_isolation(home: Home, tmp_path: Path) -> None:
    """Changing layers loosens nothing else: still halted, still isolated, new voters active."""
    first = ensure_policy(home, config_of("a", "b"), LINEAGES, tmp_path / "op", NOW * 1000)
    publisher = PolicyPublisher(SnapshotDirectory(home.policy), load_trust(home.trust_file), lambda: NOW)
    policy_key = SigningKey.load(home.keys / "policy.key")
    second = publisher.publish(first, sign_snapshot(halted(first, "why", "me", NOW * 1000), policy_key))
    publisher.publish(second, sign_snapshot(isolated(second, "b", NOW * 1000), policy_key))
    made = ensure_policy(home, config_of("a", "b", "c"), LINEAGES, tmp_path / "op", NOW * 1000)
    assert made == current(home)
    assert (made.version, made.halt.on, made.halt.reason) == (4, True, "why")
    assert made.voter_state == {"a": "active", "b": "isolated", "c": "active"}


def test_a_policy_nobody_trusted_signed_is_refused(home: Home, tmp_path: Path) -> None:
    """Bring-up does not go on from a forged policy."""
    made = ensure_policy(home, config_of("a"), LINEAGES, tmp_path / "op", NOW * 1000)
    file = Path(SnapshotDirectory(home.policy).file(1))
    file.unlink()
    forged = sign_snapshot(made, SigningKey.generate())
    file.write_bytes(canonical_json(forged))
    with pytest.raises(IntegrityError, match="operator"):
        ensure_policy(home, config_of("a"), LINEAGES, tmp_path / "op", NOW * 1000)


def test_a_voter_outside_every_layer_is_active_too(home: Home, tmp_path: Path) -> None:
    """Whoever is configured can be asked by name; a voter added to no layer makes a new version, the same profile none."""
    ensure_policy(home, config_of("a", "b"), LINEAGES, tmp_path / "op", NOW * 1000)
    more = config_of("a", "b", "c", members=["a", "b"])
    made = ensure_policy(home, more, LINEAGES, tmp_path / "op", NOW * 1000 + 1)
    assert (made.version, made.isolated("c"), made.layers[0].members) == (2, False, ["a", "b"])
    assert ensure_policy(home, more, LINEAGES, tmp_path / "op", NOW * 1000 + 2).version == 2
