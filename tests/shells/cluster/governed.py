"""A home with keys, a database and a policy, as bring-up leaves it, for the tests of policy and keys."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from actors.base.canonical import canonical_json
from actors.base.signing import SigningKey
from actors.policy.adapters.directory import SnapshotDirectory
from actors.policy.config import PolicyConfig
from actors.policy.snapshot import PolicySnapshot, sign_snapshot
from actors.store.adapters.database import Database
from actors.store.adapters.incidents import Incidents
from actors.store.config import StoreConfig
from cluster.access import ensure_keys
from cluster.config import Config, read_config
from cluster.home import Home, create_home
from cluster.migrations import upgrade
from cluster.profile_policy import Followed, ensure_policy
from cluster.succession import Note, Succession
from cluster.trust import ensure_trust, load_trust, operator_key

NOW = 1_800_000_000
LINEAGES = {"a": "la", "b": "lb", "c": "lc"}


def config_of(*members: str, **layer: Any) -> Config:
    """Return a configuration with one layer."""
    voters = [{"id": name, "provider": "recorded", "family": "f", "lineage": LINEAGES[name]} for name in members]
    return read_config({"profile": "t", "voters": voters, "layers": [{"name": "p", "members": members} | layer]}, "t")


@dataclass
class Governed:
    """One home and the hands of who governs it."""

    home: Home
    operators: Path
    database: Database
    now_s: int = NOW

    def clock(self) -> float:
        """Return the time that was set."""
        return float(self.now_s)

    @property
    def succession(self) -> Succession:
        """Return the chain of policy versions."""
        return Succession(
            self.home, PolicyConfig(), lambda: load_trust(self.home.trust_file), self.database, self.clock
        )

    @property
    def versions(self) -> list[int]:
        """Return every version on disk."""
        return SnapshotDirectory(self.home.policy).versions()

    @property
    def incidents(self) -> list[str]:
        """Return the failing step of every incident, newest first."""
        return [incident.evidence["step"] for incident in Incidents(self.database).list()]

    def file(self, version: int) -> Path:
        """Return a version's file."""
        return Path(SnapshotDirectory(self.home.policy).file(version))

    def up(self, config: Config, lineages: Mapping[str, str] = LINEAGES) -> Followed:
        """Do what bring-up does for policy."""
        return ensure_policy(self.succession, config, lineages, lambda: operator_key(self.operators))

    def tighten(self, change: Any, *arguments: object, note: bool = True) -> PolicySnapshot:
        """Publish a transition signed by the policy key, as the gateway does."""
        current = self.succession.in_force()
        new = change(current, *arguments, self.now_s * 1000)
        key = SigningKey.load(self.home.keys / "policy.key")
        if note:
            return self.succession.publish(current, new, Note(change.__name__, "", "r", "test"), key)
        SnapshotDirectory(self.home.policy).publish(new.version, canonical_json(sign_snapshot(new, key)))
        return new


def governed(tmp_path: Path, now_s: int = NOW) -> Governed:
    """Make a home with trust, database and API keys."""
    home = create_home(tmp_path / "home")
    trust = ensure_trust(home, tmp_path / "op", now_s)
    store = StoreConfig()
    opened = Database(store.url(home.root), store.pool_size, store.timeout_s)
    upgrade(opened)
    ensure_keys(home, opened, trust)
    return Governed(home, tmp_path / "op", opened, now_s)
