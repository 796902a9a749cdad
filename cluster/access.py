"""API keys as an operator handles them on the machine that holds the home: change the database, then publish.

The first client's and the first operator's key lie in ``home/keys`` for the command line's own use. They are made once:
where somebody moved a file away or revoked its key, bring-up makes no other. Rotating one puts the new text in its place.
"""

import logging
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from actors.base.certificates import TrustBundle
from actors.base.errors import HomeError
from actors.base.files import write_atomic
from actors.base.signing import SigningKey
from actors.policy.adapters.directory import SnapshotDirectory
from actors.store.adapters.api_keys import ApiKey, ApiKeys, NewKey
from actors.store.adapters.auth_publisher import AuthPublisher
from actors.store.adapters.database import Database
from actors.store.adapters.tenant_files import TenantFiles
from actors.store.config import StoreConfig
from actors.store.keys import key_id_of
from cluster.home import Home
from cluster.migrations import check
from cluster.tenants import ensure_tenants, tenant_files
from cluster.trust import load_trust

_log = logging.getLogger("weavergen.keys")

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

    directory: Path
    """Where the first keys' files lie."""
    keys: ApiKeys
    publisher: AuthPublisher
    tenants: TenantFiles

    def create(self, new: NewKey) -> tuple[ApiKey, str]:
        """Make a key and bring it into force; the text is shown once."""
        self.tenants.ensure([new.tenant])
        made = self.keys.create(new)
        self.publisher.publish()
        return made

    def revoke(self, key_id: str) -> ApiKey:
        """Revoke a key; every replica refuses it within 2 s."""
        revoked = self.keys.revoke(key_id)
        self.publisher.publish()
        return revoked

    def rotate(self, key_id: str) -> tuple[ApiKey, str]:
        """Replace a key by one with the same rights, also in the file that holds the old one's text."""
        file = self.file_of(key_id)
        made, text = self.keys.rotate(key_id)
        try:
            if file is not None:
                write_atomic(file, text.encode())
        except OSError as error:  # the text is returned all the same: it is not lost, only not in its place
            _log.warning("%s still holds the replaced key: %s", file, error.strerror)
        self.publisher.publish()
        return made, text

    def file_of(self, key_id: str) -> Path | None:
        """Return which of the first keys' files holds a key's text."""
        for name in FIRST_KEYS:
            path = self.directory / f"{name}.key"
            try:
                found = key_id_of(path.read_text().strip())
            except (OSError, UnicodeDecodeError):
                continue
            if found == key_id:
                return path
        return None


@contextmanager
def access(home: Home, config: StoreConfig) -> Iterator[Access]:
    """Open the keys of a home that was brought up."""
    with database(home, config) as opened:
        check(opened)
        yield _access(home, opened, load_trust(home.trust_file))


def ensure_keys(home: Home, opened: Database, trust: TrustBundle) -> None:
    """Publish the keys in force; the first time, make one client's and one operator's and leave them in ``home/keys``.

    Every tenant that has or had a key gets its salts.
    """
    mine = _access(home, opened, trust)
    made = {(key.role, key.owner) for key in mine.keys.list()}
    for name, new in FIRST_KEYS.items():
        if (new.role, new.owner) not in made:
            mine.keys.create(new, _keeper(home.keys / f"{name}.key"))
    ensure_tenants(home, (key.tenant for key in mine.keys.list()))
    mine.publisher.publish()


def _keeper(path: Path) -> Callable[[str], None]:
    def keep(text: str) -> None:
        try:
            write_atomic(path, text.encode())
        except OSError as error:
            raise HomeError(f"{path} cannot be written ({error.strerror}); free space and try again") from error

    return keep


def _access(home: Home, opened: Database, trust: TrustBundle) -> Access:
    policy_key = SigningKey.load(home.keys / "policy.key")
    publisher = AuthPublisher(opened, SnapshotDirectory(home.auth), policy_key, trust)
    return Access(home.keys, ApiKeys(opened), publisher, tenant_files(home))
