"""AuthSnapshots from the database through the directory to a replica."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from actors.base.canonical import canonical_json
from actors.base.certificates import TrustBundle
from actors.base.errors import InvalidKey
from actors.base.signing import SigningKey
from actors.policy.adapters.directory import SnapshotDirectory
from actors.store.adapters.api_keys import ApiKeys, NewKey
from actors.store.adapters.auth_publisher import AuthPublisher, auth_high_water
from actors.store.adapters.auth_watcher import AuthWatcher
from actors.store.adapters.database import Database
from actors.store.auth import AuthSnapshot, accept_auth, sign_auth

Sink = Any
MakePublisher = Callable[[], AuthPublisher]


@pytest.fixture
def keys(database: Database) -> ApiKeys:
    """Return the table of keys."""
    return ApiKeys(database)


@pytest.fixture
def publisher(
    database: Database,
    directory: SnapshotDirectory,
    policy_key: SigningKey,
    trust: TrustBundle,
    clock: Callable[[], float],
) -> AuthPublisher:
    """Return a publisher."""
    return AuthPublisher(database, directory, policy_key, trust, clock)


def watch(directory: SnapshotDirectory, trust: TrustBundle, sink: Sink, floor: int = 0) -> AuthWatcher:
    """Return a watcher after its first poll."""
    watcher = AuthWatcher(directory, lambda: trust, sink, floor=floor, clock=lambda: 5_000.0, monotonic=lambda: 0.0)
    watcher.poll_once()
    return watcher


def test_a_revocation_arrives_at_the_next_poll(
    keys: ApiKeys, publisher: AuthPublisher, directory: SnapshotDirectory, trust: TrustBundle, sink: Sink
) -> None:
    """A key works once it is published and stops working at the poll after its revocation was."""
    key, text = keys.create(NewKey("client"))
    publisher.publish()
    watcher = watch(directory, trust, sink)
    assert watcher.current is not None
    assert watcher.current.authenticate(text).key_id == key.id
    keys.revoke(key.id)
    publisher.publish()
    watcher.poll_once()
    with pytest.raises(InvalidKey):
        watcher.current.authenticate(text)
    assert sink.steps == []


def test_nothing_new_is_not_published(
    keys: ApiKeys, publisher: AuthPublisher, directory: SnapshotDirectory, database: Database
) -> None:
    """Publishing the same keys again keeps the version."""
    keys.create(NewKey("client"))
    assert [publisher.publish().version for _ in range(3)] == [1, 1, 1]
    assert (directory.versions(), auth_high_water(database)) == ([1], 1)


def test_racing_publishers_lose_no_revocation(
    keys: ApiKeys, publisher: AuthPublisher, directory: SnapshotDirectory, trust: TrustBundle
) -> None:
    """Whoever publishes last, the newest snapshot holds what the database holds."""
    made = [keys.create(NewKey("client"))[0].id for _ in range(6)]

    def revoke_and_publish(key_id: str) -> None:
        keys.revoke(key_id)
        publisher.publish()

    with ThreadPoolExecutor(3) as pool:
        list(pool.map(revoke_and_publish, made[:5]))
    newest = directory.latest()
    assert newest is not None
    assert [entry.id for entry in accept_auth(newest, trust, 5_000).keys] == [made[5]]


def test_a_lost_directory_does_not_restart_versions(
    keys: ApiKeys, publisher: AuthPublisher, directory: SnapshotDirectory
) -> None:
    """After the files were lost the next version is above every one there was."""
    for _ in range(2):
        keys.create(NewKey("client"))
        publisher.publish()
    for version in directory.versions():
        Path(directory.file(version)).unlink()
    assert publisher.publish().version == 3


def test_garbage_is_followed_by_a_good_version(
    keys: ApiKeys, publisher: AuthPublisher, directory: SnapshotDirectory, trust: TrustBundle, sink: Sink
) -> None:
    """Garbage as the newest file is refused once; the next publication goes above it and comes into force."""
    _, text = keys.create(NewKey("client"))
    publisher.publish()
    watcher = watch(directory, trust, sink)
    directory.publish(2, b"garbage")
    for _ in range(3):
        watcher.poll_once()
    assert watcher.current is not None
    assert watcher.current.authenticate(text).role == "client"
    assert sink.steps == ["auth payload"]
    assert publisher.publish().version == 3
    watcher.poll_once()
    assert (watcher.version, watcher.current.version) == (3, 3)


def test_a_forged_snapshot_gives_nobody_access(
    publisher: AuthPublisher, directory: SnapshotDirectory, trust: TrustBundle, sink: Sink
) -> None:
    """A newer snapshot by a stranger's key leaves the keys in force."""
    publisher.publish()
    watcher = watch(directory, trust, sink)
    directory.publish(2, canonical_json(sign_auth(AuthSnapshot(2, 0, []), SigningKey.generate())))
    watcher.poll_once()
    assert watcher.version == 1
    assert sink.steps == ["auth signature"]


def test_a_revoked_key_does_not_come_back_by_rollback(
    keys: ApiKeys,
    publisher: AuthPublisher,
    directory: SnapshotDirectory,
    database: Database,
    trust: TrustBundle,
    sink: Sink,
) -> None:
    """Neither deleting the newest file nor renaming an old one brings a revoked key back, at a start or later."""
    key, text = keys.create(NewKey("client"))
    publisher.publish()
    keys.revoke(key.id)
    publisher.publish()
    watcher = watch(directory, trust, sink)
    old = directory.read(1)
    Path(directory.file(2)).unlink()
    watcher.poll_once()
    directory.publish(3, old)
    watcher.poll_once()
    assert watcher.current is not None
    with pytest.raises(InvalidKey):
        watcher.current.authenticate(text)
    assert sink.steps == ["auth rollback", "auth payload"]
    Path(directory.file(3)).unlink()
    assert watch(directory, trust, sink, floor=auth_high_water(database)).current is None
    assert sink.steps[-1] == "auth rollback"


def test_keys_stay_valid_without_their_source(
    keys: ApiKeys,
    publisher: AuthPublisher,
    directory: SnapshotDirectory,
    database: Database,
    trust: TrustBundle,
    sink: Sink,
) -> None:
    """With database and directory gone, known keys still authenticate: an outage there is none here."""
    _, text = keys.create(NewKey("client"))
    publisher.publish()
    watcher = watch(directory, trust, sink)
    database.close()
    directory.path.rename(directory.path.with_name("away"))
    watcher.poll_once()
    assert watcher.current is not None
    assert watcher.current.authenticate(text).role == "client"
    assert sink.steps == ["auth_unreadable"]
