"""Keys, trust, a migrated database and directories that the store's tests share."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from actors.base.certificates import Certificate, TrustBundle, certify
from actors.base.ports import IncidentLevel
from actors.base.signing import SigningKey
from actors.policy.adapters.directory import SnapshotDirectory
from actors.store.adapters.database import Database
from actors.store.adapters.tables import metadata

NOW = 5_000.0


@dataclass
class Clock:
    """A clock that is set by hand."""

    now: float = NOW

    def __call__(self) -> float:
        """Return the time that was set."""
        return self.now


@dataclass
class Sink:
    """An incident sink that remembers the failing step of each."""

    steps: list[str] = field(default_factory=list)

    def open(self, kind: str, level: IncidentLevel, evidence: Mapping[str, str], dedup_key: str) -> None:
        """Remember."""
        self.steps.append(evidence.get("step", kind))


@pytest.fixture
def clock() -> Clock:
    """Return the wall clock."""
    return Clock()


@pytest.fixture
def sink() -> Sink:
    """Return a sink that remembers."""
    return Sink()


@pytest.fixture
def policy_key() -> SigningKey:
    """Return the policy key."""
    return SigningKey.from_seed(b"p" * 32)


@pytest.fixture
def trust(policy_key: SigningKey) -> TrustBundle:
    """Return a bundle in which root vouches for the policy key."""
    root = SigningKey.from_seed(b"r" * 32)
    certificate = Certificate("policy", "policy", policy_key.public.hex, root.public.key_id, 0, 1_000_000)
    return TrustBundle("weavergen.trust/1", root.public.hex, [certify(root, certificate)], [])


@pytest.fixture
def database(tmp_path: Path) -> Iterator[Database]:
    """Return a SQLite database with every table."""
    database = Database(f"sqlite:///{tmp_path}/home/state.db", timeout_s=10)
    metadata.create_all(database.engine)
    yield database
    database.close()


@pytest.fixture
def directory(tmp_path: Path) -> SnapshotDirectory:
    """Return the directory of AuthSnapshots, which does not exist yet."""
    return SnapshotDirectory(tmp_path / "home" / "policy" / "auth")
