"""API keys as an operator handles them on the machine that holds the home: change the database, then publish."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from actors.base.certificates import TrustBundle
from actors.base.errors import HomeError
from actors.base.signing import SigningKey
from actors.policy.adapters.directory import SnapshotDirectory
from actors.store.adapters.api_keys import ApiKey, ApiKeys, NewKey
from actors.store.adapters.auth_publisher import AuthPublisher
from actors.store.adapters.database import Database
from actors.store.config import StoreConfig
from cluster.home import Home, write_atomic
from cluster.migrations import check
from cluster.trust import load_trust

FIRST_KEYS = {
    "client": NewKey(role="client", policies=("strict", "evidence", "direct"), owner="first client"),
    "operator": NewKey(role="operator", policies=("strict", "evidence", "direct"), owner="first operator"),
}


@contextmanager
def database(home: Home, config: StoreConfig) -> Iterator[Database]:
    """Open the home's state database."""
    opened = Database(config.url(home.root), config.pool_size, config.timeout_s)
    try:
        yield opened
    finally:
        opened.close()


@dataclass(frozen=True, slots=True)
class Access:
    """The keys of one home."""

    keys: ApiKeys
    publisher: AuthPublisher

    def create(self, new: NewKey) -> tuple[ApiKey, str]:
        """Make a key and bring it into force; the text is shown once."""
        made = self.keys.create(new)
        self.publisher.publish()
        return made

    def revoke(self, key_id: str) -> ApiKey:
        """Revoke a key; every replica refuses it within 2 s."""
        revoked = self.keys.revoke(key_id)
        self.publisher.publish()
        return revoked

    def rotate(self, key_id: str) -> tuple[ApiKey, str]:
        """Replace a key by one with the same rights."""
        made = self.keys.rotate(key_id)
        self.publisher.publish()
        return made


@contextmanager
def access(home: Home, config: StoreConfig) -> Iterator[Access]:
    """Open the keys of a home that was brought up."""
    with database(home, config) as opened:
        check(opened)
        yield _access(home, opened, load_trust(home.trust_file))


def ensure_keys(home: Home, opened: Database, trust: TrustBundle) -> None:
    """Publish the keys in force; the first time, make one client's and one operator's and leave them in ``home/keys``."""
    mine = _access(home, opened, trust)
    for name, new in FIRST_KEYS.items():
        path = home.keys / f"{name}.key"
        if not path.exists():
            made, text = mine.keys.create(new)
            try:
                write_atomic(path, text.encode())
            except OSError as error:
                mine.keys.revoke(made.id)
                raise HomeError(f"{path} cannot be written ({error.strerror}); free space and try again") from error
    mine.publisher.publish()


def read_key(path: Path) -> str:
    """Read the text of an API key that lies in a file."""
    try:
        return path.read_text().strip()
    except OSError as error:
        raise HomeError(f"API key {path} cannot be read ({error.strerror}); name another with --key-file") from error


def _access(home: Home, opened: Database, trust: TrustBundle) -> Access:
    policy_key = SigningKey.load(home.keys / "policy.key")
    return Access(ApiKeys(opened), AuthPublisher(opened, SnapshotDirectory(home.auth), policy_key, trust))
